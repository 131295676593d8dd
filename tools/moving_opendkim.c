/*
 * moving_opendkim.c - reads the site of an opendkim.conf: Domain, KeyFile and Selector, or
 * SigningTable and KeyTable of any kind.
 * Called by import. Every row of the SigningTable is looked up as OpenDKIM would look it up; one
 * that cannot be used is found, and never ends the reading.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "backends/settings.h"
#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/store/keytable.h"
#include "tools/cli.h"
#include "tools/moving.h"

struct row {
	struct span pattern, value; /* in the site's arena */
	unsigned line;
};

struct reading {
	struct moving_site *site;
	struct conf *conf;
	struct table *signing, *keys;
	struct row *rows;
	size_t count, room;
	/* The key of the row before: tables with one key for many are common. */
	struct span last_name, last_domain;
	size_t last_key;
};

/* ---- what a row is about ---- */

/* "*@example.com", "*@*.example.com": a whole domain, or all below one. */
static bool
whole_domain(struct arena *arena, struct span written, enum moving_kind *kind, struct span *out)
{
	struct span domain = span_from(written, 2);

	if (span_starts(domain, SPAN_LIT("*.")) && domain_is_valid(span_from(domain, 2))) {
		*kind = MOVING_SUFFIX;
		*out = arena_copy(arena, span_from(domain, 1));
		return true;
	}
	*kind = MOVING_DOMAIN;
	return domain_is_valid(domain) && domain_normalise(domain, arena, out) == ST_OK;
}

static enum moving_kind
kind_of_pattern(struct arena *arena, struct span written, struct span *out)
{
	size_t at = span_find(written, '@');
	enum moving_kind kind;

	*out = written;
	if (span_eq_str(written, "*") || span_eq_str(written, "*@*"))
		return MOVING_ALL;
	if (span_starts(written, SPAN_LIT("*@")) && whole_domain(arena, written, &kind, out))
		return kind;
	*out = written;
	if (at != SIZE_MAX && at > 0 && span_find(written, '*') == SIZE_MAX &&
	    domain_is_valid(span_from(written, at + 1)) &&
	    span_find(span_sub(written, 0, at), '|') == SIZE_MAX)
		return MOVING_ADDRESS;
	return MOVING_PATTERN;
}

/* user@host, host, user@.sup, .sup, user@*, *. */
static enum moving_kind
kind_of_name(struct arena *arena, struct span written, struct span *out)
{
	size_t at = span_rfind(written, '@');
	struct buf text;

	*out = written;
	if (span_eq_str(written, "*"))
		return MOVING_ALL;
	if (at == SIZE_MAX && written.n > 0 && written.p[0] == '.')
		return MOVING_SUFFIX;
	if (at == SIZE_MAX)
		return MOVING_DOMAIN;
	if (span_eq_str(span_from(written, at), "@*"))
		return MOVING_PATTERN;
	if (at + 1 < written.n && written.p[at + 1] != '.')
		return MOVING_ADDRESS;
	buf_init(&text, TABLE_KEY_MAX + 2);
	buf_add(&text, span_sub(written, 0, at + 1));
	buf_add_char(&text, '*');
	buf_add(&text, span_from(written, at + 1));
	*out = arena_copy(arena, buf_span(&text));
	buf_free(&text);
	return MOVING_PATTERN;
}

enum moving_kind
moving_kind_of(struct arena *arena, struct span written, bool first_wins, struct span *subject_out)
{
	char *lower = span_dup_lower(written);
	struct span text = arena_copy(arena, span_str(lower));
	enum moving_kind kind = first_wins ? kind_of_pattern(arena, text, subject_out)
					   : kind_of_name(arena, text, subject_out);

	mem_free(lower);
	return kind;
}

/* The one domain of all its senders; empty: there are many. */
static struct span
domain_of(enum moving_kind kind, struct span subject)
{
	size_t at = span_rfind(subject, '@');

	if (kind == MOVING_DOMAIN)
		return subject;
	if (at == SIZE_MAX || (kind != MOVING_ADDRESS && kind != MOVING_PATTERN))
		return SPAN_EMPTY;
	return domain_is_valid(span_from(subject, at + 1)) ? span_from(subject, at + 1)
							   : SPAN_EMPTY;
}

