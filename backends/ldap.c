/*
 * ldap.c - tables in a directory (ldap:, ldaps:, ldapi:): one search for each query, or for
 * several. Looked up by the keeper's workers; ldap_pool.h has the connections. It must never tell
 * "could not ask" as "there is none", nor give a query the entry of another one.
 */
#include <stdatomic.h>
#include <string.h>

#include "backends/ldap_many.h"
#include "backends/ldap_pool.h"
#include "backends/registry.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* Two entries are enough to know that there is more than one. */
#define ENTRIES_MAX 2

struct directory {
	struct ldappool pool;
	const struct table *table;
	bool secret;
	/* Several queries in one search: the attribute that tells whose an entry is, as one more
	 * behind the fields; NULL: that cannot be told. */
	char *telling;
	const char *attributes[LDAPURL_FIELDS_MAX + 2]; /* borrowed from the URL, and telling */
	atomic_bool untold; /* the server does not show that attribute under its name */
};

/* ---- one query ---- */

struct question {
	const struct directory *directory;
	struct ldaplink_search search;
	struct table_value value;
	size_t entries;
	bool limited, referred;
};

static enum status
take_entry(void *context, const struct ldapentry *entry, struct err *err)
{
	struct question *q = context;
	const struct ldapurl *url = &q->directory->pool.url;

	if (q->entries++ > 0)
		return ST_OK;
	return ldaplink_record(entry, q->directory->attributes, url->attribute_count,
	    q->directory->secret, &q->value, err);
}

static enum status
ask(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct question *q = context;
	enum status status;

	table_value_release(&q->value);
	q->value = TABLE_VALUE_NONE;
	q->entries = 0;
	status = ldaplink_search(link, &q->search, deadline_ms, take_entry, q, end, err);
	q->limited = end->limited;
	q->referred = end->referred;
	return status;
}

/* Once for each table: the data is to be mended, not each message to be blamed. */
static void
note_oddities(struct directory *directory, const struct question *q)
{
	if ((q->entries > 1 || q->limited) && !atomic_exchange(&directory->pool.said_many, true))
		log_line(LOG_LEVEL_WARNING,
		    "%s %s: more than one entry for %.200s; the first one counts (said once)",
		    directory->table->parameter, directory->table->where, q->search.filter);
	if (q->referred)
		ldappool_note_referred(&directory->pool);
}

static enum status
look_up(struct directory *directory, const char *base, const char *filter, struct table_value *out,
    struct err *err)
{
	const struct ldapurl *url = &directory->pool.url;
	struct question q = {.directory = directory, .value = TABLE_VALUE_NONE};
	enum status status;

	q.search = (struct ldaplink_search){.base = base,
	    .filter = filter,
	    .scope = url->scope,
	    .attributes = (const char *const *)url->attributes,
	    .entries_max = ENTRIES_MAX,
	    .base_varies = url->base_varies,
	    .secret = directory->secret};
	status = ldappool_run(&directory->pool, ask, &q, err);
	note_oddities(directory, &q);
	if (status == ST_OK && q.entries == 0)
		status = ST_ABSENT;
	if (status == ST_OK)
		*out = q.value;
	else
		table_value_release(&q.value);
	return status;
}

static enum status
ldap_table_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct directory *directory = table->state;
	const struct ldapurl *url = &directory->pool.url;
	struct buf base, filter;
	enum status status;

	*out = TABLE_VALUE_NONE;
	buf_init(&base, LDAPURL_TEXT_MAX);
	buf_init(&filter, LDAPURL_TEXT_MAX);
	status = ldapurl_base(url, key, &base);
	if (status == ST_OK)
		status = ldapurl_filter(url, key, &filter);
	if (status == ST_OK) {
		status = look_up(directory, base.p, filter.p, out, err);
		if (status != ST_OK && status != ST_ABSENT)
			err_prefix(err, "%s", table->parameter);
	} else if (status != ST_ABSENT) {
		err_set(err, "%s: a query of %zu octets is too long", table->parameter, key.n);
	}
	buf_free(&base);
	buf_free(&filter);
	return status;
}

/* ---- several queries ---- */

/* What came for one of them. */
struct answer {
	struct table_value value;
	enum status status; /* ST_ABSENT: nothing */
	struct err err;
};

