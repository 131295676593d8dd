/*
 * watch.c - edited files take effect by themselves.
 * One thread of the keeper (and of any daemon with tables); it alone refreshes tables.
 * It must never take an edition that is being written, nor stop mail from being signed because an
 * editor emptied a file for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/slurp.h"
#include "lib/store/watch.h"

#define LINKS_MAX 8    /* symbolic links followed to find directories to watch */
#define UNREST_MS 5000 /* a file that changes for so long is taken after a shorter rest */
#define SETTLE_SHORT_MS 25
/* Not IN_MODIFY: a log in the same directory would wake the thread at each of its lines. What is
 * written and not closed is seen by the slow poll. */
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_ATTRIB)

struct watched {
	struct table *table;
	struct keyfile_stamp seen;    /* at the last sample; size -1: the file was not there */
	int64_t since_ms;             /* of the first change not yet read; 0: none */
	int64_t due_ms;               /* read it then; 0: nothing to read */
	char complaint[ERR_TEXT_MAX]; /* logged already */
};

struct watcher {
	pthread_t thread;
	pthread_mutex_t lock; /* of items and count, not held while a file is read */
	struct watched *items[256];
	size_t count;
	int inotify; /* -1: only the slow poll */
	int wake;
	bool stop; /* under lock */
};

static void
sample(const struct table *table, struct keyfile_stamp *stamp_out)
{
	struct stat st;

	memset(stamp_out, 0, sizeof(*stamp_out));
	stamp_out->size = -1;
	if (stat(table->path, &st) == 0)
		keyfile_stamp_of(&st, stamp_out);
}

/* false: it does not fit. */
static bool
copy_path(char room[PATH_MAX], const char *path)
{
	size_t n = strlen(path);

	if (n >= PATH_MAX)
		return false;
	memcpy(room, path, n + 1);
	return true;
}

static void
watch_parent(const struct watcher *watcher, const char *path)
{
	char copy[PATH_MAX];

	if (!copy_path(copy, path))
		return;
	/* A refusal (no such directory, no watches left) leaves the slow poll. */
	(void)inotify_add_watch(watcher->inotify, dirname(copy), EVENTS | IN_ONLYDIR);
}

/* Where the link at points to, put into at; false when it is no link, or its target does not fit.
 */
