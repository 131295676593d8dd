/*
 * genzone.h - what genzone was asked for, and the records that it has collected. One thread.
 */
#ifndef SIGNPOST_TOOLS_GENZONE_H
#define SIGNPOST_TOOLS_GENZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "tools/keywalk.h"

#define GENZONE_BYTES_MAX (1U << 30) /* octets of the output */
#define GENZONE_UPDATE_TTL_S 86400   /* of records without -t; nsupdate needs one */

/* The command line; everything borrowed from argv. */
struct genzone {
	const char *program;
	const char *conf_path;    /* -x */
	const char *dataset;      /* NULL: the KeyTable of the configuration */
	const char *domain;       /* -d */
	const char *output;       /* -o */
	const char *contact;      /* -C */
	const char *name_servers; /* -N, separated by commas */
	uint32_t expire_s, refresh_s, retry_s, default_ttl_s, ttl_s;
	bool ttl_set;    /* -t */
	bool soa;        /* -S */
	bool subdomains; /* -s */
	bool mail_only;  /* -M */
	bool suffix;     /* -D */
	bool full_name;  /* -F */
	bool update;     /* -u */
	int verbose;
};

/* All owned. */
struct genzone_record {
	char *owner; /* the name as it is written; with -u always the full one */
	char *domain;
	char *value;
	char *keyname; /* of the entry, for messages */
	size_t order;  /* place in the table */
	bool dropped;  /* another entry says the same */
};

struct genzone_records {
	const struct genzone *request; /* borrowed */
	struct genzone_record *items;
	size_t count, room;
	size_t written, failed;
};

/* The record of a key that could be loaded. */
void genzone_record_add(struct genzone_records *records, const struct keywalk_key *key);
/* One record for each name: entries that name the same key twice are one; of two keys for one name
 * the first is written, and the other is named and counted in failed. */
void genzone_records_settle(struct genzone_records *records);
/* The whole output. Overflow shows in buf_status(out). */
void genzone_write(struct genzone_records *records, struct buf *out);
void genzone_records_free(struct genzone_records *records);

/* genzone_head.c: comment, SOA, NS records; what begins an update of a domain's records. */
void genzone_head(const struct genzone *request, struct buf *out);
/* The names of -C and -N cannot break what is written. false: a message was printed. */
bool genzone_names_fit(const struct genzone *request);
void genzone_update_begin(const struct genzone *request, struct buf *out);

#endif
