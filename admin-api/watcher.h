/*
 * watcher.h - looks at the key store every now and then, with a few questions that cost it nothing,
 * whoever asks how it is: answers of /readyz and /metrics never wait for a store. One thread.
 */
#ifndef SIGNPOST_ADMIN_API_WATCHER_H
#define SIGNPOST_ADMIN_API_WATCHER_H

#include "admin-api/admin.h"

#define WATCHER_EVERY_MS 15000 /* between two looks */
#define WATCHER_AGAIN_MS 3000  /* while the store does not answer */
#define WATCHER_LATE_MS 10000  /* a look that takes longer is none */

struct watched_node {
	char name[KEYSTORE_NODE_MAX + 1];
	uint64_t lag; /* epochs that it is behind the store */
	int64_t said; /* its last word, the store's clock */
	int64_t offset_ms;
};

struct watched {
	bool up;                /* the last look was answered, and no other one hangs */
	char why[ERR_TEXT_MAX]; /* why not; may name a server: not for everybody */
	/* What was said last; nothing before the first answer. */
	bool known;
	uint64_t epoch;
	int64_t now_utc;   /* the store's clock when it was looked at */
	int64_t looked_ms; /* and the monotonic one */
	bool audits;       /* it has room for the audit */
	struct audit_head head;
	struct watched_node *nodes; /* owned */
	size_t node_count;
};

struct watcher;

/* every_ms 0: WATCHER_EVERY_MS. ST_FAILED: no thread. */
enum status watcher_new(
    struct admin *admin, int64_t every_ms, struct watcher **out, struct err *err) MUST_USE;
void watcher_free(struct watcher *watcher); /* waits for a look that is under way; NULL is fine */
/* What is known now; watched_free(). Any thread. */
void watcher_read(struct watcher *watcher, struct watched *out);
void watched_free(struct watched *watched);

#endif
