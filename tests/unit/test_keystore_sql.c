/*
 * test_keystore_sql.c - a key store in SQLite, in a folder of the test: what is found, what is
 * refused, epochs, readers beside a writer.
 * The same statements in MariaDB: tests/integration/test_keystore_sql.py.
 */
#include "tests/unit/keystore_help.h"

#include <pthread.h>

#include "backends/keystore_sql.h"

/* ---- tests ---- */

static void
every_question_has_a_statement(void **state)
{
	struct keystore *store = open_store("none.db", true);
	struct sql_store *sql = store->state;

	(void)state;
	for (unsigned i = 0; i < Q_COUNT; i++) {
		if (strlen(sql->statements[i]) < 10)
			fail_msg("statement %u is missing", i);
		assert_null(strpbrk(sql->statements[i], "[]{}"));
	}
	keystore_close(store);
}

static void
senders_are_found(void **state)
{
	struct keystore *store = two_tenants("senders.db");
	struct keystore_write domain = a_domain(WRITE_CHANGE, "a.test", "acme"),
			      policy = {.what = STORE_POLICY,
				  .row.policy = {.tenant = S("acme"),
				      .name = S("std"),
				      .failure = S("no-key=reject"),
				      .signature_ttl_s = 600,
				      .plan = S("{}")}};
	struct keystore_rows *rows;

	(void)state;
	must(store, policy);
	domain.row.domain.policy = S("std");
	domain.row.domain.subdomains = true;
	must(store, domain);
	must(store, a_rule(WRITE_ADD, "r1", "acme", STORE_RULE_DOMAIN, "b.a.test", "a.test"));
	must(store, a_rule(WRITE_ADD, "r2", "acme", STORE_RULE_SUFFIX, ".a.test", "a.test"));
	must(store, a_rule(WRITE_ADD, "r3", "acme", STORE_RULE_SUFFIX, ".b.a.test", "a.test"));
	rows = senders(store, "b.a.test", "a.test");
	assert_int_equal(rows->domain_count, 1);
	is(rows->domains[0].failure, "no-key=reject");
	assert_int_equal(rows->domains[0].signature_ttl_s, 600);
	assert_true(rows->domains[0].subdomains && rows->domains[0].enabled);
	/* The suffix of the sender's own name is for what is below it. */
	assert_int_equal(rows->rule_count, 2);
	assert_int_equal(rows->tenant_count, 1);
	is(rows->tenants[0].name, "acme");
	assert_false(rows->address_rules);
	assert_int_equal(rows->epoch, epoch_of(store));
	keystore_rows_release(rows);
	must(store, a_rule(WRITE_ADD, "r4", "acme", STORE_RULE_ADDRESS, "x@b.a.test", "a.test"));
	rows = senders(store, "b.a.test", "a.test");
	assert_true(rows->address_rules);
	keystore_rows_release(rows);
	rows = senders(store, "c.test", "test");
	assert_int_equal(rows->domain_count + rows->rule_count + rows->tenant_count, 0);
	assert_int_equal(rows->epoch, epoch_of(store));
	keystore_rows_release(rows);
	keystore_close(store);
}

static void
many_parents(void **state)
{
	struct keystore *store = two_tenants("parents.db");
	struct span names[KEYSTORE_NAMES_MAX];
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	char text[2 * KEYSTORE_NAMES_MAX + 8] = "";

	(void)state;
	for (size_t i = 0; i < KEYSTORE_NAMES_MAX - 1; i++)
		strncat(text, "x.", sizeof(text) - strlen(text) - 1);
	strncat(text, "a.test", sizeof(text) - strlen(text) - 1);
	for (size_t count = 1; count <= KEYSTORE_NAMES_MAX; count++) {
		for (size_t i = 0; i < count; i++)
			names[i] =
			    span_from(span_str(text), strlen(text) - 6 - 2 * (count - 1 - i));
		assert_int_equal(keystore_senders(store, names, count, &rows, &err), ST_OK);
		assert_int_equal(rows->domain_count, 1);
		keystore_rows_release(rows);
	}
	keystore_close(store);
}

