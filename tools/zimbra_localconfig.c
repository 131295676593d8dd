/*
 * zimbra_localconfig.c - the reader of Zimbra's localconfig.xml.
 * Called by zimbra_config.c with the octets of the file. It must never guess: a password that is
 * read wrongly is sent to a server. One pass, no recursion, no entities but the five of XML and
 * numbers.
 */
#include "config.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/secret.h"
#include "tools/zimbra_localconfig.h"

static const char *const names[LOCALCONFIG_KEY_COUNT] = {
    [LOCALCONFIG_MASTER_URL] = "ldap_master_url",
    [LOCALCONFIG_URL] = "ldap_url",
    [LOCALCONFIG_START_TLS] = "ldap_starttls_supported",
    [LOCALCONFIG_USER_DN] = "zimbra_ldap_userdn",
    [LOCALCONFIG_PASSWORD] = "zimbra_ldap_password",
};

struct reader {
	struct span all, rest;
	struct err *err;
};

const char *
localconfig_name(enum localconfig_key key)
{
	return names[key];
}

static enum status
refuse(const struct reader *reader, const char *what)
{
	size_t line = 1, read = reader->all.n - reader->rest.n;

	for (size_t i = 0; i < read; i++)
		line += reader->all.p[i] == '\n' ? 1 : 0;
	err_set(reader->err, "line %zu: %s", line, what);
	return ST_INVALID;
}

static void
skip_blanks(struct reader *reader)
{
	while (reader->rest.n > 0 && ascii_blank(reader->rest.p[0]))
		reader->rest = span_from(reader->rest, 1);
}

static bool
take(struct reader *reader, const char *text)
{
	struct span wanted = span_str(text);

	if (!span_starts(reader->rest, wanted))
		return false;
	reader->rest = span_from(reader->rest, wanted.n);
	return true;
}

/* Everything up to end, and end itself. false: it does not come. */
static bool
take_until(struct reader *reader, const char *end, struct span *out)
{
	size_t n = strlen(end);

	for (size_t i = 0; i + n <= reader->rest.n; i++)
		if (memcmp(reader->rest.p + i, end, n) == 0) {
			*out = span_sub(reader->rest, 0, i);
			reader->rest = span_from(reader->rest, i + n);
			return true;
		}
	return false;
}

/* Blanks and comments. */
static enum status
skip_between(struct reader *reader)
{
	struct span comment;

	skip_blanks(reader);
	while (take(reader, "<!--")) {
		if (!take_until(reader, "-->", &comment))
			return refuse(reader, "a comment does not end");
		skip_blanks(reader);
	}
	return ST_OK;
}

/* ---- values ---- */

/* What stands between '&' and ';'. 0: nothing that is known, or no octet of a text. */
static unsigned
entity(struct span word)
{
	static const struct {
		const char *name;
		unsigned is;
	} known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
	bool hex = span_starts(word, SPAN_LIT("#x"));
	unsigned value = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_eq_str(word, known[i].name))
			return known[i].is;
	if (!span_starts(word, SPAN_LIT("#")) || word.n > 8)
		return 0;
	for (size_t i = hex ? 2 : 1; i < word.n; i++) {
		char c = ascii_lower(word.p[i]);
		unsigned digit = c >= '0' && c <= '9'          ? (unsigned)(c - '0')
				 : hex && c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
							       : 16;

		if (digit == 16)
			return 0;
		value = value * (hex ? 16 : 10) + digit;
	}
	return value < 0x110000 && (value < 0xd800 || value > 0xdfff) ? value : 0;
}

static void
add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_add_char(out, (char)c);
	} else if (c < 0x800) {
		buf_add_char(out, (char)(0xc0 | c >> 6));
		buf_add_char(out, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_add_char(out, (char)(0xe0 | c >> 12));
		buf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_add_char(out, (char)(0x80 | (c & 63)));
	} else {
		buf_add_char(out, (char)(0xf0 | c >> 18));
		buf_add_char(out, (char)(0x80 | (c >> 12 & 63)));
		buf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_add_char(out, (char)(0x80 | (c & 63)));
	}
}

static enum status
decode(const struct reader *reader, struct span text, struct buf *out)
{
	while (text.n > 0) {
		size_t end;
		unsigned c;

		if (text.p[0] == '<')
			return refuse(reader, "a value has something in it that is no text");
		if (text.p[0] != '&') {
			buf_add_char(out, text.p[0]);
			text = span_from(text, 1);
			continue;
		}
		end = span_find(text, ';');
		c = end == SIZE_MAX ? 0 : entity(span_sub(text, 1, end - 1));
		if (c == 0)
			return refuse(reader, "a value has a '&' that begins no known entity");
		add_utf8(out, c);
		text = span_from(text, end + 1);
	}
	return ST_OK;
}

