/*
 * secret_scan.h - is a secret anywhere in the memory of this process where it could be dumped or
 * swapped out? For tests, whose secrets then must be in secret memory, too.
 */
#ifndef SIGNPOST_TESTS_SECRET_SCAN_H
#define SIGNPOST_TESTS_SECRET_SCAN_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/secret.h"
#include "lib/base/span.h"

#if defined(__SANITIZE_ADDRESS__)
#define SCAN_POSSIBLE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SCAN_POSSIBLE false
#endif
#endif
#ifndef SCAN_POSSIBLE
#define SCAN_POSSIBLE true /* a sanitizer keeps what was freed, and terabytes besides */
#endif

#define SCAN_PIECE 65536U

/* From from to to; piece is secret memory. */
static inline bool
scan_mapping(int mem, unsigned long from, unsigned long to, struct span needle, char *piece)
{
	size_t kept = 0;
	ssize_t n;

	for (; from < to; from += (unsigned long)n) {
		size_t want = to - from < SCAN_PIECE - kept ? to - from : SCAN_PIECE - kept;

		n = pread(mem, piece + kept, want, (off_t)from);
		if (n <= 0)
			return false;
		kept += (size_t)n;
		if (memmem(piece, kept, needle.p, needle.n) != NULL)
			return true;
		if (kept >= needle.n) {
			memmove(piece, piece + kept - (needle.n - 1), needle.n - 1);
			kept = needle.n - 1;
		}
	}
	return false;
}

/* In a mapping that may be written and is not left out of core dumps. */
static inline bool
scan_finds(struct span needle)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char *piece = secret_malloc(SCAN_PIECE), line[4096], rights[8] = "";
	unsigned long from = 0, to = 0, a, b;
	bool found = false;

	if (maps == NULL || mem < 0 || piece == NULL)
		abort();
	while (!found && fgets(line, sizeof(line), maps) != NULL) {
		char word[8];

		if (sscanf(line, "%lx-%lx %7s", &a, &b, word) == 3) {
			from = a;
			to = b;
			memcpy(rights, word, sizeof(rights));
		} else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") == NULL &&
			   rights[0] == 'r' && rights[1] == 'w') {
			found = scan_mapping(mem, from, to, needle, piece);
		}
	}
	secret_free(piece);
	close(mem);
	fclose(maps);
	return found;
}

#endif
