/*
 * bench_canon.c - what body canonicalization costs beside the SHA-256 that it feeds. Prints GB/s
 * and ratios of one run; single figures of one machine mean little. `make tests/bench/bench_canon`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/dkim/canon.h"
#include "lib/dkim/canon_scan.h"

#define BODY_BYTES (1u << 20)
#define CHUNK_BYTES 65535u
#define ROUNDS 5
#define REPEAT 60

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
hash_only(struct digest *digest, struct span body, uint8_t out[SHA256_BYTES])
{
	digest_start(digest);
	for (size_t at = 0; at < body.n; at += CHUNK_BYTES)
		digest_add(digest, span_sub(body, at, CHUNK_BYTES));
	digest_finish(digest, out);
}

static void
hash_canonical(
    enum canon canon, bool fix, struct digest *digest, struct span body, uint8_t out[SHA256_BYTES])
{
	struct canon_body c;

	canon_body_init(&c, canon, digest, -1, fix);
	for (size_t at = 0; at < body.n; at += CHUNK_BYTES)
		canon_body_update(&c, span_sub(body, at, CHUNK_BYTES));
	canon_body_finish(&c, out, NULL);
}

/* Best of a few rounds. mode: -1 SHA-256 alone, else an enum canon, + 2 with FixCRLF. */
static double
measure(int mode, struct digest *digest, struct span body)
{
	uint8_t out[SHA256_BYTES];
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_s();

		for (int i = 0; i < REPEAT; i++) {
			if (mode < 0)
				hash_only(digest, body, out);
			else
				hash_canonical(mode & 1 ? CANON_RELAXED : CANON_SIMPLE, mode >= 2,
				    digest, body, out);
		}
		if (now_s() - start < best)
			best = now_s() - start;
	}
	return (double)body.n * REPEAT / best / 1e9;
}

static double
measure_scan(struct span body, size_t (*scan)(struct span, size_t))
{
	volatile size_t found;
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_s();

		for (int i = 0; i < REPEAT; i++)
			for (size_t at = 0; at < body.n; at++)
				found = at = scan(body, at);
		if (now_s() - start < best)
			best = now_s() - start;
	}
	(void)found;
	return (double)body.n * REPEAT / best / 1e9;
}

/* Lines of 76 octets, words of 1 to 9; spoil: one blank of so many is doubled, 0 none; flowed:
 * lines may end in a blank. */
static void
fill(char *p, size_t n, unsigned spoil, bool flowed)
{
	unsigned word = 3, column = 0, seed = 12345;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		if (column >= 76 && i + 1 < n && (flowed || p[i - 1] != ' ')) {
			p[i++] = '\r';
			p[i] = '\n';
			column = 0;
		} else if (word-- == 0) {
			p[i] = ' ';
			word = (seed >> 16) % 9 + 1;
			if (spoil > 0 && (seed >> 8) % spoil == 0 && i > 0 && p[i - 1] != ' ')
				word = 0;
			column++;
		} else {
			p[i] = (char)('a' + (seed >> 16) % 26);
			column++;
		}
	}
}

static void
report(const char *what, struct digest *digest, struct span body)
{
	static const char *const names[] = {
	    "simple", "relaxed", "simple, FixCRLF", "relaxed, FixCRLF"};
	double alone = measure(-1, digest, body);

	printf("%s: SHA-256 alone %.2f GB/s\n", what, alone);
	for (int mode = 0; mode < 4; mode++) {
		double speed = measure(mode, digest, body);

		printf("  %-18s %.2f GB/s, time %.3f of SHA-256 alone\n", names[mode], speed,
		    alone / speed);
	}
	printf("  scan alone         %.2f GB/s (portable %.2f)\n", measure_scan(body, canon_scan),
	    measure_scan(body, canon_scan_portable));
}

int
main(void)
{
	struct digest *digest = digest_new();
	char *p = malloc(BODY_BYTES);

	if (p == NULL)
		return 1;
	fill(p, BODY_BYTES, 0, false);
	report("ordinary text, single blanks", digest, span_of(p, BODY_BYTES));
	fill(p, BODY_BYTES, 0, true);
	report("every sixth line ends in a blank", digest, span_of(p, BODY_BYTES));
	fill(p, BODY_BYTES, 12, false);
	report("every twelfth blank doubled", digest, span_of(p, BODY_BYTES));
	fill(p, BODY_BYTES, 1, false);
	report("every blank doubled", digest, span_of(p, BODY_BYTES));
	free(p);
	digest_free(digest);
	return 0;
}
