/*
 * shadow.c - signpost shadow: sums a report of shadow mode up.
 * An operator calls it before Signpost takes the place of another signer. It must never say that
 * all is alike when a line could not be read, or when there was none.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/cli.h"
#include "tools/command.h"
#include "tools/shadow_line.h"

#define EXIT_DIFFERENT 1
#define LINE_MAX_SAID 10 /* lines that cannot be read, by number */

/* One result of one domain. */
struct group {
	char *result, *domain, *queue; /* queue: of the last one */
	char *time;
	unsigned long long count;
};

struct summary {
	const char *program;
	bool json;
	void *tree; /* of struct group, by result and domain */
	struct group **groups;
	size_t group_count, group_room;
	unsigned long long messages, alike, unread;
	unsigned long long ours_alone; /* not-signed-by-them */
};

static int
compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int order = strcmp(x->result, y->result);

	return order != 0 ? order : strcmp(x->domain, y->domain);
}

static void
keep_group(struct summary *summary, struct group *group)
{
	if (summary->group_count == summary->group_room) {
		summary->group_room = summary->group_room * 2 + 16;
		summary->groups =
		    mem_resize(summary->groups, summary->group_room, sizeof(summary->groups[0]));
	}
	summary->groups[summary->group_count++] = group;
}

static struct group *
group_of(struct summary *summary, const struct shadow_entry *entry)
{
	struct group *group = mem_zalloc(1, sizeof(*group)), **found;

	group->result = span_dup(entry->result);
	group->domain = span_dup(entry->domain);
	found = tsearch(group, &summary->tree, compare_groups);
	if (found == NULL) {
		cli_say(summary->program, "out of memory");
		exit(EX_OSERR);
	}
	if (*found == group) {
		keep_group(summary, group);
		return group;
	}
	mem_free(group->result);
	mem_free(group->domain);
	mem_free(group);
	return *found;
}

static void
count_entry(struct summary *summary, const struct shadow_entry *entry)
{
	struct group *group;

	summary->messages++;
	if (shadow_result_is_alike(entry->result)) {
		summary->alike++;
		return;
	}
	summary->ours_alone += span_eq_str(entry->result, "not-signed-by-them");
	group = group_of(summary, entry);
	group->count++;
	mem_free(group->queue);
	mem_free(group->time);
	group->queue = span_dup(entry->queue);
	group->time = span_dup(entry->time);
}

static void
take_line(struct summary *summary, const char *path, unsigned long long number, struct span line)
{
	struct shadow_entry entry;

	switch (shadow_line_read(span_trim(line), &entry)) {
	case ST_OK:
		count_entry(summary, &entry);
		return;
	case ST_ABSENT:
		return;
	default:
		if (summary->unread++ < LINE_MAX_SAID)
			cli_say(summary->program, "%s line %llu cannot be read", path, number);
	}
}

/* "-" is standard input. */
static bool
read_file(struct summary *summary, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	unsigned long long number = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	bool ok;

	if (file == NULL) {
		cli_say(summary->program, "%s: %s", path, strerror(errno));
		return false;
	}
	errno = 0;
	while ((n = getline(&line, &room, file)) >= 0)
		take_line(summary, path, ++number, span_of(line, (size_t)n));
	ok = ferror(file) == 0;
	if (!ok)
		cli_say(summary->program, "%s: %s", path, strerror(errno));
	mem_free(line);
	if (file != stdin)
		fclose(file);
	return ok;
}

/* The same results together, the most frequent domain first. */
static int
order_groups(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	int order = strcmp(x->result, y->result);

	if (order != 0)
		return order;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->domain, y->domain);
}

static void
print_text(const struct summary *summary)
{
	printf("%llu messages, %llu alike, %llu different", summary->messages, summary->alike,
	    summary->messages - summary->alike);
	if (summary->unread > 0)
		printf(", %llu lines that cannot be read", summary->unread);
	printf("\n");
	for (size_t i = 0; i < summary->group_count; i++) {
		const struct group *group = summary->groups[i];

		printf("%-24s %8llu  %s  (last: %s, %s)\n", group->result, group->count,
		    group->domain[0] == '\0' ? "-" : group->domain, group->queue, group->time);
	}
}

static void
print_json(const struct summary *summary)
{
	printf("{\"messages\":%llu,\"alike\":%llu,\"different\":%llu,\"unread\":%llu,"
	       "\"differences\":[",
	    summary->messages, summary->alike, summary->messages - summary->alike, summary->unread);
	/* What the report escaped is escaped still. */
	for (size_t i = 0; i < summary->group_count; i++)
		printf("%s{\"result\":\"%s\",\"domain\":\"%s\",\"count\":%llu,\"queue\":\"%s\","
		       "\"time\":\"%s\"}",
		    i > 0 ? "," : "", summary->groups[i]->result, summary->groups[i]->domain,
		    summary->groups[i]->count, summary->groups[i]->queue, summary->groups[i]->time);
	printf("]}\n");
}

static void
nothing_to_free(void *group)
{
	(void)group; /* summary_free() has them in its list */
}

static void
summary_free(struct summary *summary)
{
	tdestroy(summary->tree, nothing_to_free);
	for (size_t i = 0; i < summary->group_count; i++) {
		mem_free(summary->groups[i]->result);
		mem_free(summary->groups[i]->domain);
		mem_free(summary->groups[i]->queue);
		mem_free(summary->groups[i]->time);
		mem_free(summary->groups[i]);
	}
	mem_free(summary->groups);
}

static int
conclude(struct summary *summary)
{
	if (summary->group_count > 0)
		qsort(summary->groups, summary->group_count, sizeof(summary->groups[0]),
		    order_groups);
	if (summary->json)
		print_json(summary);
	else
		print_text(summary);
	if (summary->messages == 0)
		cli_say(summary->program, "there is no message in the report");
	else if (summary->ours_alone > 0 && summary->ours_alone == summary->messages)
		cli_say(summary->program,
		    "no message has a signature of the other signer: does the MTA ask it "
		    "first, and is it not left out by ShadowSigner?");
	if (summary->unread > 0 || summary->messages == 0)
		return EX_DATAERR;
	return summary->alike == summary->messages ? EX_OK : EXIT_DIFFERENT;
}

int
shadow_run(const char *program, int argc, char **argv)
{
	static const struct cli_option options[] = {
	    {"json", 0, NULL, "one JSON object", offsetof(struct summary, json)}};
	static const struct cli_usage usage = {.words = "FILE...",
	    .purpose = "Sums the reports of shadow mode up: what Signpost would have signed "
		       "otherwise.",
	    .options = options,
	    .count = 1};
	struct summary summary = {.program = program};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &summary);
	int exit_code = EX_OK;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (optind == argc) {
		cli_say(program, "a report is needed (ShadowReport), or - for standard input");
		return EX_USAGE;
	}
	for (int i = optind; i < argc; i++)
		if (!read_file(&summary, argv[i]))
			exit_code = EX_NOINPUT;
	if (exit_code == EX_OK)
		exit_code = conclude(&summary);
	summary_free(&summary);
	return exit_code;
}
