/*
 * shadowlog.c - the file of ShadowReport.
 * The keeper's threads put lines into the queue; one thread writes. It must never make anybody
 * wait, nor lose a line without counting it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shadowlog.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

struct shadowlog {
	int fd; /* -1: syslog */
	char *path;
	int64_t bytes_max;
	bool torn; /* the file may end within a line */
	int64_t said_ms;
	uint64_t lost; /* since then */
	bool running;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows; never held over a write */
	pthread_cond_t news;
	bool ending;
	size_t first, count, bytes;
	char *lines[SHADOWLOG_LINES_MAX]; /* each with its line end; owned */
};

enum status
shadowlog_open(const char *where, int64_t bytes_max, struct shadowlog **log_out, struct err *err)
{
	struct shadowlog *log;
	int fd = -1;

	if (strcmp(where, SHADOWLOG_SYSLOG) != 0) {
		fd = open(
		    where, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
		if (fd < 0) {
			err_set(err, "ShadowReport %s: %s", where, strerror(errno));
			return ST_INVALID;
		}
	}
	log = mem_zalloc(1, sizeof(*log));
	log->fd = fd;
	log->path = mem_strdup(where);
	log->bytes_max = bytes_max;
	log->said_ms = -SHADOWLOG_SAY_EVERY_MS;
	/* Whoever wrote there before may have died within a line. */
	log->torn = true;
	pthread_mutex_init(&log->lock, NULL);
	pthread_cond_init(&log->news, NULL);
	*log_out = log;
	return ST_OK;
}

void
shadowlog_put(struct shadowlog *log, struct span line)
{
	bool kept;

	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	kept = !log->ending && log->count < SHADOWLOG_LINES_MAX &&
	       log->bytes + line.n <= SHADOWLOG_BYTES_MAX;
	if (kept) {
		char *copy = mem_alloc(line.n + 2);

		memcpy(copy, line.p, line.n);
		memcpy(copy + line.n, "\n", 2);
		log->lines[(log->first + log->count++) % SHADOWLOG_LINES_MAX] = copy;
		log->bytes += line.n;
		pthread_cond_signal(&log->news);
	}
	pthread_mutex_unlock(&log->lock);
	if (!kept)
		metrics_count(METRIC_SHADOW_LOST, METRIC_NONE, METRIC_NONE);
}

/* Counted, and said once a minute. */
static void
lost(struct shadowlog *log, const char *why)
{
	int64_t now_ms = clock_mono_ms();

	metrics_count(METRIC_SHADOW_LOST, METRIC_NONE, METRIC_NONE);
	log->lost++;
	if (now_ms - log->said_ms < SHADOWLOG_SAY_EVERY_MS)
		return;
	log_line(LOG_LEVEL_WARNING,
	    "ShadowReport %s: %s; %llu lines are lost, mail goes on as before", log->path, why,
	    (unsigned long long)log->lost);
	log->said_ms = now_ms;
	log->lost = 0;
}

static bool
ends_in_line(int fd, off_t size)
{
	char last;

	/* Of what cannot be read (a pipe) nothing is known. */
	return size == 0 || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

static void
write_line(struct shadowlog *log, const char *line)
{
	size_t n = strlen(line);
	struct stat st = {.st_size = 0};
	ssize_t done;

	if (log->fd < 0) {
		log_line(LOG_LEVEL_INFO, "%.*s", (int)(n - 1), line);
		return;
	}
	if (fstat(log->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size + (off_t)n > log->bytes_max) {
		lost(log, "it has reached ShadowReportSize; rename it and reload");
		return;
	}
	if (log->torn && !ends_in_line(log->fd, st.st_size) && write(log->fd, "\n", 1) != 1) {
		lost(log, strerror(errno));
		return;
	}
	done = write(log->fd, line, n);
	log->torn = done != (ssize_t)n;
	if (log->torn)
		lost(log, done < 0 ? strerror(errno) : "the disk is full");
}

static char *
next_line(struct shadowlog *log)
{
	char *line = NULL;

	pthread_mutex_lock(&log->lock);
	while (log->count == 0 && !log->ending)
		pthread_cond_wait(&log->news, &log->lock);
	if (log->count > 0) {
		line = log->lines[log->first];
		log->first = (log->first + 1) % SHADOWLOG_LINES_MAX;
		log->count--;
		log->bytes -= strlen(line) - 1;
	}
	pthread_mutex_unlock(&log->lock);
	return line;
}

static void *
writer_main(void *arg)
{
	struct shadowlog *log = arg;
	char *line;

	while ((line = next_line(log)) != NULL) {
		write_line(log, line);
		mem_free(line);
	}
	return NULL;
}

enum status
shadowlog_start(struct shadowlog *log, struct err *err)
{
	int failed = pthread_create(&log->thread, NULL, writer_main, log);

	log->running = failed == 0;
	if (failed == 0)
		return ST_OK;
	err_set(
	    err, "ShadowReport %s: its thread cannot be started: %s", log->path, strerror(failed));
	return ST_FAILED;
}

void
shadowlog_close(struct shadowlog *log)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	log->ending = true;
	pthread_cond_signal(&log->news);
	pthread_mutex_unlock(&log->lock);
	if (log->running)
		pthread_join(log->thread, NULL);
	while (log->count > 0) {
		mem_free(log->lines[log->first]);
		log->first = (log->first + 1) % SHADOWLOG_LINES_MAX;
		log->count--;
	}
	if (log->fd >= 0)
		close(log->fd);
	pthread_cond_destroy(&log->news);
	pthread_mutex_destroy(&log->lock);
	mem_free(log->path);
	mem_free(log);
}
