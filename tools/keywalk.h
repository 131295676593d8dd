/*
 * keywalk.h - every key of a KeyTable, loaded, with the domain and the selector that it signs for.
 * testkey and genzone walk; each decides what to do with a key. One thread.
 */
#ifndef SIGNPOST_TOOLS_KEYWALK_H
#define SIGNPOST_TOOLS_KEYWALK_H

#include <stdbool.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/conf/conf.h"
#include "lib/crypto/key.h"

/* All borrowed for the call. */
struct keywalk_options {
	const struct conf *conf;
	const char *dataset; /* a KeyTable as configurations name it; NULL: that of conf */
	/* The domain of entries whose domain is "%". NULL: those authors' domains for which the
	 * SigningTable of conf names the entry. */
	const char *domain;
};

/* Valid during the call only. */
struct keywalk_key {
	struct span
	    name; /* key name, the pattern in a table of patterns, "(line N)" of one that is bad */
	struct span domain, selector;
	const char *where; /* the table's file, or "(list)" */
	unsigned line;
	struct key *key; /* NULL: it cannot be used, why says it; who takes it leaves NULL here */
	const char *why; /* a sentence, or "" */
	const char *warning; /* the key file is not safe from others: a sentence, or "" */
	bool open;    /* the domain is "%" and nothing tells one: domain is "%", key is NULL */
	bool unknown; /* open, and the SigningTable that might tell one could not be read */
};

/* false ends the walk. */
typedef bool keywalk_visit(void *context, struct keywalk_key *key);

/* In the order of the table, then the entries whose domain is "%". ST_OK: all were visited, or
 * visit ended it. ST_INVALID: the table cannot be opened or walked; ST_UNAVAILABLE. */
enum status keywalk_run(const struct keywalk_options *options, keywalk_visit *visit, void *context,
    struct err *err) MUST_USE;

/* One key of a file, as the walk would load it. warning_out: ERR_TEXT_MAX octets or NULL.
 * ST_OK: key_free. ST_ABSENT, ST_INVALID, ST_UNAVAILABLE. */
enum status keywalk_load(
    const char *path, struct key **key_out, struct err *warning_out, struct err *err) MUST_USE;

#endif
