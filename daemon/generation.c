/*
 * generation.c - starts and ends the processes of one configuration.
 * Called by parent.c only. It must never start a process again and again without a pause.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "daemon/generation.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

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
forget_others(struct generations *all, const struct generation *mine)
{
	close(all->signals);
	for (struct generation *g = all->newest; g != NULL; g = g->next) {
		if (g->control >= 0)
			close(g->control);
		if (g == mine)
			continue;
		channels_close(&g->channels);
		conf_free(g->conf);
	}
}

static pid_t
spawn(struct generations *all, struct generation *generation, unsigned int index, int control,
    void (*run)(const struct child_args *))
{
	const struct child_args args = {.conf = generation->conf,
	    .channels = &generation->channels,
	    .listeners = all->args->listeners,
	    .parent = getpid(),
	    .index = index,
	    .threads = generation->threads,
	    .control = control,
	    .fixed_time_utc = all->args->fixed_time_utc,
	    .reload = generation->number > 1,
	    .draining = generation->state == DRAINING,
	    .cache_key = all->cache_key};
	pid_t pid = fork();

	if (pid == 0) {
		forget_others(all, generation);
		if (all->args->detached)
			close_stderr();
		if (run != keeper_run)
			secret_wipe(all->cache_key, sizeof(all->cache_key));
		run(&args);
	}
	if (pid < 0)
		log_line(LOG_LEVEL_ERROR, "cannot start a process: %s", strerror(errno));
	return pid < 0 ? 0 : pid;
}

static void
keeper_start(struct generations *all, struct generation *generation)
{
	int control[2];

	generation->keeper_retry_ms = 0;
	generation->keeper_ready = false;
	if (pipe2(control, O_CLOEXEC) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot make a pipe: %s", strerror(errno));
		generation->keeper_retry_ms = clock_mono_ms() + RESTART_PAUSE_MS;
		return;
	}
	generation->keeper = spawn(all, generation, 0, control[1], keeper_run);
	close(control[1]);
	generation->control = control[0];
	if (generation->keeper == 0)
		generation->keeper_retry_ms = clock_mono_ms() + RESTART_PAUSE_MS;
}

void
generation_start_frontend(
    struct generations *all, struct generation *generation, unsigned int index)
{
	int64_t now = clock_mono_ms();

	generation->retry_ms[index] = 0;
	generation->started_ms[index] = now;
	generation->pids[index] = spawn(all, generation, index, -1, frontend_run);
	if (generation->pids[index] == 0)
		generation->retry_ms[index] = now + RESTART_PAUSE_MS;
}

void
generation_restart_frontend(
    struct generations *all, struct generation *generation, unsigned int index)
{
	int64_t now = clock_mono_ms();

	if (now - generation->started_ms[index] < RESTART_PAUSE_MS)
		generation->retry_ms[index] = now + RESTART_PAUSE_MS;
	else
		generation_start_frontend(all, generation, index);
}

void
generation_start_due(struct generations *all, struct generation *generation, int64_t now_ms)
{
	if (generation->keeper_retry_ms != 0 && generation->keeper_retry_ms <= now_ms)
		keeper_start(all, generation);
	for (unsigned int i = 0; i < generation->frontends; i++)
		if (generation->retry_ms[i] != 0 && generation->retry_ms[i] <= now_ms)
			generation_start_frontend(all, generation, i);
}

int64_t
generation_next_start_ms(const struct generation *generation)
{
	int64_t next = generation->keeper_retry_ms != 0 ? generation->keeper_retry_ms : INT64_MAX;

	for (unsigned int i = 0; i < generation->frontends; i++)
		if (generation->retry_ms[i] != 0 && generation->retry_ms[i] < next)
			next = generation->retry_ms[i];
	return next;
}

/* The parameter, or so many halves for each core. */
static unsigned int
count_or_cores(
    const struct conf *conf, enum conf_parameter parameter, long halves, unsigned int most)
{
	int64_t wanted = conf_int(conf, parameter);

	if (wanted <= 0)
		wanted = (sysconf(_SC_NPROCESSORS_ONLN) * halves + 1) / 2;
	if (wanted < 1)
		wanted = 1;
	return wanted > (int64_t)most ? most : (unsigned int)wanted;
}

struct generation *
generation_start(struct generations *all, struct conf *conf)
{
	struct generation *generation = mem_zalloc(1, sizeof(*generation));
	struct err err = ERR_NONE;

	generation->conf = conf;
	generation->control = -1;
	generation->number = ++all->last_number;
	/* A front-end takes less than half the time of the cheapest signature. */
	generation->frontends = count_or_cores(conf, CONF_FRONTENDS, 1, CHANNEL_FRONTENDS_MAX);
	/* A thread that waits for a server signs nothing. */
	generation->threads =
	    count_or_cores(conf, CONF_KEEPER_THREADS, conf_asks_servers(conf) ? 8 : 2, 256);
	if (channels_open(&generation->channels, generation->frontends, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
		conf_free(conf);
		mem_free(generation);
		return NULL;
	}
	generation->next = all->newest;
	all->newest = generation;
	keeper_start(all, generation);
	return generation;
}

void
generation_remove(struct generations *all, struct generation *generation)
{
	struct generation **at = &all->newest;

	while (*at != generation)
		at = &(*at)->next;
	*at = generation->next;
	if (generation->control >= 0)
		close(generation->control);
	channels_close(&generation->channels);
	conf_free(generation->conf);
	mem_free(generation);
}

void
generation_signal(const struct generation *generation, int sig)
{
	for (unsigned int i = 0; i < generation->frontends; i++)
		if (generation->pids[i] > 0)
			kill(generation->pids[i], sig);
}

bool
generation_has_frontends(const struct generation *generation)
{
	for (unsigned int i = 0; i < generation->frontends; i++)
		if (generation->pids[i] > 0)
			return true;
	return false;
}

void
generation_drain(struct generation *generation, int sig, int64_t timeout_ms)
{
	generation->state = DRAINING;
	memset(generation->retry_ms, 0, sizeof(generation->retry_ms));
	generation->told_to_stop = sig == SIGTERM;
	generation->deadline_ms = clock_mono_ms() + timeout_ms;
	generation_signal(generation, sig);
	if (sig == SIGUSR1 && generation->keeper > 0)
		kill(generation->keeper, SIGUSR1);
	if (!generation_has_frontends(generation) && generation->keeper > 0)
		kill(generation->keeper, SIGTERM);
}
