/*
 * dsn.c - the grammar of dsn: data sets.
 * Called by sql.c when a table is opened; what comes in was written by the operator.
 * It must never put the text of a specification into a message: there is a password in it.
 */
#include <string.h>

#include "backends/dsn.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

static const char *const option_names[] = {
    "table", "keycol", "datacol", "filter", "preset", "prefix"};

enum { OPTIONS = sizeof(option_names) / sizeof(option_names[0]) };

static int
hex(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* =XX becomes an octet, another '=' stays. out has room for text.n + 1. */
static size_t
decode(struct span text, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		bool coded = text.p[i] == '=' && i + 2 < text.n && hex(text.p[i + 1]) >= 0 &&
			     hex(text.p[i + 2]) >= 0;

		out[n++] = coded ? (char)(hex(text.p[i + 1]) * 16 + hex(text.p[i + 2])) : text.p[i];
		i += coded ? 2 : 0;
	}
	out[n] = '\0';
	return n;
}

static bool
has_control(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

static enum status
take(struct span text, const char *what, char **out, struct err *err)
{
	size_t n;

	*out = mem_alloc(text.n + 1);
	n = decode(text, *out);
	if (!has_control(*out, n) && n > 0)
		return ST_OK;
	if (n == 0)
		err_set(err, "the %s of the dsn is empty", what);
	else
		err_set(err,
		    "the %s of the dsn has a control character; '=' before two hexadecimal digits "
		    "is written =3D",
		    what);
	return ST_INVALID;
}

static enum status
take_password(struct span text, struct dsn *dsn, struct err *err)
{
	size_t n;

	dsn->password = secret_malloc(text.n + 1);
	if (dsn->password == NULL) {
		err_set(err, "no secret memory left for the password of the dsn");
		return ST_UNAVAILABLE;
	}
	n = decode(text, dsn->password);
	if (strlen(dsn->password) == n)
		return ST_OK;
	err_set(err, "the password of the dsn has a NUL octet");
	return ST_INVALID;
}

/* The '/' in front of the first option. */
static size_t
find_options(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		struct span rest = span_from(text, i + 1), name;

		if (text.p[i] != '/' || !span_cut(&rest, '=', &name))
			continue;
		for (size_t k = 0; k < OPTIONS; k++)
			if (span_ieq_str(name, option_names[k]))
				return i;
	}
	return SIZE_MAX;
}

static enum status
parse_option(struct span text, struct dsn *dsn, struct err *err)
{
	char **const places[OPTIONS] = {&dsn->table, &dsn->key_column, &dsn->data_columns,
	    &dsn->filter, &dsn->preset, &dsn->prefix};
	struct span value = text, name;

	span_cut(&value, '=', &name);
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!span_ieq_str(name, option_names[i]))
			continue;
		if (*places[i] == NULL)
			return take(value, option_names[i], places[i], err);
		err_set(err, "the dsn has %s twice", option_names[i]);
		return ST_INVALID;
	}
	err_set(err, "the dsn has an option that is none of table, keycol, datacol, filter, preset "
		     "and prefix; a "
		     "'?' in a value is written =3F");
	return ST_INVALID;
}

static enum status
require(const char *option, const char *name, struct err *err)
{
	if (option != NULL)
		return ST_OK;
	err_set(err, "the dsn has no %s; write .../table=T?keycol=K?datacol=C1,C2", name);
	return ST_INVALID;
}

static enum status
only_preset(const struct dsn *dsn, struct err *err)
{
	if (dsn->table == NULL && dsn->key_column == NULL && dsn->data_columns == NULL &&
	    dsn->filter == NULL)
		return ST_OK;
	err_set(err, "the dsn has a preset, which says table, keycol, datacol and filter: leave "
		     "those out, or the preset");
	return ST_INVALID;
}

static enum status
parse_options(struct span text, struct dsn *dsn, struct err *err)
{
	enum status status = ST_OK;
	struct span option;
	bool more = text.n > 0;

	while (more && status == ST_OK) {
		more = span_cut(&text, '?', &option);
		status = parse_option(option, dsn, err);
	}
	if (status == ST_OK && dsn->preset != NULL)
		return only_preset(dsn, err);
	if (status == ST_OK && dsn->prefix != NULL) {
		err_set(
		    err, "the dsn has a prefix without a preset; write it in front of the table");
		return ST_INVALID;
	}
	if (status == ST_OK)
		status = require(dsn->table, "table", err);
	if (status == ST_OK)
		status = require(dsn->key_column, "keycol", err);
	return status == ST_OK ? require(dsn->data_columns, "datacol", err) : status;
}

