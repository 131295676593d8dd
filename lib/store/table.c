/*
 * table.c - the front of every data set: chooses the backend and passes questions on.
 * Called by the keeper for routes and keys, by the daemons at start for lists.
 * It must never turn "could not ask" into "there is none", nor put a specification (it may hold a
 * password or a key) into a message.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/table.h"

/* Types of opendkim that this build may not have; without a backend they get a sentence. */
static const char *const known_types[] = {"csl", "file", "refile", "db", "dsn", "ldap", "ldapi",
    "ldaps", "lua", "memcache", "repute", "socket", "mdb", "erlang"};

static const struct table_ops *
registry_find(const struct table_registry *registry, struct span type)
{
	for (size_t i = 0; i < registry->count; i++)
		if (span_ieq_str(type, registry->ops[i]->type))
			return registry->ops[i];
	return NULL;
}

static bool
type_known(struct span type)
{
	for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++)
		if (span_ieq_str(type, known_types[i]))
			return true;
	return false;
}

/* A ':' makes a prefix unless a ',' comes before it; this is opendkim's rule, and why a bare IPv6
 * address is not a list. */
static void
split_type(struct span spec, struct span *type_out, struct span *value_out)
{
	size_t colon = span_find(spec, ':'), comma = span_find(spec, ',');

	*value_out = spec;
	if (colon != SIZE_MAX && colon < comma) {
		*type_out = span_sub(spec, 0, colon);
		*value_out = span_from(spec, colon + 1);
	} else if (spec.n > 0 && spec.p[0] == '/') {
		*type_out = span_ends(spec, SPAN_LIT(".db")) ? SPAN_LIT("db") : SPAN_LIT("file");
	} else {
		*type_out = SPAN_LIT("csl");
	}
}

static enum status
refuse_type(const char *parameter, struct span type, struct err *err)
{
	int shown = type.n > 32 ? 32 : (int)type.n;

	if (type_known(type))
		err_set(err,
		    "%s: table type \"%.*s\" is not in this build; use one of its types, "
		    "or convert the data to file: or refile:",
		    parameter, shown, type.p);
	else
		err_set(err,
		    "%s: Unknown database type \"%.*s\"; if this is a list (IPv6 addresses have "
		    "a ':'), write csl: in front of it",
		    parameter, shown, type.n == 0 ? "" : type.p);
	return ST_INVALID;
}

struct table *
table_new(const struct table_ops *ops, const char *parameter, unsigned flags)
{
	struct table *table = mem_zalloc(1, sizeof(*table));

	table->ops = ops;
	table->parameter = mem_strdup(parameter);
	table->flags = flags;
	pthread_mutex_init(&table->listeners_lock, NULL);
	return table;
}

static void
table_free(struct table *table)
{
	pthread_mutex_destroy(&table->listeners_lock);
	mem_free(table->parameter);
	mem_free(table->where);
	mem_free(table->path);
	mem_free(table);
}

enum status
table_open(const struct table_registry *registry, const char *parameter, const char *spec,
    unsigned flags, struct table **out, struct err *err)
{
	struct span type, value;
	const struct table_ops *ops;
	struct table *table;
	enum status status;

	*out = NULL;
	split_type(span_trim(span_str(spec)), &type, &value);
	ops = registry_find(registry, type);
	if (ops == NULL)
		return refuse_type(parameter, type, err);
	table = table_new(ops, parameter, flags);
	table->settings = registry->settings;
	status = ops->open(table, value, err);
	table->settings = NULL;
	if (status != ST_OK) {
		err_prefix(err, "%s", parameter);
		table_free(table);
		return status;
	}
	if (table->where == NULL)
		table->where = mem_strdup(ops->type);
	*out = table;
	return ST_OK;
}

static enum status
refusing_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	(void)key;
	(void)out;
	err_set(err, "%s: %s", table->parameter, (const char *)table->state);
	return ST_UNAVAILABLE;
}