/* ---- keys ---- */

static struct moving_place
place_of(const struct table *table, unsigned line)
{
	return (struct moving_place){span_str(table->where), line};
}

static size_t
load_key(struct reading *reading, const struct keytable_entry *entry)
{
	struct moving_place place = place_of(reading->keys, entry->line);

	if (entry->key_is_path)
		return moving_add_key_file(
		    reading->site, entry->domain, entry->selector, entry->key.p, place);
	return moving_add_key(reading->site, entry->domain, entry->selector, entry->key, place);
}

/* MOVING_NONE: found. */
static size_t
key_of(struct reading *reading, struct span name, struct span domain, const struct row *row)
{
	struct moving_place place = place_of(reading->signing, row->line);
	struct keytable_entry entry;
	struct err err = ERR_NONE;
	enum status status;
	size_t key;

	if (span_eq(name, reading->last_name) && span_eq(domain, reading->last_domain))
		return reading->last_key;
	status = keytable_lookup(reading->keys, name, domain, &entry, &err);
	if (status != ST_OK) {
		moving_find(reading->site, SEVERITY_ERROR, "no-key", row->pattern, place.where,
		    place.line, "%s", err.text);
		return MOVING_NONE;
	}
	if (entry.domain.n == 0) {
		moving_find(reading->site, SEVERITY_ERROR, "many-domains", row->pattern,
		    place.where, place.line,
		    "key %.*s signs as the domain of each sender (%%), and this row is for many: "
		    "add their domains one by one",
		    SHOWN(name));
		key = MOVING_NONE;
	} else {
		key = load_key(reading, &entry);
	}
	keytable_entry_release(&entry);
	reading->last_name = moving_keep(reading->site, name);
	reading->last_domain = moving_keep(reading->site, domain);
	reading->last_key = key;
	return key;
}

/* ---- rows ---- */

/* i= of the row with '%' replaced; empty: none, or it would not be used. */
static struct span
identity_of(struct reading *reading, const struct row *row, struct span signer, struct span domain)
{
	struct moving_place place = place_of(reading->signing, row->line);
	struct span kept;
	struct buf text;
	size_t at;

	if (signer.n == 0)
		return SPAN_EMPTY;
	buf_init(&text, TABLE_KEY_MAX * 2);
	for (size_t i = 0; i < signer.n; i++)
		if (signer.p[i] == '%')
			buf_add(&text, domain);
		else
			buf_add_char(&text, ascii_lower(signer.p[i]));
	kept = moving_keep(reading->site, buf_span(&text));
	buf_free(&text);
	at = span_rfind(kept, '@');
	if (at != SIZE_MAX && domain_is_valid(span_from(kept, at + 1)))
		return kept;
	moving_find(reading->site, SEVERITY_WARNING, "no-identity", row->pattern, place.where,
	    place.line, "its i= \"%.*s\" cannot be carried over: signatures have none",
	    SHOWN(signer));
	return SPAN_EMPTY;
}

static void
take_row(struct reading *reading, const struct row *row)
{
	struct moving_site *site = reading->site;
	struct moving_place place = place_of(reading->signing, row->line);
	struct span name, signer = row->value, subject, domain;
	enum moving_kind kind =
	    moving_kind_of(&site->arena, row->pattern, site->first_wins, &subject);
	size_t key;

	(void)span_cut(&signer, ':', &name);
	name = span_trim(name);
	domain = domain_of(kind, subject);
	if (span_eq_str(name, "%") && domain.n == 0) {
		moving_find(site, SEVERITY_ERROR, "many-domains", row->pattern, place.where,
		    place.line,
		    "its key is named after the domain of each sender (%%): add their "
		    "domains one by one");
		return;
	}
	key = key_of(reading, span_eq_str(name, "%") ? domain : name, domain, row);
	if (key == MOVING_NONE)
		return;
	signer = identity_of(reading, row, span_trim(signer), domain);
	moving_add_sender(site, kind, row->pattern, subject, signer, key, place);
}

