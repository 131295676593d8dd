/*
 * operation_id.c - writing and reading the names of operations.
 * Called where something is begun, and where somebody asks for it. It must never take a name that
 * it would not write: there is one name for each.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/operation_id.h"
#include "lib/store/keystore.h"

static const char *const kinds[OPERATION_KINDS] = {
    [OPERATION_KIND_ROTATION] = "rotation",
    [OPERATION_KIND_ROLLBACK] = "rollback",
    [OPERATION_KIND_PUBLISH] = "publish",
    [OPERATION_KIND_ACTIVATE] = "activate",
    [OPERATION_KIND_RETIRE] = "retire",
    [OPERATION_KIND_REVOKE] = "revoke",
    [OPERATION_KIND_HOLD] = "hold",
    [OPERATION_KIND_RELEASE] = "release",
    [OPERATION_KIND_RETURN] = "return",
    [OPERATION_KIND_EMERGENCY] = "emergency",
    [OPERATION_KIND_ROTATIONS] = "rotations",
};

const char *
operation_kind_name(enum operation_kind kind)
{
	return (size_t)kind < OPERATION_KINDS ? kinds[kind] : "";
}

bool
operation_kind_is_of_key(enum operation_kind kind)
{
	return kind >= OPERATION_KIND_PUBLISH && kind <= OPERATION_KIND_EMERGENCY;
}

static bool
is_plain(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			text.p[i]) == NULL ||
		    text.p[i] == '\0')
			return false;
	return true;
}

static bool
is_right(const struct operation_id *id)
{
	if (id->kind == OPERATION_KIND_ROTATIONS)
		return (id->tenant.n == 0 || keystore_tenant_is_valid(id->tenant)) &&
		       id->at_utc >= 0;
	return keystore_domain_is_valid(id->domain) && id->name.n > 0 &&
	       id->name.n <= OPERATION_ID_NAME_MAX && is_plain(id->name);
}

bool
operation_id_write(const struct operation_id *id, char out[OPERATION_ID_MAX + 1])
{
	const char *kind = operation_kind_name(id->kind);
	int n;

	if (!is_right(id))
		return false;
	if (id->kind == OPERATION_KIND_ROTATIONS)
		n = snprintf(out, OPERATION_ID_MAX + 1, "%s~%.*s~%" PRId64 "~%" PRIu64, kind,
		    SPAN_ARG(id->tenant), id->at_utc, id->count);
	else
		n = snprintf(out, OPERATION_ID_MAX + 1, "%s~%.*s~%.*s", kind, SPAN_ARG(id->domain),
		    SPAN_ARG(id->name));
	return n > 0 && (size_t)n <= OPERATION_ID_MAX;
}

/* As it is written: without zeros before it. */
static bool
number(struct span text, uint64_t *out)
{
	return span_number(text, INT64_MAX, out) && (text.n == 1 || text.p[0] != '0');
}

static bool
parse_many(struct span rest, struct operation_id *out)
{
	struct span at;
	uint64_t at_utc;

	if (!span_cut(&rest, '~', &out->tenant) || !span_cut(&rest, '~', &at) ||
	    !number(at, &at_utc) || !number(rest, &out->count))
		return false;
	out->at_utc = (int64_t)at_utc;
	return true;
}

bool
operation_id_parse(struct span text, struct operation_id *out)
{
	struct span rest = text, kind;
	size_t i = 0;

	memset(out, 0, sizeof(*out));
	if (text.n > OPERATION_ID_MAX || !span_cut(&rest, '~', &kind))
		return false;
	while (i < OPERATION_KINDS && !span_eq_str(kind, kinds[i]))
		i++;
	if (i == OPERATION_KINDS)
		return false;
	out->kind = (enum operation_kind)i;
	if (out->kind == OPERATION_KIND_ROTATIONS) {
		if (!parse_many(rest, out))
			return false;
	} else {
		if (!span_cut(&rest, '~', &out->domain))
			return false;
		out->name = rest;
	}
	return is_right(out);
}
