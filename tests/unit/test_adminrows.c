/*
 * test_adminrows.c - tokens, kept answers and the audit: the same of a store in SQLite and of the
 * one in memory; the chain with several writers, with one that is killed, and after somebody wrote
 * in it. MariaDB and directories: tests/integration/test_adminrows.py. make check.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/keystore_help.h"

#include "lib/store/adminrows.h"
#include "tests/lib/memstore.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

struct kind {
	const char *name;
	struct keystore *(*make)(const char *name);
	/* All answers are as old as can be. */
	void (*age)(struct keystore *store, const char *name);
};

static void
age_memory(struct keystore *store, const char *name)
{
	(void)name;
	memstore_of(store)->now_utc += ADMINROW_REPLIES_S;
}

static void
age_sqlite(struct keystore *store, const char *name)
{
	(void)store;
	run_sql(name, "UPDATE replies SET at = at - 172800");
}

static const struct kind kinds[] = {
    {"sqlite", make_store, age_sqlite}, {"memory", memstore_make, age_memory}};

#define EACH(kind) (const struct kind *kind = kinds; kind < kinds + 2; kind++)

static struct keystore *
populated(const struct kind *kind, const char *name)
{
	struct keystore *store = kind->make(name);

	must(store, a_tenant(WRITE_ADD, "acme"));
	must(store, a_tenant(WRITE_ADD, "other"));
	must(store, a_domain(WRITE_ADD, "a.test", "acme"));
	return store;
}

static struct keystore_write
a_token(int how, const char *id, const char *tenant, const char *secret)
{
	struct keystore_write write = {.what = STORE_TOKEN,
	    .row.token = {.id = span_str(id),
		.tenant = span_str(tenant),
		.name = S("of the panel \xc3\xa9"),
		.secret = span_str(secret),
		.scopes = S("keys:read"),
		.domains = S("*.a.test"),
		.networks = S("192.0.2.0/24"),
		.maker = S("uid:0 root"),
		.created = 5,
		.expires = 9}};

	write.how = (unsigned)how;
	return write;
}

static struct keystore_write
a_reply(const char *key, const char *answer)
{
	return (struct keystore_write){.what = STORE_REPLY,
	    .how = WRITE_ADD,
	    .row.reply = {.scope = S("acme token:t_1 POST /v1/tenants"),
		.key = span_str(key),
		.body = S(HASH_A),
		.status = 201,
		.answer = span_str(answer)}};
}

static struct keystore_write
an_audit(const char *actor, const char *tenant, const char *object)
{
	return (struct keystore_write){.what = STORE_AUDIT,
	    .how = WRITE_ADD,
	    .row.audit = {.actor = span_str(actor),
		.method = S("peer"),
		.source = S("unix"),
		.tenant = span_str(tenant),
		.action = S("domain.add"),
		.object = span_str(object),
		.after = S(HASH_B),
		.request = S("r_1"),
		.result = S("ok")}};
}