static bool
follow_link(char at[PATH_MAX])
{
	char target[PATH_MAX], parent[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = readlink(at, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	if (target[0] == '/' || !copy_path(parent, at))
		return copy_path(at, target);
	snprintf(joined, sizeof(joined), "%s/%s", dirname(parent), target);
	return copy_path(at, joined);
}

/* The directory of each link on the way, and that of the file itself. Adding one again is free. */
static void
watch_directories(const struct watcher *watcher, const char *path)
{
	char at[PATH_MAX];
	char *real;

	if (watcher->inotify < 0 || !copy_path(at, path))
		return;
	for (int i = 0; i < LINKS_MAX; i++) {
		watch_parent(watcher, at);
		if (!follow_link(at))
			break;
	}
	real = realpath(path, NULL);
	if (real != NULL)
		watch_parent(watcher, real);
	mem_free(real);
}

/* Compares the file with the last sample; a change puts the reading off until it rests. */
static void
look(struct watched *w, int64_t now_ms)
{
	struct keyfile_stamp stamp;

	sample(w->table, &stamp);
	if (keyfile_stamp_equal(&stamp, &w->seen))
		return;
	w->seen = stamp;
	if (w->since_ms == 0)
		w->since_ms = now_ms;
	if (stamp.size == 0)
		w->due_ms = now_ms + WATCH_SETTLE_EMPTY_MS;
	else if (now_ms - w->since_ms > UNREST_MS)
		w->due_ms = now_ms + SETTLE_SHORT_MS;
	else
		w->due_ms = now_ms + WATCH_SETTLE_MS;
}

/* Between the sample and the reading somebody has written. */
static bool
changed_again(const struct watched *w)
{
	struct keyfile_stamp now;

	sample(w->table, &now);
	return !keyfile_stamp_equal(&now, &w->seen);
}

static void
complain(struct watched *w, const struct err *err)
{
	struct table_report report;
	char text[ERR_TEXT_MAX];

	if (strcmp(err->text, w->complaint) == 0)
		return;
	memcpy(w->complaint, err->text, sizeof(w->complaint));
	table_report(w->table, &report);
	table_report_text(&report, text, sizeof(text));
	log_line(LOG_LEVEL_ERROR, "%s %s: not reloaded, the old contents stay in use (%s): %s",
	    w->table->parameter, w->table->where, text, err->text);
}

static void
refresh(struct watched *w, int64_t now_ms)
{
	struct err err = ERR_NONE;
	enum status status;
	struct table_report report;
	char text[ERR_TEXT_MAX];

	w->table->settled = &w->seen;
	status = table_refresh(w->table, &err);
	w->table->settled = NULL;
	if (status == ST_UNAVAILABLE && changed_again(w)) {
		w->due_ms = now_ms + SETTLE_SHORT_MS; /* look() puts it off further */
		return;
	}
	w->since_ms = 0;
	w->due_ms = 0;
	if (status != ST_OK && status != ST_ABSENT) {
		complain(w, &err);
		w->due_ms = now_ms + WATCH_RETRY_MS;
		return;
	}
	w->complaint[0] = '\0';
	if (status == ST_ABSENT)
		return;
	table_report(w->table, &report);
	table_report_text(&report, text, sizeof(text));
	log_line(report.problem_count > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
	    "%s %s: reloaded, %s", w->table->parameter, w->table->where, text);
}

/* One turn; answers the milliseconds until the next one. */
static int
turn(struct watcher *watcher)
{
	int64_t now_ms = clock_mono_ms(), next_ms = now_ms + WATCH_POLL_MS;
	size_t count;

	pthread_mutex_lock(&watcher->lock);
	count = watcher->count;
	pthread_mutex_unlock(&watcher->lock);
	for (size_t i = 0; i < count; i++) {
		struct watched *w = watcher->items[i];

		look(w, now_ms);
		if (w->due_ms != 0 && w->due_ms <= now_ms) {
			refresh(w, now_ms);
			watch_directories(watcher, w->table->path);
		}
		if (w->due_ms != 0 && w->due_ms < next_ms)
			next_ms = w->due_ms;
	}
	now_ms = clock_mono_ms();
	return next_ms <= now_ms ? 0 : (int)(next_ms - now_ms);
}

static void
drain(int fd)
{
	char room[4096];

	while (fd >= 0 && read(fd, room, sizeof(room)) > 0)
		;
}

static bool
stopping(struct watcher *watcher)
{
	bool stop;

	pthread_mutex_lock(&watcher->lock);
	stop = watcher->stop;
	pthread_mutex_unlock(&watcher->lock);
	return stop;
}

static void *
run(void *context)
{
	struct watcher *watcher = context;
	struct pollfd fds[2] = {
	    {.fd = watcher->wake, .events = POLLIN}, {.fd = watcher->inotify, .events = POLLIN}};

	while (!stopping(watcher)) {
		(void)poll(fds, 2, turn(watcher));
		drain(watcher->wake);
		drain(watcher->inotify);
	}
	return NULL;
}

static void
watcher_free(struct watcher *watcher)
{
	for (size_t i = 0; i < watcher->count; i++)
		mem_free(watcher->items[i]);
	if (watcher->inotify >= 0)
		close(watcher->inotify);
	if (watcher->wake >= 0)
		close(watcher->wake);
	pthread_mutex_destroy(&watcher->lock);
	mem_free(watcher);
}

enum status
watcher_start(struct watcher **out, struct err *err)
{
	struct watcher *watcher = mem_zalloc(1, sizeof(*watcher));
	sigset_t all, old;
	int error;

	*out = NULL;
	pthread_mutex_init(&watcher->lock, NULL);
	watcher->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watcher->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = watcher->wake < 0 ? errno : pthread_create(&watcher->thread, NULL, run, watcher);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0) {
		err_set(err, "the thread that watches files cannot start: %s", strerror(error));
		watcher_free(watcher);
		return ST_FAILED;
	}
	*out = watcher;
	return ST_OK;
}

static void
wake(struct watcher *watcher)
{
	static const uint64_t one = 1;

	/* A full counter is awake already. */
	if (write(watcher->wake, &one, sizeof(one)) < 0)
		return;
}

void
watcher_add(struct watcher *watcher, struct table *table)
{
	struct watched *w;
	bool room;

	if (table == NULL || table->path == NULL)
		return;
	w = mem_zalloc(1, sizeof(*w));
	w->table = table;
	/* The file may have changed since it was opened: the first turn compares. */
	w->seen.size = -2;
	watch_directories(watcher, table->path);
	pthread_mutex_lock(&watcher->lock);
	room = watcher->count < sizeof(watcher->items) / sizeof(watcher->items[0]);
	if (room)
		watcher->items[watcher->count++] = w;
	pthread_mutex_unlock(&watcher->lock);
	if (!room) {
		log_line(LOG_LEVEL_ERROR,
		    "%s %s: too many tables, this one is not watched; restart "
		    "after editing it",
		    table->parameter, table->where);
		mem_free(w);
	}
	wake(watcher);
}

void
watcher_stop(struct watcher *watcher)
{
	if (watcher == NULL)
		return;
	pthread_mutex_lock(&watcher->lock);
	watcher->stop = true;
	pthread_mutex_unlock(&watcher->lock);
	wake(watcher);
	pthread_join(watcher->thread, NULL);
	watcher_free(watcher);
}
