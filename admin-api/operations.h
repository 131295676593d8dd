/*
 * operations.h - all that can be asked of signpost-admind: one function for each operation, a table
 * with their names and arguments, and one way in. HTTP (api.h) calls it.
 *
 * A request is one JSON object:
 *
 *   {"operation":"domain.add","arguments":{"domain":"example.org","tenant":"acme"},"dry_run":true}
 *
 * An answer is one, too:
 *
 *   {"ok":true,"result":{...}}                    with "dry_run":true if asked for, and
 * "plan":[...] of what changes rows: OPERATION_PAGE lines of it at most; "plan_left" more had no
 * room
 *   {"ok":false,"code":"illegal-transition","detail":"...","errors":[{"pointer":"/arguments/..",
 *    "detail":"..."}]}
 *
 * Refused with "rotation-in-progress", "rotation" is the name of that one.
 *
 * "version" stands beside "result" where that is one object: what operation_caller.version is
 * about.
 *
 * No answer, progress or log line ever holds a private key. A field or argument that is not known
 * is refused. Names of domains may be U-labels; they are kept, and answered, as A-labels.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATIONS_H
#define SIGNPOST_ADMIN_API_OPERATIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "admin-api/admin.h"
#include "admin-api/scope.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

#define OPERATION_TEXT_MAX (1024U * 1024U) /* octets of a request */
#define OPERATION_DEPTH_MAX 32U            /* objects and arrays within each other */
#define OPERATION_LIST_MAX 1000U           /* members of an OPERATION_LIST */
#define OPERATION_REASON_MAX 399U          /* octets of a reason; LIFE_TROUBLE_MAX */
#define OPERATION_PAGE 500U                /* rows of one answer of a list, at most */
#define OPERATION_ATTEMPTS 5U              /* when somebody else changed the row meanwhile */

/* What came of it; the names are those of the field "code". */
enum operation_code {
	OPERATION_OK,
	OPERATION_VALIDATION,           /* "validation": the request; errors says where */
	OPERATION_NOT_FOUND,            /* "not-found" */
	OPERATION_EXISTS,               /* "exists": a row of that name is there */
	OPERATION_ILLEGAL_TRANSITION,   /* "illegal-transition": not in this state of the key */
	OPERATION_ROTATION_IN_PROGRESS, /* "rotation-in-progress" */
	OPERATION_SELECTOR_EXISTS,      /* "selector-exists": of a key that is there */
	OPERATION_SELECTOR_REUSED,      /* "selector-reused": of one that was destroyed */
	OPERATION_DNS_UNPROVEN,         /* "dns-unproven" */
	OPERATION_DNS_CONFLICT,         /* "dns-conflict": a foreign record is there */
	OPERATION_DNS_PROVIDER_ERROR,   /* "dns-provider-error": it cannot be used as it is */
	OPERATION_WOULD_LEAVE_UNSIGNED, /* "would-leave-unsigned" */
	OPERATION_IN_USE,               /* "in-use": something hangs on it */
	OPERATION_KEY_IN_USE,           /* "key-in-use": it signs, or may be in DNS */
	OPERATION_NODES_NOT_READY,      /* "nodes-not-ready": gateways have not tried the key */
	OPERATION_PRECONDITION_FAILED,  /* "precondition-failed": somebody else changed it */
	OPERATION_OWNED_ELSEWHERE,      /* "domain-owned-elsewhere": by which tenant is not said */
	OPERATION_REPLAYED,             /* never answered: the same request was done already */
	OPERATION_FROZEN,               /* "frozen": nothing is changed now */
	OPERATION_FORBIDDEN,            /* "forbidden" */
	OPERATION_MIRROR_FORBIDDEN,     /* "mirror-forbidden": not for this tenant's policies */
	OPERATION_QUOTA_EXCEEDED,       /* "quota-exceeded": of the tenant */
	OPERATION_STORE_UNAVAILABLE,    /* "store-unavailable" */
	OPERATION_INTERNAL              /* "internal": log and mend */
};
#define OPERATION_CODES 24U
/* "validation", ...; of OPERATION_OK "ok". Static. */
const char *operation_code_name(enum operation_code code);

