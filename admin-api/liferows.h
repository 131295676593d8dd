/*
 * liferows.h - rows of a key store as lib/keys/life.h wants them: a domain with its plan and all
 * its keys, and what gateways said lately. For the reconciler and for operations; any thread, no
 * state.
 */
#ifndef SIGNPOST_ADMIN_API_LIFEROWS_H
#define SIGNPOST_ADMIN_API_LIFEROWS_H

#include "lib/keys/canary.h"
#include "lib/keys/life.h"
#include "lib/store/keystore.h"

/* A domain of an answer of lives(). *out, all zero before, is ended by liferows_forget(), whatever
 * is answered; it points into answer, as do rows_out (of out->keys, in their order). plan_error:
 * why its plan cannot be read, the default is in its place then, which begins nothing; "" if it
 * can. ST_INVALID, ST_TOO_BIG: its life cannot be read as a whole, and nothing may be decided for
 * it; err names the key. */
enum status liferows_domain(const struct keystore_rows *answer, const struct store_domain *row,
    struct life_domain *out, const struct store_key *rows_out[LIFE_KEYS_MAX],
    struct err *plan_error, struct err *err) MUST_USE;
void liferows_forget(struct life_domain *domain); /* its keys; all zero is fine */

#define LIFEROWS_FAILING_MAX 200U /* words of gateways that are looked at; others have to wait */

/* What one of them says of a key whose signatures it cannot verify, CANARY_FAILURES in a row. */
struct liferows_failing {
	struct canary_word word;
	const struct store_gateway *gateway;
};

/* What gateways said, until now_utc; one that said nothing for silence_s is not there. */
struct liferows_gateways {
	const struct keystore_rows *rows; /* of gateways(); borrowed */
	int64_t now_utc, silence_s;
	/* Of liferows_count(). */
	size_t live, failing_count;
	struct liferows_failing failing[LIFEROWS_FAILING_MAX];
};
bool liferows_is_live(const struct liferows_gateways *words, const struct store_gateway *gateway);
/* What gateways saw of the key since it is active: how many of them verified the last one they
 * looked at, and how many could not. For people. */
void liferows_seen(const struct liferows_gateways *words, const char *id, int64_t active,
    size_t *good_out, size_t *failing_out);
/* *out borrows words, which must stay where they are. The name of a node that it answers is valid
 * in its thread until the next one.
 */
void liferows_count(struct liferows_gateways *words, struct life_gateways *out);

#endif
