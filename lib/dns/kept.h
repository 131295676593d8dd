/*
 * kept.h - answers kept by name, each until its time is over or the memory is full: then the one
 * that was not asked for the longest goes first. One thread. The clock is an argument.
 */
#ifndef SIGNPOST_DNS_KEPT_H
#define SIGNPOST_DNS_KEPT_H

#include "lib/dns/octets.h"

struct kept;

struct kept *kept_new(size_t bytes_max); /* of names and answers, and what holds them */
void kept_free(struct kept *kept);       /* NULL is fine */

/* ttl_s of the answer: what is left of it, rounded down; below one second is nothing left. Its
 * spans are good until the next kept_put(). now_ms: monotonic. name: small and capital letters are
 * the same. ST_OK, ST_ABSENT: not known. */
enum status kept_get(
    struct kept *kept, struct span name, int64_t now_ms, struct dns_answer *answer_out) MUST_USE;

/* octets: of dns_octets_write(); until until_ms. Instead of what was there. How many others had to
 * go is counted in METRIC_CACHE_EVICTIONS. */
void kept_put(
    struct kept *kept, struct span name, struct span octets, int64_t now_ms, int64_t until_ms);

size_t kept_count(const struct kept *kept); /* answers, some of which may be over */

#endif
