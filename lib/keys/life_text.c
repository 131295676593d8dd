/*
 * life_text.c - the life of keys and domains as JSON, one text in each row.
 * The reconciler and the tools read rows and write them. What is zero is not written. A newer
 * program's fields are ignored, so that an older one can still end what was begun. It must never
 * fail on what it wrote: sentences may have any octets, they come from servers.
 */
#include <jansson.h>
#include <stddef.h>

#include "lib/keys/life.h"

struct field {
	const char *name;
	enum { FIELD_BOOL, FIELD_INT, FIELD_NUMBER, FIELD_TEXT } kind;
	size_t at;
	size_t room; /* of a text, with its NUL */
};

#define KEY_AT(member) offsetof(struct key_life, member)
#define DOMAIN_AT(member) offsetof(struct domain_life, member)

static const struct field key_fields[] = {
    {"publisher", FIELD_TEXT, KEY_AT(publisher), PLAN_NAME_MAX + 1},
    {"target", FIELD_TEXT, KEY_AT(target), LIFE_TARGET_MAX + 1},
    {"ttl", FIELD_NUMBER, KEY_AT(ttl_s), 0},
    {"neg", FIELD_NUMBER, KEY_AT(neg_s), 0},
    {"prev", FIELD_NUMBER, KEY_AT(prev_s), 0},
    {"lease", FIELD_NUMBER, KEY_AT(lease_s), 0},
    {"signature", FIELD_NUMBER, KEY_AT(signature_s), 0},
    {"error", FIELD_NUMBER, KEY_AT(error_s), 0},
    {"tombstone", FIELD_NUMBER, KEY_AT(tomb_s), 0},
    {"removing", FIELD_NUMBER, KEY_AT(removing), 0},
    {"auth_first", FIELD_NUMBER, KEY_AT(auth_first), 0},
    {"auth_last", FIELD_NUMBER, KEY_AT(auth_last), 0},
    {"proofs", FIELD_INT, KEY_AT(proofs), 0},
    {"looked", FIELD_NUMBER, KEY_AT(looked), 0},
    {"drifted", FIELD_BOOL, KEY_AT(drifted), 0},
    {"tries", FIELD_INT, KEY_AT(tries), 0},
    {"next_try", FIELD_NUMBER, KEY_AT(next_try), 0},
    {"trouble", FIELD_TEXT, KEY_AT(trouble), LIFE_TROUBLE_MAX},
    {"failure", FIELD_TEXT, KEY_AT(failure), LIFE_TROUBLE_MAX},
    {"imported", FIELD_BOOL, KEY_AT(imported), 0},
    {"head", FIELD_TEXT, KEY_AT(head), LIFE_TAGS_MAX + 1},
    {"tail", FIELD_TEXT, KEY_AT(tail), LIFE_TAGS_MAX + 1},
    {"pending", FIELD_BOOL, KEY_AT(pending), 0},
    {"checked", FIELD_NUMBER, KEY_AT(checked), 0},
    {"suspect", FIELD_BOOL, KEY_AT(suspect), 0},
    {"mirror", FIELD_TEXT, KEY_AT(mirror), PLAN_NAME_MAX + 1},
    {"mirrored", FIELD_NUMBER, KEY_AT(mirrored), 0},
    {"mirroring", FIELD_NUMBER, KEY_AT(mirroring), 0},
    {"mirror_tries", FIELD_INT, KEY_AT(mirror_tries), 0},
    {"mirror_try", FIELD_NUMBER, KEY_AT(mirror_try), 0},
};

static const struct field domain_fields[] = {
    {"rotate_asked", FIELD_NUMBER, DOMAIN_AT(rotate_asked), 0},
    {"rotate_at", FIELD_NUMBER, DOMAIN_AT(rotate_at), 0},
    {"paused", FIELD_NUMBER, DOMAIN_AT(paused), 0},
    {"rotate_aborted", FIELD_NUMBER, DOMAIN_AT(rotate_aborted), 0},
    {"rotate_undone", FIELD_NUMBER, DOMAIN_AT(rotate_undone), 0},
    {"rolled_back", FIELD_NUMBER, DOMAIN_AT(rolled_back), 0},
    {"reason", FIELD_TEXT, DOMAIN_AT(reason), LIFE_TROUBLE_MAX},
};

struct layout {
	const struct field *fields;
	size_t count;
};

