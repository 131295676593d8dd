/*
 * keystore_sql.c - key stores in SQL: opened, closed, and one question asked with patience.
 * Used by the other files keystore_sql_*.c; keystore_mysql.c and keystore_sqlite.c open it.
 * It must never wait for a server without a bound, ask it more than twice, or give a value to a
 * server in any way but bound.
 */
#include <string.h>

#include "backends/keystore_sql.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* A connection that breaks sooner than this was cut; the question may be asked once more. One that
 * breaks later was waited for in vain. */
#define RETRY_WITHIN_MS 1000
#define STATEMENT_MAX 65536U

/* ---- statements ---- */

static const struct {
	const char *name;
	unsigned slots; /* what [...] stands for */
} questions[Q_COUNT] = {
    [Q_SENDERS_FEW] = {"senders", KEYSTORE_SQL_FEW},
    [Q_SENDERS] = {"senders", KEYSTORE_NAMES_MAX},
    [Q_ADDRESS] = {"address", 1},
    [Q_PATTERNS] = {"patterns", 1},
    [Q_KEYS] = {"keys", 1},
    [Q_BINDINGS] = {"bindings", KEYSTORE_NAMES_MAX},
    [Q_CHANGES] = {"changes", 1},
    [Q_NOW] = {"now", 1},
    [Q_NEXT_EPOCH] = {"next_epoch", 1},
    [Q_EPOCH] = {"epoch", 1},
    [Q_ADD_CHANGE] = {"add_changes", 1},
    [Q_ADD_CHANGES] = {"add_changes", KEYSTORE_SQL_GROUP},
    [Q_CROWD] = {"crowd", 1},
    [Q_LAST_CHANGE] = {"last_change", 1},
    [Q_TRIMMED] = {"trimmed", 1},
    [Q_TRIM] = {"trim", 1},
    [Q_LIST_TENANTS] = {"list_tenants", 1},
    [Q_LIST_POLICIES_OF] = {"list_policies_of", 1},
    [Q_LIST_POLICIES] = {"list_policies", 1},
    [Q_LIST_DOMAINS] = {"list_domains", 1},
    [Q_LIST_DOMAINS_OF] = {"list_domains_of", 1},
    [Q_LIST_RULES_OF] = {"list_rules_of", 1},
    [Q_LIST_RULES] = {"list_rules", 1},
    [Q_LIST_KEYS_OF] = {"list_keys_of", 1},
    [Q_LIST_KEYS] = {"list_keys", 1},
    [Q_LIST_BINDINGS] = {"list_bindings", 1},
    [Q_WIPE_KEY] = {"wipe_key", 1},
    [Q_LIFE_KEY] = {"life_key", 1},
    [Q_SLOT_KEY] = {"slot_key", 1},
    [Q_FIND_SLOT] = {"find_slot", 1},
    [Q_LIFE_DOMAIN] = {"life_domain", 1},
    [Q_DUE] = {"due", 1},
    [Q_LIVES_FEW] = {"lives", KEYSTORE_SQL_FEW},
    [Q_LIVES] = {"lives", KEYSTORE_LIVES_MAX},
    [Q_LOADING] = {"loading", 1},
    [Q_GATEWAYS] = {"gateways", 1},
    [Q_FORGET] = {"forget", 1},
    [Q_REPORT] = {"report", 1},
    [Q_FIRST_REPORT] = {"first_report", 1},
    [Q_RENEW_LEASE] = {"renew_lease", 1},
    [Q_TAKE_LEASE] = {"take_lease", 1},
    [Q_MAKE_LEASE] = {"make_lease", 1},
    [Q_GIVE_LEASE] = {"give_lease", 1},
    [Q_FIND_LEASE] = {"find_lease", 1},
    [Q_HOLD_LEASE] = {"hold_lease", 1},
    [Q_TOKEN] = {"token", 1},
    [Q_TOKEN_BY_SECRET] = {"token_by_secret", 1},
    [Q_LIST_TOKENS_OF] = {"list_tokens_of", 1},
    [Q_LIST_TOKENS] = {"list_tokens", 1},
    [Q_ADD_TOKEN] = {"add_token", 1},
    [Q_CHANGE_TOKEN] = {"change_token", 1},
    [Q_REMOVE_TOKEN] = {"remove_token", 1},
    [Q_FIND_TOKEN] = {"find_token", 1},
    [Q_PROVIDER] = {"provider", 1},
    [Q_LIST_PROVIDERS_OF] = {"list_providers_of", 1},
    [Q_LIST_PROVIDERS] = {"list_providers", 1},
    [Q_ADD_PROVIDER] = {"add_provider", 1},
    [Q_CHANGE_PROVIDER] = {"change_provider", 1},
    [Q_REMOVE_PROVIDER] = {"remove_provider", 1},
    [Q_FIND_PROVIDER] = {"find_provider", 1},
    [Q_QUOTA] = {"quota", 1},
    [Q_ADD_QUOTA] = {"add_quota", 1},
    [Q_CHANGE_QUOTA] = {"change_quota", 1},
    [Q_REMOVE_QUOTA] = {"remove_quota", 1},
    [Q_FIND_QUOTA] = {"find_quota", 1},
    [Q_COUNT_DOMAINS] = {"count_domains", 1},
    [Q_COUNT_KEYS] = {"count_keys", 1},
    [Q_REPLY] = {"reply", 1},
    [Q_ADD_REPLY] = {"add_reply", 1},
    [Q_RENEW_REPLY] = {"renew_reply", 1},
    [Q_OLD_REPLIES] = {"old_replies", 1},
    [Q_FORGET_REPLIES] = {"forget_replies", KEYSTORE_SQL_GROUP},
    [Q_TAKE_AUDIT] = {"take_audit", 1},
    [Q_LAST_AUDIT] = {"last_audit", 1},
    [Q_ADD_AUDIT] = {"add_audits", 1},
    [Q_ADD_AUDITS] = {"add_audits", KEYSTORE_SQL_GROUP},
    [Q_END_AUDIT] = {"end_audit", 1},
    [Q_AUDIT_HEAD] = {"audit_head", 1},
    [Q_AUDITS] = {"audits", 1},
    [Q_AUDITS + 1] = {"audits_back", 1},
    [Q_AUDITS_TENANT] = {"audits_tenant", 1},
    [Q_AUDITS_TENANT + 1] = {"audits_tenant_back", 1},
    [Q_AUDITS_ACTOR] = {"audits_actor", 1},
    [Q_AUDITS_ACTOR + 1] = {"audits_actor_back", 1},
    [Q_AUDITS_OBJECT] = {"audits_object", 1},
    [Q_AUDITS_OBJECT + 1] = {"audits_object_back", 1},
    [Q_AUDITS_TENANT_ACTOR] = {"audits_tenant_actor", 1},
    [Q_AUDITS_TENANT_ACTOR + 1] = {"audits_tenant_actor_back", 1},
    [Q_AUDITS_TENANT_OBJECT] = {"audits_tenant_object", 1},
    [Q_AUDITS_TENANT_OBJECT + 1] = {"audits_tenant_object_back", 1},
    [Q_MAKE_IDENTITY] = {"make_identity", 1},
    [Q_RENEW] = {"renew", 1},
    [Q_RENEW_FENCES] = {"renew_fences", 1},
    [Q_MIGRATIONS] = {"migrations", 1},
    [Q_ADD_MIGRATION] = {"add_migration", 1},
};

