/*
 * test_keystore_schema.c - the file of a key store in SQLite: files that are none, schemas of other
 * versions, the identity. The same in MariaDB: tests/integration/test_keystore_schema.py.
 */
#include "tests/unit/keystore_help.h"

#include <sys/stat.h>

/* ---- files ---- */

static void
unavailable(const char *name, const char *says)
{
	struct keystore *store = open_store(name, false);
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = keystore_keys(store, S("a.test"), &rows, &err);

	if (status != ST_UNAVAILABLE || strstr(err.text, says) == NULL)
		fail_msg("%s: %s \"%s\"", name, status_name(status), err.text);
	assert_null(rows);
	keystore_close(store);
}

static void
files_that_are_none(void **state)
{
	struct keystore *store;
	struct stat file;

	(void)state;
	unavailable("not-there.db", "signpost store init");
	unavailable(".", "no such file");
	help_write("empty.db", "");
	unavailable("empty.db", "signpost store init");
	help_write("text.db", "this is no database, whatever its name says, and it is long enough "
			      "to have a header of a hundred octets and more than that");
	unavailable("text.db", "put a backup back");
	run_sql("foreign.db", "CREATE TABLE t(a); CREATE TABLE domains(id)");
	unavailable("foreign.db", "signpost store init");
	store = two_tenants("torn.db");
	keystore_close(store);
	run_sql("torn.db", "PRAGMA journal_mode=DELETE");
	assert_int_equal(stat(help_path("torn.db"), &file), 0);
	assert_int_equal(file.st_mode & 07777, 0640);
	assert_int_equal(truncate(help_path("torn.db"), 8192), 0);
	unavailable("torn.db", "put a backup back");
}

static void
foreign_tables_are_not_taken(void **state)
{
	struct keystore *store;
	struct err err = ERR_NONE;
	int from, to;

	(void)state;
	run_sql("others.db", "CREATE TABLE domains(id)");
	store = open_store("others.db", true);
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_UNAVAILABLE);
	assert_non_null(strstr(err.text, "migration 1"));
	keystore_close(store);
	/* It is as it was. */
	run_sql("others.db", "CREATE TABLE migrations(mine)");
}

static void
schemas_of_other_versions(void **state)
{
	struct keystore *store = two_tenants("version.db"),
			*reader = open_store("version.db", false);
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	size_t at;
	int from, to;
	struct keystore_write write = a_tenant(WRITE_CHANGE, "acme");

	(void)state;
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_int_equal(from, 6);
	assert_int_equal(to, 6);
	/* One that only adds something is no reason not to go on. */
	run_sql("version.db", "INSERT INTO migrations VALUES (-7, 'x', 0)");
	assert_int_equal(keystore_keys(reader, S("a.test"), &rows, &err), ST_OK);
	keystore_rows_release(rows);
	assert_int_equal(apply(store, &write, 1, &at, &err), ST_OK);
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_int_equal(from, 7);
	assert_int_equal(to, 7);
	rows = NULL;
	run_sql("version.db", "INSERT INTO migrations VALUES (9, 'x', 0)");
	assert_int_equal(keystore_keys(reader, S("a.test"), &rows, &err), ST_UNAVAILABLE);
	assert_non_null(strstr(err.text, "version 9"));
	assert_int_equal(apply(store, &write, 1, &at, &err), ST_UNAVAILABLE);
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "version 9"));
	run_sql("version.db", "DELETE FROM migrations");
	assert_int_equal(keystore_keys(reader, S("a.test"), &rows, &err), ST_UNAVAILABLE);
	assert_non_null(strstr(err.text, "signpost store init"));
	run_sql("version.db", "INSERT INTO migrations VALUES (1, 'x', 0)");
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "another script"));
	keystore_close(reader);
	keystore_close(store);
}

static struct store_state
state_of(struct keystore *store)
{
	struct store_change none;
	struct store_state state;
	struct err err = ERR_NONE;
	size_t count;
	enum status status = keystore_changes(store, INT64_MAX, 1, &none, &count, &state, &err);

	if (status != ST_TOO_BIG)
		fail_msg("%s", err.text);
	return state;
}

/* As the first version made it. */
#define SCHEMA_1                                                                                   \
	"BEGIN; DROP TABLE quotas; DROP TABLE providers; DROP TABLE tokens; DROP TABLE replies; "  \
	"DROP TABLE audit; DROP TABLE audit_head; "                                                \
	"DROP TABLE gateways; DROP TABLE leases; DROP INDEX domains_due; "                         \
	"DROP INDEX keys_loading; ALTER TABLE domains DROP COLUMN life; "                          \
	"ALTER TABLE domains DROP COLUMN due; ALTER TABLE keys DROP COLUMN life; "                 \
	"ALTER TABLE keys DROP COLUMN loading; CREATE TABLE was (id INTEGER PRIMARY KEY, epoch "   \
	"INTEGER NOT NULL, "                                                                       \
	"last_change INTEGER NOT NULL, trimmed INTEGER NOT NULL); "                                \
	"INSERT INTO was SELECT id, epoch, last_change, trimmed FROM epoch; DROP TABLE epoch; "    \
	"ALTER TABLE was RENAME TO epoch; DELETE FROM migrations WHERE version < 0; COMMIT"

