/*
 * scratch.h - a folder of its own for one test, and the log lines that were written meanwhile.
 * Functions end the test program when the system does not play along.
 */
#ifndef SIGNPOST_TESTS_LIB_SCRATCH_H
#define SIGNPOST_TESTS_LIB_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

struct scratch {
	char dir[256];
	char *path[8]; /* the last eight given out; owned */
	unsigned int paths;
	int stderr_fd; /* the real one, -1: the log is not caught */
	int log_fd;
	char *log; /* owned */
};

void scratch_begin(struct scratch *scratch);
/* Removes the files (one level) and lets the log go. */
void scratch_end(struct scratch *scratch);
/* The path of a file in the folder; valid until seven more were asked for. */
const char *scratch_path(struct scratch *scratch, const char *name);
/* Writes a file aside and renames it to name, mode 0600. The path as above. */
const char *scratch_write(struct scratch *scratch, const char *name, const char *text);
/* From now on lines of the log are kept here instead of stderr; again: from now on only. */
void scratch_log_begin(struct scratch *scratch);
/* Is text in the lines since scratch_log_begin()? */
bool scratch_log_has(struct scratch *scratch, const char *text);
size_t scratch_log_bytes(struct scratch *scratch);

#endif
