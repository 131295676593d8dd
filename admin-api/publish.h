/*
 * publish.h - putting TXT records into DNS and taking them out again, at whatever keeps the zone. A
 * publisher fills struct publisher_ops. All it does is conditional on the value that is there, and
 * may be done twice: a record whose value is not ours is never touched, by nobody, for no reason.
 *
 * Publishers stand in the file that DNSPublishers of signpost-admind.conf names, a line "NAME
 * KIND:VALUE" for each (signpost-publishers(5)):
 *
 *   bind1    rfc2136:127.0.0.1:53?key=NAME&secretfile=/path&algorithm=hmac-sha256[&zone=ZONE]
 *   pdns     powerdns:http://127.0.0.1:8081?server=localhost&keyfile=/path
 *   route53  exec:/usr/lib/signpost/route53
 *   nsd      zonefile:/etc/nsd/dkim/%z.zone[?run=/path]
 *   hand     manual:
 *
 * "manual" is always there. One struct publisher may be used by one thread at a time; blocking.
 * RFC 2136, RFC 8945 (TSIG), RFC 1035 section 3.3.14 (strings of at most 255 octets).
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_H
#define SIGNPOST_ADMIN_API_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "admin-api/named_lines.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/keys/life.h"

#define PUBLISH_BATCH_MAX 500U /* changes that publisher_ops.apply() gets at once */
#define PUBLISH_WHY_BYTES 300U
#define PUBLISH_TIMEOUT_MS 10000 /* of one question to a server, unless timeout= says else */
#define PUBLISH_NAME_MAX NAMED_LINE_NAME_MAX
#define PUBLISH_VALUE_MAX 4096U /* octets of a record's text, strings joined */

/* One change of the TXT records at one name. */
struct publish_change {
	enum { PUBLISH_ADD, PUBLISH_REPLACE, PUBLISH_REMOVE } how;
	struct span name;  /* "selector._domainkey.domain"; no final dot */
	struct span value; /* ADD, REPLACE: what is to be there, strings joined */
	struct span old;   /* REPLACE, REMOVE: what must be there, alone */
	uint32_t ttl_s;

	/* Out. ADD: DONE if the value is there alone, already or now; CONFLICT if anything else is.
	 * REPLACE: DONE if value is there alone, already or now; CONFLICT if there is something
	 * else than old, or nothing. REMOVE: DONE if nothing is there, already or now; CONFLICT if
	 * something else than old. */
	enum life_effect effect;
	char why[PUBLISH_WHY_BYTES]; /* a sentence, when it is not DONE */
};

struct publisher;

struct publisher_ops {
	const char *kind; /* "rfc2136", ... */
	/* value: what follows "kind:". Nothing is asked yet. ST_INVALID: err names the part. Sets
	 * publisher->state, and where. Secrets are read from files whenever they are needed. */
	enum status (*open)(struct publisher *publisher, struct span value, struct err *err);
	void (*close)(struct publisher *publisher);
	/* All changes of one zone. Every change gets its effect; they are independent of each
	 * other. An answer that was lost is LIFE_UNAVAILABLE: the next try finds out. */
	void (*apply)(struct publisher *publisher, struct span zone, struct publish_change *changes,
	    size_t count);
	bool by_hand; /* it only waits: LIFE_PENDING */
};

struct publisher {
	const struct publisher_ops *ops;
	char name[PUBLISH_NAME_MAX + 1];
	char *where; /* for messages; no secrets; owned */
	int timeout_ms;
	/* Of a tenant (publisher_open_of_tenant()): it names no files of this machine, its secret
	 * is here, and unless allow_private it speaks to no host inside. */
	bool of_tenant, allow_private;
	char *secret; /* in secret memory, owned; NULL: none */
	size_t secret_bytes;
	void *state;
};

/* A row of a tenant, opened. Spans are borrowed. */
struct publisher_given {
	struct span name, kind, address; /* address: what stands behind "KIND:" */
	struct span secret;              /* plain; empty: none */
	bool allow_private;
};
#define PUBLISH_TENANT_TIMEOUT_MS 30000 /* timeout= of a tenant is not longer */

/* text: a line of the file of publishers, "NAME KIND:VALUE". ST_INVALID names the part. */
enum status publisher_open(struct span text, struct publisher **out, struct err *err) MUST_USE;
/* The same of a provider of a tenant. ST_INVALID: also a kind that runs programs, writes files or
 * names them, and an address that is one inside. */
enum status publisher_open_of_tenant(
    const struct publisher_given *given, struct publisher **out, struct err *err) MUST_USE;
void publisher_close(struct publisher *publisher); /* NULL is fine */
/* All publishers of a file, and "manual" at the end unless the file has one of that name; path NULL
 * or "": only "manual". Blank lines and lines that begin with '#' mean nothing. ST_INVALID: err
 * names file and line. ST_DENIED: others than root and this user may write to it. ST_ABSENT,
 * ST_UNAVAILABLE: it cannot be read. *out, and each of it, is the caller's: publishers_close(). */
enum status publishers_read(
    const char *path, struct publisher ***out, size_t *count_out, struct err *err) MUST_USE;
void publishers_close(struct publisher **publishers, size_t count); /* NULL is fine */
/* NULL: there is none of that name. Borrowed. */
struct publisher *publisher_find(
    struct publisher *const *publishers, size_t count, struct span name);
/* Any number of changes whose names are in zone; its own limits are the publisher's business.
 * Checks names, values and lengths first (LIFE_REFUSED): names of letters, digits, '-' and '_',
 * values of printable ASCII. A second change of the same name is not tried (LIFE_UNAVAILABLE): it
 * has to wait for what became of the first. */
void publisher_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count);

/* ---- the record, in every notation ---- */

enum publish_notation {
	PUBLISH_SINGLE,    /* the text alone, for web forms */
	PUBLISH_RFC1035,   /* a line of a zone file: strings of at most 255 octets */
	PUBLISH_BIND,      /* the same over several lines, in parentheses */
	PUBLISH_NSUPDATE,  /* input of nsupdate */
	PUBLISH_ROUTE53,   /* JSON: a ChangeBatch */
	PUBLISH_TERRAFORM, /* an aws_route53_record-like resource of strings */
	PUBLISH_JSON       /* {"name":, "type":"TXT", "ttl":, "strings":[...]} */
};
#define PUBLISH_NOTATIONS 7U
/* ST_ABSENT: no notation of that name ("single", "rfc1035", ...). */
enum status publish_notation_by_name(struct span name, enum publish_notation *out) MUST_USE;
const char *publish_notation_name(enum publish_notation notation); /* static */
/* Appends the record, with a line feed at its end (PUBLISH_SINGLE: without). ST_TOO_BIG: out is
 * full. ST_INVALID: publisher_apply() would not take the name or the value either. */
enum status publish_write(enum publish_notation notation, struct span name, struct span value,
    uint32_t ttl_s, struct buf *out) MUST_USE;
/* The same of a CNAME (PUBLISH_SINGLE: its target, with the final dot). Names without final dots.
 */
enum status publish_write_cname(enum publish_notation notation, struct span name,
    struct span target, uint32_t ttl_s, struct buf *out) MUST_USE;

#endif
