/*
 * cached_keystore_thread.c - when a key store is asked for changes: every poll_ms, and, where it is
 * a file of this machine, as soon as somebody writes to it. One thread of the keeper for each
 * store. It must never ask more often than every SPACE_MS, however busy the file is, nor rely on
 * being told of a change.
 *
 * A writer's change is to be seen only after it has written, and, with SQLite, waited for the disk:
 * so the store is asked again a little after the last write.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/store/cached_keystore_private.h"

#define SPACE_MS 100
#define FIRST_MS 1000 /* that a start waits for a store, at most */
#define EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_TO)

static const int64_t again_ms[] = {0, SPACE_MS, 1000}; /* after the last write */
#define AGAIN (sizeof(again_ms) / sizeof(again_ms[0]))

struct turns {
	int64_t polled_ms;  /* the last poll began */
	int64_t written_ms; /* of the last write that was noticed; 0: all of that is done */
};

/* ---- the file ---- */

static void
watch_file(struct cached_keystore *cached)
{
	char *path, *folder, *name;

	if (cached->inner->file == NULL)
		return;
	path = realpath(cached->inner->file, NULL);
	if (path == NULL)
		path = mem_strdup(cached->inner->file);
	folder = mem_strdup(path);
	name = mem_strdup(path);
	cached->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (cached->watch >= 0 &&
	    inotify_add_watch(cached->watch, dirname(folder), EVENTS | IN_ONLYDIR) < 0) {
		close(cached->watch);
		cached->watch = -1;
	}
	cached->watched = mem_strdup(basename(name));
	mem_free(name);
	mem_free(folder);
	mem_free(path);
}

/* The store itself, its log or journal; not what readers write, too. */
static bool
is_watched(const struct cached_keystore *cached, const char *name)
{
	size_t n = strlen(cached->watched);

	return strncmp(name, cached->watched, n) == 0 &&
	       (name[n] == '\0' || strcmp(name + n, "-wal") == 0 ||
		   strcmp(name + n, "-journal") == 0);
}

/* Was it written to? */
static bool
read_watch(const struct cached_keystore *cached)
{
	char room[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool written = false;
	ssize_t n;

	while (cached->watch >= 0 && (n = read(cached->watch, room, sizeof(room))) > 0) {
		for (const char *at = room; at < room + n;) {
			const struct inotify_event *event =
			    (const struct inotify_event *)(const void *)at;

			written = written || (event->mask & IN_Q_OVERFLOW) != 0 ||
				  (event->len > 0 && is_watched(cached, event->name));
			at += sizeof(*event) + event->len;
		}
	}
	return written;
}

/* ---- when? ---- */

/* After a write the store is asked at each of again_ms. */
static int64_t
due_ms(struct turns *turns, int64_t poll_ms)
{
	int64_t due = turns->polled_ms + poll_ms, early = turns->polled_ms + SPACE_MS;

	for (size_t i = 0; i < AGAIN && turns->written_ms != 0; i++) {
		int64_t at_ms = turns->written_ms + again_ms[i];

		if (turns->polled_ms >= at_ms)
			continue;
		at_ms = at_ms < early ? early : at_ms;
		return at_ms < due ? at_ms : due;
	}
	turns->written_ms = 0;
	return due;
}

static void *
run(void *context)
{
	struct cached_keystore *cached = context;
	struct pollfd fds[2] = {
	    {.fd = cached->wake, .events = POLLIN}, {.fd = cached->watch, .events = POLLIN}};
	struct turns turns = {.polled_ms = clock_mono_ms() - cached->config.poll_ms};

	while (!atomic_load(&cached->closing)) {
		int64_t now_ms = clock_mono_ms(), wait_ms;

		wait_ms = due_ms(&turns, cached->config.poll_ms) - now_ms;
		if (wait_ms > 0) {
			(void)poll(fds, 2, wait_ms < INT_MAX ? (int)wait_ms : INT_MAX);
			if (read_watch(cached))
				turns.written_ms = clock_mono_ms();
			continue;
		}
		/* A write from here on may not be seen by this poll. */
		turns.polled_ms = now_ms;
		follow_poll(cached);
	}
	return NULL;
}

enum status
thread_start(struct cached_keystore *cached, struct err *err)
{
	sigset_t all, old;
	int error;

	cached->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watch_file(cached);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = cached->wake < 0 ? errno : pthread_create(&cached->thread, NULL, run, cached);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	cached->has_thread = error == 0;
	if (error == 0) {
		/* What is asked for before the first poll is of use until then only: a store that
		 * went away at once would leave nothing. */
		news_wait_first(cached, FIRST_MS);
		return ST_OK;
	}
	err_set(err, "KeyStore: no thread for its changes: %s", strerror(error));
	return ST_FAILED;
}

void
thread_stop(struct cached_keystore *cached)
{
	static const uint64_t one = 1;

	atomic_store(&cached->closing, true);
	/* A full counter is awake already. */
	if (cached->has_thread && write(cached->wake, &one, sizeof(one)) < 0)
		atomic_store(&cached->closing, true);
	if (cached->has_thread)
		pthread_join(cached->thread, NULL);
	if (cached->wake >= 0)
		close(cached->wake);
	if (cached->watch >= 0)
		close(cached->watch);
	mem_free(cached->watched);
}
