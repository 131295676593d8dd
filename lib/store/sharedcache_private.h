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

/* What stands in front of the nonce. */
struct sharedcache_head {
	unsigned purpose;
	uint32_t version;
	uint64_t epoch;
	int64_t asked_utc_ms, not_after_utc_ms;
	struct span tenant;
};

/* value: all of it. The octets of the head, which are followed by as many as an empty plain text
 * takes at least; 0: it is none. */
size_t sharedcache_head_read(struct span value, struct sharedcache_head *out);
void sharedcache_head_write(const struct sharedcache_head *head, struct buf *out);
/* Appends the additional authenticated data. head: as it is written. */
void sharedcache_context(struct span scope, struct span name, struct span head, struct buf *out);
/* Appends what the name at the server is made of. */
void sharedcache_name_text(unsigned purpose, struct span scope, struct span name, struct buf *out);
void sharedcache_name_write(const uint8_t *digest, char out[SHAREDCACHE_SERVER_NAME_BYTES]);

#endif
