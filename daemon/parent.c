/*
 * parent.c - starts, watches, reloads, ends.
 * Runs after main.c has read the configuration, opened the socket and dropped privileges. It must
 * never parse mail, touch OpenSSL (a keeper forked later must be the first to do so), or leave a
 * dead child unnoticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/frame.h"
#include "daemon/generation.h"
#include "daemon/parent.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/conf/values.h"

/* SIGTERM: messages under way get this long at most, whatever DrainTimeout says. */
#define STOP_TIMEOUT_MS 30000
#define KILL_AFTER_MS 5000
#define RESTARTS_REMEMBERED 256
/* Old configurations that still finish connections; with one more the oldest closes its idle ones.
 */
#define DRAINING_MAX 16

struct parent {
	const struct parent_args *args;
	struct generations all;
	bool reload_wanted, stopping, served;
	int64_t metrics_ms;   /* when MetricsFile is written next */
	bool metrics_failing; /* said once */
	int exit_code;
	int64_t restarts_ms[RESTARTS_REMEMBERED];
	unsigned int restart_count;
};

/* Somebody reloads again and again while an MTA keeps its connections. */
static void
hurry_oldest(struct generation *generations)
{
	unsigned int draining = 0;

	for (struct generation *g = generations; g != NULL; g = g->next)
		if (g->state == DRAINING && ++draining > DRAINING_MAX)
			g->deadline_ms = g->told_to_stop ? g->deadline_ms : 0;
}

/* The new generation serves: the others finish. */
static void
generation_serve(struct parent *parent, struct generation *generation)
{
	generation->state = SERVING;
	for (unsigned int i = 0; i < generation->frontends; i++)
		generation_start_frontend(&parent->all, generation, i);
	for (struct generation *old = generation->next; old != NULL; old = old->next)
		if (old->state == SERVING)
			generation_drain(
			    old, SIGUSR1, conf_int(old->conf, CONF_DRAIN_TIMEOUT) * 1000);
	hurry_oldest(parent->all.newest);
	if (parent->served)
		log_line(LOG_LEVEL_NOTICE, "configuration reloaded from %s",
		    conf_main_file(generation->conf));
	else if (parent->args->serving != NULL)
		parent->args->serving(parent->args->context);
	parent->served = true;
}

/* ---- what children say and how they die ---- */

static void
stop(struct parent *parent, int exit_code)
{
	parent->stopping = true;
	parent->exit_code = exit_code;
	/* Connections that nobody will accept any more are refused, not left waiting. */
	listeners_unlink(parent->args->listeners);
	listeners_close(parent->args->listeners);
	for (struct generation *g = parent->all.newest; g != NULL; g = g->next)
		generation_drain(g, SIGTERM, STOP_TIMEOUT_MS);
}

/* A generation whose keeper could not open its tables never served anybody. */
static void
start_failed(struct parent *parent, struct generation *generation, const char *why)
{
	if (parent->served)
		log_line(LOG_LEVEL_ERROR,
		    "%s; the new configuration is not used, the old one stays", why);
	else
		log_line(LOG_LEVEL_ERROR, "%s", why);
	if (!parent->served)
		stop(parent, EX_CONFIG);
	else
		generation->state = DRAINING;
}

static void
keeper_said(struct parent *parent, struct generation *generation)
{
	char text[ERR_TEXT_MAX + 2];
	ssize_t n = read(generation->control, text, sizeof(text) - 1);

	close(generation->control);
	generation->control = -1;
	text[n > 0 ? n : 0] = '\0';
	generation->keeper_ready = text[0] == KEEPER_READY;
	if (text[0] == KEEPER_READY && generation->state == STARTING)
		generation_serve(parent, generation);
	else if (text[0] == KEEPER_READY)
		log_line(LOG_LEVEL_NOTICE, "the keeper is back");
	else if (generation->state == STARTING)
		start_failed(
		    parent, generation, n > 1 ? text + 1 : "the keeper died while it was starting");
	else
		log_line(LOG_LEVEL_ERROR, "the keeper cannot come back: %s; retrying in %d ms",
		    n > 1 ? text + 1 : "it died", RESTART_PAUSE_MS);
}

static void
log_death(const char *what, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_line(LOG_LEVEL_ERROR, "%s (pid %ld) was killed by signal %d; restarting it",
		    what, (long)pid, WTERMSIG(status));
	else
		log_line(LOG_LEVEL_ERROR, "%s (pid %ld) ended with status %d; restarting it", what,
		    (long)pid, WEXITSTATUS(status));
}