struct questions {
	struct directory *directory;
	const struct span *keys;
	size_t count;
	struct ldaplink_search search;
	struct answer answers[TABLE_KEYS_MAX];
	bool untellable, untold, referred;
};

static void
forget_answers(struct questions *q)
{
	for (size_t i = 0; i < q->count; i++) {
		table_value_release(&q->answers[i].value);
		q->answers[i].value = TABLE_VALUE_NONE;
		q->answers[i].status = ST_ABSENT;
	}
	q->untellable = q->untold = false;
}

static enum status
take_entry_of_many(void *context, const struct ldapentry *entry, struct err *err)
{
	struct questions *q = context;
	const struct ldapurl *url = &q->directory->pool.url;
	const struct ldapentry_values *told = &entry->values[url->attribute_count];
	uint32_t owners = ldapmany_owners(told->items, told->count, q->keys, q->count);

	(void)err;
	q->untold = q->untold || told->count == 0;
	q->untellable = q->untellable || owners == 0;
	for (size_t i = 0; i < q->count; i++) {
		struct answer *answer = &q->answers[i];

		if ((owners >> i & 1) == 0 || answer->status != ST_ABSENT)
			continue;
		answer->status = ldaplink_record(entry, q->directory->attributes,
		    url->attribute_count, q->directory->secret, &answer->value, &answer->err);
	}
	return ST_OK;
}

static enum status
ask_many(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct questions *q = context;
	enum status status;

	forget_answers(q);
	status = ldaplink_search(link, &q->search, deadline_ms, take_entry_of_many, q, end, err);
	q->untellable = q->untellable || end->limited;
	q->referred = end->referred;
	return status;
}

/* (|(...)(...)); the text has a NUL at its end. ST_TOO_BIG. */
static enum status
join_filters(const struct ldapurl *url, const struct span *keys, size_t count, struct buf *out)
{
	struct buf one;
	enum status status = ST_OK;

	buf_init(&one, LDAPURL_TEXT_MAX);
	buf_add_str(out, "(|");
	for (size_t i = 0; i < count && status == ST_OK; i++) {
		status = ldapurl_filter(url, keys[i], &one);
		buf_add(out, span_trim(buf_span(&one)));
	}
	buf_add_str(out, ")");
	buf_add_char(out, '\0');
	buf_free(&one);
	return status == ST_OK ? buf_status(out) : status;
}

/* As if one had been asked for after the other: what is wrong behind the last one that is wanted
 * is not seen. */
static enum status
hand_out(struct questions *q, size_t max, struct table_value *out, size_t *at_out,
    size_t *count_out, struct err *err)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < q->count && *count_out < max && status == ST_OK; i++) {
		struct answer *answer = &q->answers[i];

		if (answer->status == ST_OK) {
			at_out[*count_out] = i;
			out[(*count_out)++] = answer->value;
			answer->value = TABLE_VALUE_NONE;
		} else if (answer->status != ST_ABSENT) {
			status = answer->status;
			err_set(err, "%s: %s", q->directory->table->parameter, answer->err.text);
		}
	}
	while (status != ST_OK && *count_out > 0)
		table_value_release(&out[--*count_out]);
	return status == ST_OK && *count_out == 0 ? ST_ABSENT : status;
}

/* ST_TOO_BIG: the queries are to be asked one by one. */
static enum status
look_up_together(struct questions *q, struct err *err)
{
	struct directory *directory = q->directory;
	const struct ldapurl *url = &directory->pool.url;
	struct buf filter;
	enum status status;

	buf_init(&filter, LDAPURL_TEXT_MAX);
	status = join_filters(url, q->keys, q->count, &filter);
	q->search = (struct ldaplink_search){.base = url->base,
	    .filter = filter.p,
	    .scope = url->scope,
	    .attributes = directory->attributes,
	    .entries_max = q->count * ENTRIES_MAX,
	    .secret = directory->secret};
	if (status == ST_OK)
		status = ldappool_run(&directory->pool, ask_many, q, err);
	else
		status = ST_TOO_BIG;
	buf_free(&filter);
	if (status == ST_OK && q->untold && !atomic_exchange(&directory->untold, true))
		log_line(LOG_LEVEL_NOTICE,
		    "%s %s: entries come without %s, so queries are asked one by one",
		    directory->table->parameter, directory->table->where, directory->telling);
	if (status == ST_OK && q->referred)
		ldappool_note_referred(&directory->pool);
	return status == ST_OK && q->untellable ? ST_TOO_BIG : status;
}