static struct keystore_rows *
find_token(struct keystore *store, enum store_token_by by, const char *name, size_t count)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (keystore_token(store, by, span_str(name), &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_int_equal(rows->token_count, count);
	return rows;
}

static void
no_token(struct keystore *store, enum store_token_by by, const char *name)
{
	keystore_rows_release(find_token(store, by, name, 0));
}

/* ---- tokens ---- */

static void
token_row(struct keystore *store, const char *name)
{
	const char *hashes[] = {HASH_A, HASH_B};
	struct keystore_rows *rows;
	struct keystore_write write = a_token(WRITE_ADD, "t_1", "acme", HASH_A);

	(void)name;
	must(store, write);
	for (int turn = 0; turn < 2; turn++) {
		rows = find_token(store, STORE_TOKEN_BY_SECRET, hashes[turn], 1);
		is(rows->tokens[0].id, "t_1");
		is(rows->tokens[0].tenant, "acme");
		is(rows->tokens[0].name, "of the panel \xc3\xa9");
		is(rows->tokens[0].scopes, "keys:read");
		is(rows->tokens[0].domains, "*.a.test");
		is(rows->tokens[0].networks, "192.0.2.0/24");
		is(rows->tokens[0].maker, "uid:0 root");
		assert_int_equal(rows->tokens[0].created, 5);
		assert_int_equal(rows->tokens[0].expires, turn == 0 ? 9 : 0);
		assert_int_equal(rows->tokens[0].revoked, turn == 0 ? 0 : 7);
		assert_int_equal(rows->tokens[0].revision, turn + 1);
		keystore_rows_release(rows);
		/* What a change leaves as it was. */
		write = a_token(WRITE_CHANGE, "t_1", "acme", HASH_B);
		write.row.token.maker = S("somebody");
		write.row.token.created = 99;
		write.row.token.expires = 0;
		write.row.token.revoked = 7;
		write.row.token.revision = 1;
		if (turn == 0)
			must(store, write);
	}
	no_token(store, STORE_TOKEN_BY_SECRET, HASH_A);
	must_not(store, write, ST_DENIED, "meanwhile");
}

static void
tokens(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "tokens.db");
			uint64_t epoch = epoch_of(store);
			struct keystore_write write;

			token_row(store, kind->name);
			must(store, a_token(WRITE_ADD, "t_all", "", HASH_A));
			keystore_rows_release(find_token(store, STORE_TOKEN_BY_ID, "t_all", 1));
			no_token(store, STORE_TOKEN_BY_ID, "t_al");
			no_token(store, STORE_TOKEN_BY_ID, "T_all");
			no_token(store, STORE_TOKEN_BY_ID, "t_all ");
			no_token(store, STORE_TOKEN_BY_SECRET, "");
			must_not(store, a_token(WRITE_ADD, "t_1", "acme", ZEROS), ST_DENIED, "");
			must_not(store, a_token(WRITE_ADD, "t_2", "acme", HASH_A), ST_DENIED, "");
			must_not(
			    store, a_token(WRITE_CHANGE, "t_1", "acme", HASH_A), ST_DENIED, "");
			must_not(store, a_token(WRITE_ADD, "t_2", "none", ZEROS), ST_ABSENT, "");
			must_not(
			    store, a_token(WRITE_CHANGE, "t_2", "acme", ZEROS), ST_ABSENT, "none");
			must_not(store, a_token(WRITE_CHANGE, "t_1", "other", ZEROS), ST_DENIED,
			    "another");
			must_not(
			    store, a_token(WRITE_REMOVE, "t_1", "", ZEROS), ST_DENIED, "another");
			must_not(
			    store, a_token(WRITE_REMOVE, "t_2", "acme", ""), ST_ABSENT, "none");
			/* A tenant does not go away under its tokens. */
			must(store, a_token(WRITE_ADD, "t_o", "other", ZEROS));
			must_not(store, a_tenant(WRITE_REMOVE, "other"), ST_DENIED, "");
			write = a_token(WRITE_REMOVE, "t_o", "other", "");
			write.row.token.revision = 2;
			must_not(store, write, ST_DENIED, "meanwhile");
			write.row.token.revision = 1;
			must(store, write);
			/* Gateways hear nothing of it. */
			assert_int_equal(epoch_of(store), epoch);
			must(store, a_tenant(WRITE_REMOVE, "other"));
			keystore_close(store);
		}
}