static void
addresses_patterns_and_bindings(void **state)
{
	struct keystore *store = two_tenants("address.db");
	const struct span subjects[] = {S("login:x@a.test"), S("client:192.0.2.1/32"), S("*")};
	struct keystore_write pattern =
	    a_rule(WRITE_ADD, "p1", "acme", STORE_RULE_PATTERN, "*@*.b.test", "a.test");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	(void)state;
	must(store, a_rule(WRITE_ADD, "r1", "acme", STORE_RULE_ADDRESS, "x@y@a.test", "a.test"));
	assert_int_equal(keystore_address(store, S("x@y@a.test"), &rows, &err), ST_OK);
	assert_int_equal(rows->rule_count, 1);
	assert_int_equal(rows->tenant_count, 1);
	is(rows->rules[0].subject, "x@y@a.test");
	keystore_rows_release(rows);
	assert_int_equal(keystore_address(store, S("z@a.test"), &rows, &err), ST_OK);
	assert_int_equal(rows->rule_count, 0);
	keystore_rows_release(rows);

	pattern.row.rule.priority = 5;
	must(store, pattern);
	pattern.row.rule.id = S("p0");
	must(store, pattern);
	pattern.row.rule.id = S("p9");
	pattern.row.rule.priority = -5;
	must(store, pattern);
	assert_int_equal(keystore_patterns(store, S("acme"), &rows, &err), ST_OK);
	assert_int_equal(rows->rule_count, 3);
	is(rows->rules[0].id, "p9");
	assert_int_equal(rows->rules[0].priority, -5);
	is(rows->rules[1].id, "p0");
	is(rows->rules[2].id, "p1");
	keystore_rows_release(rows);

	must(store, a_binding(WRITE_ADD, "login:x@a.test", "acme"));
	must(store, a_binding(WRITE_ADD, "*", "other"));
	assert_int_equal(keystore_bindings(store, subjects, 3, &rows, &err), ST_OK);
	assert_int_equal(rows->binding_count, 2);
	keystore_rows_release(rows);
	must(store, a_binding(WRITE_PUT, "*", "acme"));
	assert_int_equal(keystore_bindings(store, subjects + 2, 1, &rows, &err), ST_OK);
	is(rows->bindings[0].tenant, "acme");
	keystore_rows_release(rows);
	keystore_close(store);
}

static void
too_many_patterns(void **state)
{
	static struct keystore_write writes[KEYSTORE_BATCH_MAX];
	static char ids[KEYSTORE_BATCH_MAX][16];
	struct keystore *store = two_tenants("patterns.db");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	size_t at;

	(void)state;
	for (size_t i = 0; i < KEYSTORE_BATCH_MAX; i++) {
		snprintf(ids[i], sizeof(ids[i]), "p%zu", i);
		writes[i] = a_rule(WRITE_ADD, ids[i], "acme", STORE_RULE_PATTERN, "*", "a.test");
	}
	assert_int_equal(apply(store, writes, KEYSTORE_BATCH_MAX, &at, &err), ST_OK);
	assert_int_equal(keystore_patterns(store, S("acme"), &rows, &err), ST_OK);
	assert_int_equal(rows->rule_count, KEYSTORE_PATTERNS_MAX);
	keystore_rows_release(rows);
	must(store, a_rule(WRITE_ADD, "q", "acme", STORE_RULE_PATTERN, "*", "a.test"));
	assert_int_equal(keystore_patterns(store, S("acme"), &rows, &err), ST_TOO_BIG);
	assert_null(rows);
	assert_int_equal(apply(store, writes, KEYSTORE_BATCH_MAX + 1, &at, &err), ST_TOO_BIG);
	keystore_close(store);
}

/* Rows that somebody wrote by other means: the mail that would have to read them says so. */
static void
too_many_rules(void **state)
{
	static const char insert[] =
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	    "INSERT INTO rules (tenant, id, kind, subject, subject_domain, domain, revision) "
	    "SELECT 'acme', '%s' || i, %d, '%s', '%s', 'a.test', 1 FROM n";
	static const struct {
		enum store_rule_kind kind;
		const char *subject, *domain;
	} crowds[] = {{STORE_RULE_DOMAIN, "b.c.test", "b.c.test"},
	    {STORE_RULE_SUFFIX, ".c.test", "c.test"}, {STORE_RULE_SUFFIX, ".test", "test"},
	    {STORE_RULE_ADDRESS, "u@b.c.test", "b.c.test"}};
	struct keystore *store = two_tenants("crowd.db");
	const struct span sender[] = {S("b.c.test"), S("c.test"), S("test")};
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	char sql[512], id[2] = "p";

	(void)state;
	for (size_t i = 0; i < 4; i++, id[0]++) {
		snprintf(sql, sizeof(sql), insert, (int)KEYSTORE_RULES_MAX, id, (int)crowds[i].kind,
		    crowds[i].subject, crowds[i].domain);
		run_sql("crowd.db", sql);
	}
	/* As many as may be. */
	assert_int_equal(keystore_senders(store, sender, 3, &rows, &err), ST_OK);
	assert_int_equal(rows->rule_count, 3 * KEYSTORE_RULES_MAX);
	assert_true(rows->address_rules);
	keystore_rows_release(rows);
	assert_int_equal(keystore_address(store, S("u@b.c.test"), &rows, &err), ST_OK);
	assert_int_equal(rows->rule_count, KEYSTORE_RULES_MAX);
	keystore_rows_release(rows);
	must_not(store, a_rule(WRITE_ADD, "z", "acme", STORE_RULE_SUFFIX, ".test", "a.test"),
	    ST_DENIED, "1000 rules with the subject .test");
	for (size_t i = 0; i < 4; i++, id[0]++) {
		snprintf(sql, sizeof(sql), insert, i == 1 ? 20000 : 1, id, (int)crowds[i].kind,
		    crowds[i].subject, crowds[i].domain);
		run_sql("crowd.db", sql);
		rows = NULL;
		if (crowds[i].kind == STORE_RULE_ADDRESS)
			assert_int_equal(
			    keystore_address(store, S("u@b.c.test"), &rows, &err), ST_TOO_BIG);
		else
			assert_int_equal(
			    keystore_senders(store, sender, 3, &rows, &err), ST_TOO_BIG);
		assert_null(rows);
		assert_non_null(strstr(err.text, "more than 1000 rules with the subject"));
		assert_non_null(strstr(err.text, crowds[i].domain));
		snprintf(sql, sizeof(sql), "DELETE FROM rules WHERE id LIKE '%s%%'", id);
		run_sql("crowd.db", sql);
	}
	keystore_close(store);
}

