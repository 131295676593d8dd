/*
 * zipf.c - who sends which message when senders follow Zipf's law with s = 1.
 * Called by client.c for each message and by miltergen.c. A number gives the same sender in every
 * run, so that servers that are compared get the same mail. It must never cost more than a small
 * part of a message: one search in a table of sums.
 */
#include "lib/base/mem.h"
#include "tests/bench/zipf.h"

#define SPREAD 2654435761U /* a prime above any count: steps by it meet each sender once */

struct zipf {
	size_t count;
	double *sums; /* [i]: 1/1 + ... + 1/(i + 1) */
};

struct zipf *
zipf_new(size_t count)
{
	struct zipf *zipf = mem_zalloc(1, sizeof(*zipf));
	double sum = 0;

	zipf->count = count;
	zipf->sums = mem_zalloc(count, sizeof(double));
	for (size_t i = 0; i < count; i++) {
		sum += 1.0 / (double)(i + 1);
		zipf->sums[i] = sum;
	}
	return zipf;
}

/* 0 to below 1, from a number (the mixing of SplitMix64). */
static double
chance(uint64_t number)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15U;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	x ^= x >> 31;
	return (double)(x >> 11) / 9007199254740992.0;
}

size_t
zipf_sender(const struct zipf *zipf, uint64_t number)
{
	double wanted = chance(number) * zipf->sums[zipf->count - 1];
	size_t low = 0, high = zipf->count - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zipf->sums[middle] <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return (size_t)((uint64_t)low * SPREAD % zipf->count);
}

void
zipf_free(struct zipf *zipf)
{
	if (zipf == NULL)
		return;
	mem_free(zipf->sums);
	mem_free(zipf);
}
