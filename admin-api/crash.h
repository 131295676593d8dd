/*
 * crash.h - places where tests kill the program, to see that the next one goes on.
 * SIGNPOST_CRASH_AT in the environment names one ("after-publish"), or one and which passage of it
 * ("after-publish:3"), or is the number of a passage of any of them ("17"). Nothing happens without
 * it.
 */
#ifndef SIGNPOST_ADMIN_API_CRASH_H
#define SIGNPOST_ADMIN_API_CRASH_H

#include <stdbool.h>

enum crash_point {
	CRASH_LEASE,           /* the lease is ours, nothing is read yet */
	CRASH_KEY_MADE,        /* a key was made, its row is not written */
	CRASH_BEFORE_STEPS,    /* steps that need no DNS are decided, not written */
	CRASH_AFTER_STEPS,     /* they are written */
	CRASH_SURVEYED,        /* a name was looked at, the intent to publish is not written */
	CRASH_BEFORE_MIRROR,   /* a mirror is about to be written */
	CRASH_AFTER_MIRROR,    /* it has the key, which is not written */
	CRASH_BEFORE_PUBLISH,  /* the intent is written, nothing is sent */
	CRASH_AFTER_PUBLISH,   /* the record is changed, what came of it is not written */
	CRASH_PROVEN,          /* the proofs are there, not written */
	CRASH_BEFORE_RESULT,   /* all of a turn is done, nothing of it is written */
	CRASH_AFTER_RESULT,    /* it is written */
	CRASH_AFTER_OPERATION, /* what an operation does is written, nobody was answered */
	CRASH_POINTS
};

/* Kills this process if it was asked to end here. Any thread. */
void crash_here(enum crash_point point);
const char *crash_point_name(enum crash_point point); /* static */
/* Reads SIGNPOST_CRASH_AT. false: it names no such place. Once, before threads start. */
bool crash_setup(const char *where);

#endif
