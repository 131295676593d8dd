/*
 * client.h - the load generator's connections: a closed loop of `connections` sessions in one
 * thread.
 */
#ifndef SIGNPOST_TESTS_BENCH_CLIENT_H
#define SIGNPOST_TESTS_BENCH_CLIENT_H

#include <sys/socket.h>

#include "tests/bench/given.h"
#include "tests/bench/script.h"
#include "tests/bench/zipf.h"

struct client_plan {
	struct sockaddr_storage address;
	socklen_t address_bytes;
	unsigned int connections;
	unsigned int per_connection; /* messages before a connection is closed */
	unsigned int domains;        /* as many as the server's tables have */
	unsigned int active;         /* so many of them send, evenly spread */
	uint64_t first;              /* number of the sender of the first message */
	const struct zipf *zipf;     /* of active senders; NULL: they send in turn */
	size_t body_bytes;
	bool refuse_no_reply;    /* offer no SMFIP_NR_ */
	unsigned int tries_more; /* of a message that got no answer or a tempfail; 0: none */
	unsigned int per_s;      /* begun each second, answered or not; 0: as fast as answers come.
				    Then latency counts from when a message should have begun */
	unsigned int timeout_ms; /* an answer that takes longer is lost */
	const struct given *given; /* these messages in turn, beginning with first; NULL: made up */
	const char *save_folder;   /* NULL: nothing is written */
	unsigned int save_every;   /* every so manyth message */
};

struct client_result {
	uint64_t done;
	uint64_t signed_messages;
	uint64_t signatures;        /* a message may get several */
	uint64_t verified;          /* given messages with a dkim=pass */
	uint64_t unsigned_messages; /* neither */
	uint64_t tempfailed;
	uint64_t rejected; /* reject, discard, 5xx */
	uint64_t errors;   /* protocol broken, connection ended before the answer */
	uint64_t lost;     /* no answer in time; with tries_more: no success in any try */
	uint64_t retried;  /* tries that failed and were followed by another */
	uint64_t gap_us;   /* the longest time between two signed messages */
	uint64_t connections;
	uint64_t wall_ns;
	uint32_t *latency_us; /* of each message with an answer, in no order; owned */
	size_t latencies;
	uint32_t
	    *setup_us; /* of each connection: connect to the answer to the option offer; owned */
	size_t setups;
	uint32_t protocol; /* agreed */
	uint32_t actions;
	uint32_t version;
};

/* Sends `messages` messages; ends when each has an outcome and all connections are closed.
 * ST_FAILED: no connection can be made, err says why. */
enum status client_run(const struct client_plan *plan, uint64_t messages,
    struct client_result *result_out, struct err *err) MUST_USE;
void client_result_free(struct client_result *result);

#endif
