/*
 * memshared.h - a struct shared in memory for tests: honest, or with faults and lies that are
 * switched on. What it was given can be looked at and changed, as whoever owns a server of
 * memcached can. Any thread, all of it.
 */
#ifndef SIGNPOST_TESTS_LIB_MEMSHARED_H
#define SIGNPOST_TESTS_LIB_MEMSHARED_H

#include <stdbool.h>

#include "lib/store/shared.h"

struct memshared;

struct memshared *memshared_new(void);
void memshared_free(struct memshared *server); /* after all doors were closed */
/* A door to it, as one gateway has one: closed by whoever it is given to. They all share what is
 * inside. */
struct shared *memshared_door(struct memshared *server);

/* ---- faults and lies, until they are switched off ---- */

void memshared_set_away(struct memshared *server, bool away); /* ST_UNAVAILABLE; puts are lost */
/* The next so many questions are ST_UNAVAILABLE, and late. */
void memshared_set_late(struct memshared *server, unsigned questions);
void memshared_set_dropping(struct memshared *server, bool dropping); /* puts are lost */
/* What was put first under each name is given back, whatever was put since. */
void memshared_set_replaying(struct memshared *server, bool replaying);
/* Any name is answered with this value (copied); NULL octets: that ends. */
void memshared_set_answer(struct memshared *server, struct span value);

/* ---- what was asked ---- */

/* gets: questions; names: of all of them; puts: those that were lost, too. */
struct memshared_counts {
	unsigned gets, names, puts;
};
struct memshared_counts memshared_counts(struct memshared *server);
void memshared_forget_counts(struct memshared *server);

/* ---- what is inside: 0 to count - 1, in the order in which names were first put ---- */

size_t memshared_count(struct memshared *server);
/* Copies, NUL-terminated: mem_free(). NULL: there is no such one; n_out may be NULL. */
char *memshared_name(struct memshared *server, size_t i, size_t *n_out);
char *memshared_value(struct memshared *server, size_t i, size_t *n_out);
uint32_t memshared_ttl_s(struct memshared *server, size_t i);
/* Which one has been put last; SIZE_MAX: none. */
size_t memshared_last(struct memshared *server);
/* The value of the i-th name from now on; another name's, one octet of it changed by ^mask, only
 * the first n octets, anything, none. */
void memshared_set(struct memshared *server, size_t i, struct span value);
void memshared_swap(struct memshared *server, size_t i, size_t j);
void memshared_flip(struct memshared *server, size_t i, size_t at, uint8_t mask);
void memshared_truncate(struct memshared *server, size_t i, size_t n);
void memshared_remove(struct memshared *server, size_t i); /* its number stays */
void memshared_clear(struct memshared *server);
/* Does text occur in any name or value, or did it ever? Case counts. */
bool memshared_saw(struct memshared *server, struct span text);

#endif
