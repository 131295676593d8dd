/*
 * procs.c - CPU time and memory of a tree of processes, read from outside. The load generator calls
 * it before and after a run. CPU time comes from each process's own clock (nanoseconds, every
 * thread that ever was); /proc/PID/schedstat would leave out threads that have ended. Children that
 * ended come from cutime and cstime (clock ticks). It must never count a process twice.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/procs.h"

#define TREE_MAX 1024

struct stat_line {
	pid_t parent;
	uint64_t ended_children_ticks;
};

/* /proc/PID/stat: "pid (name, which may hold anything) state ppid ..." */
static bool
read_stat(pid_t pid, struct stat_line *line_out)
{
	char path[64];
	char text[2048];
	unsigned long cutime, cstime;
	const char *after;
	int parent;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	after = strrchr(text, ')');
	if (after == NULL ||
	    sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu",
		&parent, &cutime, &cstime) != 3)
		return false;
	line_out->parent = (pid_t)parent;
	line_out->ended_children_ticks = cutime + cstime;
	return true;
}

static uint64_t
cpu_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

/* Value of "Key:   123 kB" in octets; 0 when it is not there. */
static uint64_t
read_kb(pid_t pid, const char *file, const char *key)
{
	unsigned long long kb = 0;
	char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtoull(line + strlen(key), NULL, 10);
	fclose(f);
	return kb * 1024;
}

static bool
in_tree(const pid_t *tree, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (tree[i] == pid)
			return true;
	return false;
}

/* One pass over /proc: adds processes whose parent is in the tree already. */
static size_t
add_children(pid_t *tree, size_t n)
{
	struct stat_line line;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir != NULL && n < TREE_MAX && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && !in_tree(tree, n, pid) && read_stat(pid, &line) &&
		    in_tree(tree, n, line.parent))
			tree[n++] = pid;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

bool
procs_sample(pid_t root, struct procs_usage *usage_out)
{
	uint64_t ns_per_tick = 1000000000U / (uint64_t)sysconf(_SC_CLK_TCK);
	struct stat_line line;
	pid_t tree[TREE_MAX] = {root};
	size_t n = 1;
	size_t before;

	memset(usage_out, 0, sizeof(*usage_out));
	if (root <= 0 || !read_stat(root, &line))
		return false;
	do {
		before = n;
		n = add_children(tree, n);
	} while (n > before);
	for (size_t i = 0; i < n; i++) {
		if (!read_stat(tree[i], &line))
			continue;
		usage_out->processes++;
		usage_out->cpu_ns += cpu_ns(tree[i]) + line.ended_children_ticks * ns_per_tick;
		usage_out->rss_bytes += read_kb(tree[i], "status", "VmRSS:");
		usage_out->pss_bytes += read_kb(tree[i], "smaps_rollup", "Pss:");
	}
	return true;
}