static enum status
ldap_table_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct directory *directory = table->state;
	struct questions q = {.directory = directory, .keys = keys, .count = count};
	enum status status = ST_TOO_BIG;

	*count_out = 0;
	for (size_t i = 0; i < count; i++)
		q.answers[i] = (struct answer){.status = ST_ABSENT};
	if (count > 1 && directory->telling != NULL && !atomic_load(&directory->untold) &&
	    ldapmany_distinct(keys, count))
		status = look_up_together(&q, err);
	if (status == ST_OK)
		status = hand_out(&q, max, out, at_out, count_out, err);
	else if (status == ST_TOO_BIG)
		status = table_lookup_each(table, keys, count, max, out, at_out, count_out, err);
	else
		err_prefix(err, "%s", table->parameter);
	forget_answers(&q);
	return status;
}

/* ---- opening ---- */

/* "ldap://host (DKIMDomain,DKIMSelector,DKIMKey)": what the sentences name. */
static char *
describe(const struct ldapurl *url)
{
	struct buf text;
	char *where;

	buf_init(&text, LDAPURL_BYTES_MAX);
	buf_add_str(&text, url->servers[0].uri);
	for (size_t i = 0; i < url->attribute_count; i++) {
		buf_add_str(&text, i == 0 ? " (" : ",");
		buf_add_str(&text, url->attributes[i]);
	}
	buf_add_char(&text, ')');
	where = mem_strdup(buf_text(&text));
	buf_free(&text);
	return where;
}

static void
find_telling(struct directory *directory)
{
	const struct ldapurl *url = &directory->pool.url;
	struct span attribute;

	for (size_t i = 0; i < url->attribute_count; i++)
		directory->attributes[i] = url->attributes[i];
	if (url->base_varies || !ldapmany_attribute(span_str(url->filter), &attribute))
		return;
	directory->telling = span_dup(attribute);
	directory->attributes[url->attribute_count] = directory->telling;
}

static void
ldap_table_close(struct table *table)
{
	struct directory *directory = table->state;

	ldappool_close(&directory->pool);
	mem_free(directory->telling);
	mem_free(directory);
}

static enum status
ldap_table_open(struct table *table, struct span value, struct err *err)
{
	struct directory *directory = mem_zalloc(1, sizeof(*directory));
	struct ldapurl url;
	enum status status = ldapurl_parse(table->ops->type, value, &url, err);

	if (status == ST_OK) {
		table->where = describe(&url);
		status = ldappool_open(
		    &directory->pool, &url, table->settings, table->parameter, table->where, err);
	}
	if (status != ST_OK) {
		ldapurl_free(&url);
		mem_free(table->where);
		table->where = NULL;
		mem_free(directory);
		return status;
	}
	directory->table = table;
	directory->secret = (table->flags & TABLE_SECRET) != 0;
	find_telling(directory);
	table->state = directory;
	if (!directory->pool.url.asks)
		log_line(LOG_LEVEL_WARNING,
		    "%s %s: neither base nor filter has $d or $D, so all queries have one answer",
		    table->parameter, table->where);
	return ST_OK;
}

#define LDAP_TABLE_OPS(name)                                                                       \
	{                                                                                          \
		.type = (name), .open = ldap_table_open, .lookup = ldap_table_lookup,              \
		.lookup_many = ldap_table_lookup_many, .close = ldap_table_close,                  \
		.no_walk = "failed to generate DB array: a directory is asked, not listed; use "   \
			   "file: or csl:",                                                        \
		.distant = true,                                                                   \
	}

const struct table_ops ldap_table_ops = LDAP_TABLE_OPS("ldap");
const struct table_ops ldaps_table_ops = LDAP_TABLE_OPS("ldaps");
const struct table_ops ldapi_table_ops = LDAP_TABLE_OPS("ldapi");
