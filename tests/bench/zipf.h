/*
 * zipf.h - senders as unequal as real ones: the Nth most frequent sends 1/N as often as the first.
 */
#ifndef SIGNPOST_TESTS_BENCH_ZIPF_H
#define SIGNPOST_TESTS_BENCH_ZIPF_H

#include <stddef.h>
#include <stdint.h>

struct zipf;

/* For count senders (at least 1). Never fails; zipf_free() it. */
struct zipf *zipf_new(size_t count);
/* The sender, from 0 to below count, of the message with this number: always the same one for the
 * same number and count. Frequent senders are spread over the range. Any thread. */
size_t zipf_sender(const struct zipf *zipf, uint64_t number);
void zipf_free(struct zipf *zipf);

#endif
