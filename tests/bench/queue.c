/*
 * queue.c - which message the load generator sends next. client.c takes one for each attempt and
 * gives back those whose connection died. The pause is the same for all, so that the ring is in
 * order of time. It must never forget a message: each is taken until it is done or has failed too
 * often.
 */
#include "lib/base/mem.h"
#include "tests/bench/queue.h"

#define NS_PER_S 1000000000U

void
queue_init(struct queue *queue, uint64_t messages, unsigned int failures_max)
{
	*queue = (struct queue){.messages = messages, .failures_max = failures_max};
	if (failures_max > 0)
		queue->items = mem_zalloc(messages, sizeof(*queue->items));
}

void
queue_pace(struct queue *queue, uint64_t per_s, uint64_t now_ns)
{
	queue->per_s = per_s;
	queue->begin_ns = now_ns;
}

void
queue_free(struct queue *queue)
{
	mem_free(queue->items);
	queue->items = NULL;
}

static const struct queue_item *
item_at(const struct queue *queue, size_t i)
{
	return &queue->items[(queue->first + i) % queue->messages];
}

/* Fresh ones that are due. */
static uint64_t
fresh_ready(const struct queue *queue, uint64_t now_ns)
{
	uint64_t due = queue->messages;

	if (queue->per_s > 0)
		due = (now_ns - queue->begin_ns) * queue->per_s / NS_PER_S + 1;
	if (due > queue->messages)
		due = queue->messages;
	return due - queue->started;
}

size_t
queue_ready(const struct queue *queue, uint64_t now_ns, size_t limit)
{
	uint64_t fresh = fresh_ready(queue, now_ns);
	size_t n = 0;

	while (n < limit && n < queue->count && item_at(queue, n)->due_ns <= now_ns)
		n++;
	return fresh >= limit - n ? limit : n + (size_t)fresh;
}

bool
queue_pending(const struct queue *queue)
{
	return queue->count > 0 || queue->started < queue->messages;
}

bool
queue_take(struct queue *queue, uint64_t now_ns, struct queue_item *item_out)
{
	if (queue->count > 0 && item_at(queue, 0)->due_ns <= now_ns) {
		*item_out = *item_at(queue, 0);
		queue->first = (queue->first + 1) % queue->messages;
		queue->count--;
		return true;
	}
	if (fresh_ready(queue, now_ns) == 0)
		return false;
	*item_out = (struct queue_item){.number = queue->started};
	if (queue->per_s > 0)
		item_out->due_ns = queue->begin_ns + queue->started * NS_PER_S / queue->per_s;
	queue->started++;
	return true;
}

bool
queue_again(struct queue *queue, struct queue_item item, uint64_t now_ns)
{
	if (item.failures >= queue->failures_max)
		return false;
	item.failures++;
	item.due_ns = now_ns + QUEUE_PAUSE_NS;
	queue->items[(queue->first + queue->count++) % queue->messages] = item;
	return true;
}
