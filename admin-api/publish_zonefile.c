/*
 * publish_zonefile.c - the publisher that keeps a file of records, which a zone file includes.
 * Called with all changes of one zone. It must never leave half of a file, nor call a change done
 * of which the server was not told: a mark beside the file stays until the program of "run"
 * succeeded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin-api/publish_fragment.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/store/slurp.h"

#define LOCK_LOOK_MS 20

struct zonefile {
	char *run; /* NULL: none */
};

/* One file while it is worked on. */
struct place {
	char *path, *lock, *mark; /* owned */
	int lock_fd;
};

static enum status
zonefile_open(struct publisher *publisher, struct span value, struct err *err)
{
	struct zonefile *zonefile = mem_zalloc(1, sizeof(*zonefile));
	struct publish_option options[] = {{"run", &zonefile->run}, {NULL, NULL}};
	enum status status;
	struct span path;

	publisher->state = zonefile;
	status = publish_options_read(publisher, value, &path, options, err);
	if (status != ST_OK)
		return status;
	if (!publish_path_good(path) || path.p[path.n - 1] == '/' ||
	    (zonefile->run != NULL && !publish_path_good(span_str(zonefile->run)))) {
		err_set(err, "zonefile: %s is not an absolute path of a file",
		    publish_path_good(path) && path.p[path.n - 1] != '/' ? "run" : "it");
		return ST_INVALID;
	}
	publisher->where = span_dup(path);
	return ST_OK;
}

static void
zonefile_close(struct publisher *publisher)
{
	struct zonefile *zonefile = publisher->state;

	if (zonefile != NULL)
		mem_free(zonefile->run);
	mem_free(zonefile);
}

/* ---- the file ---- */

/* "%z" is the zone in small letters, which has no '/' in it. */
static char *
expand(const char *template, struct span zone, const char *suffix)
{
	struct buf path;
	char *text;

	buf_init(&path, 8192 + PUBLISH_DOMAIN_MAX);
	for (const char *p = template; *p != '\0'; p++) {
		if (p[0] != '%' || p[1] != 'z') {
			buf_add_char(&path, *p);
			continue;
		}
		for (size_t i = 0; i < zone.n; i++)
			buf_add_char(&path, ascii_lower(zone.p[i]));
		p++;
	}
	buf_add_str(&path, suffix);
	text = mem_strdup(buf_text(&path));
	buf_free(&path);
	return text;
}

/* Time heals a full disk, but not a folder that is not there. */
static enum life_effect
effect_of(int error)
{
	return error == EACCES || error == EPERM || error == ENOENT || error == ENOTDIR ||
		       error == EROFS || error == EISDIR || error == ENAMETOOLONG
		   ? LIFE_REFUSED
		   : LIFE_UNAVAILABLE;
}

/* Sets *effect and err when it fails. */
static bool
fail(enum life_effect *effect, struct err *err, const char *path)
{
	*effect = effect_of(errno);
	err_set(err, "%s: %s", path, strerror(errno));
	return false;
}