enum operation_type {
	OPERATION_TEXT,   /* a string without control characters, at most 512 octets */
	OPERATION_LONG,   /* a string of any octets but NUL: PEM */
	OPERATION_NUMBER, /* an integer, not negative */
	OPERATION_SWITCH, /* true or false */
	OPERATION_TIME,   /* RFC 3339 in UTC, or seconds since 1970 */
	OPERATION_OBJECT, /* a JSON object */
	OPERATION_LIST    /* a JSON array, at most OPERATION_LIST_MAX long */
};

struct operation_argument {
	const char *name;
	enum operation_type type;
	bool needed;
	const char *help;
};

struct operation_call; /* operation_call.h; of those who write operations */

struct operation {
	const char *name; /* "domain.add" */
	const struct operation_argument *arguments;
	size_t argument_count;
	bool changes;     /* it writes, unless dry_run; only these know "dry_run" */
	enum scope scope; /* that who asks must have */
	enum operation_code (*run)(struct operation_call *call);
	const char *help; /* one line */
};

/* What is kept of a request that may come twice (Idempotency-Key), with its effect. */
struct operation_reply {
	struct span scope, key, body; /* as in struct store_reply */
	int status;                   /* of HTTP, if all goes well */
};

/* Who asks, and what it may see. All borrowed. */
struct operation_caller {
	const char *actor;   /* "uid:0 root", "token:t_..."; for the log and the audit */
	const char *method;  /* "peer", "token", "certificate", "system" */
	const char *source;  /* an address, "unix" */
	const char *request; /* the id of the request; NULL: none */
	uint32_t scopes;     /* scope.h */
	struct span tenant;  /* nothing of another one exists for it; empty: all */
	bool platform;       /* who asks is of no tenant itself, whatever he asks about */
	struct span domains; /* patterns (scope.h): nothing of another domain, either; empty: all */
	/* What the object must be still: the version that an answer had (If-Match). What stands
	 * behind its last '.' is not compared: it changes without anybody having asked. Empty, and
	 * "*": anything. */
	struct span version;
	struct span token;    /* the id of the token that asks; empty: none does */
	struct span networks; /* from where it may ask (token.h); empty: anywhere */
	int64_t expires;      /* until when; 0: for ever */
	struct span message;  /* of "verify": its octets as they came, which no JSON can have */
	const struct operation_reply *reply; /* NULL: none is kept */
	const struct foresight *foresight;   /* foresight.h; NULL: none */
};

/* First thing of a program that runs operations, before it has threads: from then on all JSON is in
 * secret memory, which is wiped; requests may have private keys in them. */
void operations_begin(void);

/* All of them, in the order of their names; static. */
const struct operation *operations_all(size_t *count_out);
/* NULL: there is none. */
const struct operation *operation_find(struct span name);

/* Called while a long one runs, by the thread that runs it: report is borrowed, an object with what
 * was done last. false: nobody listens any more; the operation ends soon, with what was done. */
typedef bool operation_progress(void *context, const json_t *report);

/* Runs one request. request: parsed, borrowed; it may be any JSON. progress may be NULL.
 * *answer_out: always an object that can be sent as it is; json_decref(). Blocking: the store, and
 * DNS where the operation looks there. Any thread. */
enum operation_code operation_run(struct admin *admin, const struct operation_caller *caller,
    const json_t *request, operation_progress *progress, void *context,
    json_t **answer_out) MUST_USE;
/* The same with a text, at most OPERATION_TEXT_MAX and OPERATION_DEPTH_MAX deep; a name twice in an
 * object is refused. */
enum operation_code operation_run_text(struct admin *admin, const struct operation_caller *caller,
    struct span text, operation_progress *progress, void *context, json_t **answer_out) MUST_USE;

/* Are objects and arrays at most OPERATION_DEPTH_MAX deep within each other? Without a parser,
 * which would go as deep. */
bool operation_text_is_flat(struct span text);
/* Appends the text of an answer, in one line, without a line feed. ST_TOO_BIG. */
enum status json_write(const json_t *json, struct buf *out) MUST_USE;

#endif
