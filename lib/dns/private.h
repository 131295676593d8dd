/*
 * private.h - what the fillings of a resolver share: the questions that are open, their time limits
 * and their callbacks (resolver.c). A filling only asks and, once, answers.
 */
#ifndef SIGNPOST_DNS_PRIVATE_H
#define SIGNPOST_DNS_PRIVATE_H

#include <sys/queue.h>

#include "lib/dns/answer.h"

/* As long as one may be on the wire; the rest waits, for a few hundred octets each. What a filling
 * holds may cost it some ten thousand, and goes on when the caller has given up. */
#define DNS_HELD_MAX 1024u
#define DNS_LANES 256u

TAILQ_HEAD(dns_queries, dns_query);

/* The questions of one zone (the last two labels of their names, and what else has the same hash).
 * A lane may have as many at the filling as are free for others: who asks for names that nobody
 * answers gets half of the room, with a second zone two thirds, and so on. */
struct dns_lane {
	struct dns_queries queue; /* what is not held */
	size_t held;
};

struct dns_query {
	struct resolver *resolver;
	dns_done *done; /* NULL: given up; nobody waits for it */
	void *owner;
	struct dns_query **pointer; /* the owner's */
	struct loop_timer timer;
	int64_t timeout_ms;
	int64_t asked_us;
	bool held;     /* the filling has it and will answer */
	unsigned type; /* enum dns_type */
	void *filling; /* the filling's own */
	struct dns_lane *lane;
	TAILQ_ENTRY(dns_query) all;   /* of the resolver */
	TAILQ_ENTRY(dns_query) queue; /* of the lane, while it is not held */
	size_t name_bytes;
	char name[]; /* with a NUL */
};

struct resolver_ops {
	/* Begins; dns_query_answer() follows, now or later, exactly once. */
	void (*ask)(struct resolver *resolver, struct dns_query *query);
	/* Nobody waits for it any more: true when the filling has let go and will not answer. */
	bool (*drop)(struct resolver *resolver, struct dns_query *query);
	/* Nobody waits any more. What is held may be answered in here; then resolver_close(). */
	void (*free)(struct resolver *resolver);
};

/* First member of a filling's struct. */
struct resolver {
	const struct resolver_ops *ops;
	struct loop *loop; /* or NULL */
	struct dns_queries all;
	struct dns_lane lanes[DNS_LANES];
	uint64_t seed;    /* of the hash of zones: nobody can choose to share the lane of another */
	size_t lane_next; /* whose turn it is */
	size_t open;      /* somebody waits */
	size_t waiting;   /* in the queues of the lanes */
	size_t held;      /* of the filling, whether somebody waits or not */
	size_t held_max;  /* DNS_HELD_MAX, or what a filling has sockets for */
	bool busy;        /* inside of the filling: what is asked now waits a moment */
	bool validates;   /* the filling's: there is a trust anchor */
	bool uncounted;   /* another resolver is in front of it, which counts */
	char why[160];    /* of the last answer, when it had to be written */
	void *kept;       /* what resolver_txt_wait() gave last */
};

void resolver_init(struct resolver *resolver, const struct resolver_ops *ops, struct loop *loop);

/* The last of it but the filling's own memory. */
void resolver_close(struct resolver *resolver);

/* The filling's one answer to what ask() gave it; it forgets query before. Borrowed. */
void dns_query_answer(struct dns_query *query, const struct dns_answer *answer);

/* Around everything that may answer or that must not be entered twice; leave() asks what came in
 * meanwhile. They do not nest. */
void resolver_enter(struct resolver *resolver);
void resolver_leave(struct resolver *resolver);

#endif
