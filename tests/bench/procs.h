/*
 * procs.h - what a server's processes have used: CPU time to the nanosecond, memory.
 */
#ifndef SIGNPOST_TESTS_BENCH_PROCS_H
#define SIGNPOST_TESTS_BENCH_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procs_usage {
	uint64_t cpu_ns;    /* all threads, ended ones too, and children that were waited for */
	uint64_t rss_bytes; /* sum; shared pages count once for each process */
	uint64_t pss_bytes; /* sum; shared pages count once; 0 when the kernel does not tell */
	unsigned int processes;
};

/* Sums over the process and all its living descendants. false: there is no such process. */
bool procs_sample(pid_t root, struct procs_usage *usage_out);

#endif
