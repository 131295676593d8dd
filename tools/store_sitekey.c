/*
 * store_sitekey.c - signpost store sitekey: a site key file is made, gets a version more, or seals
 * with its newest version from now on.
 * Operators call it on the host where keys are made. It must never overwrite a site key file but by
 * one that has all of its versions, nor leave half of one, nor print a key.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/newfile.h"
#include "tools/store.h"

/* Where the file is: its folder, which is also the lock, and its name in it. */
struct place {
	char *folder, *name;
	int fd;
};

static bool
place_open(const char *program, const char *path, struct place *place)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	place->folder = slash == NULL   ? mem_strdup(".")
			: slash == path ? mem_strdup("/")
					: mem_strndup(path, (size_t)(slash - path));
	place->name = mem_strdup(name);
	place->fd = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->fd < 0 || flock(place->fd, LOCK_EX) != 0) {
		cli_say(program, "%s: %s", place->folder, strerror(errno));
		return false;
	}
	return true;
}

static void
place_close(struct place *place)
{
	if (place->fd >= 0)
		close(place->fd);
	mem_free(place->folder);
	mem_free(place->name);
}

static enum status
make_file(const struct place *place, struct err *err)
{
	struct newfile file = {.name = place->name, .mode = 0600};
	enum status status;
	char *text;
	size_t n;

	status = sitekey_rotate_text(NULL, false, &text, &n, err);
	if (status != ST_OK)
		return status;
	file.content = span_of(text, n);
	status = newfile_write_all(place->fd, place->folder, &file, 1, err);
	secret_free(text);
	if (status == ST_DENIED)
		err_set(err,
		    "%s/%s is there already and is not overwritten: with it every key "
		    "that it sealed would be lost",
		    place->folder, place->name);
	return status;
}

static bool
write_all(int fd, struct span text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = span_from(text, (size_t)n);
	}
	return true;
}

/* Aside, on disk, then in place of the old one, whose owner it gets: the gateway may run as
 * somebody else. */
static enum status
replace_file(const struct place *place, struct span text, struct err *err)
{
	char temp[NEWFILE_NAME_MAX + 16];
	struct stat st;
	bool ok;
	int fd;

	snprintf(temp, sizeof(temp), ".%.200s.new", place->name);
	/* What is left of an earlier one that was interrupted: we hold the lock. */
	unlinkat(place->fd, temp, 0);
	fd = openat(place->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd >= 0 && write_all(fd, text) && fstatat(place->fd, place->name, &st, 0) == 0 &&
	     fchown(fd, st.st_uid, st.st_gid) == 0 && fchmod(fd, st.st_mode & 0640) == 0 &&
	     fsync(fd) == 0 && renameat(place->fd, temp, place->fd, place->name) == 0 &&
	     fsync(place->fd) == 0;
	if (!ok)
		err_set(err, "%s/%s: cannot be replaced: %s", place->folder, place->name,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!ok)
		unlinkat(place->fd, temp, 0);
	return ok ? ST_OK : ST_FAILED;
}

static enum status
rotate_file(const char *path, const struct place *place, bool activate, struct err *err)
{
	struct sitekey *old;
	enum status status;
	struct stat st;
	char *text = NULL;
	size_t n = 0;

	if (fstatat(place->fd, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
		err_set(err, "%s: is a symbolic link; name the file itself", path);
		return ST_DENIED;
	}
	status = sitekey_open(path, false, &old, err);
	if (status != ST_OK)
		return status;
	status = sitekey_rotate_text(old, activate, &text, &n, err);
	sitekey_close(old);
	if (status == ST_OK)
		status = replace_file(place, span_of(text, n), err);
	secret_free(text);
	return status;
}

static enum status
tell_versions(const struct store_tool *tool, const char *path, struct err *err)
{
	uint32_t versions[SITEKEY_VERSIONS_MAX];
	struct sitekey *sitekey;
	struct buf list;
	size_t count;
	enum status status = sitekey_open(path, false, &sitekey, err);

	if (status != ST_OK)
		return status;
	count = sitekey_versions(sitekey, versions);
	buf_init(&list, 2048);
	for (size_t i = 0; i < count; i++)
		buf_add_fmt(&list, "%s%u", i == 0 ? "" : ", ", versions[i]);
	if (tool->json)
		printf("{\"versions\": [%s], \"current\": %u}\n", buf_text(&list),
		    sitekey_current(sitekey));
	else
		cli_tell(tool->program, "%s: versions %s; version %u seals", path, buf_text(&list),
		    sitekey_current(sitekey));
	buf_free(&list);
	sitekey_close(sitekey);
	return ST_OK;
}

static enum status
work(const char *program, const char *word, const char *path, struct err *err)
{
	struct place place = {.fd = -1};
	enum status status = ST_FAILED;

	if (!place_open(program, path, &place)) {
		err_set(err, "%s: nothing was done", path);
	} else if (strcmp(word, "new") == 0) {
		status = make_file(&place, err);
	} else {
		status = rotate_file(path, &place, strcmp(word, "activate") == 0, err);
	}
	place_close(&place);
	return status;
}

static bool
is_word(const char *word)
{
	return strcmp(word, "new") == 0 || strcmp(word, "add") == 0 ||
	       strcmp(word, "activate") == 0 || strcmp(word, "show") == 0;
}

int
store_sitekey_run(const char *program, int argc, char **argv)
{
	static const struct cli_option options[] = {
	    {"json", 'j', NULL, "JSON", offsetof(struct store_tool, json)}};
	static const struct cli_usage usage = {"new|add|activate|show FILE",
	    "Makes a site key file, adds a version to it, or makes the newest version seal.",
	    options, 1};
	struct store_tool tool = {.program = program};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &tool);
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (argc - optind != 2 || !is_word(argv[optind])) {
		cli_say(program, "new, add, activate or show and the name of the file are needed");
		return EX_USAGE;
	}
	if (key_memory_secure() != ST_OK) {
		cli_say(program, "the crypto library takes no protected memory for keys");
		return EX_OSERR;
	}
	if (strcmp(argv[optind], "show") != 0)
		status = work(program, argv[optind], argv[optind + 1], &err);
	if (status == ST_OK)
		status = tell_versions(&tool, argv[optind + 1], &err);
	if (status == ST_OK)
		return EX_OK;
	cli_say(program, "%s", err.text);
	return status == ST_FAILED ? EX_OSERR : EX_DATAERR;
}