static void
keys_that_may_sign(void **state)
{
	static const struct {
		const char *id;
		struct key_times times;
		bool found;
	} cases[] = {
	    {"old", {.active = 100}, true},
	    {"new", {.active = 200}, true},
	    {"never", {.proven = 50, .loaded = 60}, false},
	    {"revoked", {.active = 300, .revoked = 301}, false},
	    {"later", {.active = 150, .revoked = INT64_C(99999999999)}, true},
	    {"removed", {.active = 300, .removed = 301}, false},
	    {"destroyed", {.active = 300, .destroyed = 301}, false},
	    {"retiring", {.active = 90, .retiring = 91}, true},
	};
	static const char *const order[] = {"new", "later", "old", "retiring"};
	struct keystore *store = two_tenants("keys.db");
	struct keystore_rows *rows;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct keystore_write key =
		    a_key(WRITE_ADD, cases[i].id, "acme", "a.test", cases[i].id);

		key.row.key.times = cases[i].times;
		must(store, key);
	}
	rows = keys_of(store, "a.test");
	assert_int_equal(rows->domain_count, 1);
	assert_int_equal(rows->tenant_count, 1);
	assert_int_equal(rows->key_count, 4);
	for (size_t i = 0; i < 4; i++)
		is(rows->keys[i].id, order[i]);
	keystore_rows_release(rows);
	keystore_close(store);
}

/* All that a row has comes back. */
static void
whole_rows(void **state)
{
	static char big[KEYSTORE_TEXT_MAX];
	struct keystore *store = two_tenants("whole.db");
	struct keystore_write write = a_key(WRITE_ADD, "k", "acme", "a.test", "s.1");
	struct store_key *key = &write.row.key;
	struct keystore_rows *rows;

	(void)state;
	memset(big, 'k', sizeof(big));
	key->private_key = span_of(big, sizeof(big));
	key->public_key = span_of(big, sizeof(big));
	key->bits = 2048;
	key->revision = 7;
	key->times = (struct key_times){1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 12, 13, 14, 15};
	must(store, write);
	rows = keys_of(store, "a.test");
	assert_int_equal(rows->key_count, 1);
	assert_true(span_eq(rows->keys[0].private_key, key->private_key));
	assert_true(span_eq(rows->keys[0].public_key, key->public_key));
	assert_int_equal(rows->keys[0].bits, 2048);
	assert_int_equal(rows->keys[0].revision, 7);
	assert_int_equal(rows->keys[0].row_revision, rows->epoch);
	assert_memory_equal(&rows->keys[0].times, &key->times, sizeof(key->times));
	keystore_rows_release(rows);
	write.how = WRITE_CHANGE;
	key->private_key = span_of(big, KEYSTORE_TEXT_MAX + 1);
	must_not(store, write, ST_INVALID, "private_key");
	keystore_close(store);
}

