/*
 * keyfile.c - reads a key file, and tells whether it is still the same.
 * Called by the keeper for keys that are not in its cache, by the tools for -k.
 * It must never hand out text that stands in ordinary memory, or of a file that was not the one
 * that was checked.
 */
#include <string.h>
#include <unistd.h>

#include "lib/base/secret.h"
#include "lib/store/slurp.h"

#define READ_TRIES 3

bool
keyfile_changed(const char *path, const struct keyfile_stamp *stamp)
{
	struct keyfile_stamp now;
	struct stat st;

	if (stat(path, &st) != 0)
		return true;
	keyfile_stamp_of(&st, &now);
	return !keyfile_stamp_equal(&now, stamp);
}

/* A file caught while it is written is still again a moment later; one that may not be opened is
 * not. */
static enum status
read_settled(const char *path, struct slurp *slurp, struct err *err)
{
	enum status status = ST_UNAVAILABLE;

	for (int i = 0; i < READ_TRIES && status == ST_UNAVAILABLE; i++) {
		if (i > 0)
			usleep(2000);
		status = slurp_file(path, KEYFILE_MAX, true, slurp, err);
		if (status == ST_UNAVAILABLE && euidaccess(path, R_OK) != 0)
			break;
	}
	return status;
}

enum status
keyfile_read(const char *path, bool require_safe, char **text_out, size_t *n_out,
    struct keyfile_stamp *stamp_out, struct err *err)
{
	struct err unsafe = ERR_NONE;
	struct slurp slurp;
	enum status safe, status;

	*text_out = NULL;
	*n_out = 0;
	status = read_settled(path, &slurp, err);
	if (status != ST_OK)
		return status;
	/* Checked after it was read: a file that is swapped in between has another stamp. */
	safe = keyfile_check_safe(path, &unsafe);
	if (safe != ST_OK || keyfile_changed(path, &slurp.stamp)) {
		if (safe == ST_OK)
			err_set(
			    &unsafe, "%s: changed while it was read; it is read again later", path);
		err_set(err, "%s", unsafe.text);
		if (require_safe || safe == ST_OK) {
			slurp_free(&slurp);
			return safe == ST_OK ? ST_UNAVAILABLE : ST_DENIED;
		}
	} else {
		err_set(err, "%s", "");
	}
	if (slurp.n == 0) {
		err_set(err, "%s: the key file is empty", path);
		slurp_free(&slurp);
		return ST_INVALID;
	}
	*text_out = slurp.text;
	*n_out = slurp.n;
	*stamp_out = slurp.stamp;
	return ST_OK;
}
