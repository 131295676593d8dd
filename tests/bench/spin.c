/*
 * spin.c - one thread of the lowest priority per core that never sleeps, so that no virtual core
 * goes idle while something is measured: waking an idle one costs more than a message. bench.py
 * runs it beside every measurement. It must never outlive who started it.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *
spin(void *core)
{
	struct sched_param param = {0};
	cpu_set_t cores;

	CPU_ZERO(&cores);
	CPU_SET((size_t)(long)core, &cores);
	pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
	if (sched_setscheduler(0, SCHED_IDLE, &param) != 0) {
		perror("spin: SCHED_IDLE");
		_exit(71);
	}
	for (;;)
		__asm__ volatile("" ::: "memory");
	return NULL;
}

int
main(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (parent == 1 || getppid() != parent)
		return 0;
	for (long i = 0; i < cores; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, spin, (void *)i) != 0)
			return 71;
	}
	pause();
	return 0;
}
