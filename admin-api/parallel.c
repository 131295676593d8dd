/*
 * parallel.c - many small jobs by a few threads, for the time of one call.
 * Called by the reconciler for keys that are made and names that are asked about. Threads have
 * locked stacks, since the crypto library leaves parts of keys there. It must never fail: where no
 * thread can be had, the caller's own does the work.
 */
#include <stdatomic.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

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
	pthread_t thread;
	void *stack;
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

static void
helper_start(struct helper *helper)
{
	pthread_attr_t attributes;

	helper->stack = secret_stack(STACK_BYTES);
	if (helper->stack == NULL)
		return;
	pthread_attr_init(&attributes);
	helper->started = pthread_attr_setstack(&attributes, helper->stack, STACK_BYTES) == 0 &&
			  pthread_create(&helper->thread, &attributes, helper_main, helper) == 0;
	pthread_attr_destroy(&attributes);
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
		helper_start(&helpers[i]);
	}
	for (unsigned i = 0; i < threads; i++) {
		if (helpers[i].started)
			pthread_join(helpers[i].thread, NULL);
		secret_stack_free(helpers[i].stack, STACK_BYTES);
	}
	work_on(&jobs, 0); /* what is left: nothing, unless there was no thread */
}
