/*
 * slots.h - which slot of a domain with a delegation the next key gets. For the reconciler and for
 * operations. Asks the store; any thread that may.
 */
#ifndef SIGNPOST_ADMIN_API_SLOTS_H
#define SIGNPOST_ADMIN_API_SLOTS_H

#include "lib/keys/life.h"
#include "lib/store/keystore.h"

/* A slot that is free. */
struct slot {
	int number;                               /* from 1; 0: none is needed */
	char selector[KEYSTORE_SELECTOR_MAX + 1]; /* of it */
	/* Of the row of the key that had it last, which is DESTROYED: that row is written over
	 * (keystore_write.life). 0: there is no row, one is added. */
	uint64_t row_revision;
	uint64_t revision;    /* what the new key is to be sealed for; 0: as that of a new row */
	struct key_life life; /* of the new row */
	int64_t free_since;   /* 0: it was never used */
};

/* May this slot be used? ST_OK: *out. ST_DENIED: a key has it, or caches may still have the last
 * one; err says which. ST_UNAVAILABLE, ... */
enum status slot_look(struct keystore *store, const struct life_domain *domain, int number,
    int64_t now_utc, struct slot *out, struct err *err) MUST_USE;
/* The one that is free longest; those whose bit (1 << number) is in taken are left out. ST_ABSENT:
 * none is free. */
enum status slot_choose(struct keystore *store, const struct life_domain *domain, uint32_t taken,
    int64_t now_utc, struct slot *out, struct err *err) MUST_USE;
/* Makes write (of STORE_KEY, its row filled by makekey_row()) one that puts a key into this slot.
 * text: room for the row's life, as long as write is used. */
void slot_write(const struct slot *slot, struct buf *text, struct keystore_write *write);

#endif