/* Of each kind of row, in the order of enum store_what and enum write_question. */
static const char *const write_questions[][WRITE_QUESTIONS] = {
    {"add_tenants", "add_tenants", "change_tenant", "remove_tenant", "find_tenant"},
    {"add_policies", "add_policies", "change_policy", "remove_policy", "find_policy"},
    {"add_domains", "add_domains", "change_domain", "remove_domain", "find_domain"},
    {"add_rules", "add_rules", "change_rule", "remove_rule", "find_rule"},
    {"add_keys", "add_keys", "change_key", "remove_key", "find_key"},
    {"add_bindings", "add_bindings", "change_binding", "remove_binding", "find_binding"},
};

static const char *
find_text(const char *name)
{
	for (const struct sql_text *text = sql_texts; text->name != NULL; text++)
		if (strcmp(text->name, name) == 0)
			return text->text;
	return "";
}

static void
use_constraint(struct span name, const struct sql_dialect *dialect, struct buf *out)
{
	if (dialect->primary_has_name)
		buf_add_fmt(
		    out, "%s%.*s%s", dialect->by_index[0], SPAN_ARG(name), dialect->by_index[1]);
}

/* Replaces {now}, {by INDEX} and {constraint INDEX} by the words of the dialect. */
static void
translate(struct span text, const struct sql_dialect *dialect, struct buf *out)
{
	struct span before, mark;

	while (span_cut(&text, '{', &before)) {
		buf_add(out, before);
		span_cut(&text, '}', &mark);
		if (span_eq_str(mark, "now"))
			buf_add_str(out, dialect->now);
		else if (span_starts(mark, SPAN_LIT("constraint ")))
			use_constraint(span_from(mark, sizeof("constraint ") - 1), dialect, out);
		else if (!span_eq_str(mark, "by PRIMARY") || dialect->primary_has_name)
			buf_add_fmt(out, "%s%.*s%s", dialect->by_index[0],
			    SPAN_ARG(span_from(mark, sizeof("by ") - 1)), dialect->by_index[1]);
	}
	buf_add(out, before);
}