/* A gateway and a writer go on with it as it is, and while it is brought up to date beside them. */
static void
a_schema_of_before(void **state)
{
	struct keystore *store = two_tenants("before.db"), *reader;
	struct keystore_rows *rows = NULL;
	struct store_state before, after;
	struct err err = ERR_NONE;
	int from, to;

	(void)state;
	must(store, a_key(WRITE_ADD, "k1", "acme", "a.test", "s1"));
	run_sql("before.db", SCHEMA_1);
	reader = open_store("before.db", false);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(keystore_keys(reader, S("a.test"), &rows, &err), ST_OK);
		assert_int_equal(rows->domain_count, 1);
		keystore_rows_release(rows);
		must(store, a_tenant(WRITE_CHANGE, "acme"));
		before = state_of(reader);
		assert_int_equal(before.schema, 1);
		assert_string_equal(before.identity, "");
	}
	assert_int_equal(store->ops->renew(store, &after, &err), ST_UNAVAILABLE);
	assert_non_null(strstr(err.text, "signpost store init"));
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_int_equal(from, 1);
	assert_int_equal(to, 6);
	after = state_of(reader);
	assert_int_equal(after.schema, 6);
	assert_int_equal(strlen(after.identity), 32);
	assert_int_equal(after.epoch, before.epoch);
	assert_int_equal(keystore_keys(reader, S("a.test"), &rows, &err), ST_OK);
	assert_int_equal(rows->domain_count, 1);
	keystore_rows_release(rows);
	must(store, a_tenant(WRITE_CHANGE, "acme"));
	assert_int_equal(state_of(reader).epoch, before.epoch + 1);
	keystore_close(reader);
	keystore_close(store);
}

static void
identities(void **state)
{
	struct keystore *store = two_tenants("identity.db"), *other = two_tenants("other.db"),
			*reader = open_store("identity.db", false);
	struct store_state first = state_of(reader), renewed, again;
	struct err err = ERR_NONE;
	int from, to;

	(void)state;
	assert_int_equal(strlen(first.identity), 32);
	assert_int_equal(strspn(first.identity, "0123456789abcdef"), 32);
	assert_string_not_equal(first.identity, state_of(other).identity);
	/* It stays when the store is looked after. */
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_string_equal(state_of(reader).identity, first.identity);
	assert_int_equal(store->ops->renew(store, &renewed, &err), ST_OK);
	assert_string_not_equal(renewed.identity, first.identity);
	assert_int_equal(renewed.epoch, first.epoch + KEYSTORE_RENEW_STEP);
	again = state_of(reader);
	assert_string_equal(again.identity, renewed.identity);
	assert_int_equal(again.epoch, renewed.epoch);
	assert_int_equal(reader->ops->renew(reader, &renewed, &err), ST_DENIED);
	/* What is none counts as none, and init makes one only where there is none at all. */
	run_sql("identity.db", "UPDATE epoch SET identity = 'x'");
	assert_string_equal(state_of(reader).identity, "");
	assert_int_equal(store->ops->renew(store, &renewed, &err), ST_OK);
	assert_int_equal(strlen(renewed.identity), 32);
	run_sql("identity.db", "UPDATE epoch SET identity = ''");
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_int_equal(strlen(state_of(reader).identity), 32);
	keystore_close(reader);
	keystore_close(other);
	keystore_close(store);
}

/* Somebody has removed the row of the epoch: no rows are no answer then, to any question. */
static void
no_epoch_is_no_answer(void **state)
{
	struct keystore *store = two_tenants("noepoch.db");
	struct store_change changes[4];
	const struct span name = S("a.test"), subject = S("*");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	struct store_state at;
	size_t count;

	(void)state;
	run_sql("noepoch.db", "DELETE FROM epoch");
	assert_int_equal(keystore_senders(store, &name, 1, &rows, &err), ST_UNAVAILABLE);
	assert_non_null(strstr(err.text, "epoch"));
	assert_int_equal(keystore_address(store, S("x@a.test"), &rows, &err), ST_UNAVAILABLE);
	assert_int_equal(keystore_patterns(store, S("acme"), &rows, &err), ST_UNAVAILABLE);
	assert_int_equal(keystore_keys(store, name, &rows, &err), ST_UNAVAILABLE);
	assert_int_equal(keystore_bindings(store, &subject, 1, &rows, &err), ST_UNAVAILABLE);
	assert_null(rows);
	assert_int_equal(keystore_changes(store, 0, 4, changes, &count, &at, &err), ST_UNAVAILABLE);
	keystore_close(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_that_are_none),
	    cmocka_unit_test(foreign_tables_are_not_taken),
	    cmocka_unit_test(schemas_of_other_versions),
	    cmocka_unit_test(a_schema_of_before),
	    cmocka_unit_test(identities),
	    cmocka_unit_test(no_epoch_is_no_answer),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
