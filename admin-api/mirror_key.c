/*
 * mirror_key.c - is the key that a mirror has one of ours? Its public half says so.
 * Called by each kind of mirror before it changes anything. It must never take a key that cannot be
 * read for one of ours.
 */
#include <stdarg.h>
#include <stdio.h>

#include "admin-api/mirror.h"
#include "lib/crypto/key.h"

#define PUBLIC_MAX 4096U

void
mirror_effect(struct mirror_change *change, enum life_effect effect, const char *fmt, ...)
{
	va_list args;

	change->effect = effect;
	change->why[0] = '\0';
	change->away = false;
	if (fmt == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(change->why, sizeof(change->why), fmt, args);
	va_end(args);
}

/* The p= value of a private key. */
static bool
public_half(struct span pem, struct buf *out)
{
	struct err ignored = ERR_NONE;
	struct key *key;
	bool good;

	if (key_parse(pem, &key, &ignored) != ST_OK)
		return false;
	good = key_public_base64(key, out) == ST_OK && buf_status(out) == ST_OK;
	key_free(key);
	return good;
}

/* A selector is a label of DNS, so case does not matter: Zimbra's tool makes UUIDs of capital
 * letters. */
bool
mirror_is_ours(const struct mirror_change *change, struct span selector, struct span pem)
{
	struct buf half;
	bool ours = false;

	buf_init(&half, PUBLIC_MAX);
	if (public_half(pem, &half))
		for (size_t i = 0; !ours && i < change->known_count; i++)
			ours = span_ieq(change->known[i].selector, selector) &&
			       span_eq(change->known[i].public_key, buf_span(&half));
	buf_free(&half);
	return ours;
}

bool
mirror_is_wanted(const struct mirror_change *change, struct span selector, struct span pem)
{
	struct mirror_change one = *change;
	struct mirror_known wanted = {change->selector, change->public_key};

	one.known = &wanted;
	one.known_count = 1;
	return change->pem.n > 0 && mirror_is_ours(&one, selector, pem);
}

bool
mirror_is_near(struct span host)
{
	bool numbers = span_starts(host, SPAN_LIT("127."));

	for (size_t i = 0; i < host.n; i++)
		numbers = numbers && (host.p[i] == '.' || (host.p[i] >= '0' && host.p[i] <= '9'));
	return numbers || span_starts(host, SPAN_LIT("/")) || span_ieq_str(host, "localhost") ||
	       span_eq_str(host, "::1");
}
