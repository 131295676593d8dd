/*
 * keystore_sql.h - key stores in SQL, whatever server they are on: what the files keystore_sql*.c,
 * keystore_mysql.c and keystore_sqlite.c share. The statements are in sql/STATEMENTS.
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_SQL_H
#define SIGNPOST_BACKENDS_KEYSTORE_SQL_H

#include <stdatomic.h>

#include "backends/sql_pool.h"
#include "backends/sql_text.h"
#include "lib/store/keystore.h"

#define KEYSTORE_SQL_GROUP 32U /* rows that are added by one statement */
#define KEYSTORE_SQL_FEW 4U    /* names of the statement for a usual question */
#define KEYSTORE_SQL_COLUMNS_MAX SQL_COLUMNS_MAX
#define KEYSTORE_SQL_ROW_MAX 32U     /* bound values of one row */
#define KEYSTORE_SQL_VALUES_MAX 832U /* bound values of any statement; SQLite may take 999 */

/* The same statements with other numbers of slots are other statements. */
enum keystore_question {
	Q_SENDERS_FEW,
	Q_SENDERS,
	Q_ADDRESS,
	Q_PATTERNS,
	Q_KEYS,
	Q_BINDINGS,
	Q_CHANGES,
	Q_NOW,
	Q_NEXT_EPOCH,
	Q_EPOCH,
	Q_ADD_CHANGE,
	Q_ADD_CHANGES,
	Q_LAST_CHANGE,
	Q_CROWD,
	Q_TRIMMED,
	Q_TRIM,
	/* For each enum store_what in its order: one row, many rows, ... */
	Q_WRITES,
	Q_LIST_TENANTS = Q_WRITES + 6 * 5,
	Q_LIST_POLICIES_OF,
	Q_LIST_POLICIES,
	Q_LIST_DOMAINS,
	Q_LIST_DOMAINS_OF,
	Q_LIST_RULES_OF,
	Q_LIST_RULES,
	Q_LIST_KEYS_OF,
	Q_LIST_KEYS,
	Q_LIST_BINDINGS,
	Q_WIPE_KEY,
	Q_LIFE_KEY,
	Q_SLOT_KEY,
	Q_FIND_SLOT,
	Q_LIFE_DOMAIN,
	Q_DUE,
	Q_LIVES_FEW,
	Q_LIVES,
	Q_LOADING,
	Q_GATEWAYS,
	Q_FORGET,
	Q_REPORT,
	Q_FIRST_REPORT,
	Q_RENEW_LEASE,
	Q_TAKE_LEASE,
	Q_MAKE_LEASE,
	Q_GIVE_LEASE,
	Q_FIND_LEASE,
	Q_HOLD_LEASE,
	Q_TOKEN,
	Q_TOKEN_BY_SECRET,
	Q_LIST_TOKENS_OF,
	Q_LIST_TOKENS,
	Q_ADD_TOKEN,
	Q_CHANGE_TOKEN,
	Q_REMOVE_TOKEN,
	Q_FIND_TOKEN,
	Q_PROVIDER,
	Q_LIST_PROVIDERS_OF,
	Q_LIST_PROVIDERS,
	Q_ADD_PROVIDER,
	Q_CHANGE_PROVIDER,
	Q_REMOVE_PROVIDER,
	Q_FIND_PROVIDER,
	Q_QUOTA,
	Q_ADD_QUOTA,
	Q_CHANGE_QUOTA,
	Q_REMOVE_QUOTA,
	Q_FIND_QUOTA,
	Q_COUNT_DOMAINS,
	Q_COUNT_KEYS,
	Q_REPLY,
	Q_ADD_REPLY,
	Q_RENEW_REPLY,
	Q_OLD_REPLIES,
	Q_FORGET_REPLIES,
	Q_TAKE_AUDIT,
	Q_LAST_AUDIT,
	Q_ADD_AUDIT,
	Q_ADD_AUDITS,
	Q_END_AUDIT,
	Q_AUDIT_HEAD,
	/* Pairs: oldest first, newest first. */
	Q_AUDITS,
	Q_AUDITS_TENANT = Q_AUDITS + 2,
	Q_AUDITS_ACTOR = Q_AUDITS + 4,
	Q_AUDITS_OBJECT = Q_AUDITS + 6,
	Q_AUDITS_TENANT_ACTOR = Q_AUDITS + 8,
	Q_AUDITS_TENANT_OBJECT = Q_AUDITS + 10,
	Q_MAKE_IDENTITY = Q_AUDITS + 12,
	Q_RENEW,
	Q_RENEW_FENCES,
	Q_MIGRATIONS,
	Q_ADD_MIGRATION,
	Q_COUNT
};

/* Behind Q_WRITES + what * WRITE_QUESTIONS. */
enum write_question { W_ADD, W_ADD_MANY, W_CHANGE, W_REMOVE, W_FIND, WRITE_QUESTIONS };

