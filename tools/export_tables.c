/*
 * export_tables.c - KeyTable and SigningTable (a refile) of what a store signs. In a refile the
 * first line that matches wins, in a store the most specific row: so they are written in that
 * order.
 * Called by export.c. It must never write a line that OpenDKIM would read as another one.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/store/pattern.h"
#include "tools/export.h"

#define TABLE_BYTES_MAX ((size_t)1 << 30)
#define LINE_OCTETS_MAX 1000U /* OpenDKIM reads lines in pieces of 1023 */

/* A line, and what stands before others. */
struct line {
	unsigned
	    rank; /* 0 address, 1 domain (a rule), 2 domain (its row), 3 all below, 4 pattern */
	size_t octets; /* of what all below is: the longer one first */
	int priority;
	struct span id, subject; /* subject: as the table has it */
	struct span identity;
	size_t key;
};

struct tables {
	struct export_site *site;
	struct line *lines;
	size_t count, room;
};

static bool
fits(struct span subject, bool pattern)
{
	for (size_t i = 0; i < subject.n; i++)
		if ((unsigned char)subject.p[i] <= ' ' || subject.p[i] == '#' ||
		    (!pattern && subject.p[i] == '*'))
			return false;
	return subject.n > 0 && subject.n < LINE_OCTETS_MAX / 2 &&
	       (pattern || pattern_kind(subject) == PATTERN_LITERAL);
}

static struct span
joined(struct tables *tables, const char *head, struct span tail)
{
	struct span kept;
	struct buf text;

	buf_init(&text, KEYSTORE_SUBJECT_MAX + 8);
	buf_add_str(&text, head);
	buf_add(&text, tail);
	kept = arena_copy(&tables->site->arena, buf_span(&text));
	buf_free(&text);
	return kept;
}

static void
add_line(struct tables *tables, const struct line *line)
{
	if (tables->count == tables->room) {
		tables->room = tables->room == 0 ? 64 : tables->room * 2;
		tables->lines = mem_resize(tables->lines, tables->room, sizeof(*tables->lines));
	}
	tables->lines[tables->count++] = *line;
}

/* The key of a domain of the same tenant. SIZE_MAX: none; said. */
static size_t
key_of(struct tables *tables, struct span about, struct span domain, struct span tenant)
{
	const struct export_domain *row = export_find(tables->site, domain);

	if (row != NULL && row->enabled && row->key != SIZE_MAX && span_eq(row->tenant, tenant))
		return row->key;
	if (row == NULL || row->enabled)
		export_leave_out(tables->site, about,
		    "its domain has no RSA key that signs now; in a store it is unsigned, while "
		    "in OpenDKIM a less specific line may match");
	return SIZE_MAX;
}

static void
add_domain(struct tables *tables, const struct export_domain *domain)
{
	struct line line = {.rank = 2, .id = domain->name};

	if (!domain->enabled)
		return;
	line.key = key_of(tables, domain->name,
	    domain->signs_as.n > 0 ? domain->signs_as : domain->name, domain->tenant);
	if (line.key == SIZE_MAX)
		return;
	line.subject = joined(tables, "*@", domain->name);
	add_line(tables, &line);
	if (!domain->subdomains)
		return;
	line.rank = 3;
	line.octets = domain->name.n;
	line.priority = INT32_MAX; /* behind a rule of the same suffix */
	line.subject = joined(tables, "*@*.", domain->name);
	add_line(tables, &line);
}