/* [user[:password]@]; the last '@' ends it, so that one in a password does no harm. */
static enum status
parse_user(struct span *rest, struct dsn *dsn, struct err *err)
{
	size_t at = span_rfind(*rest, '@');
	struct span password, user;
	enum status status;

	if (at == SIZE_MAX)
		return ST_OK;
	password = span_sub(*rest, 0, at);
	*rest = span_from(*rest, at + 1);
	if (span_cut(&password, ':', &user)) {
		status = take_password(password, dsn, err);
		if (status != ST_OK)
			return status;
	}
	return take(user, "user", &dsn->user, err);
}

static enum status
parse_server(struct span server, struct dsn *dsn, struct err *err)
{
	enum status status = parse_user(&server, dsn, err);
	struct span port;
	uint64_t number;

	if (status != ST_OK)
		return status;
	if (span_find(server, '+') != SIZE_MAX) {
		span_cut(&server, '+', &port);
		if (!span_number(port, 65535, &number) || number == 0) {
			err_set(err, "the port of the dsn is none; write port+host");
			return ST_INVALID;
		}
		dsn->port = (unsigned)number;
	}
	if (server.n == 0) {
		err_set(err, "SQL host not defined; write dsn:mysql://user:password@host/database/"
			     "table=T?keycol=K?datacol=C");
		return ST_INVALID;
	}
	if (span_find(server, ':') != SIZE_MAX) {
		err_set(err, "the host of the dsn has a ':'; a port is written port+host, an IPv6 "
			     "address with =3A for each ':', and user:password ends with '@'");
		return ST_INVALID;
	}
	return take(server, "host", &dsn->host, err);
}

static enum status
parse_place(struct span place, struct dsn *dsn, struct err *err)
{
	struct span server;
	enum status status;

	if (strcmp(dsn->backend, "sqlite3") == 0) {
		status = take(place, "path", &dsn->database, err);
		if (status != ST_OK || dsn->database[0] == '/')
			return status;
		err_set(err, "the path of the dsn does not begin with a slash; write "
			     "dsn:sqlite3:///path/table=T?keycol=K?datacol=C");
		return ST_INVALID;
	}
	span_cut(&place, '/', &server);
	/* A '/' in a password would put its parts into the names of host and database. */
	if (span_find(place, '/') != SIZE_MAX || span_find(place, '@') != SIZE_MAX) {
		err_set(err, "the dsn has more than host/database before its options; a '/' in a "
			     "password or a name is written =2F, a '@' in the database =40");
		return ST_INVALID;
	}
	status = parse_server(server, dsn, err);
	return status == ST_OK ? take(place, "database", &dsn->database, err) : status;
}

static enum status
parse(struct span text, struct dsn *dsn, struct err *err)
{
	struct span backend, place;
	enum status status;
	size_t options;

	if (text.n > DSN_MAX || !span_cut(&text, ':', &backend) || backend.n == 0 ||
	    backend.n > 32 || has_control(backend.p, backend.n)) {
		err_set(
		    err, "the dsn has no kind of server, or is too long; write dsn:mysql://...");
		return ST_INVALID;
	}
	dsn->backend = span_dup_lower(backend);
	if (span_starts(text, SPAN_LIT("//")))
		text = span_from(text, 2);
	options = find_options(text);
	place = span_sub(text, 0, options);
	status = parse_options(
	    options == SIZE_MAX ? SPAN_EMPTY : span_from(text, options + 1), dsn, err);
	return status == ST_OK ? parse_place(place, dsn, err) : status;
}

enum status
dsn_parse(struct span text, struct dsn *out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	status = parse(span_trim(text), out, err);
	if (status != ST_OK)
		dsn_free(out);
	return status;
}

void
dsn_free(struct dsn *dsn)
{
	mem_free(dsn->backend);
	mem_free(dsn->user);
	secret_free(dsn->password);
	mem_free(dsn->host);
	mem_free(dsn->database);
	mem_free(dsn->table);
	mem_free(dsn->key_column);
	mem_free(dsn->data_columns);
	mem_free(dsn->filter);
	mem_free(dsn->preset);
	mem_free(dsn->prefix);
	memset(dsn, 0, sizeof(*dsn));
}

