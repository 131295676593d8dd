/*
 * keystore_help.h - what the tests of key stores in SQLite share: stores in the folder of the test,
 * and short words for rows and questions. Functions end the test when the store does not play
 * along.
 */
#ifndef SIGNPOST_TESTS_KEYSTORE_HELP_H
#define SIGNPOST_TESTS_KEYSTORE_HELP_H

#include <sqlite3.h>

#include "tests/unit/store_help.h"

#include "lib/store/keystore.h"

#define S(literal) SPAN_LIT(literal)

/* ---- stores and writes ---- */

static inline struct keystore *
open_store(const char *name, bool write)
{
	struct err err = ERR_NONE;
	struct keystore *store = NULL;
	char spec[PATH_MAX + 16];

	snprintf(spec, sizeof(spec), "sqlite:%s", help_path(name));
	if (keystore_open(backend_keystores(), spec, write, &store, &err) != ST_OK)
		fail_msg("%s", err.text);
	return store;
}

static inline struct keystore *
make_store(const char *name)
{
	struct keystore *store = open_store(name, true);
	struct err err = ERR_NONE;
	int from, to;

	if (store->ops->migrate(store, &from, &to, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_int_equal(from, 0);
	assert_int_equal(to, 6);
	return store;
}

static inline void
run_sql(const char *name, const char *sql)
{
	char *message = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(help_path(name), &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	sqlite3_close(db);
}

static inline struct keystore_write
a_tenant(int how, const char *name)
{
	struct keystore_write write = {
	    .what = STORE_TENANT, .row.tenant = {.name = span_str(name), .enabled = true}};

	write.how = (unsigned)how;
	return write;
}

static inline struct keystore_write
a_domain(int how, const char *name, const char *tenant)
{
	struct keystore_write write = {.what = STORE_DOMAIN,
	    .row.domain = {.name = span_str(name), .tenant = span_str(tenant), .enabled = true}};

	write.how = (unsigned)how;
	return write;
}

static inline struct keystore_write
a_rule(int how, const char *id, const char *tenant, enum store_rule_kind kind, const char *subject,
    const char *domain)
{
	struct keystore_write write = {.what = STORE_RULE,
	    .row.rule = {.id = span_str(id),
		.tenant = span_str(tenant),
		.kind = kind,
		.subject = span_str(subject),
		.domain = span_str(domain),
		.enabled = true}};

	write.how = (unsigned)how;
	return write;
}

static inline struct keystore_write
a_key(int how, const char *id, const char *tenant, const char *domain, const char *selector)
{
	struct keystore_write write = {.what = STORE_KEY,
	    .row.key = {.id = span_str(id),
		.tenant = span_str(tenant),
		.domain = span_str(domain),
		.selector = span_str(selector),
		.algorithm = S("rsa-sha256"),
		.private_key = S("spk1:1:AAAA"),
		.revision = 1,
		.times = {.created = 10}}};

	write.how = (unsigned)how;
	return write;
}

static inline struct keystore_write
a_binding(int how, const char *subject, const char *tenant)
{
	struct keystore_write write = {.what = STORE_BINDING,
	    .row.binding = {.subject = span_str(subject), .tenant = span_str(tenant)}};

	write.how = (unsigned)how;
	return write;
}

static inline enum status
apply(struct keystore *store, const struct keystore_write *writes, size_t count, size_t *at,
    struct err *err)
{
	return store->ops->apply(store, writes, count, at, err);
}

static inline void
must(struct keystore *store, struct keystore_write write)
{
	struct err err = ERR_NONE;
	size_t at;

	if (apply(store, &write, 1, &at, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static inline void
must_not(struct keystore *store, struct keystore_write write, enum status want, const char *says)
{
	struct err err = ERR_NONE;
	size_t at = 99;
	enum status status = apply(store, &write, 1, &at, &err);

	if (status != want || strstr(err.text, says) == NULL)
		fail_msg("%s: \"%s\", not %s \"%s\"", status_name(status), err.text,
		    status_name(want), says);
	assert_int_equal(at, 0);
}

static inline uint64_t
epoch_of(struct keystore *store)
{
	static struct store_change list[KEYSTORE_CHANGES_MAX];
	struct err err = ERR_NONE;
	struct store_state now = {.epoch = 0};
	size_t count;
	enum status status =
	    keystore_changes(store, 0, KEYSTORE_CHANGES_MAX, list, &count, &now, &err);

	assert_true(status == ST_OK || status == ST_TOO_BIG);
	return now.epoch;
}

/* The subjects of all changes after since, with blanks between them. */
static inline const char *
changed_since(struct keystore *store, uint64_t since)
{
	static char text[4096];
	struct store_change list[50];
	struct err err = ERR_NONE;
	struct store_state now;
	size_t count, n = 0;

	text[0] = '\0';
	if (keystore_changes(store, since, 50, list, &count, &now, &err) != ST_OK)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < count; i++) {
		assert_true(list[i].epoch > since && list[i].epoch <= now.epoch);
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, "%s%s", n == 0 ? "" : " ", list[i].subject);
	}
	return text;
}

static inline struct keystore_rows *
senders(struct keystore *store, const char *a, const char *b)
{
	struct span names[] = {span_str(a), span_str(b)};
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (keystore_senders(store, names, b == NULL ? 1 : 2, &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	return rows;
}

static inline struct keystore_rows *
keys_of(struct keystore *store, const char *domain)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (keystore_keys(store, span_str(domain), &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	return rows;
}

static inline void
is(struct span have, const char *want)
{
	if (!span_eq_str(have, want))
		fail_msg("\"%.*s\", not \"%s\"", SPAN_ARG(have), want);
}

/* Two tenants; acme has a.test. */
static inline struct keystore *
two_tenants(const char *name)
{
	struct keystore *store = make_store(name);

	must(store, a_tenant(WRITE_ADD, "acme"));
	must(store, a_tenant(WRITE_ADD, "other"));
	must(store, a_domain(WRITE_ADD, "a.test", "acme"));
	return store;
}

#endif