static void
add_rule(struct tables *tables, const struct export_rule *rule)
{
	static const unsigned ranks[] = {0, 1, 3, 4};
	struct line line = {.rank = ranks[rule->kind],
	    .priority = rule->priority,
	    .id = rule->id,
	    .identity = rule->identity,
	    .subject = rule->subject};

	if (!fits(rule->subject, rule->kind == STORE_RULE_PATTERN) ||
	    (rule->identity.n > 0 && !fits(rule->identity, true))) {
		export_leave_out(tables->site, rule->subject,
		    "a SigningTable cannot say it: it has characters "
		    "that mean something else there");
		return;
	}
	if (rule->kind == STORE_RULE_DOMAIN)
		line.subject = joined(tables, "*@", rule->subject);
	if (rule->kind == STORE_RULE_SUFFIX) {
		line.octets = rule->subject.n - 1;
		line.subject = joined(tables, "*@*", rule->subject);
	}
	line.key = key_of(tables, rule->subject, rule->domain, rule->tenant);
	if (line.key != SIZE_MAX)
		add_line(tables, &line);
}

static int
compare_spans(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : a.n < b.n ? -1 : a.n > b.n;
}

static int
compare_lines(const void *a, const void *b)
{
	const struct line *left = a, *right = b;

	if (left->rank != right->rank)
		return left->rank < right->rank ? -1 : 1;
	if (left->octets != right->octets)
		return left->octets > right->octets ? -1 : 1;
	if (left->priority != right->priority)
		return left->priority < right->priority ? -1 : 1;
	return compare_spans(left->id, right->id);
}

static void
add_key_name(struct buf *out, const struct export_key *key)
{
	buf_add_fmt(out, "%.*s._domainkey.%.*s", SPAN_ARG(key->selector), SPAN_ARG(key->domain));
}

static void
write_lines(struct tables *tables, struct buf *keys, struct buf *signing)
{
	const struct export_site *site = tables->site;

	buf_add_str(keys, "# written by signpost export\n");
	for (size_t i = 0; i < site->domain_count; i++) {
		const struct export_key *key =
		    site->domains[i].key == SIZE_MAX ? NULL : &site->keys[site->domains[i].key];

		if (key == NULL)
			continue;
		add_key_name(keys, key);
		buf_add_fmt(keys, " %.*s:%.*s:%s/keys/%.*s.%.*s.private\n", SPAN_ARG(key->domain),
		    SPAN_ARG(key->selector), site->real, SPAN_ARG(key->domain),
		    SPAN_ARG(key->selector));
	}
	buf_add_str(signing, "# written by signpost export; for SigningTable refile:\n");
	for (size_t i = 0; i < tables->count; i++) {
		const struct line *line = &tables->lines[i];

		buf_add(signing, line->subject);
		buf_add_char(signing, ' ');
		add_key_name(signing, &site->keys[line->key]);
		if (line->identity.n > 0)
			buf_add_fmt(signing, ":%.*s", SPAN_ARG(line->identity));
		buf_add_char(signing, '\n');
	}
}

static int
write_file(const struct export_site *site, const char *name, const struct buf *text)
{
	struct err err = ERR_NONE;
	struct buf path;
	enum status status;

	buf_init(&path, 65536);
	buf_add_fmt(&path, "%s/%s", site->real, name);
	status = cli_write_file(buf_text(&path), buf_span(text), &err);
	buf_free(&path);
	if (status == ST_OK)
		return EX_OK;
	cli_say(site->tool.program, "%s", err.text);
	return EX_CANTCREAT;
}

int
export_write(struct export_site *site)
{
	struct tables tables = {.site = site};
	struct buf keys, signing;
	int exit_code;

	buf_init(&keys, TABLE_BYTES_MAX);
	buf_init(&signing, TABLE_BYTES_MAX);
	for (size_t i = 0; i < site->domain_count; i++)
		add_domain(&tables, &site->domains[i]);
	for (size_t i = 0; i < site->rule_count; i++)
		add_rule(&tables, &site->rules[i]);
	if (tables.count > 0)
		qsort(tables.lines, tables.count, sizeof(*tables.lines), compare_lines);
	write_lines(&tables, &keys, &signing);
	exit_code = write_file(site, "KeyTable", &keys);
	if (exit_code == EX_OK)
		exit_code = write_file(site, "SigningTable", &signing);
	buf_free(&keys);
	buf_free(&signing);
	mem_free(tables.lines);
	return exit_code;
}
