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
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/frame.h"
#include "daemon/parent.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/values.h"

#define KEEPER_RETRY_MS 1000
/* SIGTERM: messages under way get this long at most, whatever DrainTimeout says. */
#define STOP_TIMEOUT_MS 30000
#define KILL_AFTER_MS 5000
#define RESTARTS_REMEMBERED 256
/* Old configurations that still finish connections; with one more the oldest closes its idle ones.
 */
#define DRAINING_MAX 16

enum generation_state { STARTING, SERVING, DRAINING };

struct generation {
	struct generation *next;
	enum generation_state state;
	struct conf *conf;
	struct channels channels;
	unsigned int number, frontends, threads;
	pid_t keeper; /* 0: none */
	pid_t pids[CHANNEL_FRONTENDS_MAX];
	int control;             /* from a keeper that is starting, or -1 */
	int64_t keeper_retry_ms; /* start the keeper again then; 0: no need */
	int64_t deadline_ms;     /* draining ends then */
	bool told_to_stop;
};

struct parent {
	const struct parent_args *args;
	struct generation *generations; /* newest first */
	unsigned int last_number;
	int signals;
	bool reload_wanted, stopping, served;
	int exit_code;
	int64_t restarts_ms[RESTARTS_REMEMBERED];
	unsigned int restart_count;
};

/* ---- children ---- */

/* In the background: whoever started the service must not wait for the end of our output. */
static void
close_stderr(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDERR_FILENO);
}

/* In a child: another generation's sockets and configuration are none of its business. */
static void
forget_others(struct parent *parent, const struct generation *mine)
{
	close(parent->signals);
	for (struct generation *g = parent->generations; g != NULL; g = g->next) {
		if (g->control >= 0)
			close(g->control);
		if (g == mine)
			continue;
		channels_close(&g->channels);
		conf_free(g->conf);
	}
}

static pid_t
spawn(struct parent *parent, struct generation *generation, unsigned int index, int control,
    void (*run)(const struct child_args *))
{
	const struct child_args args = {.conf = generation->conf,
	    .channels = &generation->channels,
	    .listeners = parent->args->listeners,
	    .parent = getpid(),
	    .index = index,
	    .threads = generation->threads,
	    .control = control,
	    .fixed_time_utc = parent->args->fixed_time_utc};
	pid_t pid = fork();

	if (pid == 0) {
		forget_others(parent, generation);
		if (parent->args->detached)
			close_stderr();
		run(&args);
	}
	if (pid < 0)
		log_line(LOG_LEVEL_ERROR, "cannot start a process: %s", strerror(errno));
	return pid < 0 ? 0 : pid;
}

static void
keeper_start(struct parent *parent, struct generation *generation)
{
	int control[2];

	generation->keeper_retry_ms = 0;
	if (pipe2(control, O_CLOEXEC) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot make a pipe: %s", strerror(errno));
		generation->keeper_retry_ms = clock_mono_ms() + KEEPER_RETRY_MS;
		return;
	}
	generation->keeper = spawn(parent, generation, 0, control[1], keeper_run);
	close(control[1]);
	generation->control = control[0];
	if (generation->keeper == 0)
		generation->keeper_retry_ms = clock_mono_ms() + KEEPER_RETRY_MS;
}

/* The parameter, or one for so many cores. */
static unsigned int
count_or_cores(
    const struct conf *conf, enum conf_parameter parameter, long cores_each, unsigned int most)
{
	int64_t wanted = conf_int(conf, parameter);

	if (wanted <= 0)
		wanted = (sysconf(_SC_NPROCESSORS_ONLN) + cores_each - 1) / cores_each;
	if (wanted < 1)
		wanted = 1;
	return wanted > (int64_t)most ? most : (unsigned int)wanted;
}