static bool
lock(struct place *place, int timeout_ms, enum life_effect *effect, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	struct timespec pause = {0, LOCK_LOOK_MS * 1000000L};

	place->lock_fd = open(place->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (place->lock_fd < 0)
		return fail(effect, err, place->lock);
	while (flock(place->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(effect, err, place->lock);
		if (clock_mono_ms() >= until_ms) {
			*effect = LIFE_UNAVAILABLE;
			err_set(err, "%s: somebody else has locked it", place->lock);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

static bool
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	mem_free(folder);
	return good;
}

static bool
write_all(int fd, struct span text)
{
	while (text.n > 0) {
		ssize_t put = write(fd, text.p, text.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		text = span_from(text, (size_t)put);
	}
	return fsync(fd) == 0;
}

/* As readable as the file before; a new one by everybody: it is public. */
static mode_t
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 0777 : 0644;
}

static bool
replace(const struct place *place, struct span text, enum life_effect *effect, struct err *err)
{
	char *temporary = expand(place->path, SPAN_EMPTY, ".XXXXXX");
	int fd = mkostemp(temporary, O_CLOEXEC);
	bool good = fd >= 0 && fchmod(fd, mode_of(place->path)) == 0 && write_all(fd, text) &&
		    rename(temporary, place->path) == 0 && sync_folder(place->path);

	if (!good) {
		fail(effect, err, place->path);
		if (fd >= 0)
			unlink(temporary);
	}
	if (fd >= 0)
		close(fd);
	mem_free(temporary);
	return good;
}

static bool
make_mark(const struct place *place, enum life_effect *effect, struct err *err)
{
	int fd = open(place->mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return fail(effect, err, place->mark);
	close(fd);
	return true;
}

/* ---- changes ---- */

/* What is not in the file after all, or not known to the server, is not done. */
static void
take_back(
    struct publish_change *changes, size_t count, enum life_effect effect, const struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (changes[i].effect == LIFE_DONE)
			publish_effect(&changes[i], effect, "%s", err->text);
}

static void
change_file(const struct place *place, bool marked, struct span text, struct span zone,
    struct publish_change *changes, size_t count)
{
	enum life_effect effect = LIFE_REFUSED;
	struct fragment fragment;
	struct err err = ERR_NONE;
	struct buf whole;

	buf_init(&whole, 2 * FRAGMENT_MAX);
	if (fragment_read(text, zone, &fragment, &err) != ST_OK) {
		publish_effect_all(changes, count, LIFE_REFUSED, "%s: %s", place->path, err.text);
	} else if (fragment_apply(&fragment, changes, count)) {
		err_set(&err, "%s: would have more than %u octets", place->path, FRAGMENT_MAX);
		if (fragment_write(&fragment, &whole) != ST_OK || whole.n > FRAGMENT_MAX ||
		    (marked && !make_mark(place, &effect, &err)) ||
		    !replace(place, buf_span(&whole), &effect, &err))
			take_back(changes, count, effect, &err);
	}
	buf_free(&whole);
	fragment_free(&fragment);
}

static void
tell_server(struct publisher *publisher, const struct place *place, struct span zone,
    struct publish_change *changes, size_t count)
{
	struct zonefile *zonefile = publisher->state;
	char *zone_text = span_dup_lower(zone);
	const char *const argv[] = {zonefile->run, zone_text, place->path, NULL};
	struct publish_program program = {argv, SPAN_EMPTY, publisher->timeout_ms};
	struct buf out, errors;
	struct err err = ERR_NONE;

	buf_init(&out, 65536);
	buf_init(&errors, PUBLISH_PROGRAM_ERRORS_MAX);
	if (publish_program_run(&program, &out, &errors, &err) == ST_OK)
		unlink(place->mark);
	else {
		err_prefix(&err, "%s is written, but the server was not told", place->path);
		take_back(changes, count, LIFE_UNAVAILABLE, &err);
	}
	buf_free(&out);
	buf_free(&errors);
	mem_free(zone_text);
}

static void
apply_locked(struct publisher *publisher, const struct place *place, struct span zone,
    struct publish_change *changes, size_t count)
{
	struct zonefile *zonefile = publisher->state;
	struct err err = ERR_NONE;
	struct slurp slurp;
	enum status status = slurp_file(place->path, FRAGMENT_MAX, false, &slurp, &err);

	if (status != ST_OK && status != ST_ABSENT) {
		publish_effect_all(changes, count,
		    status == ST_INVALID ? LIFE_REFUSED : LIFE_UNAVAILABLE, "%s", err.text);
		return;
	}
	change_file(place, zonefile->run != NULL,
	    status == ST_OK ? span_of(slurp.text, slurp.n) : SPAN_EMPTY, zone, changes, count);
	if (status == ST_OK)
		slurp_free(&slurp);
	if (zonefile->run != NULL && access(place->mark, F_OK) == 0)
		tell_server(publisher, place, zone, changes, count);
}

static void
zonefile_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	struct place place = {expand(publisher->where, zone, ""),
	    expand(publisher->where, zone, ".lock"), expand(publisher->where, zone, ".run"), -1};
	enum life_effect effect = LIFE_UNAVAILABLE;
	struct err err = ERR_NONE;

	if (lock(&place, publisher->timeout_ms, &effect, &err))
		apply_locked(publisher, &place, zone, changes, count);
	else
		publish_effect_all(changes, count, effect, "%s", err.text);
	if (place.lock_fd >= 0)
		close(place.lock_fd);
	mem_free(place.path);
	mem_free(place.lock);
	mem_free(place.mark);
}

const struct publisher_ops publish_zonefile = {
    .kind = "zonefile",
    .open = zonefile_open,
    .close = zonefile_close,
    .apply = zonefile_apply,
};
