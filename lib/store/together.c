/*
 * together.c - questions of several threads to one distant table, asked as one.
 * Called by cached_table.c for what is not in its cache. It must never hold its lock while the
 * table is asked, give one caller the row of another's key, or let one caller's key spoil the
 * answer of another.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/store/together.h"

enum turn {
	TURN_WAITS,  /* in the queue */
	TURN_CALLED, /* likewise, and it is to ask for itself and for others */
	TURN_ASKED,  /* another one asks for it */
	TURN_DONE,   /* and has the answer */
	TURN_ALONE   /* and has none: it asks for itself */
};

/* One call of together_lookup(), on its stack. */
struct ticket {
	const struct span *keys;
	size_t count;
	struct table_value *out;
	size_t *at_out, found;
	enum turn turn;
	pthread_cond_t turned;
	struct ticket *next;
};

struct together {
	struct table *table;
	int64_t wait_ms;
	pthread_mutex_t lock;
	struct ticket *first, **last; /* the queue */
	size_t waiting_keys;
	unsigned asking; /* questions that are out */
};

/* A question for several: the one who asks is the first. */
struct party {
	struct ticket *first, **last;
	struct span keys[TOGETHER_KEYS_MAX];
	size_t count;
};

struct together *
together_new(struct table *table, int64_t wait_ms)
{
	struct together *together = mem_zalloc(1, sizeof(*together));

	together->table = table;
	together->wait_ms = wait_ms;
	together->last = &together->first;
	pthread_mutex_init(&together->lock, NULL);
	return together;
}

void
together_free(struct together *together)
{
	if (together == NULL)
		return;
	pthread_mutex_destroy(&together->lock);
	mem_free(together);
}

static void
ticket_init(struct ticket *ticket)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&ticket->turned, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* ---- with the lock ---- */

static void
enqueue(struct together *together, struct ticket *ticket)
{
	*together->last = ticket;
	together->last = &ticket->next;
	together->waiting_keys += ticket->count;
}

/* Takes *at out of the queue; *at is the next one then. */
static void
dequeue(struct together *together, struct ticket **at)
{
	struct ticket *ticket = *at;

	*at = ticket->next;
	if (together->last == &ticket->next)
		together->last = at;
	ticket->next = NULL;
	together->waiting_keys -= ticket->count;
}

/* Rows are told apart without regard to case, so such names may not be in one question. */
static bool
fits(const struct party *party, const struct ticket *ticket)
{
	if (party->count + ticket->count > TOGETHER_KEYS_MAX)
		return false;
	for (size_t i = 0; i < ticket->count; i++)
		for (size_t k = 0; k < party->count; k++)
			if (span_ieq(ticket->keys[i], party->keys[k]))
				return false;
	return true;
}

static void
join(struct together *together, struct party *party, struct ticket **at)
{
	struct ticket *ticket = *at;

	dequeue(together, at);
	ticket->turn = TURN_ASKED;
	*party->last = ticket;
	party->last = &ticket->next;
	for (size_t i = 0; i < ticket->count; i++)
		party->keys[party->count++] = ticket->keys[i];
}

/* mine is in the queue, and asks. */
static void
gather(struct together *together, struct ticket *mine, struct party *party)
{
	struct ticket **at = &together->first;

	*party = (struct party){.count = 0};
	party->last = &party->first;
	while (*at != mine)
		at = &(*at)->next;
	join(together, party, at);
	for (at = &together->first; *at != NULL;) {
		if (fits(party, *at))
			join(together, party, at);
		else
			at = &(*at)->next;
	}
}

/* To each what belongs to its keys, which stand one behind the other. */
static void
hand_out(
    struct party *party, enum status status, struct table_value *values, const size_t *at, size_t n)
{
	size_t begin = 0, i = 0;

	for (struct ticket *ticket = party->first, *next; ticket != NULL; ticket = next) {
		next = ticket->next; /* who has its answer is gone */
		for (; i < n && at[i] < begin + ticket->count; i++) {
			ticket->at_out[ticket->found] = at[i] - begin;
			ticket->out[ticket->found++] = values[i];
		}
		begin += ticket->count;
		ticket->turn = status == ST_OK || status == ST_ABSENT ? TURN_DONE : TURN_ALONE;
		pthread_cond_signal(&ticket->turned);
	}
}

static void
call_next(struct together *together)
{
	if (together->asking > 0 || together->first == NULL)
		return;
	together->first->turn = TURN_CALLED;
	pthread_cond_signal(&together->first->turned);
}

/* Until it is mine to ask, or somebody else did. */
static void
wait_for_turn(struct together *together, struct ticket *mine)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(together->wait_ms % 1000) * 1000000L;
	until.tv_sec += together->wait_ms / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (mine->turn == TURN_WAITS && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&mine->turned, &together->lock, &until);
	while (mine->turn == TURN_ASKED)
		pthread_cond_wait(&mine->turned, &together->lock);
}

/* The lock is let go meanwhile. */
static void
ask(struct together *together, struct ticket *mine, struct err *err)
{
	struct table_value values[TOGETHER_KEYS_MAX];
	size_t at[TOGETHER_KEYS_MAX], found = 0;
	struct party party;
	enum status status;

	gather(together, mine, &party);
	together->asking++;
	pthread_mutex_unlock(&together->lock);
	status = table_lookup_many(
	    together->table, party.keys, party.count, party.count, values, at, &found, err);
	pthread_mutex_lock(&together->lock);
	together->asking--;
	hand_out(&party, status, values, at, status == ST_OK ? found : 0);
	call_next(together);
}

/* ---- without it ---- */

size_t
together_waiting(struct together *together)
{
	size_t keys;

	pthread_mutex_lock(&together->lock);
	keys = together->waiting_keys;
	pthread_mutex_unlock(&together->lock);
	return keys;
}

enum status
together_lookup(struct together *together, const struct span *keys, size_t count,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct ticket mine = {.keys = keys, .count = count, .out = out, .at_out = at_out};
	struct err spoilt = ERR_NONE;

	if (count > TOGETHER_KEYS_MAX)
		return table_lookup_many(
		    together->table, keys, count, count, out, at_out, count_out, err);
	ticket_init(&mine);
	pthread_mutex_lock(&together->lock);
	enqueue(together, &mine);
	if (together->asking > 0 && together->waiting_keys < TOGETHER_KEYS_MAX)
		wait_for_turn(together, &mine);
	if (mine.turn == TURN_WAITS || mine.turn == TURN_CALLED)
		ask(together, &mine, &spoilt);
	pthread_mutex_unlock(&together->lock);
	pthread_cond_destroy(&mine.turned);
	if (mine.turn == TURN_ALONE)
		return table_lookup_many(
		    together->table, keys, count, count, out, at_out, count_out, err);
	*count_out = mine.found;
	return mine.found > 0 ? ST_OK : ST_ABSENT;
}
