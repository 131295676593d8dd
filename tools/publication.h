/*
 * publication.h - the texts that publish a key: the DKIM key record (RFC 6376 section 3.6.1) and
 * the line of a zone file that carries it, in the layout of opendkim-genkey. One thread.
 */
#ifndef SIGNPOST_TOOLS_PUBLICATION_H
#define SIGNPOST_TOOLS_PUBLICATION_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/status.h"
#include "lib/crypto/key.h"

#define PUBLICATION_TEXT_MAX 8192 /* octets of a record or a zone line */
#define PUBLICATION_NOTE_MAX 1024 /* octets of a note as given */

/* What the operator asked to have in the record; all borrowed. */
struct publication {
	const char *selector;
	const char *domain;
	const char *hashes;  /* h=, "" leaves it out */
	const char *note;    /* n=, NULL leaves it out; any octets */
	bool restrict_email; /* s=email */
	bool no_subdomains;  /* t=s */
	bool test_mode;      /* t=y */
	bool absolute_name;  /* the owner name ends in the domain and a dot */
};

/* selector, domain and hashes as DNS names and RFC 6376 tag values. ST_INVALID with the reason. */
enum status publication_check(const struct publication *record, struct err *err) MUST_USE;

/* The record's value as verifiers see it: one line, no quotes. ST_TOO_BIG, ST_FAILED. */
enum status publication_value(
    const struct publication *record, const struct key *key, struct buf *out) MUST_USE;

/* The line for a zone file; every quoted string has at most 252 octets (255 are allowed, RFC 1035
 * section 3.3). ST_TOO_BIG, ST_FAILED. */
enum status publication_zone_line(
    const struct publication *record, const struct key *key, struct buf *out) MUST_USE;

/* One JSON object and a line feed. ST_TOO_BIG, ST_FAILED. */
enum status publication_json(
    const struct publication *record, const struct key *key, struct buf *out) MUST_USE;

#endif
