/*
 * replay.c - runs a fuzz target without libFuzzer: every seed named on the command line (files or
 * folders), then FUZZ_RUNS mutations of them (default 20000). `make check` uses it with every
 * compiler; a crash or a sanitizer report ends the program. It prints TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1U << 16)
#define SEEDS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	uint8_t *data;
	size_t size;
} seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t random_state = 88172645463325252U;

static uint64_t
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void
load_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX);

	if (f == NULL || data == NULL || seed_count == SEEDS_MAX)
		abort();
	seeds[seed_count].size = fread(data, 1, INPUT_MAX, f);
	seeds[seed_count++].data = data;
	fclose(f);
}

static void
load(const char *path)
{
	struct dirent *entry;
	struct stat st;
	char name[4096];
	DIR *dir;

	if (stat(path, &st) != 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		load_file(path);
		return;
	}
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		load_file(name);
	}
	if (dir != NULL)
		closedir(dir);
}

static void
run(const uint8_t *data, size_t size)
{
	/* A copy of its exact size, so that AddressSanitizer sees one octet too far. */
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Flips, overwrites, deletes, repeats and splices; stays within INPUT_MAX. */
static size_t
mutate(uint8_t *to, size_t n)
{
	static const char interesting[] = "\r\n\t :;=,.@*%/\\\"'()<>[]-_\0\xff\x80";
	unsigned int steps = 1 + (unsigned int)(next_random() % 6);

	while (steps-- > 0) {
		size_t at = n == 0 ? 0 : (size_t)(next_random() % n);
		size_t len = 1 + (size_t)(next_random() % 16);
		size_t other;

		switch (next_random() % 5) {
		case 0:
			if (n > 0)
				to[at] ^= (uint8_t)(1U << (next_random() % 8));
			break;
		case 1:
			if (n > 0)
				to[at] =
				    (uint8_t)interesting[next_random() % (sizeof(interesting) - 1)];
			break;
		case 2:
			if (at + len <= n) {
				memmove(to + at, to + at + len, n - at - len);
				n -= len;
			}
			break;
		case 3:
			if (at + len <= n && n + len <= INPUT_MAX) {
				memmove(to + at + len, to + at, n - at);
				n += len;
			}
			break;
		default:
			other = (size_t)(next_random() % seed_count);
			len = seeds[other].size;
			if (len > INPUT_MAX - at)
				len = INPUT_MAX - at;
			if (len > 0)
				memcpy(to + at, seeds[other].data, len);
			if (at + len > n)
				n = at + len;
			break;
		}
	}
	return n;
}

int
main(int argc, char **argv)
{
	const char *runs_text = getenv("FUZZ_RUNS");
	long runs = runs_text == NULL ? 20000 : atol(runs_text);
	static uint8_t work[INPUT_MAX];

	for (int i = 1; i < argc; i++)
		load(argv[i]);
	printf("1..1\n");
	for (size_t i = 0; i < seed_count; i++)
		run(seeds[i].data, seeds[i].size);
	for (long i = 0; i < runs && seed_count > 0; i++) {
		size_t from = (size_t)(next_random() % seed_count);
		size_t n = seeds[from].size;

		memcpy(work, seeds[from].data, n);
		run(work, mutate(work, n));
	}
	printf("%s 1 - %s: %zu seeds, %ld mutations\n", seed_count > 0 ? "ok" : "not ok", argv[0],
	    seed_count, runs);
	return seed_count > 0 ? 0 : 1;
}