static void
revisions(void **state)
{
	struct keystore *store = two_tenants("revisions.db");
	struct keystore_write domain = a_domain(WRITE_CHANGE, "a.test", "acme"),
			      key = a_key(WRITE_ADD, "k", "acme", "a.test", "s");
	struct keystore_rows *rows = senders(store, "a.test", NULL);
	uint64_t first = rows->domains[0].revision;

	(void)state;
	keystore_rows_release(rows);
	domain.row.domain.revision = first;
	must(store, domain);
	must_not(store, domain, ST_DENIED, "changed meanwhile");
	domain.row.domain.revision = 0;
	must(store, domain);
	rows = senders(store, "a.test", NULL);
	assert_int_equal(rows->domains[0].revision, first + 2);
	keystore_rows_release(rows);
	/* What it is sealed with does not grow by itself, and never shrinks. */
	key.row.key.revision = 5;
	must(store, key);
	key.how = WRITE_CHANGE;
	key.row.key.times.active = 20;
	must(store, key);
	key.row.key.revision = 4;
	must_not(store, key, ST_DENIED, "sealed anew");
	key.how = WRITE_PUT;
	must_not(store, key, ST_DENIED, "there already");
	rows = keys_of(store, "a.test");
	assert_int_equal(rows->keys[0].revision, 5);
	keystore_rows_release(rows);
	keystore_close(store);
}

static void
refusals(void **state)
{
	struct keystore *store = two_tenants("refusals.db");
	struct keystore_write write;

	(void)state;
	must(store, a_key(WRITE_ADD, "k1", "acme", "a.test", "s1"));
	must_not(store, a_tenant(WRITE_ADD, "acme"), ST_DENIED, "there already");
	must_not(store, a_tenant(WRITE_CHANGE, "nobody"), ST_ABSENT, "there is none");
	must_not(store, a_tenant(WRITE_REMOVE, "nobody"), ST_ABSENT, "there is none");
	must_not(store, a_tenant(WRITE_REMOVE, "acme"), ST_DENIED, "hangs on it");
	must_not(store, a_tenant(WRITE_ADD, "Acme"), ST_INVALID, "tenant");
	must_not(store, a_domain(WRITE_ADD, "b.test", "nobody"), ST_ABSENT, "not there");
	must_not(store, a_domain(WRITE_REMOVE, "a.test", "acme"), ST_DENIED, "hangs on it");
	write = a_domain(WRITE_CHANGE, "a.test", "acme");
	write.row.domain.policy = S("std");
	must_not(store, write, ST_ABSENT, "no such");
	/* Another tenant's, in each way, without saying whose. */
	must_not(store, a_domain(WRITE_ADD, "a.test", "other"), ST_DENIED, "another tenant's");
	must_not(store, a_domain(WRITE_PUT, "a.test", "other"), ST_DENIED, "another tenant's");
	must_not(store, a_domain(WRITE_CHANGE, "a.test", "other"), ST_DENIED, "another tenant's");
	must_not(store, a_domain(WRITE_REMOVE, "a.test", "other"), ST_DENIED, "another tenant's");
	must_not(store, a_key(WRITE_ADD, "k2", "other", "a.test", "s2"), ST_ABSENT, "no such");
	must_not(
	    store, a_key(WRITE_CHANGE, "k1", "other", "a.test", "s1"), ST_DENIED, "another tenant");
	must_not(
	    store, a_key(WRITE_REMOVE, "k1", "other", "a.test", "s1"), ST_DENIED, "another tenant");
	must_not(store, a_rule(WRITE_ADD, "r", "other", STORE_RULE_DOMAIN, "x.test", "a.test"),
	    ST_ABSENT, "no such");
	must(store, a_domain(WRITE_ADD, "o.test", "other"));
	write = a_domain(WRITE_CHANGE, "o.test", "other");
	write.row.domain.signs_as = S("a.test");
	must_not(store, write, ST_ABSENT, "no such");
	/* A selector once, an id once. */
	must_not(store, a_key(WRITE_ADD, "k9", "acme", "a.test", "s1"), ST_DENIED, "there already");
	must_not(store, a_key(WRITE_ADD, "k1", "acme", "a.test", "s9"), ST_DENIED, "there already");
	must_not(store, a_key(WRITE_CHANGE, "k9", "acme", "a.test", "s1"), ST_ABSENT, "none");
	keystore_close(store);
}

/* A key can go as long as nobody can have seen it, and a failed one whose TXT never was there. */
static void
keys_that_may_go(void **state)
{
	static const struct {
		struct key_times times;
		bool goes;
	} cases[] = {
	    {{.created = 1}, true},
	    {{.created = 1, .publishing = 2}, false},
	    {{.created = 1, .publishing = 2, .failed = 3}, true},
	    {{.created = 1, .published = 2}, false},
	    {{.created = 1, .publishing = 2, .published = 3, .failed = 4}, false},
	    {{.created = 1, .active = 2}, false},
	    {{.created = 1, .destroyed = 2}, false},
	};
	struct keystore *store = two_tenants("go.db");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[8];
		struct keystore_write key;

		snprintf(name, sizeof(name), "k%zu", i);
		key = a_key(WRITE_ADD, name, "acme", "a.test", name);
		key.row.key.times = cases[i].times;
		must(store, key);
		key.how = WRITE_REMOVE;
		if (cases[i].goes) {
			must(store, key);
			key.how = WRITE_ADD;
			must(store, key);
		} else {
			must_not(store, key, ST_DENIED, "was published");
			key.how = WRITE_ADD;
			must_not(store, key, ST_DENIED, "there already");
		}
	}
	keystore_close(store);
}

