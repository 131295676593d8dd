/*
 * newfile.c - several new files at once, never over an old one.
 * genkey calls it: a private key that is overwritten is lost, and one whose record is missing is
 * of no use. Each file is written and synced under a name of its own; then all get their names
 * with link(2), which fails where a file is. It must never open an existing file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/digest.h"
#include "tools/newfile.h"

#define TEMP_NAME_MAX 64

static enum status
fail(struct err *err, const char *directory, const char *name, const char *what)
{
	err_set(err, "%s/%s: %s: %s", directory, name, what, strerror(errno));
	return ST_FAILED;
}

static enum status
refuse_existing(
    int directory_fd, const char *directory, const struct newfile *file, struct err *err)
{
	struct stat st;

	if (strlen(file->name) > NEWFILE_NAME_MAX) {
		errno = ENAMETOOLONG;
		return fail(err, directory, file->name, "cannot be created");
	}
	if (fstatat(directory_fd, file->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		err_set(err,
		    "%s/%s is there already and is not overwritten; choose another selector or "
		    "move "
		    "it away",
		    directory, file->name);
		return ST_DENIED;
	}
	return errno == ENOENT ? ST_OK : fail(err, directory, file->name, "cannot be examined");
}

static bool
write_span(int fd, struct span s)
{
	while (s.n > 0) {
		ssize_t done = write(fd, s.p, s.n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		s = span_from(s, (size_t)done);
	}
	return true;
}

/* The file under its temporary name, which is put into temp. */
static enum status
write_temp(int directory_fd, const char *directory, const struct newfile *file,
    char temp[TEMP_NAME_MAX], struct err *err)
{
	uint64_t number;
	bool ok;
	int fd;

	random_bytes(&number, sizeof(number));
	snprintf(temp, TEMP_NAME_MAX, ".signpost-%016" PRIx64 ".new", number);
	fd = openat(
	    directory_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file->mode);
	if (fd < 0)
		return fail(err, directory, file->name, "cannot be created");
	ok = write_span(fd, file->content) && fsync(fd) == 0;
	if (close(fd) != 0)
		ok = false;
	if (ok)
		return ST_OK;
	(void)fail(err, directory, file->name, "cannot be written");
	unlinkat(directory_fd, temp, 0);
	return ST_FAILED;
}

static enum status
publish(int directory_fd, const char *directory, const struct newfile *file, const char *temp,
    struct err *err)
{
	if (linkat(directory_fd, temp, directory_fd, file->name, 0) == 0)
		return ST_OK;
	if (errno != EEXIST)
		return fail(err, directory, file->name, "cannot be created");
	err_set(err, "%s/%s was made by somebody else meanwhile and is not overwritten", directory,
	    file->name);
	return ST_DENIED;
}

/* All files get their names, or those that got one lose it again. */
static enum status
publish_all(int directory_fd, const char *directory, const struct newfile *files,
    char (*temps)[TEMP_NAME_MAX], size_t count, struct err *err)
{
	enum status status = ST_OK;
	size_t done = 0;

	while (status == ST_OK && done < count) {
		status = publish(directory_fd, directory, &files[done], temps[done], err);
		if (status == ST_OK)
			done++;
	}
	if (status == ST_OK && fsync(directory_fd) != 0)
		status = fail(err, directory, ".", "cannot be synced");
	if (status != ST_OK)
		while (done > 0)
			unlinkat(directory_fd, files[--done].name, 0);
	return status;
}

enum status
newfile_write_all(int directory_fd, const char *directory, const struct newfile *files,
    size_t count, struct err *err)
{
	char temps[NEWFILE_COUNT_MAX][TEMP_NAME_MAX];
	enum status status = count <= NEWFILE_COUNT_MAX ? ST_OK : ST_TOO_BIG;
	size_t written = 0;

	for (size_t i = 0; i < count && status == ST_OK; i++)
		status = refuse_existing(directory_fd, directory, &files[i], err);
	while (status == ST_OK && written < count) {
		status = write_temp(directory_fd, directory, &files[written], temps[written], err);
		if (status == ST_OK)
			written++;
	}
	if (status == ST_OK)
		status = publish_all(directory_fd, directory, files, temps, count, err);
	while (written > 0)
		unlinkat(directory_fd, temps[--written], 0);
	return status;
}