static void
pages_of_tokens(void **state)
{
	static const char *const want[] = {" t_b", "acme t_c", "acme t_d", "other t_a"};

	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "pages.db");
			char after[200] = "";
			struct err err = ERR_NONE;

			must(store, a_token(WRITE_ADD, "t_a", "other", HASH_A));
			must(store, a_token(WRITE_ADD, "t_b", "", HASH_B));
			must(store, a_token(WRITE_ADD, "t_d", "acme", ZEROS));
			must(store, a_token(WRITE_ADD, "t_c", "acme",
					"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
					"cccccc"));
			for (size_t i = 0; i <= 4; i++) {
				struct keystore_rows *rows;

				assert_int_equal(store->ops->list(store, STORE_TOKEN,
						     span_str(after), 1, &rows, &err),
				    ST_OK);
				assert_int_equal(rows->token_count, i < 4);
				if (i < 4) {
					snprintf(after, sizeof(after), "%.*s %.*s",
					    SPAN_ARG(rows->tokens[0].tenant),
					    SPAN_ARG(rows->tokens[0].id));
					assert_string_equal(after, want[i]);
				}
				keystore_rows_release(rows);
			}
			keystore_close(store);
		}
}

/* ---- answers ---- */

static size_t
reply_of(struct keystore *store, const char *scope, const char *key, const char *want)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t count;

	if (keystore_reply(store, span_str(scope), span_str(key), &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	count = rows->reply_count;
	if (count > 0) {
		is(rows->replies[0].scope, scope);
		is(rows->replies[0].key, key);
		is(rows->replies[0].body, HASH_A);
		is(rows->replies[0].answer, want);
		assert_int_equal(rows->replies[0].status, 201);
		assert_true(rows->replies[0].at > 1700000000);
	}
	keystore_rows_release(rows);
	return count;
}

static size_t
forget(struct keystore *store, size_t max)
{
	struct err err = ERR_NONE;
	size_t count = 99;

	if (keystore_forget_replies(store, max, &count, &err) != ST_OK)
		fail_msg("%s", err.text);
	return count;
}

static void
replies(void **state)
{
	static const char scope[] = "acme token:t_1 POST /v1/tenants";

	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "replies.db");
			struct keystore_write both[] = {
			    a_domain(WRITE_ADD, "b.test", "acme"), a_reply("k 1 ", "{\"a\":1}")};
			uint64_t epoch = epoch_of(store);
			struct err err = ERR_NONE;
			size_t at;

			must(store, both[1]);
			assert_int_equal(reply_of(store, scope, "k 1 ", "{\"a\":1}"), 1);
			assert_int_equal(reply_of(store, scope, "k 1", ""), 0);
			assert_int_equal(
			    reply_of(store, "acme token:t_2 POST /v1/tenants", "k 1 ", ""), 0);
			/* With the effect, or neither. */
			assert_int_equal(apply(store, both, 2, &at, &err), ST_DENIED);
			assert_int_equal(at, 1);
			assert_int_equal(epoch_of(store), epoch);
			must_not(store, a_domain(WRITE_CHANGE, "b.test", "acme"), ST_ABSENT, "");
			assert_int_equal(forget(store, 10), 0);
			kind->age(store, "replies.db");
			assert_int_equal(reply_of(store, scope, "k 1 ", ""), 0);
			both[1] = a_reply("k 1 ", "{\"a\":2}");
			assert_int_equal(apply(store, both, 2, &at, &err), ST_OK);
			assert_int_equal(reply_of(store, scope, "k 1 ", "{\"a\":2}"), 1);
			keystore_close(store);
		}
}

static void
many_answers_go(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "old.db");
			char key[20];

			for (unsigned i = 0; i < 150; i++) {
				snprintf(key, sizeof(key), "old%u", i);
				must(store, a_reply(key, "{}"));
			}
			kind->age(store, "old.db");
			must(store, a_reply("new", "{}"));
			assert_int_equal(forget(store, 0), 0);
			assert_int_equal(forget(store, 3), 3);
			assert_int_equal(forget(store, 100), 100);
			assert_int_equal(forget(store, 100), 47);
			assert_int_equal(forget(store, 100), 0);
			assert_int_equal(
			    reply_of(store, "acme token:t_1 POST /v1/tenants", "new", "{}"), 1);
			keystore_close(store);
		}
}

/* ---- the audit ---- */