static void
keep_row(struct reading *reading, struct span pattern, struct span value, unsigned line)
{
	if (reading->count == reading->room) {
		reading->room = reading->room == 0 ? 64 : reading->room * 2;
		reading->rows = mem_resize(reading->rows, reading->room, sizeof(*reading->rows));
	}
	reading->rows[reading->count++] = (struct row){
	    moving_keep(reading->site, pattern), moving_keep(reading->site, value), line};
}

static bool
list_row(void *context, struct span pattern, struct span value, unsigned line)
{
	keep_row(context, pattern, value, line);
	return true;
}

/* Of a table that tells keys only. */
static bool
look_up(struct reading *reading, struct row *row)
{
	struct moving_place place = place_of(reading->signing, row->line);
	struct span fields[2] = {SPAN_EMPTY, SPAN_EMPTY};
	struct table_value value;
	struct err err = ERR_NONE;
	enum status status = table_lookup(reading->signing, row->pattern, &value, &err);
	struct buf text;

	if (status != ST_OK) {
		moving_find(reading->site, SEVERITY_ERROR, "no-row", row->pattern, place.where,
		    place.line, "%s",
		    err.text[0] != '\0' ? err.text : "the table has no row for it");
		return false;
	}
	(void)table_value_fields(&value, fields, 2);
	buf_init(&text, TABLE_LINE_MAX);
	buf_add(&text, fields[0]);
	if (fields[1].n > 0) {
		buf_add_char(&text, ':');
		buf_add(&text, fields[1]);
	}
	row->value = moving_keep(reading->site, buf_span(&text));
	buf_free(&text);
	table_value_release(&value);
	return true;
}

static void
take_rows(struct reading *reading)
{
	for (size_t i = 0; i < reading->count; i++)
		if (reading->rows[i].value.n > 0 || look_up(reading, &reading->rows[i]))
			take_row(reading, &reading->rows[i]);
}

/* Lines that are not in the table at all. */
static void
find_dropped(struct moving_site *site, struct table *table)
{
	struct table_report report;

	table_report(table, &report);
	for (size_t i = 0; i < report.problem_count && i < TABLE_PROBLEMS_MAX; i++)
		moving_find(site, report.problems[i].dropped ? SEVERITY_ERROR : SEVERITY_WARNING,
		    "bad-line", span_str(table->parameter), span_str(table->where),
		    report.problems[i].line, "%s", report.problems[i].text);
	if (report.dropped > TABLE_PROBLEMS_MAX)
		moving_find(site, SEVERITY_ERROR, "bad-line", span_str(table->parameter),
		    span_str(table->where), 0, "%zu lines in all are not used", report.dropped);
}

/* ---- the two forms of a configuration ---- */

/* Names of a file, for a table that is asked and not listed. */
static enum status
read_names(struct reading *reading, const char *path, struct err *err)
{
	struct buf text;
	enum status status = moving_slurp(path, &text, err);
	struct span rest = buf_span(&text), line;

	for (bool more = status == ST_OK && rest.n > 0; more;) {
		more = span_cut(&rest, '\n', &line);
		line = span_trim(line);
		if (line.n > 0 && line.p[0] != '#')
			keep_row(reading, line, SPAN_EMPTY, 0);
	}
	buf_free(&text);
	return status;
}

static bool
can_be_listed(const struct table *table)
{
	return table->ops->list != NULL || table->ops->walk != NULL ||
	       table->ops->walk_patterns != NULL;
}

static enum status
open_tables(struct reading *reading, struct err *err)
{
	struct backend_settings settings;
	const struct table_registry *registry = backend_registry_for(reading->conf, &settings);
	const char *keys = conf_string(reading->conf, CONF_KEY_TABLE);
	enum status status;

	if (keys == NULL) {
		err_set(err, "there is a SigningTable and no KeyTable");
		return ST_INVALID;
	}
	status =
	    table_open(registry, "SigningTable", conf_string(reading->conf, CONF_SIGNING_TABLE),
		TABLE_ICASE | TABLE_ASCII_ONLY | TABLE_VALUE_NEEDED, &reading->signing, err);
	if (status != ST_OK)
		return status;
	return table_open(
	    registry, "KeyTable", keys, TABLE_SECRET | TABLE_VALUE_NEEDED, &reading->keys, err);
}

