/*
 * file_authority.c - lib/dns/authority.h answered from a file, for tests that need no DNS: each
 * line is a name, a TAB and the text of its record, or "CNAME " and another name. "resolvers" of
 * the configuration is the file; it is read for each question, so that a test may change it. One
 * server has it all.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority.h"

#define LINE_OCTETS 10000

struct authority {
	char *path;
};

enum status
authority_open(const struct authority_config *config, struct authority **out, struct err *err)
{
	*out = NULL;
	if (config->resolvers == NULL) {
		err_set(err, "there is no file of records");
		return ST_INVALID;
	}
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->path = mem_strdup(config->resolvers);
	return ST_OK;
}

void
authority_close(struct authority *authority)
{
	if (authority != NULL)
		mem_free(authority->path);
	mem_free(authority);
}

/* The text of the line with this name. */
static bool
find_text(const struct authority *authority, struct span name, char text[LINE_OCTETS])
{
	FILE *file = fopen(authority->path, "re");
	char line[LINE_OCTETS];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		struct span rest = span_trim(span_str(line)), head;

		if (!span_cut(&rest, '\t', &head) || !span_eq(head, name))
			continue;
		snprintf(text, LINE_OCTETS, "%.*s", SPAN_ARG(rest));
		found = true;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

/* The text at a name, along one alias. */
static bool
follow(const struct authority *authority, struct authority_question *q, char text[LINE_OCTETS])
{
	q->alias[0] = '\0';
	if (!find_text(authority, q->name, text))
		return false;
	if (!span_starts(span_str(text), SPAN_LIT("CNAME ")))
		return true;
	snprintf(q->alias, sizeof(q->alias), "%.255s", text + strlen("CNAME "));
	return find_text(authority, span_str(q->alias), text);
}

static void
ask(struct authority *authority, struct authority_question *q)
{
	char text[LINE_OCTETS] = "";

	q->servers = 1;
	q->neg_s = 300;
	snprintf(q->zone, sizeof(q->zone), "zone.example");
	if (!follow(authority, q, text)) {
		q->seen = AUTHORITY_ABSENT;
		snprintf(q->why, sizeof(q->why), "the server answers NXDOMAIN");
		return;
	}
	q->ttl_s = 3600;
	if (span_eq_str(q->value, text)) {
		q->seen = AUTHORITY_RIGHT;
		q->right = 1;
		return;
	}
	q->seen = span_eq_str(q->other, text) ? AUTHORITY_OTHER : AUTHORITY_FOREIGN;
	snprintf(q->why, sizeof(q->why), "the server has another record");
	snprintf(q->texts[0], sizeof(q->texts[0]), "%.*s", (int)sizeof(q->texts[0]) - 1, text);
	q->text_count = 1;
}

void
authority_ask(struct authority *authority, struct authority_question *questions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ask(authority, &questions[i]);
}

void
authority_explain(struct span wanted, struct span found, char *out)
{
	bool cut = found.n < wanted.n && span_starts(wanted, found);

	snprintf(out, AUTHORITY_WHY_BYTES, "%s", cut ? "it is cut off" : "it is another one");
}