static void
add_audits(struct keystore *store, size_t count)
{
	static struct keystore_write writes[KEYSTORE_BATCH_MAX];
	struct err err = ERR_NONE;
	size_t at;

	for (size_t i = 0; i < count; i++)
		writes[i] = an_audit("system:reconciler", i % 2 == 0 ? "acme" : "other",
		    i % 3 == 0 ? "a.test" : "b.test");
	if (apply(store, writes, count, &at, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static struct audit_head
head_of(struct keystore *store)
{
	struct err err = ERR_NONE;
	struct audit_head head;

	if (keystore_audit_head(store, &head, &err) != ST_OK)
		fail_msg("%s", err.text);
	return head;
}

/* Where the chain of the store is broken; 0: it is not. */
static uint64_t
verify(struct keystore *store, const struct audit_head *from, const struct audit_head *known,
    struct err *err)
{
	struct audit_question question = {.seq = from == NULL ? 0 : from->seq, .max = 100};
	struct audit_head head = head_of(store);
	struct audit_verifier verifier;
	enum status status = ST_OK;
	size_t count = 1;

	audit_verify_begin(&verifier, from, known);
	while (status == ST_OK && count > 0) {
		struct keystore_rows *rows;

		if (keystore_audits(store, &question, &rows, err) != ST_OK)
			fail_msg("%s", err->text);
		count = rows->audit_count;
		status = audit_verify(&verifier, rows->audits, count, err);
		question.seq = count == 0 ? 0 : rows->audits[count - 1].seq;
		keystore_rows_release(rows);
	}
	if (status == ST_OK)
		status = audit_verify_end(&verifier, &head, err);
	assert_true((status == ST_OK) == (verifier.broken == 0));
	return verifier.broken;
}

static void
is_whole(struct keystore *store, uint64_t rows)
{
	struct err err = ERR_NONE;

	assert_int_equal(head_of(store).seq, rows);
	if (verify(store, NULL, NULL, &err) != 0)
		fail_msg("%s", err.text);
}

/* One row by hand, in Python: hashlib over "0"*64 + netstrings. */
static void
hash_of_a_row(void **state)
{
	struct store_audit row = an_audit("uid:0 root", "acme", "a.test").row.audit;
	char hash[ADMINROW_HASH_BYTES], other[ADMINROW_HASH_BYTES];

	(void)state;
	row.seq = 1;
	row.at = 1800000000;
	row.prev = S(ZEROS);
	audit_hash(&row, hash);
	assert_string_equal(
	    hash, "35d5f1700cfd35966f0de337b902fbac0e04a2643231d2cca5738ee034d63bff");
	/* What stands on the other side of a border is another text. */
	row.object = S("a.testx");
	audit_hash(&row, hash);
	row.object = S("a.test");
	row.before = S("x");
	audit_hash(&row, other);
	assert_string_not_equal(hash, other);
	reply_id(S("ab"), S("c"), hash);
	reply_id(S("a"), S("bc"), other);
	assert_string_not_equal(hash, other);
}

static void
a_chain(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "chain.db");
			uint64_t epoch = epoch_of(store);
			struct audit_head head = head_of(store);
			struct keystore_write mixed[] = {an_audit("uid:0 root", "acme", "b.test"),
			    a_domain(WRITE_ADD, "b.test", "acme"), a_reply("k", "{}"),
			    an_audit("uid:0 root", "acme", "b.test s1")};
			struct err err = ERR_NONE;
			size_t at;

			assert_int_equal(head.seq, 0);
			assert_string_equal(head.hash, ZEROS);
			is_whole(store, 0);
			add_audits(store, 1);
			add_audits(store, 100);
			is_whole(store, 101);
			assert_int_equal(epoch_of(store), epoch);
			head = head_of(store);
			assert_int_equal(apply(store, mixed, 4, &at, &err), ST_OK);
			assert_int_equal(epoch_of(store), epoch + 1);
			assert_string_equal(changed_since(store, epoch), "d:b.test");
			is_whole(store, 103);
			assert_int_equal(verify(store, &head, NULL, &err), 0);
			/* Nothing of a batch that is refused. */
			assert_int_equal(apply(store, mixed, 4, &at, &err), ST_DENIED);
			assert_int_equal(at, 1);
			is_whole(store, 103);
			keystore_close(store);
		}
}

/* The seq of the rows that are answered, with blanks between them. */
static const char *
seqs(struct keystore *store, struct audit_question question)
{
	static char text[4000];
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t n = 0;

	if (question.max == 0)
		question.max = 100;
	if (keystore_audits(store, &question, &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	text[0] = '\0';
	for (size_t i = 0; i < rows->audit_count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu", i == 0 ? "" : " ",
		    (unsigned long long)rows->audits[i].seq);
	keystore_rows_release(rows);
	return text;
}

static void
pages_of_the_audit(void **state)
{
	const struct span acme = S("acme"), reconciler = S("system:reconciler");

	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "audits.db");
			struct audit_question all = {.seq = 0};
			struct keystore_rows *rows;
			struct err err = ERR_NONE;

			add_audits(store, 7);
			must(store, an_audit("token:t", "acme", "a.test"));
			assert_string_equal(seqs(store, all), "1 2 3 4 5 6 7 8");
			all = (struct audit_question){.seq = 3, .max = 2};
			assert_string_equal(seqs(store, all), "4 5");
			all = (struct audit_question){.newest_first = true, .max = 3};
			assert_string_equal(seqs(store, all), "8 7 6");
			all = (struct audit_question){.seq = 6, .newest_first = true, .max = 2};
			assert_string_equal(seqs(store, all), "5 4");
			all = (struct audit_question){.tenant = acme};
			assert_string_equal(seqs(store, all), "1 3 5 7 8");
			all = (struct audit_question){.actor = reconciler, .seq = 5};
			assert_string_equal(seqs(store, all), "6 7");
			all = (struct audit_question){.object = S("a.test"), .newest_first = true};
			assert_string_equal(seqs(store, all), "8 7 4 1");
			all =
			    (struct audit_question){.tenant = acme, .actor = reconciler, .seq = 1};
			assert_string_equal(seqs(store, all), "3 5 7");
			all = (struct audit_question){
			    .tenant = acme, .object = S("a.test"), .newest_first = true, .seq = 8};
			assert_string_equal(seqs(store, all), "7 1");
			all = (struct audit_question){.tenant = S("none")};
			assert_string_equal(seqs(store, all), "");
			all = (struct audit_question){.seq = UINT64_MAX};
			assert_string_equal(seqs(store, all), "");
			all = (struct audit_question){.max = ADMINROW_AUDIT_PAGE + 1};
			assert_int_equal(keystore_audits(store, &all, &rows, &err), ST_TOO_BIG);
			all = (struct audit_question){.max = 1, .actor = acme, .object = acme};
			assert_int_equal(keystore_audits(store, &all, &rows, &err), ST_INVALID);
			keystore_close(store);
		}
}

/* ---- who writes in it ---- */

static void
somebody_wrote_in_it(void **state)
{
	static const struct {
		const char *sql;
		uint64_t broken;
		const char *says;
	} cases[] = {
	    {"UPDATE audit SET actor = 'x' WHERE seq = 5", 5, "changed"},
	    {"UPDATE audit SET at = at + 1 WHERE seq = 1", 1, "changed"},
	    {"UPDATE audit SET detail = 'x' WHERE seq = 20", 20, "changed"},
	    {"UPDATE audit SET hash = '" HASH_A "' WHERE seq = 5", 5, "changed"},
	    {"UPDATE audit SET prev = '" HASH_A "' WHERE seq = 5", 5, "follow"},
	    {"DELETE FROM audit WHERE seq = 5", 5, "missing"},
	    {"DELETE FROM audit WHERE seq > 17", 18, "missing"},
	    {"DELETE FROM audit WHERE seq = 1; UPDATE audit SET seq = seq - 1", 1, "follow"},
	    {"UPDATE audit SET seq = 21 WHERE seq = 20", 20, "missing"},
	    {"UPDATE audit_head SET seq = 21", 21, "missing"},
	    {"UPDATE audit_head SET hash = '" HASH_A "'", 20, "head"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[20];
		struct keystore *store;
		struct err err = ERR_NONE;

		snprintf(name, sizeof(name), "wrote%zu.db", i);
		store = populated(&kinds[0], name);
		add_audits(store, 20);
		is_whole(store, 20);
		run_sql(name, "DROP TRIGGER audit_is; DROP TRIGGER audit_stays");
		run_sql(name, cases[i].sql);
		if (verify(store, NULL, NULL, &err) != cases[i].broken ||
		    strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].sql, err.text);
		keystore_close(store);
	}
}

/* All of it was made anew, and fits together: what was kept elsewhere says so. */
static void
somebody_wrote_all_anew(void **state)
{
	struct keystore *store = populated(&kinds[0], "anew1.db");
	struct audit_head kept, newer;
	struct err err = ERR_NONE;

	(void)state;
	add_audits(store, 10);
	kept = head_of(store);
	add_audits(store, 5);
	newer = head_of(store);
	assert_int_equal(verify(store, NULL, &kept, &err), 0);
	assert_int_equal(verify(store, NULL, &newer, &err), 0);
	keystore_close(store);
	store = populated(&kinds[0], "anew2.db");
	must(store, an_audit("x", "", ""));
	add_audits(store, 12);
	is_whole(store, 13);
	assert_int_equal(verify(store, NULL, &kept, &err), 10);
	assert_non_null(strstr(err.text, "anew"));
	assert_int_equal(verify(store, NULL, &newer, &err), 14);
	assert_int_equal(verify(store, &kept, NULL, &err), 11);
	keystore_close(store);
}

static void
rows_stay(void **state)
{
	struct keystore *store = populated(&kinds[0], "stay.db");
	sqlite3 *db;

	(void)state;
	add_audits(store, 2);
	assert_int_equal(sqlite3_open(help_path("stay.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "UPDATE audit SET actor = 'x'", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	assert_int_equal(
	    sqlite3_exec(db, "DELETE FROM audit", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(db);
	is_whole(store, 2);
	keystore_close(store);
}

/* ---- several writers ---- */

#define WRITERS 4
#define TIMES 40

static void *
write_audits(void *context)
{
	struct keystore *store = context;
	struct keystore_write writes[3] = {an_audit("one", "acme", "a"),
	    an_audit("two", "acme", "b"), a_tenant(WRITE_CHANGE, "acme")};

	for (size_t i = 0; i < TIMES; i++) {
		struct err err = ERR_NONE;
		size_t at;

		/* With the epoch, and without. */
		if (apply(store, writes, 2 + i % 2, &at, &err) != ST_OK)
			return context;
	}
	return NULL;
}

static void
threads_and_processes(void **state)
{
	struct keystore *store = populated(&kinds[0], "many.db");
	pthread_t threads[WRITERS];
	void *trouble;
	pid_t child;
	int ended;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct keystore *own = open_store("many.db", true);

		_exit(write_audits(own) == NULL ? 0 : 1);
	}
	for (size_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_audits, store), 0);
	for (size_t i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(threads[i], &trouble), 0);
		assert_null(trouble);
	}
	assert_int_equal(waitpid(child, &ended, 0), child);
	assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
	is_whole(store, (WRITERS + 1) * TIMES * 2);
	keystore_close(store);
}

/* Killed wherever it was: what is there is a chain, and it goes on. */
static void
a_writer_is_killed(void **state)
{
	struct keystore *store = populated(&kinds[0], "killed.db");

	(void)state;
	for (unsigned turn = 0; turn < 5; turn++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			struct keystore *own = open_store("killed.db", true);

			for (;;)
				add_audits(own, 40);
		}
		while (head_of(store).seq < 100 * (turn + 1))
			usleep(1000);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_int_equal(head_of(store).seq % 40, 0);
		is_whole(store, head_of(store).seq);
	}
	keystore_close(store);
}

/* ---- what rows may look like; a schema of before ---- */

static void
refused(struct keystore *store, struct keystore_write write, const char *says)
{
	must_not(store, write, ST_INVALID, says);
}

static void
rows_that_cannot_be(void **state)
{
	static char long_text[KEYSTORE_TEXT_MAX + 2];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "bad.db");
			struct keystore_write token = a_token(WRITE_ADD, "t_1", "acme", HASH_A),
					      reply = a_reply("k", "{}"),
					      audit = an_audit("a", "acme", "o");
			struct keystore_write w;

			refused(store, a_token(WRITE_ADD, "t 1", "acme", HASH_A), "id");
			refused(store, a_token(WRITE_ADD, "", "acme", HASH_A), "id");
			refused(store, a_token(WRITE_ADD, "t_1", "Acme", HASH_A), "tenant");
			refused(store, a_token(WRITE_ADD, "t_1", "acme", "A" HASH_A), "SHA-256");
			refused(store, a_token(WRITE_PUT, "t_1", "acme", HASH_A), "added");
			refused(store, a_token(WRITE_REMOVE, "t_1 ", "acme", ""), "id");
			w = token;
			w.row.token.name = S("a\nb");
			refused(store, w, "name");
			w = token;
			w.row.token.expires = -1;
			refused(store, w, "time");
			w = token;
			w.row.token.networks = span_of(long_text, 5000);
			refused(store, w, "networks");
			w = reply;
			w.how = WRITE_PUT;
			refused(store, w, "only added");
			w = reply;
			w.row.reply.status = 0;
			refused(store, w, "status");
			w = reply;
			w.row.reply.key = SPAN_EMPTY;
			refused(store, w, "key");
			w = reply;
			w.row.reply.answer = span_of(long_text, ADMINROW_ANSWER_MAX + 1);
			refused(store, w, "answer");
			w.row.reply.answer = span_of(long_text, ADMINROW_ANSWER_MAX);
			must(store, w);
			w = audit;
			w.how = WRITE_CHANGE;
			refused(store, w, "only added");
			w.how = WRITE_REMOVE;
			refused(store, w, "only added");
			w = audit;
			w.row.audit.actor = SPAN_EMPTY;
			refused(store, w, "actor");
			w = audit;
			w.row.audit.before = S("x");
			refused(store, w, "before");
			w = audit;
			w.row.audit.detail = span_of(long_text, ADMINROW_DETAIL_MAX + 1);
			refused(store, w, "detail");
			w.row.audit.detail = S("\xff");
			refused(store, w, "detail");
			w = audit;
			w.life = true;
			refused(store, w, "");
			assert_int_equal(head_of(store).seq, 0);
			keystore_close(store);
		}
}

