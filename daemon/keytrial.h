/*
 * keytrial.h - trying keys before mail needs them: a stand-by key that this gateway cannot open, or
 * that is not the one of its public key, is found out while the old one still signs. Keys are named
 * by the store (ops->loading); each is opened, signs a digest, and the signature is verified with
 * the public key of its row, as the world will. What fails is tried again every
 * KEYTRIAL_AGAIN_MS.
 */
#ifndef SIGNPOST_DAEMON_KEYTRIAL_H
#define SIGNPOST_DAEMON_KEYTRIAL_H

#include "daemon/unsealer.h"
#include "lib/base/buf.h"
#include "lib/store/keystore.h"

#define KEYTRIAL_AGAIN_MS 60000
#define KEYTRIAL_FAILED_MAX 1000U /* keys that are remembered; their lines have less room */

struct keytrial;

/* unsealer: borrowed; NULL: no sealed key opens. */
struct keytrial *keytrial_new(struct unsealer *unsealer);
void keytrial_free(struct keytrial *trial); /* NULL is fine */

/* Tries what has to be tried since the last round; asks the store once if that is nothing. Only
 * here keys are met: the caller's thread is one of keythread.h. One thread at a time. ST_OK: all
 * keys up to keytrial_tested() were tried. ST_UNAVAILABLE: the store, or a schema that has no room
 * for it; the rest is for the next round. */
enum status keytrial_round(
    struct keytrial *trial, struct keystore *store, int64_t now_ms, struct err *err) MUST_USE;
/* The store did not answer for all up to this epoch yet: a directory whose entries may come later.
 * The thread of the rounds. */
bool keytrial_is_behind(const struct keytrial *trial, uint64_t epoch);
/* When keys that failed are due again; INT64_MAX: none did. The thread of the rounds. */
int64_t keytrial_due_ms(const struct keytrial *trial);

/* Any thread: up to which epoch of the store all keys were tried, and appended to failed the lines
 * "ID why\n" of those that cannot be used. Where they have no room, the epoch is the one before the
 * first that is left out. */
uint64_t keytrial_tested(struct keytrial *trial, struct buf *failed);

/* One key, for tests and tools. ST_OK: it signs what its public key verifies. */
enum status keytrial_key(struct unsealer *unsealer, const struct store_key *row, int64_t now_ms,
    struct err *err) MUST_USE;

#endif