/* In a group of rows the one that fails is named, and nothing of the rest is done. */
static void
all_or_nothing(void **state)
{
	static struct keystore_write writes[100];
	static char names[100][16];
	struct keystore *store = two_tenants("all.db");
	uint64_t epoch = epoch_of(store);
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t at;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu.test", i);
		writes[i] = a_domain(WRITE_ADD, names[i], "acme");
	}
	writes[37].row.domain.name = S("a.test");
	assert_int_equal(apply(store, writes, 100, &at, &err), ST_DENIED);
	assert_int_equal(at, 37);
	writes[37].row.domain.name = S("A.test");
	assert_int_equal(apply(store, writes, 100, &at, &err), ST_INVALID);
	assert_int_equal(at, 37);
	writes[37] = a_domain(WRITE_ADD, "n37.test", "nobody");
	assert_int_equal(apply(store, writes, 100, &at, &err), ST_ABSENT);
	assert_int_equal(at, 37);
	assert_int_equal(epoch_of(store), epoch);
	rows = senders(store, "n0.test", "n99.test");
	assert_int_equal(rows->domain_count, 0);
	keystore_rows_release(rows);
	writes[37] = a_domain(WRITE_ADD, "n37.test", "other");
	assert_int_equal(apply(store, writes, 100, &at, &err), ST_OK);
	assert_int_equal(epoch_of(store), epoch + 1);
	rows = senders(store, "n37.test", "n99.test");
	assert_int_equal(rows->domain_count, 2);
	keystore_rows_release(rows);
	keystore_close(store);
}

static void
epochs(void **state)
{
	struct keystore *store = two_tenants("epochs.db");
	uint64_t epoch = epoch_of(store);
	struct store_change list[2];
	struct err err = ERR_NONE;
	struct store_state at;
	size_t count;

	(void)state;
	must(store, a_key(WRITE_ADD, "k", "acme", "a.test", "s"));
	assert_int_equal(epoch_of(store), epoch + 1);
	assert_string_equal(changed_since(store, epoch), "d:a.test");
	must(store, a_rule(WRITE_ADD, "r", "acme", STORE_RULE_SUFFIX, ".x.test", "a.test"));
	assert_string_equal(changed_since(store, epoch + 1), "d:x.test t:acme");
	must(store, a_rule(WRITE_CHANGE, "r", "acme", STORE_RULE_ADDRESS, "u@y.test", "a.test"));
	assert_string_equal(changed_since(store, epoch + 2), "d:x.test d:y.test t:acme");
	must(store, a_rule(WRITE_REMOVE, "r", "acme", STORE_RULE_PATTERN, "", ""));
	assert_string_equal(changed_since(store, epoch + 3), "d:y.test t:acme");
	must(store, a_binding(WRITE_ADD, "*", "acme"));
	must(store, a_tenant(WRITE_CHANGE, "acme"));
	assert_string_equal(changed_since(store, epoch + 4), "b: t:acme");
	assert_string_equal(changed_since(store, epoch + 6), "");
	assert_int_equal(keystore_changes(store, epoch, 2, list, &count, &at, &err), ST_TOO_BIG);
	assert_int_equal(at.epoch, epoch + 6);
	/* A backup was put back: what is known is newer than the store. */
	assert_int_equal(
	    keystore_changes(store, epoch + 7, 2, list, &count, &at, &err), ST_TOO_BIG);
	assert_int_equal(at.epoch, epoch + 6);
	/* A refused change leaves no epoch. */
	must_not(store, a_tenant(WRITE_ADD, "acme"), ST_DENIED, "");
	assert_int_equal(epoch_of(store), epoch + 6);
	keystore_close(store);
}

