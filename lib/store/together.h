/*
 * together.h - questions of several threads to one distant table, asked as one. What a statement
 * costs a server hardly depends on how many keys it names, and under load there are always some
 * that wait for an answer: who comes while one is out waits for it, and all who came meanwhile are
 * asked for by the next.
 *
 * Nobody waits longer than TOGETHER_WAIT_MS for a question that is not his: a server that is far
 * away is asked by as many as want to. An answer for several that is none (one of the keys may be
 * the reason) is no answer for anybody: each asks alone then.
 */
#ifndef SIGNPOST_STORE_TOGETHER_H
#define SIGNPOST_STORE_TOGETHER_H

#include <stdint.h>

#include "lib/store/table.h"

#define TOGETHER_WAIT_MS 2
#define TOGETHER_KEYS_MAX 8U /* of one question for several */

struct together;

/* table is borrowed. wait_ms: TOGETHER_WAIT_MS; longer for tests that say themselves who comes
 * when. */
struct together *together_new(struct table *table, int64_t wait_ms);
void together_free(struct together *together); /* nobody may be inside; NULL is fine */

/* As table_lookup_many() with max = count. Any thread. */
enum status together_lookup(struct together *together, const struct span *keys, size_t count,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err) MUST_USE;

/* Keys of those who wait for their turn now; for tests. Any thread. */
size_t together_waiting(struct together *together);

#endif
