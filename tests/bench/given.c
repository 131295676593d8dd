/*
 * given.c - messages from a file for the load generator. miltergen.c loads them before a run and
 * client.c makes a script of each; they stay in memory, so that no run waits for a disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tests/bench/given.h"

#define FILE_MAX (1L << 30)

static enum status
read_file(struct given *given, const char *path, size_t *n_out, struct err *err)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		n = ftell(f);
	if (n < 0 || n > FILE_MAX) {
		err_set(err, "%s: %s", path, n < 0 ? strerror(errno) : "too long");
		if (f != NULL)
			fclose(f);
		return ST_FAILED;
	}
	rewind(f);
	given->octets = mem_alloc((size_t)n + 1);
	*n_out = fread(given->octets, 1, (size_t)n, f);
	fclose(f);
	return ST_OK;
}

static bool
next_message(struct span *rest, struct span *message_out)
{
	struct span line;
	uint64_t n;

	if (!span_cut(rest, '\n', &line) || !span_number(line, rest->n, &n))
		return false;
	*message_out = span_sub(*rest, 0, (size_t)n);
	*rest = span_from(*rest, (size_t)n);
	return true;
}

enum status
given_load(struct given *given, const char *path, struct err *err)
{
	struct span rest = SPAN_EMPTY;
	size_t n, room = 0;
	enum status status;

	memset(given, 0, sizeof(*given));
	status = read_file(given, path, &n, err);
	if (status != ST_OK)
		return status;
	for (rest = span_of(given->octets, n); rest.n > 0; given->count++) {
		if (given->count == room) {
			room = 2 * room + 64;
			given->messages = mem_resize(given->messages, room, sizeof(struct span));
		}
		if (!next_message(&rest, &given->messages[given->count])) {
			err_set(err, "%s: message %zu is not as it should be", path, given->count);
			return ST_INVALID;
		}
	}
	if (given->count == 0)
		err_set(err, "%s: no message", path);
	return given->count == 0 ? ST_INVALID : ST_OK;
}

void
given_free(struct given *given)
{
	mem_free(given->octets);
	mem_free(given->messages);
	memset(given, 0, sizeof(*given));
}

struct span
given_message(const struct given *given, uint64_t number)
{
	return given->messages[number % given->count];
}
