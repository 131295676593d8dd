/*
 * principal.h - who asks by HTTP: the user at the other end of the unix socket, the holder of a
 * token (RFC 6750), or of a client certificate. Each is a row of the store (struct store_token),
 * but for local users, who may do everything.
 */
#ifndef SIGNPOST_ADMIN_API_PRINCIPAL_H
#define SIGNPOST_ADMIN_API_PRINCIPAL_H

#include "admin-api/admin.h"
#include "admin-api/http.h"
#include "admin-api/scope.h"
#include "admin-api/token.h"

#define PRINCIPAL_ACTOR_MAX 199U
#define PRINCIPAL_KEPT_S 2 /* for so long the answer of the store about a token is believed */
#define PRINCIPAL_FAILURES_MAX                                                                     \
	20U /* of one address in PRINCIPAL_FAILURES_S: then it has to wait                         \
	     */
#define PRINCIPAL_FAILURES_S 60
#define PRINCIPAL_RATE 100U  /* requests a second of one token, in the long run */
#define PRINCIPAL_BURST 400U /* and at once */

struct principal {
	char actor[PRINCIPAL_ACTOR_MAX + 1];  /* "token:t_...", "uid:0 root", "certificate:NAME" */
	const char *method;                   /* "token", "certificate", "peer" */
	char source[64];                      /* an address, "unix" */
	char token[KEYSTORE_ID_MAX + 1];      /* id of its row; "": a local user */
	char tenant[KEYSTORE_TENANT_MAX + 1]; /* "": all */
	char domains[512];                    /* patterns (scope.h); "": all */
	char networks[512];                   /* from where it may come (token.h); "": anywhere */
	uint32_t scopes;
	int64_t expires; /* 0: never */
};

/* What is remembered of tokens, of failures and of how much each asked. Any thread. */
struct principals;
void principals_new(struct admin *admin, struct principals **out);
void principals_free(struct principals *principals); /* NULL is fine; wipes */

/* Who asks? true: *out. false: response says why not (401, 403, 429, 503). Blocking: may ask the
 * store. */
bool principal_find(struct principals *principals, const struct http_request *request,
    struct principal *out, struct http_response *response);
/* Without asking anybody: could it be somebody? false: response says 401 or 429. */
bool principal_may_come(struct principals *principals, const struct http_request *request,
    struct http_response *response);

#endif