static enum status
refusing_walk(struct table *table, table_visit *visit, void *context, struct err *err)
{
	(void)visit;
	(void)context;
	err_set(err, "%s: %s", table->parameter, (const char *)table->state);
	return ST_UNAVAILABLE;
}

static enum status
refusing_refresh(struct table *table, struct err *err)
{
	err_set(err, "%s: %s", table->parameter, (const char *)table->state);
	return ST_UNAVAILABLE;
}

static void
refusing_close(struct table *table)
{
	mem_free(table->state);
}

static const struct table_ops refusing_ops = {
    .type = "refusing",
    .lookup = refusing_lookup,
    .walk = refusing_walk,
    .refresh = refusing_refresh,
    .close = refusing_close,
};

struct table *
table_open_refusing(const char *parameter, unsigned flags, const char *reason)
{
	struct table *table = table_new(&refusing_ops, parameter, flags);

	table->where = mem_strdup("(unavailable)");
	table->state = mem_strdup(reason);
	return table;
}

void
table_close(struct table *table)
{
	if (table == NULL)
		return;
	if (table->ops->close != NULL)
		table->ops->close(table);
	table_free(table);
}

static bool
ascii_only(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* What every backend would have to ask first. */
static enum status
check_query(const struct table *table, struct span key, struct err *err)
{
	if (table->ops->lookup == NULL) {
		err_set(err, "%s: a table of type %s cannot be looked up", table->parameter,
		    table->ops->type);
		return ST_UNAVAILABLE;
	}
	if (key.n > TABLE_KEY_MAX) {
		err_set(err, "%s: a query of %zu octets is longer than %d", table->parameter, key.n,
		    TABLE_KEY_MAX);
		return ST_INVALID;
	}
	if ((table->flags & TABLE_ASCII_ONLY) != 0 && !table->ops->patterns && !ascii_only(key))
		return ST_ABSENT;
	return ST_OK;
}

enum status
table_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	enum status status = check_query(table, key, err);

	*out = TABLE_VALUE_NONE;
	return status == ST_OK ? table->ops->lookup(table, key, out, err) : status;
}

enum status
table_lookup_all(struct table *table, struct span key, size_t max, struct table_value *out,
    size_t *count_out, struct err *err)
{
	enum status status = check_query(table, key, err);

	*count_out = 0;
	if (status != ST_OK || max == 0)
		return status == ST_OK ? ST_ABSENT : status;
	if (table->ops->lookup_all != NULL)
		return table->ops->lookup_all(table, key, max, out, count_out, err);
	status = table_lookup(table, key, out, err);
	*count_out = status == ST_OK ? 1 : 0;
	return status;
}

enum status
table_lookup_each(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	for (size_t i = 0; i < count && *count_out < max; i++) {
		enum status status = table_lookup(table, keys[i], &out[*count_out], err);

		if (status == ST_OK) {
			at_out[(*count_out)++] = i;
		} else if (status != ST_ABSENT) {
			while (*count_out > 0)
				table_value_release(&out[--*count_out]);
			return status;
		}
	}
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

enum status
table_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct span asked[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], n = 0;
	enum status status;

	*count_out = 0;
	if (max == 0)
		return ST_ABSENT;
	if (table->ops->lookup_many == NULL)
		return table_lookup_each(table, keys, count, max, out, at_out, count_out, err);
	for (size_t i = 0; i < count && n < TABLE_KEYS_MAX; i++) {
		status = check_query(table, keys[i], err);
		if (status != ST_OK && status != ST_ABSENT)
			return status;
		asked[n] = keys[i];
		at[n] = i;
		n += status == ST_OK ? 1 : 0;
	}
	if (n == 0)
		return ST_ABSENT;
	status = table->ops->lookup_many(table, asked, n, max, out, at_out, count_out, err);
	for (size_t i = 0; i < *count_out; i++)
		at_out[i] = at[at_out[i]];
	return status;
}

size_t
table_keys_at_once(const struct table *table)
{
	return table->ops->lookup_many == NULL ? 1 : TABLE_KEYS_MAX;
}

