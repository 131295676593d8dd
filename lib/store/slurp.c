/*
 * slurp.c - reads key files and flat tables.
 * Called at start, by the watcher, and by the keeper when a key is not in its cache.
 * It must never wait for a writer (FIFO), read without a bound, or take half of an edition.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/slurp.h"

static int64_t
time_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
keyfile_stamp_of(const struct stat *st, struct keyfile_stamp *stamp_out)
{
	stamp_out->device = (uint64_t)st->st_dev;
	stamp_out->inode = (uint64_t)st->st_ino;
	stamp_out->size = (int64_t)st->st_size;
	stamp_out->mtime_ns = time_ns(st->st_mtim);
	stamp_out->ctime_ns = time_ns(st->st_ctim);
}

bool
keyfile_stamp_equal(const struct keyfile_stamp *a, const struct keyfile_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

void
slurp_make(struct slurp *slurp, size_t n, bool secret)
{
	slurp->n = n;
	slurp->secret = secret;
	slurp->text = secret ? secret_malloc(n + 1) : mem_alloc(n + 1);
	if (slurp->text != NULL)
		slurp->text[n] = '\0';
}

void
slurp_free(struct slurp *slurp)
{
	if (slurp->secret)
		secret_free(slurp->text);
	else
		mem_free(slurp->text);
	slurp->text = NULL;
}

/* Exactly n octets and then the end of the file; anything else is a file being written. */
static enum status
read_all(int fd, const char *path, char *text, size_t n, struct err *err)
{
	size_t have = 0;

	while (have <= n) {
		/* The octet behind the text is there to notice a file that grew. */
		ssize_t got = read(fd, text + have, n + 1 - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err_set(err, "%s: %s", path, strerror(errno));
			return ST_UNAVAILABLE;
		}
		if (got == 0)
			break;
		have += (size_t)got;
	}
	text[n] = '\0';
	if (have == n)
		return ST_OK;
	err_set(err, "%s: is being written; it is read again later", path);
	return ST_UNAVAILABLE;
}

static enum status
check_kind(const char *path, const struct stat *st, size_t max, struct err *err)
{
	if (!S_ISREG(st->st_mode)) {
		err_set(err, "%s: is not a regular file%s", path,
		    S_ISDIR(st->st_mode) ? " but a directory" : "");
		return ST_INVALID;
	}
	if (st->st_size < 0 || (uint64_t)st->st_size > max) {
		err_set(err, "%s: has more than %zu octets", path, max);
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
read_edition(int fd, const char *path, size_t max, struct slurp *out, struct err *err)
{
	struct keyfile_stamp after;
	enum status status;
	struct stat st;

	if (fstat(fd, &st) != 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		return ST_UNAVAILABLE;
	}
	status = check_kind(path, &st, max, err);
	if (status != ST_OK)
		return status;
	keyfile_stamp_of(&st, &out->stamp);
	slurp_make(out, (size_t)st.st_size, out->secret);
	if (out->text == NULL) {
		err_set(err, "%s: no secret memory left for it", path);
		return ST_UNAVAILABLE;
	}
	status = read_all(fd, path, out->text, out->n, err);
	if (status == ST_OK && fstat(fd, &st) == 0) {
		keyfile_stamp_of(&st, &after);
		if (!keyfile_stamp_equal(&after, &out->stamp)) {
			err_set(err, "%s: is being written; it is read again later", path);
			status = ST_UNAVAILABLE;
		}
	}
	if (status != ST_OK)
		slurp_free(out);
	return status;
}

enum status
slurp_file(const char *path, size_t max, bool secret, struct slurp *out, struct err *err)
{
	enum status status;
	int fd;

	memset(out, 0, sizeof(*out));
	out->secret = secret;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		err_set(err, "%s: %s; %s", path, strerror(errno),
		    errno == EACCES ? "may UserID read it, and enter the folders above it?"
				    : "is it there, and is its name correct?");
		return errno == ENOENT || errno == ENOTDIR ? ST_ABSENT : ST_UNAVAILABLE;
	}
	status = read_edition(fd, path, max, out, err);
	close(fd);
	return status;
}
