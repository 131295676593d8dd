/*
 * operation_time.c - times as operators write and read them.
 * Called for arguments and answers of operations. It must never ask what time zone this machine is
 * in.
 */
#include "config.h"

#include <stdio.h>
#include <time.h>

#include "admin-api/operation_table.h"

#define LAST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Two digits at at. */
static bool
take_two(struct span text, size_t at, uint64_t low, uint64_t high, int *out)
{
	uint64_t value = 0;

	if (!span_number(span_sub(text, at, 2), 99, &value) || value < low || value > high)
		return false;
	*out = (int)value;
	return true;
}

static bool
has_shape(struct span text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";

	if (text.n != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (shape[i] == 'd' ? text.p[i] < '0' || text.p[i] > '9' : text.p[i] != shape[i])
			return false;
	return true;
}

bool
time_parse(struct span text, int64_t *at_out)
{
	uint64_t number = 0;
	struct tm tm = {.tm_isdst = 0}, again;
	time_t at;

	if (span_number(text, (uint64_t)LAST, &number)) {
		*at_out = (int64_t)number;
		return true;
	}
	if (!has_shape(text) || !span_number(span_sub(text, 0, 4), 9999, &number) ||
	    number < 1970 || !take_two(text, 5, 1, 12, &tm.tm_mon) ||
	    !take_two(text, 8, 1, 31, &tm.tm_mday) || !take_two(text, 11, 0, 23, &tm.tm_hour) ||
	    !take_two(text, 14, 0, 59, &tm.tm_min) || !take_two(text, 17, 0, 59, &tm.tm_sec))
		return false;
	tm.tm_year = (int)number - 1900;
	tm.tm_mon--;
	again = tm;
	at = timegm(&again);
	/* The 31st of June would be the 1st of July. */
	if (again.tm_mday != tm.tm_mday)
		return false;
	*at_out = (int64_t)at;
	return true;
}

void
time_write(int64_t at_utc, char out[TIME_TEXT_BYTES])
{
	time_t at = (time_t)(at_utc < 0 ? 0 : at_utc > LAST ? LAST : at_utc);
	struct tm tm;

	gmtime_r(&at, &tm);
	if (strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
}