struct sql_dialect {
	const struct sql_driver *driver;
	const char *now;         /* an expression */
	const char *by_index[2]; /* what stands around the name of an index that is to be used */
	bool primary_has_name;   /* for such an index */
	const char *begin;
	const struct sql_migration *migrations;
	bool migrates_at_once; /* a migration is one transaction */
	const char *alone;     /* otherwise: a statement after which no other one migrates */
};

struct sql_store {
	const struct sql_dialect *dialect;
	struct sql_source source;
	struct sql_pool pool;
	char *where, *password_file, *tls_ca_file;
	char *statements[Q_COUNT];
	/* Of the schema that this program knows: what it needs, and the last script. */
	int version, last;
	atomic_bool unclean; /* the driver may have more of what was overwritten than it should */
};

/* The texts of all statements for store->dialect. */
void sql_store_compile(struct sql_store *store);
/* store->source.dsn, ->where and ->password_file are set, the rest is done here: ST_OK also when
 * nobody answers. Takes store, frees it on failure. ST_INVALID: not in this build. */
enum status sql_store_open(
    struct keystore *keystore, struct sql_store *store, bool write, struct err *err) MUST_USE;
void sql_store_free(struct sql_store *store);
void sql_store_close(struct keystore *keystore);

/* One question, asked again once if a connection had been cut. again: forgets the rows that the
 * first try brought. ST_OK, ST_UNAVAILABLE. */
enum status sql_store_ask(struct sql_store *store, struct sql_question *question,
    void (*again)(void *context), struct err *err) MUST_USE;

static inline struct sql_value
sql_text(struct span text)
{
	return (struct sql_value){.kind = SQL_TEXT, .text = text};
}

static inline struct sql_value
sql_number(int64_t number)
{
	return (struct sql_value){.kind = SQL_NUMBER, .number = number};
}

/* Empty is NULL: for columns with a foreign key. */
static inline struct sql_value
sql_text_or_null(struct span text)
{
	return (struct sql_value){.kind = text.n == 0 ? SQL_NULL : SQL_TEXT, .text = text};
}

/* ---- rows: keystore_sql_rows.c ---- */

/* An answer while it is read. */
struct sql_reading {
	struct sql_store *store;
	struct keystore_rows *rows;
	enum status trouble; /* the first one; rows behind it are not looked at */
	struct err *err;
	bool headed; /* the row with the epoch was there: without it, no rows are no answer */
	/* Names or subjects that were asked about: a server that ignores blanks may give more. */
	const struct span *asked;
	size_t asked_count;
	/* Of a page: the kind of its rows. */
	enum store_what what;
};

void sql_reading_begin(struct sql_reading *reading, struct sql_store *store, struct err *err);
void sql_reading_again(void *reading);
/* status ST_OK and no trouble: *out, else the rows are released. */
enum status sql_reading_end(
    struct sql_reading *reading, enum status status, struct keystore_rows **out);
/* The same for an answer that has the epoch in it. */
enum status sql_reading_end_headed(
    struct sql_reading *reading, enum status status, struct keystore_rows **out);
/* Was the row of the epoch there? false: trouble says that it was not. */
bool sql_reading_headed(struct sql_reading *reading);
/* A whole number, or 0 and trouble. */
int64_t sql_reading_number(struct sql_reading *reading, struct span column);
/* Is the answer's schema ours? */
bool sql_reading_version(struct sql_reading *reading, struct span version);

/* Columns of rows in sql/STATEMENTS. */
#define SQL_DOMAIN_COLUMNS 9U
#define SQL_TENANT_COLUMNS 3U /* without the name */
#define SQL_KEY_COLUMNS 26U
#define SQL_TOKEN_COLUMNS 12U
#define SQL_PROVIDER_COLUMNS 7U

/* Nothing to be read is too long, and there are at least want columns? */
bool sql_reading_readable(
    struct sql_reading *reading, const struct span *columns, size_t count, size_t want);
bool sql_reading_was_asked(const struct sql_reading *reading, struct span name);
/* The first two columns: the epoch and the version of the schema. */
bool sql_take_head(struct sql_reading *reading, const struct span *columns);
/* One row each; what cannot be is said in reading. A tenant or policy that is there already is not
 * added again. life: life and due of a domain, life of a key; NULL: not asked about. loading: too.
 */
void sql_take_tenant(struct sql_reading *reading, struct span name, const struct span *columns);
void sql_take_domain(
    struct sql_reading *reading, const struct span *columns, const struct span *life);
void sql_take_key(struct sql_reading *reading, const struct span *columns, const struct span *life,
    const struct span *loading);
void sql_take_policy(struct sql_reading *reading, const struct store_policy *row);
void sql_take_token(struct sql_reading *reading, const struct span *columns);
void sql_take_provider(struct sql_reading *reading, const struct span *columns);