static struct generation *
generation_start(struct parent *parent, struct conf *conf)
{
	struct generation *generation = mem_zalloc(1, sizeof(*generation));
	struct err err = ERR_NONE;

	generation->conf = conf;
	generation->control = -1;
	generation->number = ++parent->last_number;
	/* A front-end takes less than half the time of the cheapest signature. */
	generation->frontends = count_or_cores(conf, CONF_FRONTENDS, 2, CHANNEL_FRONTENDS_MAX);
	generation->threads = count_or_cores(conf, CONF_KEEPER_THREADS, 1, 256);
	if (channels_open(&generation->channels, generation->frontends, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
		conf_free(conf);
		mem_free(generation);
		return NULL;
	}
	generation->next = parent->generations;
	parent->generations = generation;
	keeper_start(parent, generation);
	return generation;
}

static void
generation_remove(struct parent *parent, struct generation *generation)
{
	struct generation **at = &parent->generations;

	while (*at != generation)
		at = &(*at)->next;
	*at = generation->next;
	if (generation->control >= 0)
		close(generation->control);
	channels_close(&generation->channels);
	conf_free(generation->conf);
	mem_free(generation);
}

static void
signal_frontends(const struct generation *generation, int sig)
{
	for (unsigned int i = 0; i < generation->frontends; i++)
		if (generation->pids[i] > 0)
			kill(generation->pids[i], sig);
}

static bool
has_frontends(const struct generation *generation)
{
	for (unsigned int i = 0; i < generation->frontends; i++)
		if (generation->pids[i] > 0)
			return true;
	return false;
}

static void
generation_drain(struct generation *generation, int sig, int64_t timeout_ms)
{
	generation->state = DRAINING;
	generation->told_to_stop = sig == SIGTERM;
	generation->deadline_ms = clock_mono_ms() + timeout_ms;
	signal_frontends(generation, sig);
	if (!has_frontends(generation) && generation->keeper > 0)
		kill(generation->keeper, SIGTERM);
}

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
		generation->pids[i] = spawn(parent, generation, i, -1, frontend_run);
	for (struct generation *old = generation->next; old != NULL; old = old->next)
		if (old->state == SERVING)
			generation_drain(
			    old, SIGUSR1, conf_int(old->conf, CONF_DRAIN_TIMEOUT) * 1000);
	hurry_oldest(parent->generations);
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
	for (struct generation *g = parent->generations; g != NULL; g = g->next)
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
	if (text[0] == KEEPER_READY && generation->state == STARTING)
		generation_serve(parent, generation);
	else if (text[0] == KEEPER_READY)
		log_line(LOG_LEVEL_NOTICE, "the keeper is back");
	else if (generation->state == STARTING)
		start_failed(
		    parent, generation, n > 1 ? text + 1 : "the keeper died while it was starting");
	else
		log_line(LOG_LEVEL_ERROR, "the keeper cannot come back: %s; retrying in %d ms",
		    n > 1 ? text + 1 : "it died", KEEPER_RETRY_MS);
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
	bool answered = generation->control < 0;
	struct buf frame;

	generation->keeper = 0;
	if (generation->state == STARTING && generation->control >= 0)
		keeper_said(parent, generation);
	if (!has_frontends(generation) && generation->state == DRAINING) {
		generation_remove(parent, generation);
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
	generation->keeper_retry_ms = clock_mono_ms() + (answered ? 0 : KEEPER_RETRY_MS);
}

static void
frontend_died(struct parent *parent, struct generation *generation, unsigned int i, int status)
{
	pid_t pid = generation->pids[i];
	char what[32];

	generation->pids[i] = 0;
	if (generation->state == DRAINING || parent->stopping) {
		if (!has_frontends(generation) && generation->keeper > 0)
			kill(generation->keeper, SIGTERM);
		if (!has_frontends(generation) && generation->keeper == 0)
			generation_remove(parent, generation);
		return;
	}
	snprintf(what, sizeof(what), "front-end %u", i + 1);
	log_death(what, pid, status);
	if (!restart_allowed(parent, generation->conf)) {
		log_line(LOG_LEVEL_ERROR, "restart limit reached, the service ends");
		stop(parent, EX_UNAVAILABLE);
		return;
	}
	generation->pids[i] = spawn(parent, generation, i, -1, frontend_run);
}

static void
child_died(struct parent *parent, pid_t pid, int status)
{
	for (struct generation *g = parent->generations; g != NULL; g = g->next) {
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

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_died(parent, pid, status);
}

/* ---- time ---- */

static bool
is_starting(const struct parent *parent)
{
	for (const struct generation *g = parent->generations; g != NULL; g = g->next)
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
		generation_start(parent, conf);
}

/* A draining generation that has had its time. */
static void
drain_timed_out(struct generation *generation, int64_t now)
{
	generation->deadline_ms = now + KILL_AFTER_MS;
	if (!generation->told_to_stop) {
		generation->told_to_stop = true;
		signal_frontends(generation, SIGTERM);
		return;
	}
	log_line(LOG_LEVEL_WARNING, "connections are still open after the time to drain; closed");
	signal_frontends(generation, SIGKILL);
}

static void
do_what_is_due(struct parent *parent)
{
	int64_t now = clock_mono_ms();

	for (struct generation *g = parent->generations, *next; g != NULL; g = next) {
		next = g->next;
		if (g->state == DRAINING && g->keeper == 0 && !has_frontends(g)) {
			generation_remove(parent, g);
			continue;
		}
		if (g->keeper_retry_ms != 0 && g->keeper_retry_ms <= now)
			keeper_start(parent, g);
		if (g->state == DRAINING && has_frontends(g) && g->deadline_ms <= now)
			drain_timed_out(g, now);
	}
	if (parent->reload_wanted && !parent->stopping && !is_starting(parent))
		reload(parent);
}

static int
wait_ms(const struct parent *parent)
{
	int64_t now = clock_mono_ms(), next = now + 60000;

	for (const struct generation *g = parent->generations; g != NULL; g = g->next) {
		if (g->keeper_retry_ms != 0 && g->keeper_retry_ms < next)
			next = g->keeper_retry_ms;
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

	while (read(parent->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
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
	struct pollfd fds[1 + 128] = {{.fd = parent->signals, .events = POLLIN}};
	struct generation *owners[1 + 128] = {NULL};
	nfds_t count = 1;

	for (struct generation *g = parent->generations; g != NULL && count < 129; g = g->next) {
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
	struct parent parent = {.args = args, .signals = signals_open()};

	if (parent.signals < 0) {
		log_line(LOG_LEVEL_ERROR, "cannot receive signals: %s", strerror(errno));
		return EX_OSERR;
	}
	if (generation_start(&parent, args->conf) == NULL)
		return EX_OSERR;
	while (parent.generations != NULL) {
		do_what_is_due(&parent);
		wait_and_serve(&parent);
	}
	close(parent.signals);
	return parent.exit_code;
}
