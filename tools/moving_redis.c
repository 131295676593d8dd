/*
 * moving_redis.c - reads what redis-cli prints of the hashes of rspamd and mailcow: names
 * "selector.domain" with private keys, names of domains with selectors.
 * Called by import. One pass, no recursion: of JSON (--json), of --csv and of what redis-cli shows
 * at a terminal (--no-raw) only the quoted strings count. What is decoded is in secret memory.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/store/keyindex.h"
#include "tools/cli.h"
#include "tools/moving.h"

#define STRING_MAX 65536U /* octets of one decoded string */

/* ---- quoted strings ---- */

struct scan {
	struct span rest;
	unsigned line;
};

static int
hex_of(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, ascii_lower(c));

	return c == '\0' || at == NULL ? -1 : (int)(at - digits);
}

/* n hexadecimal digits. false: there are less, or it is no octet of ASCII in a longer form. */
static bool
take_hex(struct scan *scan, size_t n, struct buf *out)
{
	int value = 0;

	if (scan->rest.n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = hex_of(scan->rest.p[i]);

		if (digit < 0)
			return false;
		value = value * 16 + digit;
	}
	if (value > (n == 2 ? 0xff : 0x7f))
		return false;
	scan->rest = span_from(scan->rest, n);
	buf_add_char(out, (char)value);
	return true;
}

/* What stands behind a backslash. */
static bool
take_escape(struct scan *scan, struct buf *out)
{
	static const char names[] = "nrtab\\\"/", values[] = "\n\r\t\a\b\\\"/";
	const char *at;
	char c;

	if (scan->rest.n == 0)
		return false;
	c = scan->rest.p[0];
	scan->rest = span_from(scan->rest, 1);
	if (c == 'x' || c == 'u')
		return take_hex(scan, c == 'x' ? 2 : 4, out);
	at = c == '\0' ? NULL : strchr(names, c);
	if (at == NULL)
		return false;
	buf_add_char(out, values[at - names]);
	return true;
}

/* Behind the quote that begins it. */
static bool
take_string(struct scan *scan, struct buf *out)
{
	buf_reset(out);
	while (scan->rest.n > 0) {
		char c = scan->rest.p[0];

		scan->rest = span_from(scan->rest, 1);
		if (c == '"')
			return buf_status(out) == ST_OK;
		if (c == '\\' && !take_escape(scan, out))
			return false;
		if (c == '\n')
			scan->line++;
		if (c != '\\')
			buf_add_char(out, c);
	}
	return false;
}

/* To behind the next quote. false: there is none, or something that none of the forms has. */
static bool
find_string(struct scan *scan, bool *strange)
{
	while (scan->rest.n > 0) {
		char c = scan->rest.p[0];

		if (c != '"' && (c == '\0' || strchr("0123456789)#=>,:{}[] \t\r\n", c) == NULL)) {
			*strange = true;
			return false;
		}
		scan->rest = span_from(scan->rest, 1);
		if (c == '"')
			return true;
		scan->line += c == '\n';
	}
	return false;
}

bool
moving_parse_redis(struct span text, moving_pair *pair, void *context, struct err *err)
{
	struct scan scan = {text, 1};
	bool strange = false, has_name = false;
	struct buf name, value;

	buf_init_secret(&name, STRING_MAX);
	buf_init_secret(&value, STRING_MAX);
	while (!strange && find_string(&scan, &strange)) {
		unsigned line = scan.line;

		strange = !take_string(&scan, has_name ? &value : &name);
		if (has_name && !strange)
			pair(context, buf_span(&name), buf_span(&value), line);
		has_name = !has_name;
	}
	buf_free(&name);
	buf_free(&value);
	if (!strange && !has_name)
		return true;
	err_set(err, "line %u: %s", scan.line,
	    strange ? "this is not what redis-cli prints with --json, --csv or --no-raw"
		    : "the last name has no value");
	return false;
}

/* ---- what they say ---- */

struct selector {
	struct span domain, selector;
	unsigned line;
	bool met; /* its key is there */
};

struct taking {
	struct moving_site *site;
	struct span where;
	struct selector *all;
	size_t count, room;
	struct keyindex index;
};

static bool
is_key(struct span value)
{
	return value.n > 64;
}

