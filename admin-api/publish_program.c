/*
 * publish_program.c - runs a program of the operator: input in, output out, bounded in time and
 * size. Called by the publishers exec: and zonefile:. It must never give the program a descriptor,
 * a variable or a signal of this process, wait longer than its time, nor leave anything of it
 * running.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin-api/publish_private.h"
#include "lib/base/clock.h"

#define PIECE_BYTES 8192U
#define LOOK_MS 5

/* A program that was started. */
struct running {
	pid_t pid;
	int out, errors; /* what it writes; -1: at their end */
	int64_t until_ms;
};

/* The input as a file without a name: nobody has to write it bit by bit, and no reader that ends
 * early makes a SIGPIPE. */
static int
input_file(struct span input)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	for (size_t at = 0; fd >= 0 && at < input.n;) {
		ssize_t put = write(fd, input.p + at, input.n - at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)put;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Everything of ours that a child would inherit, set back. */
static int
clean_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	error = posix_spawnattr_setflags(
	    attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = error != 0 ? error : posix_spawnattr_setpgroup(attributes, 0);
	error = error != 0 ? error : posix_spawnattr_setsigmask(attributes, &none);
	return error != 0 ? error : posix_spawnattr_setsigdefault(attributes, &all);
}

static int
place_descriptors(posix_spawn_file_actions_t *actions, int in, int out, int errors)
{
	int error = posix_spawn_file_actions_adddup2(actions, in, 0);

	error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, out, 1);
	error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, errors, 2);
	error = error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(actions, 3);
	return error != 0 ? error : posix_spawn_file_actions_addchdir_np(actions, "/");
}

/* The answer of posix_spawn: 0 or an errno. */
static int
spawn(const char *const *argv, int in, int out, int errors, pid_t *pid_out)
{
	static const char *const environment[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	error = clean_attributes(&attributes);
	error = error != 0 ? error : place_descriptors(&actions, in, out, errors);
	if (error == 0)
		error = posix_spawn(pid_out, argv[0], &actions, &attributes,
		    (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static void
close_both(int pair[2])
{
	if (pair[0] >= 0)
		close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
}

static int
start(const struct publish_program *program, struct running *running)
{
	int out[2] = {-1, -1}, errors[2] = {-1, -1}, error;
	int in = input_file(program->input);

	if (in < 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
		error = errno;
	else
		error = spawn(program->argv, in, out[1], errors[1], &running->pid);
	if (in >= 0)
		close(in);
	if (error != 0) {
		close_both(out);
		close_both(errors);
		return error;
	}
	close(out[1]);
	close(errors[1]);
	running->out = out[0];
	running->errors = errors[0];
	fcntl(running->out, F_SETFL, O_NONBLOCK);
	fcntl(running->errors, F_SETFL, O_NONBLOCK);
	return 0;
}

static int
left_ms(const struct running *running)
{
	int64_t left = running->until_ms - clock_mono_ms();

	return left < 0 ? 0 : (int)left;
}

/* false: the end, *fd is closed. What does not fit into to any more is read and forgotten. */
static void
take(int *fd, struct buf *to)
{
	char piece[PIECE_BYTES];
	ssize_t got = read(*fd, piece, sizeof(piece));

	if (got > 0) {
		size_t fits = to->max - to->n;

		buf_add(to, span_sub(span_of(piece, (size_t)got), 0, fits));
		if ((size_t)got > fits)
			to->overflow = true;
		return;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close(*fd);
	*fd = -1;
}

/* Until both ends are closed, or out is full. false: the time is over. */
static bool
read_outputs(struct running *running, struct buf *out, struct buf *errors)
{
	while ((running->out >= 0 || running->errors >= 0) && !out->overflow) {
		struct pollfd polled[2] = {{.fd = running->out, .events = POLLIN},
		    {.fd = running->errors, .events = POLLIN}};
		int ready = poll(polled, 2, left_ms(running));

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		if (polled[0].revents != 0)
			take(&running->out, out);
		if (polled[1].revents != 0)
			take(&running->errors, errors);
	}
	return true;
}

/* Its end, without taking its number away yet. false: the time is over. */
static bool
await_exit(const struct running *running)
{
	struct timespec pause = {0, LOOK_MS * 1000000L};

	for (;;) {
		siginfo_t info = {.si_pid = 0};

		if (waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 &&
		    errno != EINTR)
			return true;
		if (info.si_pid != 0)
			return true;
		if (left_ms(running) == 0)
			return false;
		nanosleep(&pause, NULL);
	}
}

/* Kills what is left of its group, which keeps its number until the leader was waited for. */
static int
finish(struct running *running)
{
	int status = 0;

	kill(-running->pid, SIGKILL);
	while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (running->out >= 0)
		close(running->out);
	if (running->errors >= 0)
		close(running->errors);
	return status;
}

static enum status
judge(const char *path, int exit_status, struct err *err)
{
	if (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0)
		return ST_OK;
	if (WIFEXITED(exit_status))
		err_set(err, "%s: exited with %d", path, WEXITSTATUS(exit_status));
	else
		err_set(err, "%s: was ended by signal %d", path, WTERMSIG(exit_status));
	return ST_FAILED;
}

enum status
publish_program_run(
    const struct publish_program *program, struct buf *out, struct buf *errors, struct err *err)
{
	struct running running = {.until_ms = clock_mono_ms() + program->timeout_ms};
	int error = start(program, &running), exit_status;
	bool in_time;

	if (error != 0) {
		err_set(err, "%s: cannot be run: %s", program->argv[0], strerror(error));
		return ST_FAILED;
	}
	in_time = read_outputs(&running, out, errors) && (out->overflow || await_exit(&running));
	exit_status = finish(&running);
	if (out->overflow) {
		err_set(err, "%s: says more than %zu octets; it was killed", program->argv[0],
		    out->max);
		return ST_TOO_BIG;
	}
	if (!in_time) {
		err_set(err, "%s: took more than %d s; it was killed", program->argv[0],
		    program->timeout_ms / 1000);
		return ST_UNAVAILABLE;
	}
	return judge(program->argv[0], exit_status, err);
}
