/*
 * mirror_sql_line.c - the line of a mirror in the tables of a panel.
 * Called when the file of mirrors is read. It must never take a password that stands in the line,
 * nor put one into a sentence; and nothing but letters, digits and '_' becomes part of a statement.
 */
#include <string.h>

#include "admin-api/mirror_sql.h"
#include "admin-api/publish_private.h"
#include "backends/keystore_url.h"
#include "lib/base/mem.h"

#define STATEMENT_MAX 4096U

static enum status
wrong(struct err *err, const char *option, const char *why)
{
	err_set(err, "%s: %s", option, why);
	return ST_INVALID;
}

static bool
prefix_good(struct span prefix)
{
	bool good = prefix.n > 0 && prefix.n <= MIRROR_SQL_PREFIX_MAX;

	for (size_t i = 0; good && i < prefix.n; i++) {
		char c = ascii_lower(prefix.p[i]);

		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	}
	return good;
}

static enum status
take_prefix(struct mirror_sql *sql, struct span value, struct err *err)
{
	if (sql->prefix != NULL)
		return wrong(err, "prefix", "is there twice");
	if (!prefix_good(value))
		return wrong(err, "prefix", "1 to 40 of A-Z a-z 0-9 _");
	sql->prefix = span_dup(value);
	return ST_OK;
}

static enum status
take_ca_file(struct mirror_sql *sql, struct span value, struct err *err)
{
	if (sql->ca_file != NULL)
		return wrong(err, "cafile", "is there twice");
	if (!publish_path_good(value))
		return wrong(err, "cafile", "an absolute path");
	sql->ca_file = span_dup(value);
	return ST_OK;
}

static enum status
take_tls(struct mirror_sql *sql, struct span value, struct err *err)
{
	if (sql->tls_said)
		return wrong(err, "tls", "is there twice");
	sql->tls_said = true;
	sql->tls = span_eq_str(value, "yes");
	if (sql->tls || span_eq_str(value, "no"))
		return ST_OK;
	return wrong(err, "tls", "\"yes\" or \"no\"");
}

/* Ours are taken; those of the address go into url. */
static enum status
take_option(struct mirror_sql *sql, struct span option, struct buf *url, struct err *err)
{
	struct span value = option, name;

	span_cut(&value, '=', &name);
	if (span_eq_str(name, "prefix"))
		return take_prefix(sql, value, err);
	if (span_eq_str(name, "cafile"))
		return take_ca_file(sql, value, err);
	if (span_eq_str(name, "tls"))
		return take_tls(sql, value, err);
	if (!span_eq_str(name, "passwordfile") && !span_eq_str(name, "socket")) {
		err_set(err,
		    "option \"%.*s\" is unknown; there are passwordfile, socket, prefix, tls, "
		    "cafile and tenants",
		    SPAN_ARG(span_sub(name, 0, 60)));
		return ST_INVALID;
	}
	buf_add_char(url, memchr(url->p, '?', url->n) == NULL ? '?' : '&');
	buf_add(url, option);
	return ST_OK;
}

/* "mysql:" was in front of url. */
static enum status
read_url(struct mirror_sql *sql, struct span value, struct buf *url, struct err *err)
{
	enum status status = ST_OK;
	struct span option;

	span_cut(&value, '?', &option);
	buf_add(url, option);
	while (status == ST_OK && value.n > 0) {
		span_cut(&value, '&', &option);
		status = take_option(sql, option, url, err);
	}
	if (status == ST_OK && buf_status(url) != ST_OK)
		status = wrong(err, "the address", "is too long");
	if (status == ST_OK)
		status = keystore_url_parse(buf_span(url), &sql->dsn, &sql->password_file, err);
	return status;
}

static enum status
check(const struct mirror_sql *sql, struct err *err)
{
	if (sql->dsn.password != NULL)
		return wrong(err, "the password", "belongs into the file that passwordfile= names");
	if (sql->dsn.user == NULL || sql->password_file == NULL)
		return wrong(
		    err, "who may write the keys", "write mysql://USER@... and passwordfile=/path");
	if (!sql->tls_said && !mirror_is_near(span_str(sql->dsn.host)))
		return wrong(err, "tls",
		    "private keys go over a network: \"yes\", or \"no\" if that is what you want");
	if (sql->ca_file != NULL && !sql->tls)
		return wrong(err, "cafile", "means nothing without tls=yes");
	return ST_OK;
}

static char *
with_prefix(const char *statement, const char *prefix)
{
	struct span rest = span_str(statement), before;
	struct buf text;
	char *made;

	buf_init(&text, STATEMENT_MAX);
	while (span_cut(&rest, '{', &before)) {
		buf_add(&text, before);
		buf_add_str(&text, prefix == NULL ? "" : prefix);
		rest = span_from(rest, 1); /* '}' */
	}
	buf_add(&text, before);
	made = mem_strdup(buf_text(&text));
	buf_free(&text);
	return made;
}

static void
prepare(struct mirror_sql *sql)
{
	struct buf where;

	for (unsigned i = 0; i < sql->panel->count; i++)
		sql->statements[i] = with_prefix(sql->panel->statements[i], sql->prefix);
	buf_init(&where, 2 * KEYSTORE_URL_MAX);
	keystore_url_describe(&sql->dsn, &where);
	sql->where = mem_strdup(buf_text(&where));
	buf_free(&where);
}

enum status
mirror_sql_open(
    struct mirror *mirror, const struct mirror_panel *panel, struct span value, struct err *err)
{
	struct mirror_sql *sql = mem_zalloc(1, sizeof(*sql));
	struct span scheme;
	struct buf url;
	enum status status;

	mirror->state = sql;
	sql->panel = panel;
	if (mysql_driver.connect == NULL)
		return wrong(err, panel->kind, "is not in this build; build it with libmariadb");
	if (!span_cut(&value, ':', &scheme) || !span_eq_str(scheme, "mysql"))
		return wrong(err, panel->kind, "needs mysql://USER@HOST/DATABASE");
	buf_init(&url, KEYSTORE_URL_MAX);
	status = read_url(sql, value, &url, err);
	buf_free(&url);
	if (status == ST_OK)
		status = check(sql, err);
	if (status == ST_OK)
		prepare(sql);
	return status == ST_UNAVAILABLE ? ST_INVALID : status;
}

void
mirror_sql_close(struct mirror *mirror)
{
	struct mirror_sql *sql = mirror->state;

	if (sql == NULL)
		return;
	dsn_free(&sql->dsn);
	for (unsigned i = 0; i < MIRROR_SQL_STATEMENTS_MAX; i++)
		mem_free(sql->statements[i]);
	mem_free(sql->password_file);
	mem_free(sql->ca_file);
	mem_free(sql->prefix);
	mem_free(sql->where);
	mem_free(sql);
}
