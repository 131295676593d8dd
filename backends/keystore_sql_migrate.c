/*
 * keystore_sql_migrate.c - makes the tables of a key store, or brings them to this version.
 * Called by "signpost store init" through keystore_ops.migrate, on a connection of its own.
 * It must never run a script twice that was recorded, nor touch a schema that is newer.
 */
#include <stdio.h>

#include "backends/keystore_sql_writer.h"
#include "lib/base/mem.h"

#define CHECKSUM_BYTES 17U
#define VERSION_MAX 1000000

struct migration {
	struct sql_store *store;
	void *connection;
	int version;   /* of the last one that is recorded */
	uint64_t done; /* bits: those of ours that are recorded */
	enum status trouble;
	struct err *err;
};

/* What is recorded: below zero what MAX(version) of older programs is not to see. */
static int64_t
recorded_as(const struct sql_migration *script)
{
	return script->adds_only ? -script->version : script->version;
}

static void
checksum_of(const struct sql_migration *script, char out[CHECKSUM_BYTES])
{
	static const uint8_t key[16];
	uint64_t sum = 0;

	for (const char *const *text = script->statements; *text != NULL; text++)
		sum = sum * 31 + span_hash(span_str(*text), key);
	snprintf(out, CHECKSUM_BYTES, "%016llx", (unsigned long long)sum);
}

static void
refuse_newer(struct migration *m, int version)
{
	err_set(m->err,
	    "%s: the schema is of version %d and this program knows %d; install the Signpost that "
	    "made it",
	    m->store->where, version, m->store->last);
	m->trouble = ST_INVALID;
}

/* columns: version, checksum. */
static void
row_migration(void *context, const struct span *columns, size_t count)
{
	struct migration *m = context;
	const struct sql_migration *script = m->store->dialect->migrations;
	char checksum[CHECKSUM_BYTES];
	bool adds_only = count == 2 && span_starts(columns[0], SPAN_LIT("-"));
	uint64_t version;

	if (count != 2 || m->trouble != ST_OK ||
	    !span_number(span_from(columns[0], adds_only), VERSION_MAX, &version))
		return;
	if ((int)version > m->version)
		m->version = (int)version;
	while (script->version > 0 && script->version != (int)version)
		script++;
	if (script->version == 0) {
		if (!adds_only)
			refuse_newer(m, (int)version);
		return;
	}
	m->done |= UINT64_C(1) << version;
	checksum_of(script, checksum);
	if (span_eq_str(columns[1], checksum))
		return;
	err_set(m->err, "%s: migration %d was made by another script than that of this program",
	    m->store->where, (int)version);
	m->trouble = ST_INVALID;
}

static enum status
run(struct migration *m, const char *text)
{
	return m->store->dialect->driver->run(m->connection, text, m->err) == SQL_ANSWERED
		   ? ST_OK
		   : ST_UNAVAILABLE;
}

static enum status
ask(struct migration *m, enum keystore_question statement, const struct sql_value *values,
    size_t count, sql_row *row)
{
	struct sql_question question = {
	    .statement = statement, .values = values, .count = count, .row = row, .context = m};

	return m->store->dialect->driver->ask(m->connection, &question, m->err) == SQL_ANSWERED
		   ? ST_OK
		   : ST_UNAVAILABLE;
}

/* The table of migrations is made by the first statement of the first script. */
static enum status
read_version(struct migration *m)
{
	struct sql_value values[] = {sql_number(-VERSION_MAX)};
	enum status status = run(m, m->store->dialect->migrations[0].statements[0]);

	if (status == ST_OK)
		status = ask(m, Q_MIGRATIONS, values, 1, row_migration);
	return status == ST_OK ? m->trouble : status;
}

static enum status
run_script(struct migration *m, const struct sql_migration *script)
{
	char checksum[CHECKSUM_BYTES];
	struct sql_value values[2];
	enum status status = ST_OK;

	for (const char *const *text = script->statements; *text != NULL && status == ST_OK; text++)
		status = run(m, *text);
	if (status != ST_OK) {
		err_prefix(m->err, "migration %d", script->version);
		return status;
	}
	checksum_of(script, checksum);
	values[0] = sql_number(recorded_as(script));
	values[1] = sql_text(span_str(checksum));
	return ask(m, Q_ADD_MIGRATION, values, 2, NULL);
}

/* Also where a script was run by hand. */
static enum status
make_identity(struct migration *m)
{
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct sql_value value;

	keystore_identity_make(identity);
	value = sql_text(span_str(identity));
	return ask(m, Q_MAKE_IDENTITY, &value, 1, NULL);
}

static void
row_ignored(void *context, const struct span *columns, size_t count)
{
	(void)context;
	(void)columns;
	(void)count;
}

