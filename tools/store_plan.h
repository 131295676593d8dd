/*
 * store_plan.h - what has to be written so that the store says what a line says.
 */
#ifndef SIGNPOST_TOOLS_STORE_PLAN_H
#define SIGNPOST_TOOLS_STORE_PLAN_H

#include "tools/store.h"
#include "tools/store_line.h"

enum store_action { STORE_NOTHING, STORE_ADD, STORE_CHANGE, STORE_REMOVE, STORE_ACTIONS };

struct store_plan {
	enum store_action action;
	struct keystore_write write; /* unless STORE_NOTHING */
	/* What write points into besides the line. */
	struct keystore_rows *held;
	char *secret; /* private_key of a new key */
	char *pem;    /* mirror_pem; in secret memory */
	char *texts;  /* id and public key of a new key */
	bool weak;    /* the key is shorter than RFC 8301 advises */
};

/* Compares with the store. ST_OK: free *out with store_plan_free(). ST_DENIED, ST_INVALID: the line
 * cannot be; ST_UNAVAILABLE, ST_FAILED: the store. now_utc: the store's. */
enum status store_plan_make(struct store_tool *tool, struct store_finder *finder,
    const struct store_line *line, int64_t now_utc, struct store_plan *out,
    struct err *err) MUST_USE;
void store_plan_free(struct store_plan *plan);

/* For new and found keys (store_plan_key.c). */
enum status store_plan_new_key(struct store_tool *tool, const struct store_line *line,
    int64_t now_utc, struct store_plan *out, struct err *err) MUST_USE;
enum status store_plan_old_key(struct store_tool *tool, const struct store_line *line,
    const struct store_key *row, int64_t now_utc, struct store_plan *out, struct err *err) MUST_USE;

#endif
