/*
 * operation_rotation.h - a rotation of a domain's keys as a thing of its own, with a name, steps
 * and an end. What of it is in the store are the domain's life and the times of keys; all else
 * follows from these. One thread.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_ROTATION_H
#define SIGNPOST_ADMIN_API_OPERATION_ROTATION_H

#include "admin-api/operation_lives.h"

#define ROTATION_NAME_BYTES 24U /* of a name, with its NUL */

/* 'r' and the time at which it was asked for; 'a' and the time of an activation that nobody asked
 * for, or that was asked for before somebody asked again. */
struct rotation_id {
	char kind;
	int64_t at;
};

/* Newest first. */
struct rotation_ids {
	struct rotation_id all[LIFE_KEYS_MAX + 3U];
	size_t count;
};

/* "r1790000000": how it is called. */
void rotation_name(const struct rotation_id *rotation, char out[ROTATION_NAME_BYTES]);

/* The version that the domain will have when what was changed of its life is written. */
void rotation_new_version(struct operation_call *call, const struct lives *lives);

/* Until all that sign are younger than what was asked for, as life.h has it. */
bool rotation_in_progress(const struct life_domain *domain, int64_t now_utc);

/* Those that can be told: of keys that are destroyed nothing is known. */
void rotation_find_all(
    const struct operation_call *call, const struct lives *lives, struct rotation_ids *out);
/* The one of this name; false: there is none. */
bool rotation_find(const struct operation_call *call, const struct lives *lives, struct span name,
    struct rotation_id *out);

/* "open", "paused", "done", "aborted", "rolled-back"; static. */
const char *rotation_state(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation);
/* Its keys of each algorithm, and their steps with what they wait for. Of one that was taken back
 * nothing more than that. */
json_t *rotation_row(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation);

/* Takes one back of which no key signs yet; OPERATION_ILLEGAL_TRANSITION says what it is. */
enum operation_code rotation_abort(
    struct operation_call *call, struct lives *lives, const struct rotation_id *rotation);

#endif
