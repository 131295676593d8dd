/*
 * keystore_url.c - the grammar of "KeyStore mysql://...".
 * Called by keystore_mysql.c when a store is opened; what comes in was written by the operator.
 * It must never put the text of a URL into a message: there may be a password in it.
 */
#include <string.h>

#include "backends/keystore_url.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

static int
hex(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* out has room for text.n + 1. false: a '%' without two hexadecimal digits, or a NUL. */
static bool
decode(struct span text, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '%') {
			if (i + 2 >= text.n || hex(text.p[i + 1]) < 0 || hex(text.p[i + 2]) < 0)
				return false;
			c = (char)(hex(text.p[i + 1]) * 16 + hex(text.p[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

static enum status
refuse(const char *what, const char *why, struct err *err)
{
	err_set(err,
	    "the %s %s; write mysql://user:password@host:port/database, with %%XX for an "
	    "octet that is a sign here",
	    what, why);
	return ST_INVALID;
}

static enum status
take(struct span text, const char *what, char **out, struct err *err)
{
	if (*out != NULL)
		return refuse(what, "is there twice", err);
	*out = mem_alloc(text.n + 1);
	if (!decode(text, *out))
		return refuse(what, "has a '%' without two hexadecimal digits, or a NUL", err);
	if (**out == '\0')
		return refuse(what, "is empty", err);
	return has_control(*out) ? refuse(what, "has a control character", err) : ST_OK;
}

static enum status
take_password(struct span text, struct dsn *dsn, struct err *err)
{
	dsn->password = secret_malloc(text.n + 1);
	if (dsn->password == NULL) {
		err_set(err, "no secret memory left for the password");
		return ST_UNAVAILABLE;
	}
	return decode(text, dsn->password)
		   ? ST_OK
		   : refuse("password", "has a '%' without two hexadecimal digits, or a NUL", err);
}

/* "user:password@" in front of *server. */
static enum status
take_user(struct span *server, struct dsn *dsn, struct err *err)
{
	size_t at = span_rfind(*server, '@');
	struct span password, user;
	enum status status;

	if (at == SIZE_MAX)
		return ST_OK;
	password = span_sub(*server, 0, at);
	*server = span_from(*server, at + 1);
	if (span_cut(&password, ':', &user)) {
		status = take_password(password, dsn, err);
		if (status != ST_OK)
			return status;
	}
	return take(user, "user", &dsn->user, err);
}

static enum status
take_port(struct span text, struct dsn *dsn, struct err *err)
{
	uint64_t number;

	if (!span_number(text, 65535, &number) || number == 0)
		return refuse("port", "is none", err);
	dsn->port = (unsigned)number;
	return ST_OK;
}

static enum status
take_server(struct span server, struct dsn *dsn, struct err *err)
{
	enum status status = take_user(&server, dsn, err);
	struct span host;

	if (status != ST_OK || server.n == 0)
		return status;
	if (server.p[0] == '[') {
		server = span_from(server, 1);
		if (!span_cut(&server, ']', &host) || (server.n > 0 && server.p[0] != ':'))
			return refuse("host", "has a '[' that does not end", err);
		if (server.n > 0)
			status = take_port(span_from(server, 1), dsn, err);
	} else if (span_cut(&server, ':', &host)) {
		status = take_port(server, dsn, err);
	}
	return status == ST_OK ? take(host, "host", &dsn->host, err) : status;
}

static enum status
take_option(struct span text, struct dsn *dsn, char **socket, char **password_file, struct err *err)
{
	struct span name;
	enum status status;
	char **place;

	span_cut(&text, '=', &name);
	place = span_eq_str(name, "socket")         ? socket
		: span_eq_str(name, "passwordfile") ? password_file
						    : NULL;
	if (place == NULL)
		return refuse("option", "is none of socket and passwordfile", err);
	status = take(text, place == socket ? "socket" : "passwordfile", place, err);
	if (status == ST_OK && **place != '/')
		status = refuse("path", "does not begin with a slash", err);
	if (status == ST_OK && place == password_file && dsn->password != NULL)
		status = refuse("password", "is there twice", err);
	if (status == ST_OK && place == socket && dsn->host != NULL)
		status = refuse("host", "and a socket cannot both be asked", err);
	return status;
}

static enum status
parse(struct span text, struct dsn *dsn, char **password_file, struct err *err)
{
	struct span place, server, option;
	char *socket = NULL;
	enum status status;
	bool more;

	if (text.n > KEYSTORE_URL_MAX || !span_starts(text, SPAN_LIT("//")))
		return refuse("address", "is too long, or does not begin with mysql://", err);
	text = span_from(text, 2);
	more = span_cut(&text, '?', &place);
	span_cut(&place, '/', &server);
	/* A '/' in a password would put its parts into the names of host and database. */
	if (span_find(place, '/') != SIZE_MAX || span_find(place, '@') != SIZE_MAX)
		return refuse("database", "has a '/' or a '@'", err);
	status = take_server(server, dsn, err);
	if (status == ST_OK)
		status = take(place, "database", &dsn->database, err);
	while (more && status == ST_OK) {
		more = span_cut(&text, '&', &option);
		status = take_option(option, dsn, &socket, password_file, err);
	}
	if (status == ST_OK && dsn->host == NULL)
		dsn->host = mem_strdup(socket != NULL ? socket : "localhost");
	mem_free(socket);
	return status;
}

enum status
keystore_url_parse(struct span text, struct dsn *out, char **password_file_out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	*password_file_out = NULL;
	out->backend = mem_strdup("mysql");
	status = parse(text, out, password_file_out, err);
	if (status == ST_OK)
		return status;
	dsn_free(out);
	mem_free(*password_file_out);
	*password_file_out = NULL;
	return status;
}

void
keystore_url_describe(const struct dsn *dsn, struct buf *out)
{
	bool brackets = strchr(dsn->host, ':') != NULL;

	buf_add_fmt(out, "mysql://%s%s%s", brackets ? "[" : "", dsn->host, brackets ? "]" : "");
	if (dsn->port != 0)
		buf_add_fmt(out, ":%u", dsn->port);
	buf_add_fmt(out, "/%s", dsn->database);
}