/* Of the statements by their names; the context is a struct sql_reading. */
sql_row sql_row_senders, sql_row_rules, sql_row_keys, sql_row_bindings, sql_row_page;

/* ---- writing: keystore_sql_values.c ---- */

/* The values of a statement for one row, in its order; at most KEYSTORE_SQL_ROW_MAX. revision: the
 * row's new one. How many. */
size_t sql_store_values(enum write_question question, const struct keystore_write *write,
    int64_t revision, struct sql_value *out);
/* The same for what the life cycle writes. epoch: of this transaction. */
size_t sql_store_life_values(
    const struct keystore_write *write, int64_t epoch, struct sql_value *out);
/* "domain a.example", for messages; octets of text. */
void sql_store_row_name(const struct keystore_write *write, char *text, size_t bytes);
/* The domain by which a rule is found; empty for a pattern. */
struct span sql_store_rule_domain(const struct store_rule *rule);

/* ---- operations ---- */

/* A question with the epoch in its answer. */
enum status sql_store_ask_rows(struct sql_reading *reading, enum keystore_question statement,
    const struct sql_value *values, size_t count, sql_row *row, struct keystore_rows **out);
/* values for slots names: the last name again and again in the places that are left; "" is the name
 * of nothing. slots. */
size_t sql_store_fill(
    struct sql_value *values, const struct span *names, size_t count, size_t slots);

enum status sql_store_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err);
enum status sql_store_address(
    struct keystore *store, struct span address, struct keystore_rows **out, struct err *err);
enum status sql_store_patterns(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err);
enum status sql_store_keys(
    struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err);
enum status sql_store_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err);
enum status sql_store_changes(struct keystore *store, uint64_t since, size_t max,
    struct store_change *out, size_t *count_out, struct store_state *state_out, struct err *err);
enum status sql_store_now(struct keystore *store, int64_t *utc_s_out, struct err *err);
enum status sql_store_domains_of(struct keystore *store, struct span tenant, struct span after,
    size_t max, struct keystore_rows **out, struct err *err) MUST_USE;
enum status sql_store_list(struct keystore *store, enum store_what what, struct span after,
    size_t max, struct keystore_rows **out, struct err *err);
enum status sql_store_apply(struct keystore *store, const struct keystore_write *writes,
    size_t count, size_t *at_out, struct err *err);
enum status sql_store_apply_fenced(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err);
enum status sql_store_due(struct keystore *store, int64_t now_utc, size_t max,
    struct keystore_rows **out, struct err *err);
enum status sql_store_lives(struct keystore *store, const struct span *domains, size_t count,
    struct keystore_rows **out, struct err *err);
enum status sql_store_loading(struct keystore *store, uint64_t since, size_t max,
    struct keystore_rows **out, struct err *err);
enum status sql_store_gateways(struct keystore *store, struct keystore_rows **out, struct err *err);
enum status sql_store_forget(struct keystore *store, struct span node, struct err *err);
enum status sql_store_report(
    struct keystore *store, const struct store_gateway *row, struct err *err);
enum status sql_store_lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err);
enum status sql_store_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err);
enum status sql_store_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err);
enum status sql_store_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err);
enum status sql_store_count(
    struct keystore *store, struct span tenant, struct store_count *out, struct err *err);
enum status sql_store_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err);
enum status sql_store_forget_replies(
    struct keystore *store, size_t max, size_t *count_out, struct err *err);
enum status sql_store_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err);
enum status sql_store_audit_head(struct keystore *store, struct audit_head *out, struct err *err);
enum status sql_store_migrate(struct keystore *store, int *from_out, int *to_out, struct err *err);
enum status sql_store_renew(struct keystore *store, struct store_state *state_out, struct err *err);

#define SQL_STORE_OPS                                                                              \
	.close = sql_store_close, .senders = sql_store_senders, .address = sql_store_address,      \
	.patterns = sql_store_patterns, .keys = sql_store_keys, .bindings = sql_store_bindings,    \
	.changes = sql_store_changes, .now = sql_store_now, .migrate = sql_store_migrate,          \
	.renew = sql_store_renew, .apply = sql_store_apply, .list = sql_store_list,                \
	.domains_of = sql_store_domains_of, .apply_fenced = sql_store_apply_fenced,                \
	.due = sql_store_due, .lives = sql_store_lives, .loading = sql_store_loading,              \
	.gateways = sql_store_gateways, .forget = sql_store_forget, .report = sql_store_report,    \
	.lease = sql_store_lease, .token = sql_store_token, .provider = sql_store_provider,        \
	.quota = sql_store_quota, .count = sql_store_count, .reply = sql_store_reply,              \
	.forget_replies = sql_store_forget_replies, .audits = sql_store_audits,                    \
	.audit_head = sql_store_audit_head

#endif
