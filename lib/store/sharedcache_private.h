/*
 * sharedcache_private.h - what sharedcache.c (who asks for what, with which key) and
 * sharedcache_value.c (how it is written) share. For fuzzing, too.
 */
#ifndef SIGNPOST_STORE_SHAREDCACHE_PRIVATE_H
#define SIGNPOST_STORE_SHAREDCACHE_PRIVATE_H

#include "lib/base/buf.h"
#include "lib/store/sharedcache.h"

#define SHAREDCACHE_TENANT_MAX 63U
/* "sc1:" and 24 octets in base64url. */
#define SHAREDCACHE_NAME_DIGEST_BYTES 24U
#define SHAREDCACHE_SERVER_NAME_BYTES (4U + SHAREDCACHE_NAME_DIGEST_BYTES / 3U * 4U)

#define SHAREDCACHE_HEAD_BYTES 32U

/* What stands in front of the nonce. */
struct sharedcache_head {
	unsigned purpose;
	uint32_t version;
	uint64_t epoch;
	int64_t asked_utc_ms, not_after_utc_ms;
};

/* value: all of it. false: it is none; else at least as many octets as an empty plain text takes
 * follow the head. */
bool sharedcache_head_read(struct span value, struct sharedcache_head *out);
void sharedcache_head_write(const struct sharedcache_head *head, struct buf *out);
/* What is enciphered: the plain text, and the tenant behind it. room: plain.n +
 * SHAREDCACHE_TENANT_MAX + 1 octets; how many are written; 0: it is no tenant. */
size_t sharedcache_plain_write(struct span plain, struct span tenant, char *room);
/* false: nobody wrote that. */
bool sharedcache_plain_read(struct span octets, struct span *plain_out, struct span *tenant_out);
/* Appends the additional authenticated data. head: as it is written. */
void sharedcache_context(struct span scope, struct span name, struct span head, struct buf *out);
/* Appends what the name at the server and the key of the value are made of. */
void sharedcache_name_text(unsigned purpose, struct span scope, struct span name, struct buf *out);
void sharedcache_name_write(const uint8_t *digest, char out[SHAREDCACHE_SERVER_NAME_BYTES]);

#endif
