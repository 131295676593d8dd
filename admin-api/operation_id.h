/*
 * operation_id.h - the names of what was begun and has not ended yet: "revoke~example.org~s1". All
 * that is to be known stands in the name, and in rows that are there anyway: it is good after a
 * restart, and at another signpost-admind. Nothing in it is secret; who may not see the domain is
 * told nothing. Pure; any thread.
 *
 *   rotation~DOMAIN~ROTATION   rollback~DOMAIN~ROTATION    of a rotation
 *   publish~DOMAIN~SELECTOR    activate, retire, revoke, hold, release, return, emergency likewise
 *   rotations~TENANT~TIME~N    N rotations of a tenant ("": of all) that were asked for at TIME
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_ID_H
#define SIGNPOST_ADMIN_API_OPERATION_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"

#define OPERATION_ID_MAX 400U /* octets of a name */
#define OPERATION_ID_NAME_MAX                                                                      \
	100U /* a longer selector is not written into one: its key's id is                         \
	      */

enum operation_kind {
	OPERATION_KIND_ROTATION,
	OPERATION_KIND_ROLLBACK, /* of a rotation */
	OPERATION_KIND_PUBLISH,
	OPERATION_KIND_ACTIVATE,
	OPERATION_KIND_RETIRE,
	OPERATION_KIND_REVOKE,
	OPERATION_KIND_HOLD,
	OPERATION_KIND_RELEASE,
	OPERATION_KIND_RETURN, /* key.rollback */
	OPERATION_KIND_EMERGENCY,
	OPERATION_KIND_ROTATIONS
};
#define OPERATION_KINDS 11U

struct operation_id {
	enum operation_kind kind;
	struct span domain; /* of all but ROTATIONS */
	struct span name;   /* of the rotation; of the key its selector, or its id */
	/* Of ROTATIONS. */
	struct span tenant; /* empty: all */
	int64_t at_utc;
	uint64_t count;
};

/* "rotation"; static. */
const char *operation_kind_name(enum operation_kind kind);
/* Of a key, that is to say not of rotations. */
bool operation_kind_is_of_key(enum operation_kind kind);
/* false: it does not fit, or has letters that no name has. */
bool operation_id_write(const struct operation_id *id, char out[OPERATION_ID_MAX + 1]);
/* The spans point into text. false: it is no such name; what was written is read back as it was. */
bool operation_id_parse(struct span text, struct operation_id *out);

#endif
