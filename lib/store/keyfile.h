/*
 * keyfile.h - a private key in a file: is it safe from other users (RequireSafeKeys), read it into
 * secret memory, has it changed since?
 */
#ifndef SIGNPOST_STORE_KEYFILE_H
#define SIGNPOST_STORE_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

#define KEYFILE_MAX 65536 /* octets of a key file */

/* Which file it was, and which edition of it. */
struct keyfile_stamp {
	uint64_t device;
	uint64_t inode;
	int64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* path: NUL-terminated. require_safe: RequireSafeKeys; with false an unsafe file is read and *err
 * holds the warning (ST_OK with a non-empty text), which the caller logs once per path.
 * ST_OK: *text_out (secret_free) holds *n_out octets and a NUL behind them; *stamp_out is set.
 * ST_ABSENT: no such file. ST_DENIED: not safe; the sentence names the path at fault, why, and the
 * command that mends it. ST_INVALID: not a regular file, empty, too big. ST_UNAVAILABLE: it cannot
 * be read (permission, I/O). Any thread. */
enum status keyfile_read(const char *path, bool require_safe, char **text_out, size_t *n_out,
    struct keyfile_stamp *stamp_out, struct err *err) MUST_USE;

/* One stat: false only when the same edition of the same file is there. */
bool keyfile_changed(const char *path, const struct keyfile_stamp *stamp);

/* RequireSafeKeys alone: ST_OK, or ST_DENIED with the sentence; what cannot be checked is unsafe.
 * The answers about groups are kept for a minute. */
enum status keyfile_check_safe(const char *path, struct err *err) MUST_USE;

#endif
