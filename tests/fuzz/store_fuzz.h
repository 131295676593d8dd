/*
 * store_fuzz.h - what the fuzz targets of the store share: a table over bytes, without a folder.
 */
#ifndef SIGNPOST_FUZZ_STORE_FUZZ_H
#define SIGNPOST_FUZZ_STORE_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/registry.h"
#include "lib/base/log.h"
#include "lib/store/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is queries, one a line, an empty line, then the text of the table. */
static inline struct span
fuzz_split(const uint8_t *data, size_t size, struct span *queries_out)
{
	struct span all = span_of(data, size);

	*queries_out = all;
	for (size_t i = 0; i + 1 < size; i++)
		if (data[i] == '\n' && data[i + 1] == '\n') {
			*queries_out = span_sub(all, 0, i);
			return span_from(all, i + 2);
		}
	return SPAN_EMPTY;
}

/* The file lives in memory only; it is gone when the table was read. */
static inline struct table *
fuzz_table(const char *type, struct span text, unsigned flags)
{
	struct table *table = NULL;
	struct err err = ERR_NONE;
	char spec[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	log_threshold(LOG_LEVEL_ERROR - 1);
	if (fd < 0 || (text.n > 0 && write(fd, text.p, text.n) != (ssize_t)text.n))
		abort();
	snprintf(spec, sizeof(spec), "%s:/proc/self/fd/%d", type, fd);
	if (table_open(backend_registry(), "fuzz", spec, flags, &table, &err) != ST_OK)
		abort();
	close(fd);
	return table;
}

#endif