size_t
table_value_fields(const struct table_value *value, struct span *fields_out, size_t max)
{
	struct span rest = value->text;
	size_t n = 0;
	bool more = true;

	for (size_t i = 0; i < max; i++)
		fields_out[i] = SPAN_EMPTY;
	if (value->columns != NULL) {
		n = value->column_count < max ? value->column_count : max;
		memcpy(fields_out, value->columns, n * sizeof(*fields_out));
		return n;
	}
	while (more && n + 1 < max)
		more = span_cut(&rest, ':', &fields_out[n++]);
	if (more && n < max)
		fields_out[n++] = rest;
	return n;
}

void
table_value_release(struct table_value *value)
{
	if (value->release != NULL)
		value->release(value->owner);
	*value = TABLE_VALUE_NONE;
}

enum status
table_list(struct table *table, table_visit *visit, void *context, struct err *err)
{
	if (table->ops->list != NULL)
		return table->ops->list(table, visit, context, err);
	if (table->ops->walk == NULL && table->ops->walk_patterns != NULL)
		return table->ops->walk_patterns(table, visit, context);
	return table_walk(table, visit, context, err);
}

enum status
table_walk(struct table *table, table_visit *visit, void *context, struct err *err)
{
	if (table->ops->walk != NULL)
		return table->ops->walk(table, visit, context, err);
	err_set(err, "%s: %s", table->parameter,
	    table->ops->no_walk != NULL ? table->ops->no_walk : "a table of this type has no list");
	return ST_INVALID;
}

static void
tell_listeners(struct table *table)
{
	pthread_mutex_lock(&table->listeners_lock);
	for (struct table_listener *l = table->listeners; l != NULL; l = l->next)
		l->changed(l->context);
	pthread_mutex_unlock(&table->listeners_lock);
}

enum status
table_refresh(struct table *table, struct err *err)
{
	enum status status;

	if (table->ops->refresh == NULL)
		return ST_ABSENT;
	status = table->ops->refresh(table, err);
	if (status == ST_OK)
		tell_listeners(table);
	return status;
}

bool
table_has_patterns(const struct table *table)
{
	return table->ops->patterns;
}

void
table_report(struct table *table, struct table_report *out)
{
	memset(out, 0, sizeof(*out));
	if (table->ops->report != NULL)
		table->ops->report(table, out);
}

void
table_report_text(const struct table_report *report, char *text, size_t text_bytes)
{
	size_t n = report->problem_count;

	if (n == 0)
		snprintf(text, text_bytes, "%zu entr%s", report->entries,
		    report->entries == 1 ? "y" : "ies");
	else
		snprintf(text, text_bytes, "%zu entr%s, %zu bad line%s (line %u: %s%s)",
		    report->entries, report->entries == 1 ? "y" : "ies", n, n == 1 ? "" : "s",
		    report->problems[0].line, report->problems[0].text, n == 1 ? "" : "; ...");
}

void
table_report_log(struct table *table)
{
	struct table_report report;

	table_report(table, &report);
	for (size_t i = 0; i < report.problem_count && i < TABLE_PROBLEMS_MAX; i++)
		log_line(LOG_LEVEL_WARNING, "%s %s line %u: %s", table->parameter, table->where,
		    report.problems[i].line, report.problems[i].text);
	if (report.problem_count > TABLE_PROBLEMS_MAX)
		log_line(LOG_LEVEL_WARNING, "%s %s: %zu more bad lines", table->parameter,
		    table->where, report.problem_count - TABLE_PROBLEMS_MAX);
}

void
table_listen(struct table *table, struct table_listener *listener)
{
	pthread_mutex_lock(&table->listeners_lock);
	listener->next = table->listeners;
	table->listeners = listener;
	pthread_mutex_unlock(&table->listeners_lock);
}

void
table_unlisten(struct table *table, struct table_listener *listener)
{
	struct table_listener **at = &table->listeners;

	pthread_mutex_lock(&table->listeners_lock);
	while (*at != NULL && *at != listener)
		at = &(*at)->next;
	if (*at != NULL)
		*at = listener->next;
	pthread_mutex_unlock(&table->listeners_lock);
}
