/*
 * api_cursor.c - where the next page of a list begins, sealed: clients neither read it nor make
 * one. Called for lists. It must never open a cursor for another list, or for another caller's view
 * of it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/api_private.h"
#include "lib/crypto/digest.h"

#define SEALED_MAX (ROUTE_PART_MAX + SEAL_OVERHEAD)
#define CURSOR_TEXT_MAX (SEALED_MAX / 3 * 4 + 8)

/* What the cursor is for: the path, and who asks. */
static void
add_context(const struct api_call *call, struct buf *out)
{
	seal_add_field(out, call->request->path);
	seal_add_field(out, span_str(call->principal.actor));
}

/* base64url without padding; answers its length. text: CURSOR_TEXT_MAX + 1 octets. */
static size_t
encode(const void *in, size_t bytes, char *text)
{
	size_t n = (bytes + 2) / 3 * 4;

	base64_encode(in, bytes, text);
	while (n > 0 && text[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	return n;
}

json_t *
api_cursor_close(struct api_call *call, const char *after)
{
	char text[CURSOR_TEXT_MAX + 1];
	struct err ignored = ERR_NONE;
	struct buf context, sealed;
	json_t *out = NULL;

	buf_init(&context, HTTP_TARGET_MAX + PRINCIPAL_ACTOR_MAX + 16);
	buf_init(&sealed, SEALED_MAX);
	add_context(call, &context);
	if (strlen(after) <= ROUTE_PART_MAX && seal_close(call->api->cursors, buf_span(&context),
						   span_str(after), &sealed, &ignored) == ST_OK)
		out = json_stringn(text, encode(sealed.p, sealed.n, text));
	buf_free(&context);
	buf_free(&sealed);
	return out;
}

/* One cursor has one text: bits of the last letter that say nothing are as they were. */
static bool
decode(struct span text, uint8_t *out, size_t *n_out)
{
	char plain[CURSOR_TEXT_MAX + 4], again[CURSOR_TEXT_MAX + 8];
	size_t n = text.n;

	if (n == 0 || n > CURSOR_TEXT_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		plain[i] = text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i];
	while (n % 4 != 0)
		plain[n++] = '=';
	return base64_decode(span_of(plain, n), out, n_out) == ST_OK && *n_out <= SEALED_MAX &&
	       span_eq(text, span_of(again, encode(out, *n_out, again)));
}

bool
api_cursor_open(struct api_call *call, struct span text, char *after)
{
	uint8_t sealed[CURSOR_TEXT_MAX / 4 * 3 + 8], room[sizeof(sealed)];
	struct err ignored = ERR_NONE;
	struct buf context;
	bool good = false;
	size_t n = 0, plain_n = 0;

	buf_init(&context, HTTP_TARGET_MAX + PRINCIPAL_ACTOR_MAX + 16);
	add_context(call, &context);
	if (decode(text, sealed, &n))
		good = seal_open(call->api->cursors, buf_span(&context), span_of(sealed, n), room,
			   &plain_n, &ignored) == ST_OK &&
		       plain_n <= ROUTE_PART_MAX;
	if (good) {
		memcpy(after, room, plain_n);
		after[plain_n] = '\0';
	}
	buf_free(&context);
	return good;
}
