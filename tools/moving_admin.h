/*
 * moving_admin.h - a site and the store behind signpost-admind: what is there already, and what is
 * brought. One thread.
 */
#ifndef SIGNPOST_TOOLS_MOVING_ADMIN_H
#define SIGNPOST_TOOLS_MOVING_ADMIN_H

#include "tools/admin.h"
#include "tools/moving.h"

struct moving_wish {
	const char *policy; /* of new domains; NULL */
	bool unproven;      /* nobody looks whether the records of keys are there */
};

/* Compares; findings "other-owner", "other-key", "signs-already". An exit status. */
int moving_survey(struct moving_site *site, struct admin_client *client);
/* Brings what is new, in requests of some hundred domains each. What is there after that is not
 * sent again, so whoever was cut off begins anew. An exit status; refusals are findings. */
int moving_send(
    struct moving_site *site, struct admin_client *client, const struct moving_wish *wish);

/* The result of an operation, or NULL: refused (said), or the daemon is gone (*gone). arguments is
 * taken. code_out: of a refusal, 40 octets, or NULL. json_decref(). */
json_t *moving_ask(const struct moving_site *site, struct admin_client *client,
    const char *operation, json_t *arguments, bool *gone, char *code_out);
#define MOVING_CODE_BYTES 40U

#endif