/* What stands in [...] as often as there are slots, with commas. */
static void
repeat(struct span text, unsigned slots, struct buf *out)
{
	struct span before, inside;

	while (span_cut(&text, '[', &before)) {
		span_cut(&text, ']', &inside);
		buf_add(out, before);
		for (unsigned i = 0; i < slots; i++) {
			buf_add_str(out, i == 0 ? "" : ",");
			buf_add(out, inside);
		}
	}
	buf_add(out, before);
}

static char *
compile(const char *name, unsigned slots, const struct sql_dialect *dialect)
{
	struct buf one, many;
	char *text;

	buf_init(&one, STATEMENT_MAX);
	buf_init(&many, STATEMENT_MAX);
	translate(span_str(find_text(name)), dialect, &one);
	repeat(buf_span(&one), slots, &many);
	text = mem_strdup(buf_text(&many));
	buf_free(&one);
	buf_free(&many);
	return text;
}

void
sql_store_compile(struct sql_store *store)
{
	for (unsigned i = 0; i < Q_COUNT; i++) {
		unsigned write = i - Q_WRITES, kind = write % WRITE_QUESTIONS;

		if (i < Q_WRITES || i >= Q_LIST_TENANTS)
			store->statements[i] =
			    compile(questions[i].name, questions[i].slots, store->dialect);
		else
			store->statements[i] =
			    compile(write_questions[write / WRITE_QUESTIONS][kind],
				kind == W_ADD_MANY ? KEYSTORE_SQL_GROUP : 1, store->dialect);
	}
}

/* ---- opened and closed ---- */

static const struct sql_advice advice = {
    .login = "check user and password of KeyStore and the rights of that user",
    .database = "check the database of KeyStore, or make it and run 'signpost store init'",
    .rights = "give the user of KeyStore the rights of sql/mysql/grants.sql",
    .schema = "the schema is missing or another one; run 'signpost store init'",
    .file = "run 'signpost store init' for a new one, or put a backup back, and let UserID read it",
};

void
sql_store_free(struct sql_store *store)
{
	dsn_free(&store->source.dsn);
	for (unsigned i = 0; i < Q_COUNT; i++)
		mem_free(store->statements[i]);
	mem_free(store->where);
	mem_free(store->password_file);
	mem_free(store->tls_ca_file);
	mem_free(store);
}

