/*
 * status.c - the sentence that accompanies an answer, and the names of the answers.
 * Everybody calls it; it is the lowest room. It must never allocate and never fail.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/status.h"

static void
mark_cut(char *text, int wanted)
{
	if (wanted >= ERR_TEXT_MAX)
		memcpy(text + ERR_TEXT_MAX - 4, "...", 4);
}

void
err_set(struct err *err, const char *fmt, ...)
{
	va_list args;
	int wanted;

	if (err == NULL)
		return;
	va_start(args, fmt);
	wanted = vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	mark_cut(err->text, wanted);
}

void
err_prefix(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list args;
	int n, more;

	if (err == NULL)
		return;
	memcpy(old, err->text, sizeof(old));
	va_start(args, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	if (n < 0 || n >= ERR_TEXT_MAX) {
		mark_cut(err->text, n);
		return;
	}
	more = snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", old);
	mark_cut(err->text, n + more);
}

const char *
status_name(enum status status)
{
	static const char *const names[] = {
	    [ST_OK] = "ok",
	    [ST_ABSENT] = "absent",
	    [ST_UNAVAILABLE] = "unavailable",
	    [ST_INVALID] = "invalid",
	    [ST_TOO_BIG] = "too big",
	    [ST_DENIED] = "denied",
	    [ST_FAILED] = "failed",
	};

	return names[status];
}
