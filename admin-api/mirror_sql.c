/*
 * mirror_sql.c - one change in the tables of a panel: a connection, a transaction, what became of
 * it.
 * Called through mirror_postfixadmin and mirror_ispconfig. It must never wait without a limit, say
 * that something is done before it is committed, nor keep a password longer than the log-in.
 */
#include <string.h>

#include "admin-api/mirror_sql.h"
#include "admin-api/publish_private.h"
#include "lib/base/clock.h"
#include "lib/base/secret.h"

#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PEM_END "-----END PUBLIC KEY-----"
#define PEM_LINE 64U

struct mirror_session {
	const struct mirror_sql *sql;
	void *connection;
	int64_t deadline; /* clock_mono_ms(): nothing is asked behind it */
};

static const struct sql_advice advice = {
    .login = "check the user of the mirror in KeyMirrors, its passwordfile, and that user's rights",
    .database = "check the database of the mirror in KeyMirrors",
    .rights = "give the user of the mirror the rights of signpost-mirrors(5)",
    .schema = "check the database and the prefix of the mirror, and the version of the panel",
    .file = "check the mirror in KeyMirrors",
};

/* ---- statements ---- */

static void
failed(struct mirror_change *change, enum sql_answer answer, const struct err *err)
{
	bool later = answer == SQL_GONE || answer == SQL_AGAIN;

	if (answer == SQL_ORPHAN) {
		mirror_effect(change, LIFE_REFUSED,
		    "the panel has no domain %.*s: make it there (%.120s)",
		    SPAN_ARG(change->domain), err->text);
		return;
	}
	mirror_effect(change, later ? LIFE_UNAVAILABLE : LIFE_REFUSED, "%.290s", err->text);
	change->away = answer == SQL_GONE;
}

static bool
in_time(struct mirror_session *session, struct mirror_change *change)
{
	if (clock_mono_ms() < session->deadline)
		return true;
	mirror_effect(change, LIFE_UNAVAILABLE, "%.200s: takes longer than %d seconds",
	    session->sql->where, MIRROR_TIMEOUT_S);
	change->away = true;
	return false;
}

bool
mirror_sql_ask(struct mirror_session *session, struct mirror_change *change,
    const struct mirror_question *question)
{
	struct sql_question asked = {.statement = question->statement,
	    .values = question->values,
	    .count = question->count,
	    .row = question->row,
	    .context = question->context};
	struct err err = ERR_NONE;
	enum sql_answer answer;

	if (!in_time(session, change))
		return false;
	answer = mysql_driver.ask(session->connection, &asked, &err);
	if (question->changed_out != NULL)
		*question->changed_out = asked.changed;
	if (answer != SQL_ANSWERED)
		failed(change, answer, &err);
	return answer == SQL_ANSWERED;
}

static bool
run(struct mirror_session *session, struct mirror_change *change, const char *text)
{
	struct err err = ERR_NONE;
	enum sql_answer answer;

	if (!in_time(session, change))
		return false;
	answer = mysql_driver.run(session->connection, text, &err);
	if (answer != SQL_ANSWERED)
		failed(change, answer, &err);
	return answer == SQL_ANSWERED;
}

/* ---- a connection ---- */

static void
describe(const struct mirror_sql *sql, struct sql_source *out)
{
	*out = (struct sql_source){.dsn = sql->dsn,
	    .where = sql->where,
	    .use = SQL_WRITER,
	    .statements = (const char *const *)sql->statements,
	    .statement_count = sql->panel->count,
	    .columns_max = SQL_COLUMNS_MAX,
	    .advice = &advice,
	    .tls = sql->tls,
	    .tls_verify = true,
	    .tls_ca_file = sql->ca_file};
}

/* source is used as long as the connection is; its password is not. */
static enum status
log_in(const struct mirror_sql *sql, struct sql_source *source, void **out, struct err *err)
{
	char *room = NULL, *word;
	struct span password;
	enum status status = publish_secret_read(sql->password_file, &room, &password, err);

	if (status != ST_OK)
		return status;
	word = secret_malloc(password.n + 1);
	if (word == NULL) {
		secret_free(room);
		err_set(err, "no secret memory left");
		return ST_UNAVAILABLE;
	}
	memcpy(word, password.p, password.n);
	word[password.n] = '\0';
	secret_free(room);
	source->dsn.password = word;
	status = mysql_driver.connect(source, out, err);
	source->dsn.password = NULL;
	secret_free(word);
	return status;
}

static void
in_transaction(struct mirror_session *session, struct mirror_change *change)
{
	if (!run(session, change, "START TRANSACTION"))
		return;
	session->sql->panel->change(session, change);
	/* What is not committed is rolled back when the connection ends. */
	if (change->effect == LIFE_DONE)
		(void)run(session, change, "COMMIT");
}

void
mirror_sql_apply(struct mirror *mirror, struct mirror_change *change)
{
	const struct mirror_sql *sql = mirror->state;
	struct mirror_session session = {
	    .sql = sql, .deadline = clock_mono_ms() + MIRROR_TIMEOUT_S * 1000};
	struct sql_source source;
	struct err err = ERR_NONE;
	enum status status;

	describe(sql, &source);
	status = log_in(sql, &source, &session.connection, &err);
	if (status != ST_OK) {
		mirror_effect(change, status == ST_UNAVAILABLE ? LIFE_UNAVAILABLE : LIFE_REFUSED,
		    "%.290s", err.text);
		change->away = status == ST_UNAVAILABLE;
		return;
	}
	in_transaction(&session, change);
	mysql_driver.disconnect(session.connection);
}

/* ---- texts ---- */

void
mirror_sql_show(struct span text, char *out, size_t bytes)
{
	size_t n = text.n < bytes - 1 ? text.n : bytes - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = text.p[i] > ' ' && text.p[i] <= '~' ? text.p[i] : '?';
	out[n] = '\0';
}

enum status
mirror_sql_public_pem(struct span public_key, struct buf *out)
{
	buf_add_str(out, PEM_BEGIN "\n");
	for (size_t at = 0; at < public_key.n; at += PEM_LINE) {
		buf_add(out, span_sub(public_key, at, PEM_LINE));
		buf_add_char(out, '\n');
	}
	buf_add_str(out, PEM_END "\n");
	return buf_status(out);
}

bool
mirror_sql_is_public_pem(struct span text, struct span public_key)
{
	size_t at = 0;

	text = span_trim(text);
	if (!span_starts(text, SPAN_LIT(PEM_BEGIN)) || !span_ends(text, SPAN_LIT(PEM_END)) ||
	    text.n < sizeof(PEM_BEGIN PEM_END))
		return false;
	text = span_sub(text, sizeof(PEM_BEGIN) - 1, text.n - sizeof(PEM_BEGIN PEM_END) + 1);
	for (size_t i = 0; i < text.n; i++) {
		if (ascii_blank(text.p[i]))
			continue;
		if (at == public_key.n || text.p[i] != public_key.p[at++])
			return false;
	}
	return at == public_key.n;
}
