/*
 * script.h - what the load generator's MTA says for one message, as octets made ready once.
 */
#ifndef SIGNPOST_TESTS_BENCH_SCRIPT_H
#define SIGNPOST_TESTS_BENCH_SCRIPT_H

#include "lib/base/buf.h"

#define SCRIPT_STOPS_MAX 512
#define SCRIPT_DIGITS 6 /* digits of a domain's number: d000042.example */
#define SCRIPT_PLACES_MAX 16
#define SCRIPT_BODY_MAX (16U << 20)

/* Here the MTA waits for the answer to a command. */
struct script_stop {
	size_t at;
	char command; /* SMFIC_ */
};

struct script {
	struct buf octets; /* connection part, domain-dependent head, the rest */
	size_t message_at; /* the second and later messages of a connection begin here */
	size_t head_end;   /* all places of digits are before it */
	size_t eom_at;     /* after SMFIR_SKIP for the body the MTA goes on here */
	struct script_stop stops[SCRIPT_STOPS_MAX];
	size_t stop_count;
	size_t places[SCRIPT_PLACES_MAX]; /* where the digits go */
	size_t place_count;
	bool leading_space; /* SMFIP_HDR_LEADSPC was agreed */
};

/* protocol: the SMFIP_ bits of the filter's answer. Macros are those Postfix sends. */
void script_build(struct script *script, uint32_t protocol, size_t body_bytes);
/* The same with a whole message (CRLF) from a client outside; it has no digits. */
void script_build_given(struct script *script, uint32_t protocol, struct span message);
void script_free(struct script *script);
/* Writes the number into a copy of the head. */
void script_set_domain(const struct script *script, char *head, unsigned int domain);
/* The message as it would stand in a file, with CRLF: fields in front of all headers, the headers,
 * those behind them, the body. */
void script_add_message(struct buf *buf, struct span first_fields, struct span last_fields,
    unsigned int domain, size_t body_bytes);

#endif