/* As the first three scripts made it. */
#define SCHEMA_3                                                                                   \
	"BEGIN; DROP TABLE tokens; DROP TABLE replies; DROP TABLE audit; DROP TABLE audit_head; "  \
	"DROP TABLE quotas; DROP TABLE providers; DELETE FROM migrations WHERE version < -3; "     \
	"COMMIT"

static void
must_say_init(enum status status, const struct err *err)
{
	if (status != ST_UNAVAILABLE || strstr(err->text, "signpost store init") == NULL)
		fail_msg("%s: %s", status_name(status), err->text);
}

static void
a_schema_of_before(void **state)
{
	struct keystore *store = populated(&kinds[0], "before.db");
	const struct audit_question question = {.max = 1};
	struct keystore_write writes[] = {a_tenant(WRITE_CHANGE, "acme"),
	    an_audit("x", "acme", "a"), a_reply("k", "{}"),
	    a_token(WRITE_ADD, "t", "acme", HASH_A)};
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	uint64_t epoch;
	struct audit_head head;
	int from, to;
	size_t at;

	(void)state;
	keystore_close(store);
	run_sql("before.db", SCHEMA_3);
	store = open_store("before.db", true);
	must(store, writes[0]);
	epoch = epoch_of(store);
	must_say_init(keystore_token(store, STORE_TOKEN_BY_ID, S("t"), &rows, &err), &err);
	must_say_init(keystore_reply(store, S("s"), S("k"), &rows, &err), &err);
	must_say_init(keystore_audits(store, &question, &rows, &err), &err);
	must_say_init(keystore_audit_head(store, &head, &err), &err);
	must_say_init(keystore_forget_replies(store, 9, &at, &err), &err);
	must_say_init(store->ops->list(store, STORE_TOKEN, S(""), 9, &rows, &err), &err);
	for (size_t i = 1; i < 4; i++) {
		struct keystore_write both[] = {writes[0], writes[i]};

		must_say_init(apply(store, both, 2, &at, &err), &err);
		must_say_init(apply(store, &both[1], 1, &at, &err), &err);
	}
	assert_int_equal(epoch_of(store), epoch);
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_int_equal(from, 3);
	assert_int_equal(to, 6);
	assert_int_equal(apply(store, writes, 4, &at, &err), ST_OK);
	is_whole(store, 1);
	keystore_close(store);
}