/* Tables of others with our names would have been left as they are. */
static enum status
try_questions(struct migration *m)
{
	static const struct {
		enum keystore_question statement;
		size_t texts, numbers;
	} asked[] = {{Q_SENDERS_FEW, 2 * KEYSTORE_SQL_FEW + 2, 1}, {Q_KEYS, 1, 0},
	    {Q_BINDINGS, KEYSTORE_NAMES_MAX, 0}, {Q_CHANGES, 0, 2}, {Q_LIST_POLICIES, 1, 1},
	    {Q_LIVES_FEW, 2 * KEYSTORE_SQL_FEW, 1}, {Q_DUE, 0, 2}, {Q_LOADING, 0, 2},
	    {Q_GATEWAYS, 0, 0}, {Q_FIND_LEASE, 1, 0}, {Q_TOKEN, 1, 0}, {Q_PROVIDER, 2, 0},
	    {Q_QUOTA, 1, 0}, {Q_REPLY, 1, 0}, {Q_AUDITS, 0, 2}, {Q_AUDIT_HEAD, 0, 0}};
	enum status status = ST_OK;

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]) && status == ST_OK; i++) {
		struct sql_value values[KEYSTORE_NAMES_MAX];
		size_t n = asked[i].texts + asked[i].numbers;

		for (size_t k = 0; k < n; k++)
			values[k] = k < asked[i].texts ? sql_text(SPAN_LIT(".")) : sql_number(1);
		status = ask(m, asked[i].statement, values, n, row_ignored);
	}
	return status;
}

static enum status
migrate(struct migration *m, int *from_out)
{
	bool at_once = m->store->dialect->migrates_at_once;
	const struct sql_migration *script = m->store->dialect->migrations;
	enum status status = run(m, at_once ? m->store->dialect->begin : m->store->dialect->alone);

	if (status == ST_OK)
		status = read_version(m);
	*from_out = m->version;
	for (; script->version > 0 && status == ST_OK; script++)
		if ((m->done >> script->version & 1) == 0)
			status = run_script(m, script);
	if (status == ST_OK)
		status = make_identity(m);
	if (status == ST_OK)
		status = try_questions(m);
	if (status == ST_OK && at_once)
		status = run(m, "COMMIT");
	return status;
}

enum status
sql_store_migrate(struct keystore *keystore, int *from_out, int *to_out, struct err *err)
{
	struct sql_store *store = keystore->state;
	struct migration m = {.store = store, .err = err};
	struct sql_source source = store->source;
	enum status status;

	*from_out = *to_out = 0;
	if (source.use != SQL_WRITER) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	source.use = SQL_CREATOR;
	if (store->dialect->driver->connect(&source, &m.connection, err) != ST_OK)
		return ST_UNAVAILABLE;
	status = migrate(&m, from_out);
	/* What was not committed goes with the connection. */
	store->dialect->driver->disconnect(m.connection);
	*to_out = status == ST_OK && store->last > m.version ? store->last : m.version;
	return status;
}

/* ---- another identity ---- */

static enum status
read_state(struct keystore *keystore, struct store_state *out, struct err *err)
{
	struct store_change none;
	size_t count;
	/* Nothing comes behind the last epoch that can be. */
	enum status status = keystore_changes(keystore, INT64_MAX, 1, &none, &count, out, err);

	return status == ST_TOO_BIG ? ST_OK : status;
}

#define SCHEMA_OF_LEASES 3

struct renewal {
	const char *identity;
	bool has_leases;
};

static enum status
write_renewal(struct sql_writer *w)
{
	const struct renewal *renewal = w->context;
	enum status status;

	w->values[0] = sql_text(span_str(renewal->identity));
	status = sql_writer_must(w, Q_RENEW, 1);
	return status == ST_OK && renewal->has_leases ? sql_writer_must(w, Q_RENEW_FENCES, 0)
						      : status;
}

enum status
sql_store_renew(struct keystore *keystore, struct store_state *state_out, struct err *err)
{
	struct sql_store *store = keystore->state;
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct sql_value value;
	struct renewal renewal = {.identity = identity};
	struct sql_writer w = {.store = store,
	    .body = write_renewal,
	    .context = &renewal,
	    .one_by_one = true,
	    .values = &value,
	    .err = err};
	enum status status;

	if (store->source.use != SQL_WRITER) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	/* Is it there, and of a version that we know? */
	status = read_state(keystore, state_out, err);
	keystore_identity_make(identity);
	renewal.has_leases = state_out->schema >= SCHEMA_OF_LEASES;
	if (status == ST_OK)
		status = sql_writer_transact(&w);
	return status == ST_OK ? read_state(keystore, state_out, err) : status;
}