void
sql_store_close(struct keystore *keystore)
{
	struct sql_store *store = keystore->state;

	sql_pool_free(&store->pool);
	sql_store_free(store);
	keystore->state = NULL;
}

static void
set_source(struct sql_store *store, const struct table_settings *settings, bool write)
{
	struct sql_source *source = &store->source;

	source->where = store->where;
	source->use = write ? SQL_WRITER : SQL_READER;
	source->statements = (const char *const *)store->statements;
	source->statement_count = Q_COUNT;
	source->columns_max = KEYSTORE_SQL_COLUMNS_MAX;
	source->password_file = store->password_file;
	source->advice = &advice;
	if (settings == NULL)
		return;
	source->tls = settings->sql_tls;
	source->tls_verify = settings->sql_tls_verify;
	if (settings->sql_tls_ca_file != NULL)
		store->tls_ca_file = mem_strdup(settings->sql_tls_ca_file);
	source->tls_ca_file = store->tls_ca_file;
}

static void
set_versions(struct sql_store *store)
{
	const struct sql_migration *script = store->dialect->migrations;

	for (; script->version > 0; script++) {
		store->last = script->version;
		if (!script->adds_only)
			store->version = script->version;
	}
}

/* ---- one question ---- */

/* *again_out: the connection was cut, a new one may do better. */
static enum status
ask_once(struct sql_store *store, struct sql_question *question, bool *again_out, struct err *err)
{
	struct sql_pool *pool = &store->pool;
	int64_t began = clock_mono_ms();
	struct sql_link *link;
	enum sql_answer answer;

	*again_out = false;
	if (sql_pool_take(pool, &link, err) != ST_OK)
		return ST_UNAVAILABLE;
	answer = pool->driver->ask(link->connection, question, err);
	if (answer != SQL_GONE) {
		sql_pool_give(pool, link);
		return answer == SQL_ANSWERED ? ST_OK : ST_UNAVAILABLE;
	}
	*again_out = !link->fresh && clock_mono_ms() - began < RETRY_WITHIN_MS;
	sql_pool_lose(pool, link);
	if (!*again_out)
		sql_pool_trip(pool, err);
	return ST_UNAVAILABLE;
}

enum status
sql_store_ask(struct sql_store *store, struct sql_question *question, void (*again)(void *context),
    struct err *err)
{
	bool cut;
	enum status status = ask_once(store, question, &cut, err);

	if (!cut)
		return status;
	if (again != NULL)
		again(question->context);
	return ask_once(store, question, &cut, err);
}

/* ---- opened ---- */

static void
row_version(void *context, const struct span *columns, size_t count)
{
	if (count > 1)
		(void)sql_reading_version(context, columns[1]);
}

/* A server that cannot be asked now is no reason not to start: mail waits for it. One that is away
 * was logged by the pool. */
static void
try_server(struct sql_store *store)
{
	struct err err = ERR_NONE;
	struct sql_reading reading = {.store = store, .err = &err};
	struct sql_question question = {
	    .statement = Q_EPOCH, .row = row_version, .context = &reading};
	enum status status = sql_store_ask(store, &question, NULL, &err);

	if ((status != ST_OK || reading.trouble != ST_OK) && !store->pool.down)
		log_line(LOG_LEVEL_WARNING, "KeyStore: %s; until then it is unavailable", err.text);
}

enum status
sql_store_open(struct keystore *keystore, struct sql_store *store, bool write, struct err *err)
{
	if (store->dialect->driver->connect == NULL) {
		err_set(err,
		    "%s: is not in this build; Signpost was configured without the library of %s",
		    store->where, store->dialect->driver->name);
		sql_store_free(store);
		return ST_INVALID;
	}
	set_versions(store);
	sql_store_compile(store);
	set_source(store, keystore->settings, write);
	sql_pool_init(&store->pool, store->dialect->driver, &store->source, "KeyStore");
	keystore->where = mem_strdup(store->where);
	keystore->state = store;
	if (!write)
		try_server(store);
	return ST_OK;
}