/* The list of changes does not grow for ever, and says when it does not go back far enough. */
static void
changes_are_trimmed(void **state)
{
	static struct keystore_write writes[KEYSTORE_BATCH_MAX];
	static char names[KEYSTORE_BATCH_MAX][24];
	struct keystore *store = two_tenants("trim.db");
	struct store_change list[10];
	struct err err = ERR_NONE;
	struct store_state now;
	uint64_t start = epoch_of(store);
	sqlite3_stmt *statement;
	sqlite3 *db;
	size_t at, count;

	(void)state;
	for (unsigned batch = 0; batch < 104; batch++) {
		for (size_t i = 0; i < KEYSTORE_BATCH_MAX; i++) {
			snprintf(names[i], sizeof(names[i]), "n%u-%zu.test", batch, i);
			writes[i] = a_domain(WRITE_ADD, names[i], "acme");
		}
		assert_int_equal(apply(store, writes, KEYSTORE_BATCH_MAX, &at, &err), ST_OK);
	}
	assert_int_equal(sqlite3_open(help_path("trim.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(
			     db, "SELECT COUNT(*), MIN(epoch) FROM changes", -1, &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_in_range(sqlite3_column_int(statement, 0), 100000, 102100);
	assert_in_range(sqlite3_column_int(statement, 1), start + 2, start + 5);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	assert_int_equal(keystore_changes(store, start, 10, list, &count, &now, &err), ST_TOO_BIG);
	assert_int_equal(now.epoch, start + 104);
	must(store, a_tenant(WRITE_CHANGE, "acme"));
	assert_string_equal(changed_since(store, start + 104), "t:acme");
	keystore_close(store);
}

static void
hostile_names(void **state)
{
	static char longest[KEYSTORE_SUBJECT_MAX + 1], longer[1001];
	static const char *const subjects[] = {"'", "' or '1'='1", "\"", "\\", "%", "_",
	    "login:%@a", "login:_@a", "`", "?", ";--", "\xc3\xa1", "a\xcc\x80", "\xf0\x9f\x98\x80",
	    "[", "{now}", longest};
	struct keystore *store = two_tenants("hostile.db");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	struct span refused_ones[] = {
	    S("a\0b"), S("\xff\xfe"), S("\xc3"), span_of(longer, 1000), S("")};

	(void)state;
	memset(longest, 'x', KEYSTORE_SUBJECT_MAX);
	memset(longer, 'x', 1000);
	must(store, a_binding(WRITE_ADD, "x", "acme"));
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		struct keystore_write write = a_binding(WRITE_ADD, subjects[i], "acme");
		struct span subject = span_str(subjects[i]);

		assert_int_equal(keystore_bindings(store, &subject, 1, &rows, &err), ST_OK);
		assert_int_equal(rows->binding_count, 0);
		keystore_rows_release(rows);
		if (span_find(subject, ' ') != SIZE_MAX) {
			must_not(store, write, ST_INVALID, "subject");
			continue;
		}
		must(store, write);
		assert_int_equal(keystore_bindings(store, &subject, 1, &rows, &err), ST_OK);
		assert_int_equal(rows->binding_count, 1);
		assert_true(span_eq(rows->bindings[0].subject, subject));
		keystore_rows_release(rows);
	}
	for (size_t i = 0; i < sizeof(refused_ones) / sizeof(refused_ones[0]); i++) {
		struct keystore_write write = a_binding(WRITE_ADD, "", "acme");

		assert_int_equal(keystore_bindings(store, &refused_ones[i], 1, &rows, &err), ST_OK);
		assert_int_equal(rows->binding_count, 0);
		keystore_rows_release(rows);
		assert_int_equal(keystore_senders(store, &refused_ones[i], 1, &rows, &err), ST_OK);
		assert_int_equal(rows->domain_count, 0);
		keystore_rows_release(rows);
		write.row.binding.subject = refused_ones[i];
		must_not(store, write, ST_INVALID, "subject");
		write.how = WRITE_REMOVE;
		must_not(store, write, ST_ABSENT, "none");
	}
	keystore_close(store);
}

/* ---- readers ---- */

static void
readers_only_read(void **state)
{
	struct keystore *store = two_tenants("read.db"), *reader = open_store("read.db", false);
	struct keystore_write write = a_tenant(WRITE_ADD, "new");
	struct err err = ERR_NONE;
	struct sql_store *sql = reader->state;
	struct sql_link *link;
	size_t at;
	int from, to;

	(void)state;
	assert_int_equal(apply(reader, &write, 1, &at, &err), ST_DENIED);
	assert_int_equal(reader->ops->migrate(reader, &from, &to, &err), ST_DENIED);
	/* Not even by a statement of our own. */
	assert_int_equal(sql_pool_take(&sql->pool, &link, &err), ST_OK);
	assert_int_equal(
	    sqlite_driver.run(link->connection, "DELETE FROM bindings", &err), SQL_NO_RIGHT);
	sql_pool_give(&sql->pool, link);
	keystore_close(reader);
	keystore_close(store);
}

static void
replaced_while_it_is_read(void **state)
{
	struct keystore *store = two_tenants("live.db"), *reader = open_store("live.db", false);
	struct keystore_rows *rows = senders(reader, "a.test", NULL);

	(void)state;
	assert_int_equal(rows->domain_count, 1);
	keystore_rows_release(rows);
	keystore_close(store);
	store = make_store("next.db");
	must(store, a_tenant(WRITE_ADD, "acme"));
	must(store, a_domain(WRITE_ADD, "z.test", "acme"));
	keystore_close(store);
	run_sql("next.db", "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(unlink(help_path("live.db-wal")), 0);
	assert_int_equal(unlink(help_path("live.db-shm")), 0);
	assert_int_equal(rename(help_path("next.db"), help_path("live.db")), 0);
	rows = senders(reader, "z.test", "a.test");
	assert_int_equal(rows->domain_count, 1);
	is(rows->domains[0].name, "z.test");
	keystore_rows_release(rows);
	keystore_close(reader);
}

/* ---- at the same time ---- */

struct world {
	struct keystore *store;
	atomic_bool stop, failed;
	atomic_long answers;
};

/* Two keys that are always changed together are seen together, and epochs never go back. */
static void *
read_all_the_time(void *context)
{
	struct world *world = context;
	uint64_t last = 0;

	while (!atomic_load(&world->stop)) {
		struct keystore_rows *rows = NULL;
		struct err err = ERR_NONE;

		if (keystore_keys(world->store, S("a.test"), &rows, &err) != ST_OK ||
		    rows->key_count != 2 ||
		    rows->keys[0].times.active != rows->keys[1].times.active ||
		    rows->epoch < last || rows->keys[0].row_revision > rows->epoch) {
			fprintf(stderr, "# %s\n", err.text);
			atomic_store(&world->failed, true);
		}
		last = rows == NULL ? last : rows->epoch;
		keystore_rows_release(rows);
		atomic_fetch_add(&world->answers, 1);
	}
	return NULL;
}

static void *
write_all_the_time(void *context)
{
	struct world *world = context;

	for (int i = 0; i < 100; i++) {
		struct keystore_write writes[] = {a_key(WRITE_CHANGE, "k1", "acme", "a.test", "s1"),
		    a_key(WRITE_CHANGE, "k2", "acme", "a.test", "s2")};
		struct err err = ERR_NONE;
		size_t at;

		writes[0].row.key.times.active = writes[1].row.key.times.active = 100 + i;
		if (apply(world->store, writes, 2, &at, &err) != ST_OK) {
			fprintf(stderr, "# %s\n", err.text);
			atomic_store(&world->failed, true);
		}
	}
	return NULL;
}

static void
readers_and_writers(void **state)
{
	struct world writing = {.store = two_tenants("both.db")},
		     reading = {.store = open_store("both.db", false)};
	struct keystore_write key = a_key(WRITE_ADD, "k1", "acme", "a.test", "s1");
	pthread_t readers[8], writers[2];
	uint64_t before;

	(void)state;
	key.row.key.times.active = 99;
	must(writing.store, key);
	key.row.key.id = S("k2");
	key.row.key.selector = S("s2");
	must(writing.store, key);
	before = epoch_of(writing.store);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &reading), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    pthread_create(&writers[i], NULL, write_all_the_time, &writing), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&reading.stop, true);
	for (int i = 0; i < 8; i++)
		pthread_join(readers[i], NULL);
	assert_false(atomic_load(&reading.failed) || atomic_load(&writing.failed));
	assert_true(atomic_load(&reading.answers) > 8);
	/* No epoch was given out twice. */
	assert_int_equal(epoch_of(writing.store), before + 200);
	keystore_close(reading.store);
	keystore_close(writing.store);
}

/* ---- pages ---- */

static void
pages(void **state)
{
	static const char *const want[] = {"a.test b", "a.test k", "b.test a", "b.test c"};
	struct keystore *store = two_tenants("pages.db");
	char after[300] = "";
	struct err err = ERR_NONE;

	(void)state;
	must(store, a_domain(WRITE_ADD, "b.test", "other"));
	must(store, a_key(WRITE_ADD, "1", "other", "b.test", "c"));
	must(store, a_key(WRITE_ADD, "2", "acme", "a.test", "k"));
	must(store, a_key(WRITE_ADD, "3", "acme", "a.test", "b"));
	must(store, a_key(WRITE_ADD, "4", "other", "b.test", "a"));
	for (size_t step = 1; step <= 5; step++) {
		size_t seen = 0;
		struct keystore_rows *rows = NULL;

		for (after[0] = '\0'; seen <= 4; keystore_rows_release(rows)) {
			assert_int_equal(
			    store->ops->list(store, STORE_KEY, span_str(after), step, &rows, &err),
			    ST_OK);
			if (rows->key_count == 0)
				break;
			assert_true(rows->key_count <= step);
			for (size_t i = 0; i < rows->key_count; i++, seen++) {
				snprintf(after, sizeof(after), "%.*s %.*s",
				    SPAN_ARG(rows->keys[i].domain),
				    SPAN_ARG(rows->keys[i].selector));
				assert_string_equal(after, want[seen]);
			}
		}
		keystore_rows_release(rows);
		assert_int_equal(seen, 4);
	}
	keystore_close(store);
}

static void
pages_of_one_tenant(void **state)
{
	static const char *const want[] = {"b.test", "d.test", "e.test"};
	struct keystore *store = two_tenants("tenant.db");
	struct err err = ERR_NONE;

	(void)state;
	must(store, a_domain(WRITE_ADD, "b.test", "other"));
	must(store, a_domain(WRITE_ADD, "c.test", "acme"));
	must(store, a_domain(WRITE_ADD, "e.test", "other"));
	must(store, a_domain(WRITE_ADD, "d.test", "other"));
	for (size_t step = 1; step <= 4; step++) {
		char after[40] = "";
		struct keystore_rows *rows = NULL;
		size_t seen = 0, count = 1;

		while (count > 0) {
			assert_int_equal(
			    keystore_domains(store, S("other"), span_str(after), step, &rows, &err),
			    ST_OK);
			count = rows->domain_count;
			assert_true(count <= step);
			for (size_t i = 0; i < count; i++) {
				snprintf(
				    after, sizeof(after), "%.*s", SPAN_ARG(rows->domains[i].name));
				assert_true(seen < 3);
				assert_string_equal(after, want[seen++]);
			}
			keystore_rows_release(rows);
		}
		assert_int_equal(seen, 3);
	}
	keystore_close(store);
}

static void
pages_of_each_kind(void **state)
{
	static const size_t want[] = {2, 1, 1, 1, 1, 1};
	struct keystore *store = two_tenants("kinds.db");
	struct keystore_write policy = {.what = STORE_POLICY,
	    .row.policy = {.tenant = S("acme"),
		.name = S("std"),
		.signature_ttl_s = -1,
		.plan = S("{\"rotate\":180}")}};
	struct err err = ERR_NONE;

	(void)state;
	must(store, policy);
	must(store, a_rule(WRITE_ADD, "r", "acme", STORE_RULE_DOMAIN, "x.test", "a.test"));
	must(store, a_key(WRITE_ADD, "k", "acme", "a.test", "s"));
	must(store, a_binding(WRITE_ADD, "*", "acme"));
	for (int what = STORE_TENANT; what <= STORE_BINDING; what++) {
		struct keystore_rows *rows = NULL;

		assert_int_equal(
		    store->ops->list(store, (enum store_what)what, SPAN_EMPTY, 100, &rows, &err),
		    ST_OK);
		assert_int_equal(rows->tenant_count + rows->policy_count + rows->domain_count +
				     rows->rule_count + rows->key_count + rows->binding_count,
		    want[what]);
		if (what == STORE_POLICY)
			is(rows->policies[0].plan, "{\"rotate\":180}");
		keystore_rows_release(rows);
	}
	keystore_close(store);
}

static void
the_stores_clock(void **state)
{
	struct keystore *store = make_store("clock.db");
	struct err err = ERR_NONE;
	int64_t now;

	(void)state;
	assert_int_equal(store->ops->now(store, &now, &err), ST_OK);
	assert_in_range(now, time(NULL) - 5, time(NULL) + 1);
	keystore_close(store);
}

static void
paths(void **state)
{
	static const char *const bad[] = {"sqlite:", "sqlite:keys.db", "sqlite:./x", "sqlite"};
	struct keystore *store = NULL;
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
		    keystore_open(backend_keystores(), bad[i], false, &store, &err), ST_INVALID);
		assert_null(store);
		assert_non_null(strstr(err.text, "sqlite:/"));
	}
	assert_int_equal(
	    keystore_open(backend_keystores(), "sqlite:///no/such", false, &store, &err), ST_OK);
	assert_string_equal(store->where, "sqlite:/no/such");
	keystore_close(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_question_has_a_statement),
	    cmocka_unit_test(senders_are_found),
	    cmocka_unit_test(many_parents),
	    cmocka_unit_test(addresses_patterns_and_bindings),
	    cmocka_unit_test(too_many_patterns),
	    cmocka_unit_test(too_many_rules),
	    cmocka_unit_test(keys_that_may_sign),
	    cmocka_unit_test(whole_rows),
	    cmocka_unit_test(revisions),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(keys_that_may_go),
	    cmocka_unit_test(all_or_nothing),
	    cmocka_unit_test(epochs),
	    cmocka_unit_test(changes_are_trimmed),
	    cmocka_unit_test(hostile_names),
	    cmocka_unit_test(readers_only_read),
	    cmocka_unit_test(replaced_while_it_is_read),
	    cmocka_unit_test(readers_and_writers),
	    cmocka_unit_test(pages),
	    cmocka_unit_test(pages_of_one_tenant),
	    cmocka_unit_test(pages_of_each_kind),
	    cmocka_unit_test(the_stores_clock),
	    cmocka_unit_test(paths),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