void
dsn_describe(const struct dsn *dsn, struct buf *out)
{
	buf_add_fmt(out, "%s://%s", dsn->backend, dsn->host == NULL ? "" : dsn->host);
	if (dsn->port != 0)
		buf_add_fmt(out, ":%u", dsn->port);
	buf_add_fmt(out, "%s%s, table %s", dsn->host == NULL ? "" : "/", dsn->database, dsn->table);
}

/* Letters, digits, '_', '$', '-' and what is not ASCII; parts are separated by '.'. */
static bool
is_plain_name(struct span name)
{
	char before = '.';

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], lower = ascii_lower(c);
		bool plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
			     c == '$' || c == '-' || (unsigned char)c >= 0x80;

		if (!plain && (c != '.' || before == '.'))
			return false;
		before = c;
	}
	return before != '.';
}

/* The same quotes in both dialects; in SQLite a name in double quotes that does not exist would
 * be taken for a text. */
static void
add_name(struct buf *out, struct span name)
{
	struct span part;
	bool more;

	do {
		more = span_cut(&name, '.', &part);
		buf_add_char(out, '`');
		buf_add(out, part);
		buf_add_str(out, more ? "`." : "`");
	} while (more);
}

static enum status
refuse_name(const char *what, struct err *err)
{
	err_set(err, "%s of the dsn is no plain name of SQL; make a view with plain names", what);
	return ST_INVALID;
}

/* What would end the statement or hide the rest of it. */
static bool
is_expression(struct span text)
{
	static const char *const bad[] = {";", "--", "#", "/*", "\\", "`"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (memmem(text.p, text.n, bad[i], strlen(bad[i])) != NULL)
			return false;
	return true;
}

/* Plain names each in quotes; or, as opendkim takes them, expressions like CONCAT('k',id). */
static enum status
add_data_columns(struct buf *out, struct span columns, struct err *err)
{
	struct span rest = columns, column;
	bool plain = true, more;
	size_t count = 0;

	do {
		more = span_cut(&rest, ',', &column);
		plain = plain && is_plain_name(span_trim(column)) && ++count <= DSN_COLUMNS_MAX;
	} while (more);
	if (!plain) {
		if (!is_expression(columns))
			return refuse_name("datacol", err);
		buf_add(out, columns);
		return ST_OK;
	}
	do {
		more = span_cut(&columns, ',', &column);
		add_name(out, span_trim(column));
		buf_add_str(out, more ? "," : "");
	} while (more);
	return ST_OK;
}

static void
add_condition(struct buf *out, const struct dsn *dsn, unsigned slots)
{
	buf_add_str(out, " WHERE ");
	add_name(out, span_str(dsn->key_column));
	buf_add_str(out, slots == 1 ? " = ?" : " IN (?");
	for (unsigned i = 1; i < slots; i++)
		buf_add_str(out, ",?");
	buf_add_str(out, slots == 1 ? "" : ")");
	if (dsn->filter != NULL)
		buf_add_fmt(out, " AND (%s)", dsn->filter);
}

enum status
dsn_statement(const struct dsn *dsn, unsigned slots, struct buf *out, struct err *err)
{
	enum status status;

	if (!is_plain_name(span_str(dsn->table)))
		return refuse_name("table", err);
	if (!is_plain_name(span_str(dsn->key_column)))
		return refuse_name("keycol", err);
	buf_add_str(out, "SELECT ");
	add_name(out, span_str(dsn->key_column));
	buf_add_char(out, ',');
	status = add_data_columns(out, span_str(dsn->data_columns), err);
	if (status != ST_OK)
		return status;
	buf_add_str(out, " FROM ");
	add_name(out, span_str(dsn->table));
	add_condition(out, dsn, slots);
	status = buf_status(out);
	if (status != ST_OK)
		err_set(err, "the dsn is too long");
	return status;
}

enum status
dsn_list_statement(const struct dsn *dsn, struct buf *out, struct err *err)
{
	enum status status;

	if (!is_plain_name(span_str(dsn->table)))
		return refuse_name("table", err);
	if (!is_plain_name(span_str(dsn->key_column)))
		return refuse_name("keycol", err);
	buf_add_str(out, "SELECT DISTINCT ");
	add_name(out, span_str(dsn->key_column));
	buf_add_str(out, " FROM ");
	add_name(out, span_str(dsn->table));
	if (dsn->filter != NULL)
		buf_add_fmt(out, " WHERE (%s)", dsn->filter);
	status = buf_status(out);
	if (status != ST_OK)
		err_set(err, "the dsn is too long");
	return status;
}