static const struct layout key_layout = {key_fields, sizeof(key_fields) / sizeof(key_fields[0])};
static const struct layout domain_layout = {
    domain_fields, sizeof(domain_fields) / sizeof(domain_fields[0])};

/* ---- texts: each octet from 128 on is written as the character of its number, and read back ----
 */

static void
write_text(const char *text, struct buf *out)
{
	buf_add_char(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			buf_add_fmt(out, "\\u%04x", c);
		else
			buf_add_char(out, *p);
	}
	buf_add_char(out, '"');
}

/* The octet for the character at p, and how long that is. What has no octet is '?'. */
static char
octet_at(const char *p, size_t *length_out)
{
	unsigned char c = (unsigned char)*p;

	*length_out = 1;
	if (c < 0x80)
		return *p;
	*length_out = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c > 0xc3)
		return '?';
	return (char)(((c & 3) << 6) | (p[1] & 0x3f));
}

static bool
read_text(const json_t *value, char *out, size_t room)
{
	const char *p = json_string_value(value); /* UTF-8, jansson looked */
	size_t n = 0, length;

	for (; *p != '\0' && n + 1 < room; p += length)
		out[n++] = octet_at(p, &length);
	out[n] = '\0';
	return *p == '\0';
}

/* ---- the table ---- */

static bool
read_number(const struct field *field, const json_t *value, char *at)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0)
		return false;
	if (field->kind == FIELD_INT)
		*(int *)at = number > 1000000 ? 1000000 : (int)number;
	else
		*(int64_t *)at = number;
	return true;
}

static bool
read_field(const struct field *field, const json_t *value, char *at)
{
	if (field->kind == FIELD_TEXT)
		return json_is_string(value) && read_text(value, at, field->room);
	if (field->kind == FIELD_BOOL) {
		*(bool *)at = json_is_true(value);
		return json_is_boolean(value);
	}
	return read_number(field, value, at);
}

static enum status
read_fields(const struct layout *layout, const json_t *object, void *out, struct err *err)
{
	for (size_t i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];
		const json_t *value = json_object_get(object, field->name);

		if (value == NULL || read_field(field, value, (char *)out + field->at))
			continue;
		err_set(err, "\"%s\" of the life of this row has a wrong value", field->name);
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
parse(const struct layout *layout, struct span text, void *out, struct err *err)
{
	json_error_t fault;
	json_t *object;
	enum status status;

	if (text.n == 0)
		return ST_OK;
	object = text.n > LIFE_TEXT_MAX
		     ? NULL
		     : json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &fault);
	if (!json_is_object(object)) {
		json_decref(object);
		err_set(err, "the life of this row is no JSON object of at most %u octets",
		    LIFE_TEXT_MAX);
		return ST_INVALID;
	}
	status = read_fields(layout, object, out, err);
	json_decref(object);
	return status;
}

static bool
is_zero(const struct field *field, const char *at)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return !*(const bool *)at;
	case FIELD_INT:
		return *(const int *)at <= 0;
	case FIELD_NUMBER:
		return *(const int64_t *)at <= 0;
	default:
		return *at == '\0';
	}
}

static void
write_field(const struct field *field, const char *at, struct buf *out)
{
	buf_add_fmt(out, "\"%s\":", field->name);
	if (field->kind == FIELD_BOOL)
		buf_add_str(out, "true");
	else if (field->kind == FIELD_INT)
		buf_add_fmt(out, "%d", *(const int *)at);
	else if (field->kind == FIELD_NUMBER)
		buf_add_fmt(out, "%lld", (long long)*(const int64_t *)at);
	else
		write_text(at, out);
}

/* All zero is no text at all. */
static void
write_fields(const struct layout *layout, const void *from, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < layout->count; i++) {
		const char *at = (const char *)from + layout->fields[i].at;

		if (is_zero(&layout->fields[i], at))
			continue;
		buf_add_char(out, any ? ',' : '{');
		write_field(&layout->fields[i], at, out);
		any = true;
	}
	if (any)
		buf_add_char(out, '}');
}

enum status
key_life_parse(struct span text, struct key_life *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	return parse(&key_layout, text, out, err);
}

void
key_life_write(const struct key_life *life, struct buf *out)
{
	write_fields(&key_layout, life, out);
}

enum status
domain_life_parse(struct span text, struct domain_life *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	return parse(&domain_layout, text, out, err);
}

void
domain_life_write(const struct domain_life *life, struct buf *out)
{
	write_fields(&domain_layout, life, out);
}
