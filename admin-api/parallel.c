/*
 * parallel.c - many small jobs by a few threads, for the time of one call.
 * Called by the reconciler for keys that are made and names that are asked about. Threads have
 * locked stacks, since the crypto library leaves parts of keys there. It must never fail: where no
 * thread can be had, the caller's own does the work.
 */
#include <stdatomic.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/secretthread.h"

#define STACK_BYTES (512U << 10)
#define THREADS_MAX 64U

struct jobs {
	parallel_run *run;
	void *context;
	size_t count;
	atomic_size_t next;
};

struct helper {
	struct jobs *jobs;
	unsigned number;
	struct secret_thread thread;
	bool started;
};

static void
work_on(struct jobs *jobs, unsigned number)
{
	size_t index;

	while ((index = atomic_fetch_add(&jobs->next, 1)) < jobs->count)
		jobs->run(jobs->context, index, number);
}

static void *
helper_main(void *context)
{
	struct helper *helper = context;

	work_on(helper->jobs, helper->number);
	return NULL;
}

void
parallel(unsigned threads, size_t count, parallel_run *run, void *context)
{
	struct jobs jobs = {.run = run, .context = context, .count = count};
	struct helper helpers[THREADS_MAX] = {{.number = 0}};

	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (threads > count)
		threads = (unsigned)count;
	for (unsigned i = 0; i < threads; i++) {
		helpers[i].jobs = &jobs;
		helpers[i].number = i;
		helpers[i].started =
		    secret_thread_start(&helpers[i].thread, STACK_BYTES, helper_main, &helpers[i]);
	}
	for (unsigned i = 0; i < threads; i++)
		if (helpers[i].started)
			secret_thread_join(&helpers[i].thread);
	work_on(&jobs, 0); /* what is left: nothing, unless there was no thread */
}