/* One that this program does not know: nothing is written, also where no epoch is raised. */
static void
a_schema_of_later(void **state)
{
	struct keystore *store = populated(&kinds[0], "later.db");
	const struct keystore_write writes[] = {an_audit("x", "acme", "a"), a_reply("k", "{}"),
	    a_token(WRITE_ADD, "t", "acme", HASH_A)};
	struct err err = ERR_NONE;
	size_t at;

	(void)state;
	run_sql("later.db", "INSERT INTO migrations VALUES (9, 'x', 0)");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(apply(store, &writes[i], 1, &at, &err), ST_UNAVAILABLE);
		assert_non_null(strstr(err.text, "version 9"));
	}
	run_sql("later.db", "DELETE FROM migrations WHERE version = 9");
	is_whole(store, 0);
	no_token(store, STORE_TOKEN_BY_ID, "t");
	assert_int_equal(apply(store, writes, 3, &at, &err), ST_OK);
	is_whole(store, 1);
	keystore_close(store);
}

/* A gateway's, which reads no more than it did. */
static void
opened_for_reading(void **state)
{
	struct keystore *store = populated(&kinds[0], "reading.db"),
			*reader = open_store("reading.db", false);
	const struct keystore_write write = a_reply("k", "{}");
	struct err err = ERR_NONE;
	size_t at;

	(void)state;
	assert_int_equal(apply(reader, &write, 1, &at, &err), ST_DENIED);
	assert_int_equal(keystore_forget_replies(reader, 1, &at, &err), ST_DENIED);
	keystore_close(reader);
	keystore_close(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(pages_of_tokens),
	    cmocka_unit_test(replies),
	    cmocka_unit_test(many_answers_go),
	    cmocka_unit_test(hash_of_a_row),
	    cmocka_unit_test(a_chain),
	    cmocka_unit_test(pages_of_the_audit),
	    cmocka_unit_test(somebody_wrote_in_it),
	    cmocka_unit_test(somebody_wrote_all_anew),
	    cmocka_unit_test(rows_stay),
	    cmocka_unit_test(threads_and_processes),
	    cmocka_unit_test(a_writer_is_killed),
	    cmocka_unit_test(rows_that_cannot_be),
	    cmocka_unit_test(a_schema_of_before),
	    cmocka_unit_test(a_schema_of_later),
	    cmocka_unit_test(opened_for_reading),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
