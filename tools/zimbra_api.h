/*
 * zimbra_api.h - what the files of "signpost zimbra" that ask signpost-admind share. Main thread
 * only.
 */
#ifndef SIGNPOST_TOOLS_ZIMBRA_API_H
#define SIGNPOST_TOOLS_ZIMBRA_API_H

#include <jansson.h>

#include "tools/admin.h"
#include "tools/zimbra.h"

struct zimbra_api {
	const char *program;
	const struct zimbra_request *request;
	struct admin_target target;
	struct admin_client *client;
	bool mirror;                   /* the policy names one: the directory follows the keys */
	bool manual;                   /* somebody puts the records into DNS by hand */
	int bits;                      /* of the RSA keys of the policy's plan */
	char refused[64];              /* the code of the last refusal; "" */
	char tenant[256], policy[256]; /* whose plan that is; "": none was read yet */
};

/* ---- zimbra_api.c ---- */

/* arguments: stolen. *result_out, if it is wanted: "result"; json_decref(). An exit status: 0, 1
 * (refused: said), 69 (said), ZIMBRA_QUIET: refused with the code "quiet", for which the caller has
 * words of its own. */
int zimbra_ask(struct zimbra_api *api, const char *operation, json_t *arguments, const char *quiet,
    json_t **result_out);
#define ZIMBRA_QUIET (-1)
/* The same, and nothing is changed. */
int zimbra_try(struct zimbra_api *api, const char *operation, json_t *arguments);
/* domain.show: ZIMBRA_QUIET for one that signpost-admind does not have. */
int zimbra_ask_domain(struct zimbra_api *api, const char *domain, json_t **result_out);
/* Reads the policy, which must be there and make keys. What an operator should know of it is said
 * once. An exit status. */
int zimbra_read_policy(struct zimbra_api *api, const char *tenant, const char *policy);
/* A new domain under the policy of the request, disabled. */
int zimbra_add_domain(struct zimbra_api *api, const char *domain);
int zimbra_enable(struct zimbra_api *api, const char *domain);
/* The key of a domain.show: NULL, or borrowed. Selectors are compared without case. */
const json_t *zimbra_key_of(const json_t *shown, const char *selector);
const char *zimbra_text_of(const json_t *object, const char *name); /* "" */
/* PREPARED to LOADED: it may become ACTIVE by itself. */
bool zimbra_is_coming(const json_t *key);

/* ---- zimbra_add.c ---- */

/* A new RSA key, as options and policy have it. *selector_out: mem_free(). An exit status. */
int zimbra_generate(struct zimbra_api *api, const char *domain, char **selector_out);
/* Is the selector of -s free in the directory? Said if it is not. An exit status. */
int zimbra_check_selector(struct zimbra_api *api, struct zimbra_directory *directory);

/* ---- zimbra_follow.c ---- */

/* What was begun with a key: its record, what it waits for, how to look. old: the selector that
 * goes on signing, or NULL. */
int zimbra_tell_key(
    struct zimbra_api *api, const char *domain, const char *selector, const char *old);
/* Until it is ACTIVE: 0; 1: it will not be, said. Each change of what it waits for is said. */
int zimbra_follow(struct zimbra_api *api, const char *domain, const char *selector);

#endif