static struct span
domain_of(const void *context, uint32_t id)
{
	const struct taking *taking = context;

	return taking->all[id].domain;
}

static void
take_selector(void *context, struct span name, struct span value, unsigned line)
{
	struct taking *taking = context;

	if (is_key(value))
		return;
	if (!domain_is_valid(name) || !selector_is_valid(value)) {
		moving_find(taking->site, SEVERITY_ERROR, "bad-name", name, taking->where, line,
		    "this is neither a private key nor the selector of a domain");
		return;
	}
	if (taking->count == taking->room) {
		taking->room = taking->room == 0 ? 64 : taking->room * 2;
		taking->all = mem_resize(taking->all, taking->room, sizeof(*taking->all));
	}
	taking->all[taking->count++] = (struct selector){
	    moving_keep(taking->site, name), moving_keep(taking->site, value), line, false};
}

/* Where the selector ends: a domain whose selector it is begins behind it; else the first dot. */
static size_t
end_of_selector(struct taking *taking, struct span name, bool *signs)
{
	for (size_t i = 1; i + 1 < name.n && i < TABLE_KEY_MAX; i++) {
		uint32_t at = name.p[i] != '.'
				  ? KEYINDEX_NONE
				  : keyindex_find(&taking->index, span_from(name, i + 1));

		if (at != KEYINDEX_NONE &&
		    span_eq(taking->all[at].selector, span_sub(name, 0, i))) {
			taking->all[at].met = *signs = true;
			return i;
		}
	}
	*signs = false;
	return span_find(name, '.');
}

static void
take_key(void *context, struct span name, struct span value, unsigned line)
{
	struct taking *taking = context;
	struct moving_site *site = taking->site;
	struct moving_place place = {taking->where, line};
	struct span domain;
	bool signs;
	size_t dot, key;

	if (!is_key(value) || name.n > TABLE_KEY_MAX)
		return;
	dot = end_of_selector(taking, name, &signs);
	if (dot == SIZE_MAX || dot == 0 || dot + 1 >= name.n) {
		moving_find(site, SEVERITY_ERROR, "bad-name", name, place.where, line,
		    "the name of a key is SELECTOR.DOMAIN");
		return;
	}
	key = moving_add_key(site, span_from(name, dot + 1), span_sub(name, 0, dot), value, place);
	if (key == MOVING_NONE)
		return;
	domain = site->keys[key].domain;
	if (signs || keyindex_find(&taking->index, domain) == KEYINDEX_NONE)
		moving_add_sender(site, MOVING_DOMAIN, name, domain, SPAN_EMPTY, key, place);
	else
		moving_find(site, SEVERITY_NOTE, "unused-key", name, place.where, line,
		    "another selector is the one that signs; it comes as a key that does not sign");
}

bool
moving_take_redis(struct moving_site *site, struct span text, struct span where, struct err *err)
{
	struct taking taking = {.site = site, .where = moving_keep(site, where)};
	bool well = moving_parse_redis(text, take_selector, &taking, err);

	keyindex_init(&taking.index, taking.count, false, domain_of, &taking);
	for (size_t i = 0; i < taking.count; i++)
		(void)keyindex_put(&taking.index, (uint32_t)i);
	well = well && moving_parse_redis(text, take_key, &taking, err);
	for (size_t i = 0; i < taking.count; i++)
		if (well && !taking.all[i].met)
			moving_find(site, SEVERITY_ERROR, "no-key", taking.all[i].domain, where,
			    taking.all[i].line, "there is no private key %.*s.%.*s",
			    SHOWN(taking.all[i].selector), SHOWN(taking.all[i].domain));
	keyindex_free(&taking.index);
	mem_free(taking.all);
	return well;
}

int
moving_read_redis(struct moving_site *site, const char *path)
{
	struct err err = ERR_NONE;
	struct buf text;
	enum status status = moving_slurp(path, &text, &err);
	bool well =
	    status == ST_OK && moving_take_redis(site, buf_span(&text), span_str(path), &err);

	if (status == ST_OK && !well)
		err_prefix(&err, "%s", path);
	if (!well)
		cli_say(site->program, "%s", err.text);
	buf_free(&text);
	return well ? EX_OK : status == ST_OK ? EX_DATAERR : EX_NOINPUT;
}
