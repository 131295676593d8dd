/*
 * newfile.h - files that did not exist before: complete and on disk, or not there at all.
 */
#ifndef SIGNPOST_TOOLS_NEWFILE_H
#define SIGNPOST_TOOLS_NEWFILE_H

#include <sys/types.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define NEWFILE_NAME_MAX 255 /* octets of a file name, NUL not counted */
#define NEWFILE_COUNT_MAX 8  /* files in one call */

struct newfile {
	const char *name;    /* in the directory; borrowed; no slash */
	struct span content; /* borrowed */
	mode_t mode;         /* the umask takes away from it */
};

/* Writes all files into the directory, or none. A file of one of these names is never touched:
 * ST_DENIED. directory is named in errors only; directory_fd is what is used. Files are synced
 * before they get their names. ST_FAILED: nothing of ours is left. One thread. */
enum status newfile_write_all(int directory_fd, const char *directory, const struct newfile *files,
    size_t count, struct err *err) MUST_USE;

#endif
