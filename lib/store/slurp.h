/*
 * slurp.h - a whole regular file into memory, with the edition it was. Never blocks on a FIFO or a
 * device, never takes a file that changed while it was read.
 */
#ifndef SIGNPOST_STORE_SLURP_H
#define SIGNPOST_STORE_SLURP_H

#include <sys/stat.h>

#include "lib/store/keyfile.h"

struct slurp {
	char *text; /* owned: slurp_free(); a NUL stands behind the last octet */
	size_t n;
	struct keyfile_stamp stamp;
	bool secret; /* text is in secret memory */
};

/* ST_OK. ST_ABSENT: no such file. ST_INVALID: not a regular file, or more than max octets.
 * ST_UNAVAILABLE: it cannot be opened or read, or it is being written. The sentence names path. */
enum status slurp_file(
    const char *path, size_t max, bool secret, struct slurp *out, struct err *err) MUST_USE;
void slurp_free(struct slurp *slurp);
/* An empty text. */
void slurp_make(struct slurp *slurp, size_t n, bool secret);

void keyfile_stamp_of(const struct stat *st, struct keyfile_stamp *stamp_out);
bool keyfile_stamp_equal(const struct keyfile_stamp *a, const struct keyfile_stamp *b);

#endif