/* Blanks around it are Zimbra's layout. */
static enum status
keep(const struct reader *reader, struct span text, char **out)
{
	struct buf value;
	enum status status;

	buf_init_secret(&value, LOCALCONFIG_VALUE_MAX);
	status = decode(reader, span_trim(text), &value);
	if (status == ST_OK && buf_status(&value) != ST_OK)
		status = refuse(reader, "a value is too long");
	if (status == ST_OK) {
		*out = secret_malloc(value.n + 1);
		if (*out == NULL) {
			err_set(reader->err, "no secret memory is left");
			status = ST_FAILED;
		} else {
			if (value.n > 0)
				memcpy(*out, value.p, value.n);
			(*out)[value.n] = '\0';
		}
	}
	buf_free(&value);
	return status;
}

/* ---- the file ---- */

static enum status
take_name(struct reader *reader, struct span *name_out)
{
	char end[2] = {0};

	skip_blanks(reader);
	if (!take(reader, "name"))
		return refuse(reader, "name=\"...\" is missing in <key>");
	skip_blanks(reader);
	if (!take(reader, "="))
		return refuse(reader, "name=\"...\" is missing in <key>");
	skip_blanks(reader);
	if (reader->rest.n == 0 || (reader->rest.p[0] != '"' && reader->rest.p[0] != '\''))
		return refuse(reader, "the name of a <key> has no quotes");
	end[0] = reader->rest.p[0];
	reader->rest = span_from(reader->rest, 1);
	if (!take_until(reader, end, name_out) || name_out->n == 0 ||
	    name_out->n > LOCALCONFIG_NAME_MAX || span_find(*name_out, '<') != SIZE_MAX)
		return refuse(reader, "the name of a <key> is none");
	skip_blanks(reader);
	return take(reader, ">") ? ST_OK : refuse(reader, "<key name=\"...\"> does not end in '>'");
}

static enum status
take_value(struct reader *reader, struct span name, struct localconfig *out)
{
	enum status status = ST_OK;
	struct span text = SPAN_EMPTY;

	if (!take(reader, "<value/>") && !take(reader, "<value />")) {
		if (!take(reader, "<value>"))
			return refuse(reader, "<value> is missing in <key>");
		if (!take_until(reader, "</value>", &text))
			return refuse(reader, "<value> does not end");
	}
	for (size_t i = 0; status == ST_OK && i < LOCALCONFIG_KEY_COUNT; i++) {
		if (!span_eq_str(name, names[i]))
			continue;
		if (out->values[i] != NULL)
			return refuse(reader, "a key that stands there already");
		status = keep(reader, text, &out->values[i]);
	}
	return status;
}

static enum status
take_key(struct reader *reader, struct localconfig *out)
{
	struct span name;
	enum status status = take_name(reader, &name);

	if (status == ST_OK)
		status = skip_between(reader);
	if (status == ST_OK)
		status = take_value(reader, name, out);
	if (status == ST_OK)
		status = skip_between(reader);
	if (status == ST_OK && !take(reader, "</key>"))
		return refuse(reader, "</key> is missing");
	return status;
}

static enum status
take_head(struct reader *reader)
{
	struct span head;
	enum status status;

	(void)take(reader, "\xef\xbb\xbf");
	skip_blanks(reader);
	if (take(reader, "<?xml") && !take_until(reader, "?>", &head))
		return refuse(reader, "<?xml does not end");
	status = skip_between(reader);
	if (status == ST_OK && !take(reader, "<localconfig>"))
		return refuse(reader, "<localconfig> is missing");
	return status;
}

static enum status
take_all(struct reader *reader, struct localconfig *out)
{
	enum status status = take_head(reader);
	size_t count = 0;

	while (status == ST_OK) {
		status = skip_between(reader);
		if (status != ST_OK || take(reader, "</localconfig>"))
			break;
		if (!take(reader, "<key") || reader->rest.n == 0 || !ascii_blank(reader->rest.p[0]))
			return refuse(reader, "neither <key name=\"...\"> nor </localconfig>");
		if (++count > LOCALCONFIG_KEYS_MAX)
			return refuse(reader, "there are too many keys");
		status = take_key(reader, out);
	}
	if (status == ST_OK)
		status = skip_between(reader);
	if (status == ST_OK && reader->rest.n > 0)
		return refuse(reader, "something follows </localconfig>");
	return status;
}

enum status
localconfig_parse(struct span text, struct localconfig *out, struct err *err)
{
	struct reader reader = {.all = text, .rest = text, .err = err};
	size_t nul = span_find(text, '\0');
	enum status status;

	memset(out, 0, sizeof(*out));
	if (nul != SIZE_MAX) {
		reader.rest = span_from(text, nul);
		return refuse(&reader, "an octet that is in no text");
	}
	status = take_all(&reader, out);
	if (status != ST_OK)
		localconfig_free(out);
	return status;
}

void
localconfig_free(struct localconfig *config)
{
	for (size_t i = 0; i < LOCALCONFIG_KEY_COUNT; i++)
		secret_free(config->values[i]);
	memset(config, 0, sizeof(*config));
}