/* AutoRestartCount and AutoRestartRate: is one more restart allowed? */
static bool
restart_allowed(struct parent *parent, const struct conf *conf)
{
	const char *rate = conf_string(conf, CONF_AUTO_RESTART_RATE);
	int64_t most = conf_int(conf, CONF_AUTO_RESTART_COUNT), now = clock_mono_ms();
	unsigned int count, seconds, recent = 0;

	parent->restarts_ms[parent->restart_count++ % RESTARTS_REMEMBERED] = now;
	if (most > 0 && (int64_t)parent->restart_count > most)
		return false;
	if (rate == NULL || conf_restart_rate(rate, &count, &seconds, NULL) != ST_OK)
		return true;
	for (unsigned int i = 0; i < RESTARTS_REMEMBERED && i < parent->restart_count; i++)
		recent += now - parent->restarts_ms[i] <= (int64_t)seconds * 1000;
	return recent <= count;
}

static void
keeper_died(struct parent *parent, struct generation *generation, int status)
{
	const struct reply reset = {.verdict = VERDICT_RESET};
	pid_t pid = generation->keeper;
	bool was_ready = generation->keeper_ready;
	struct buf frame;

	generation->keeper = 0;
	if (generation->state == STARTING && generation->control >= 0)
		keeper_said(parent, generation);
	if (!generation_has_frontends(generation) && generation->state == DRAINING) {
		generation_remove(&parent->all, generation);
		return;
	}
	log_death("the keeper", pid, status);
	buf_init(&frame, 128);
	if (reply_encode(&reset, &frame) == ST_OK)
		for (unsigned int i = 0; i < generation->frontends; i++)
			(void)!send(generation->channels.reply_write[i], frame.p, frame.n,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_free(&frame);
	if (!restart_allowed(parent, generation->conf)) {
		log_line(LOG_LEVEL_ERROR, "restart limit reached, the service ends");
		stop(parent, EX_UNAVAILABLE);
	}
	/* One that never became ready is not started again at once. */
	generation->keeper_retry_ms = clock_mono_ms() + (was_ready ? 0 : RESTART_PAUSE_MS);
}

static void
frontend_died(struct parent *parent, struct generation *generation, unsigned int i, int status)
{
	pid_t pid = generation->pids[i];
	char what[32];

	generation->pids[i] = 0;
	if (generation->state == DRAINING || parent->stopping) {
		if (!generation_has_frontends(generation) && generation->keeper > 0)
			kill(generation->keeper, SIGTERM);
		if (!generation_has_frontends(generation) && generation->keeper == 0)
			generation_remove(&parent->all, generation);
		return;
	}
	snprintf(what, sizeof(what), "front-end %u", i + 1);
	log_death(what, pid, status);
	if (!restart_allowed(parent, generation->conf)) {
		log_line(LOG_LEVEL_ERROR, "restart limit reached, the service ends");
		stop(parent, EX_UNAVAILABLE);
		return;
	}
	generation_restart_frontend(&parent->all, generation, i);
}

static void
child_died(struct parent *parent, pid_t pid, int status)
{
	for (struct generation *g = parent->all.newest; g != NULL; g = g->next) {
		if (g->keeper == pid) {
			keeper_died(parent, g, status);
			return;
		}
		for (unsigned int i = 0; i < g->frontends; i++) {
			if (g->pids[i] != pid)
				continue;
			frontend_died(parent, g, i, status);
			return;
		}
	}
}

static void
reap(struct parent *parent)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		metrics_process_ended(pid);
		child_died(parent, pid, status);
	}
}

/* ---- time ---- */

static bool
is_starting(const struct parent *parent)
{
	for (const struct generation *g = parent->all.newest; g != NULL; g = g->next)
		if (g->state == STARTING)
			return true;
	return false;
}

static void
reload(struct parent *parent)
{
	struct conf *conf;

	parent->reload_wanted = false;
	conf = parent->args->reload(parent->args->context);
	if (conf == NULL)
		log_line(LOG_LEVEL_ERROR, "the configuration is not reloaded, the old one stays");
	else
		generation_start(&parent->all, conf);
}

/* A draining generation that has had its time. */
static void
drain_timed_out(struct generation *generation, int64_t now)
{
	generation->deadline_ms = now + KILL_AFTER_MS;
	if (!generation->told_to_stop) {
		generation->told_to_stop = true;
		generation_signal(generation, SIGTERM);
		return;
	}
	log_line(LOG_LEVEL_WARNING, "connections are still open after the time to drain; closed");
	generation_signal(generation, SIGKILL);
}

