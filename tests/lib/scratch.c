/*
 * scratch.c - files and log lines of one test.
 * Used by unit tests of the daemon. It must never use a name that another run may use.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/scratch.h"

static void
need(bool right, const char *what)
{
	if (right)
		return;
	perror(what);
	exit(99);
}

void
scratch_begin(struct scratch *scratch)
{
	const char *parent = getenv("TMPDIR");

	*scratch = (struct scratch){.stderr_fd = -1, .log_fd = -1};
	snprintf(scratch->dir, sizeof(scratch->dir), "%s/signpost-test-XXXXXX",
	    parent == NULL || strlen(parent) > 200 ? "/tmp" : parent);
	need(mkdtemp(scratch->dir) != NULL, "mkdtemp");
}

const char *
scratch_path(struct scratch *scratch, const char *name)
{
	char **path = &scratch->path[scratch->paths++ % 8];

	free(*path);
	need(asprintf(path, "%s/%s", scratch->dir, name) > 0, "path");
	return *path;
}

const char *
scratch_write(struct scratch *scratch, const char *name, const char *text)
{
	const char *path = scratch_path(scratch, name), *aside = scratch_path(scratch, ".aside");
	int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t n = strlen(text);

	need(fd >= 0, aside);
	need(write(fd, text, n) == (ssize_t)n, aside);
	close(fd);
	need(rename(aside, path) == 0, path);
	return path;
}

void
scratch_log_begin(struct scratch *scratch)
{
	if (scratch->stderr_fd < 0)
		scratch->stderr_fd = dup(STDERR_FILENO);
	if (scratch->log_fd >= 0)
		close(scratch->log_fd);
	scratch->log_fd = memfd_create("log", MFD_CLOEXEC);
	need(scratch->log_fd >= 0 && dup2(scratch->log_fd, STDERR_FILENO) >= 0, "log");
}

size_t
scratch_log_bytes(struct scratch *scratch)
{
	off_t n = lseek(scratch->log_fd, 0, SEEK_END);

	need(n >= 0, "log");
	return (size_t)n;
}

bool
scratch_log_has(struct scratch *scratch, const char *text)
{
	size_t n = scratch_log_bytes(scratch);

	free(scratch->log);
	scratch->log = calloc(1, n + 1);
	need(scratch->log != NULL && pread(scratch->log_fd, scratch->log, n, 0) == (ssize_t)n,
	    "log");
	return strstr(scratch->log, text) != NULL;
}

void
scratch_end(struct scratch *scratch)
{
	DIR *dir = opendir(scratch->dir);
	struct dirent *entry;

	if (scratch->stderr_fd >= 0) {
		dup2(scratch->stderr_fd, STDERR_FILENO);
		close(scratch->stderr_fd);
		close(scratch->log_fd);
	}
	free(scratch->log);
	need(dir != NULL, scratch->dir);
	while ((entry = readdir(dir)) != NULL)
		unlink(scratch_path(scratch, entry->d_name));
	closedir(dir);
	rmdir(scratch->dir);
	for (size_t i = 0; i < 8; i++)
		free(scratch->path[i]);
}