static enum status
read_tables(struct reading *reading, const char *names_file, struct err *err)
{
	enum status status = open_tables(reading, err);

	if (status != ST_OK)
		return status;
	reading->site->first_wins = table_has_patterns(reading->signing);
	reading->site->many = conf_bool(reading->conf, CONF_MULTIPLE_SIGNATURES);
	find_dropped(reading->site, reading->signing);
	find_dropped(reading->site, reading->keys);
	if (names_file != NULL)
		status = read_names(reading, names_file, err);
	else if (!can_be_listed(reading->signing))
		err_set(err,
		    "the SigningTable is asked and cannot be listed; give the names it has with "
		    "--names");
	if (names_file == NULL && !can_be_listed(reading->signing))
		return ST_INVALID;
	if (status == ST_OK && names_file == NULL)
		status = table_list(reading->signing, list_row, reading, err);
	if (status == ST_OK)
		take_rows(reading);
	return status;
}

static bool
take_domain(void *context, struct span name, struct span value, unsigned line)
{
	struct reading *reading = context;
	struct moving_place place = place_of(reading->signing, line);
	struct span selector = span_str(conf_string(reading->conf, CONF_SELECTOR)), suffix;
	struct buf text;
	size_t key;

	(void)value;
	if (span_find(name, '*') != SIZE_MAX) {
		moving_find(reading->site, SEVERITY_ERROR, "many-domains", name, place.where,
		    place.line, "it stands for any domain: add their domains one by one");
		return true;
	}
	key = moving_add_key_file(
	    reading->site, name, selector, conf_string(reading->conf, CONF_KEY_FILE), place);
	if (key == MOVING_NONE)
		return true;
	name = reading->site->keys[key].domain;
	moving_add_sender(reading->site, MOVING_DOMAIN, name, name, SPAN_EMPTY, key, place);
	if (!conf_bool(reading->conf, CONF_SUB_DOMAINS))
		return true;
	buf_init(&text, DOMAIN_BYTES_MAX + 2);
	buf_add_char(&text, '.');
	buf_add(&text, name);
	suffix = buf_span(&text);
	moving_add_sender(reading->site, MOVING_SUFFIX, suffix, suffix, SPAN_EMPTY, key, place);
	buf_free(&text);
	return true;
}

static enum status
read_one_key(struct reading *reading, struct err *err)
{
	const char *domains = conf_string(reading->conf, CONF_DOMAIN);
	struct backend_settings settings;
	enum status status;

	if (domains == NULL || conf_string(reading->conf, CONF_KEY_FILE) == NULL ||
	    conf_string(reading->conf, CONF_SELECTOR) == NULL) {
		err_set(err, "there is neither a SigningTable nor Domain, KeyFile and Selector");
		return ST_INVALID;
	}
	status = table_open(backend_registry_for(reading->conf, &settings), "Domain", domains,
	    TABLE_ICASE, &reading->signing, err);
	return status == ST_OK ? table_list(reading->signing, take_domain, reading, err) : status;
}

int
moving_read_opendkim(struct moving_site *site, const char *path, const char *names_file)
{
	struct reading reading = {.site = site, .conf = cli_conf(site->program, path)};
	struct err err = ERR_NONE;
	enum status status;

	if (reading.conf == NULL)
		return EX_CONFIG;
	status = conf_string(reading.conf, CONF_SIGNING_TABLE) != NULL
		     ? read_tables(&reading, names_file, &err)
		     : read_one_key(&reading, &err);
	if (status != ST_OK)
		cli_say(site->program, "%s: %s", path, err.text);
	table_close(reading.signing);
	table_close(reading.keys);
	mem_free(reading.rows);
	conf_free(reading.conf);
	return status == ST_OK ? EX_OK : status == ST_UNAVAILABLE ? EX_UNAVAILABLE : EX_CONFIG;
}
