/*
 * keytable.h - the KeyTable: key name to domain, selector and key. The key is text or a path.
 */
#ifndef SIGNPOST_STORE_KEYTABLE_H
#define SIGNPOST_STORE_KEYTABLE_H

#include "lib/store/table.h"

#define KEYTABLE_PATH_MAX 4096 /* octets of a key's path after '%' was replaced */

struct keytable_entry {
	struct span domain;   /* d=; "%" is already the From domain */
	struct span selector; /* s= */
	struct span
	    key; /* text of the key (secret memory if the table is TABLE_SECRET), or a path */
	struct span algorithm; /* "rsa-sha256", "ed25519-sha256"; empty: what the key is */
	bool key_is_path;
	unsigned line;            /* of the KeyTable, 0 when unknown */
	struct table_value value; /* keeps the spans alive */
	char *path_owned;         /* likewise; when key_is_path, a NUL-terminated path */
};

/* from_domain: lower-cased by the caller, borrowed until the entry is released.
 * ST_OK: release the entry. ST_ABSENT: "signing table references unknown key '...'" is in *err.
 * ST_INVALID: "KeyTable entry for '...' corrupt: ..." with field, file and line.
 * ST_DENIED: '%' of a path may not be replaced by this From domain. ST_UNAVAILABLE. Any thread. */
enum status keytable_lookup(struct table *keys, struct span keyname, struct span from_domain,
    struct keytable_entry *out, struct err *err) MUST_USE;

/* All rows in order, of a table of patterns too: key is then the pattern. ST_INVALID for tables
 * that cannot be walked. */
enum status keytable_walk(
    struct table *keys, table_visit *visit, void *context, struct err *err) MUST_USE;
/* The first field of a row, as written ("%" stays); empty when there is no ':'. */
struct span keytable_row_domain(struct span value);
/* A row as the walk gives it, as keytable_lookup() would have answered it; the spans of *out are
 * borrowed from value. ST_OK: release the entry. ST_INVALID, ST_DENIED. */
enum status keytable_row_read(struct table *keys, struct span keyname, struct span value,
    unsigned line, struct span from_domain, struct keytable_entry *out, struct err *err) MUST_USE;

void keytable_entry_release(struct keytable_entry *entry); /* may be called twice */

/* The text names a file: it begins with "/", "./" or "../". */
bool keytable_key_is_path(struct span key);

#endif