/* The configuration that serves, or NULL. */
static const struct conf *
conf_in_force(const struct parent *parent)
{
	for (const struct generation *g = parent->all.newest; g != NULL; g = g->next)
		if (g->state == SERVING)
			return g->conf;
	return NULL;
}

/* MetricsFile. What is wrong with it is said once, until it is right again. */
static void
write_metrics(struct parent *parent, int64_t now)
{
	const struct conf *conf = conf_in_force(parent);
	const char *path = conf == NULL ? NULL : conf_string(conf, CONF_METRICS_FILE);
	struct err err = ERR_NONE;

	if (path == NULL || now < parent->metrics_ms)
		return;
	parent->metrics_ms = now + conf_int(conf, CONF_METRICS_INTERVAL) * 1000;
	if (metrics_file_write(path, &err) == ST_OK) {
		parent->metrics_failing = false;
		return;
	}
	if (!parent->metrics_failing)
		log_line(LOG_LEVEL_WARNING, "MetricsFile: %s; trying again every %lld s", err.text,
		    (long long)conf_int(conf, CONF_METRICS_INTERVAL));
	parent->metrics_failing = true;
}

static void
do_what_is_due(struct parent *parent)
{
	int64_t now = clock_mono_ms();

	for (struct generation *g = parent->all.newest, *next; g != NULL; g = next) {
		next = g->next;
		if (g->state == DRAINING && g->keeper == 0 && !generation_has_frontends(g)) {
			generation_remove(&parent->all, g);
			continue;
		}
		generation_start_due(&parent->all, g, now);
		if (g->state == DRAINING && generation_has_frontends(g) && g->deadline_ms <= now)
			drain_timed_out(g, now);
	}
	write_metrics(parent, now);
	if (parent->reload_wanted && !parent->stopping && !is_starting(parent))
		reload(parent);
}

static int
wait_ms(const struct parent *parent)
{
	int64_t now = clock_mono_ms(), next = now + 60000;
	const struct conf *conf = conf_in_force(parent);

	if (conf != NULL && conf_is_set(conf, CONF_METRICS_FILE) && parent->metrics_ms < next)
		next = parent->metrics_ms;
	for (const struct generation *g = parent->all.newest; g != NULL; g = g->next) {
		if (generation_next_start_ms(g) < next)
			next = generation_next_start_ms(g);
		if (g->state == DRAINING && g->deadline_ms < next)
			next = g->deadline_ms;
	}
	return next <= now ? 0 : (int)(next - now) + 1;
}

/* ---- the loop ---- */

static void
on_signal(struct parent *parent)
{
	struct signalfd_siginfo info;

	while (read(parent->all.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1)
			parent->reload_wanted = true;
		else if (info.ssi_signo != SIGCHLD && !parent->stopping)
			stop(parent, 0);
	}
	reap(parent);
}

static void
wait_and_serve(struct parent *parent)
{
	/* Only the newest generation can be starting; a keeper coming back may be any. */
	struct pollfd fds[1 + 128] = {{.fd = parent->all.signals, .events = POLLIN}};
	struct generation *owners[1 + 128] = {NULL};
	nfds_t count = 1;

	for (struct generation *g = parent->all.newest; g != NULL && count < 129; g = g->next) {
		if (g->control < 0)
			continue;
		fds[count].fd = g->control;
		fds[count].events = POLLIN;
		owners[count++] = g;
	}
	if (poll(fds, count, wait_ms(parent)) <= 0)
		return;
	for (nfds_t i = 1; i < count; i++)
		if (fds[i].revents != 0)
			keeper_said(parent, owners[i]);
	if (fds[0].revents != 0)
		on_signal(parent);
}

static int
signals_open(void)
{
	const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&set, wanted[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
parent_run(const struct parent_args *args)
{
	struct parent parent = {.args = args, .all = {.args = args, .signals = signals_open()}};
	struct err err = ERR_NONE;

	if (parent.all.signals < 0) {
		log_line(LOG_LEVEL_ERROR, "cannot receive signals: %s", strerror(errno));
		return EX_OSERR;
	}
	if (getrandom(parent.all.cache_key, sizeof(parent.all.cache_key), 0) !=
	    (ssize_t)sizeof(parent.all.cache_key)) {
		log_line(LOG_LEVEL_ERROR, "there are no random numbers: %s", strerror(errno));
		return EX_OSERR;
	}
	if (metrics_open(&err) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "%s; nothing is counted", err.text);
	if (generation_start(&parent.all, args->conf) == NULL)
		return EX_OSERR;
	while (parent.all.newest != NULL) {
		do_what_is_due(&parent);
		wait_and_serve(&parent);
	}
	close(parent.all.signals);
	return parent.exit_code;
}
