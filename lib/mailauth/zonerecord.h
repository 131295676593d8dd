/*
 * zonerecord.h - records that somebody should put into a zone, and what is at their names now,
 * which decides how they are put there. One thread per object.
 */
#ifndef SIGNPOST_MAILAUTH_ZONERECORD_H
#define SIGNPOST_MAILAUTH_ZONERECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

enum zone_type { ZONE_TXT, ZONE_CNAME, ZONE_MX };

/* What is at the name now. */
enum zone_seen {
	ZONE_UNKNOWN, /* nobody asked, or DNS did not answer */
	ZONE_ABSENT,  /* nothing of this kind; texts has what else is at the name */
	ZONE_THERE,   /* the record, and no other of its kind */
	ZONE_OTHER    /* others of its kind: those of texts that go */
};

/* A TXT record that is at the name now. Any octets: it came from DNS. */
struct zone_text {
	struct span text; /* owned, strings joined */
	bool goes;        /* it is of the same kind (SPF, ...); the new one stands for it */
};

/* All owned. */
struct zone_record {
	char *name; /* in the zone, or the zone; lower case, no final dot */
	enum zone_type type;
	char *value; /* TXT: strings joined; MX: "0 ."; CNAME: a name without final dot */
	char *what;  /* for people: "DKIM key s2026" */
	uint32_t ttl_s;
	enum zone_seen seen;
	struct zone_text *texts;
	size_t text_count;
	/* Each of texts is one string of DNS, so that the record as it is can be written down. */
	bool exact;
};

struct zone_records {
	char *domain, *zone; /* owned, as names above */
	struct zone_record *items;
	size_t count, room;
};

/* Begin with zeroes. domain: in zone. */
void zone_records_begin(struct zone_records *records, struct span domain, struct span zone);
void zone_records_free(struct zone_records *records); /* may be called twice */
/* Copies all. Valid until the next call. */
struct zone_record *zone_records_add(struct zone_records *records, enum zone_type type,
    struct span name, struct span value, uint32_t ttl_s, const char *what);
void zone_record_add_text(struct zone_record *record, struct span text, bool goes);
/* Name without the zone; "@": the zone itself. Borrowed. */
struct span zone_record_relative(
    const struct zone_records *records, const struct zone_record *record);

enum zone_notation {
	ZONE_BIND,          /* lines of a zone file */
	ZONE_NSUPDATE,      /* input of nsupdate, with prerequisites */
	ZONE_POWERDNS,      /* commands of pdnsutil for a shell */
	ZONE_POWERDNS_JSON, /* a PATCH of PowerDNS's API */
	ZONE_ROUTE53,       /* a change batch */
	ZONE_FORM,          /* what to type into a web form */
	ZONE_JSON
};

/* "bind", "nsupdate", "powerdns", "powerdns-json", "route53", "form", "json". ST_ABSENT. */
enum status zone_notation_by_name(struct span name, enum zone_notation *out) MUST_USE;

/* All records. ST_DENIED: the notation replaces all that is at a name, and nobody knows what is at
 * one that others use too. ST_TOO_BIG. */
enum status zone_records_write(const struct zone_records *records, enum zone_notation notation,
    struct buf *out, struct err *err) MUST_USE;

/* ---- between the files ---- */

const char *zone_type_name(enum zone_type type);
/* The record as a zone file has it behind the type: quoted strings of at most 255 octets, names
 * with a final dot. */
void zone_value_write(const struct zone_record *record, const char *between, struct buf *out);
/* "TEXT" in ASCII for JSON; an octet beyond it is \u00XX. */
void zone_json_string(struct buf *out, struct span text);
void zone_write_powerdns_json(const struct zone_records *records, struct buf *out);
void zone_write_route53(const struct zone_records *records, struct buf *out);
void zone_write_json(const struct zone_records *records, struct buf *out);
void zone_write_form(const struct zone_records *records, struct buf *out);

#endif
