/*
 * keystore_ldap_values.c - times, booleans and numbers as a directory writes them.
 * Called for each value of an entry that is not plain text.
 * It must never take one value for another: what it does not know to the last octet is invalid.
 */
#include <stdio.h>

#include "backends/keystore_ldap.h"

#define DAY_S 86400

static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

static bool
leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_of(int64_t year, int month)
{
	return month == 2 && leap(year) ? 29 : month_days[month - 1];
}

/* Days from 1970-01-01 to the first of January. */
static int64_t
days_before(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/* n digits off the front of *rest. */
static bool
take(struct span *rest, size_t n, int64_t *out)
{
	uint64_t value;

	if (rest->n < n || !span_number(span_sub(*rest, 0, n), 9999, &value))
		return false;
	*out = (int64_t)value;
	*rest = span_from(*rest, n);
	return true;
}

static bool
digit_next(struct span rest)
{
	return rest.n > 0 && rest.p[0] >= '0' && rest.p[0] <= '9';
}

/* A fraction of a second, or of what else was the last; of the others it would mean more than
 * nothing, so it must be 0. */
static bool
skip_fraction(struct span *rest, bool seconds)
{
	if (rest->n == 0 || (rest->p[0] != '.' && rest->p[0] != ','))
		return true;
	*rest = span_from(*rest, 1);
	if (!digit_next(*rest))
		return false;
	for (; digit_next(*rest); *rest = span_from(*rest, 1))
		if (!seconds && rest->p[0] != '0')
			return false;
	return true;
}

/* "Z" or "+hhmm": what is to be subtracted. */
static bool
take_zone(struct span rest, int64_t *offset_s_out)
{
	int64_t hours = 0, minutes = 0;
	bool minus;

	*offset_s_out = 0;
	if (span_eq_str(rest, "Z"))
		return true;
	if (rest.n != 3 && rest.n != 5)
		return false;
	minus = rest.p[0] == '-';
	if (!minus && rest.p[0] != '+')
		return false;
	rest = span_from(rest, 1);
	if (!take(&rest, 2, &hours) || (rest.n > 0 && !take(&rest, 2, &minutes)) || hours > 23 ||
	    minutes > 59)
		return false;
	*offset_s_out = (hours * 60 + minutes) * (minus ? -60 : 60);
	return true;
}

enum status
ldapstore_read_time(struct span text, int64_t *utc_s_out)
{
	int64_t year, month, day, hour, minute = 0, second = 0, days, offset_s;
	bool seconds = false;

	*utc_s_out = 0;
	if (!take(&text, 4, &year) || !take(&text, 2, &month) || !take(&text, 2, &day) ||
	    !take(&text, 2, &hour))
		return ST_INVALID;
	if (digit_next(text) && !take(&text, 2, &minute))
		return ST_INVALID;
	if (digit_next(text) && !(seconds = take(&text, 2, &second)))
		return ST_INVALID;
	if (!skip_fraction(&text, seconds) || !take_zone(text, &offset_s))
		return ST_INVALID;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, (int)month) ||
	    hour > 23 || minute > 59 || second > 60)
		return ST_INVALID;
	days = days_before(year) + day - 1;
	for (int m = 1; m < month; m++)
		days += days_of(year, m);
	*utc_s_out = days * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
	return *utc_s_out < 0 ? ST_INVALID : ST_OK;
}

void
ldapstore_write_time(int64_t utc_s, char text[16])
{
	int64_t days = utc_s / DAY_S, rest = utc_s % DAY_S, year = 1970 + days / 366;
	int month = 1;

	while (days_before(year + 1) <= days)
		year++;
	days -= days_before(year);
	for (; days >= days_of(year, month); month++)
		days -= days_of(year, month);
	(void)snprintf(text, 16, "%04u%02u%02u%02u%02u%02uZ", (unsigned)(year % 10000),
	    (unsigned)month % 100, (unsigned)(days + 1) % 100, (unsigned)(rest / 3600) % 100,
	    (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
}

enum status
ldapstore_read_bool(struct span text, bool *value_out)
{
	*value_out = span_eq_str(text, "TRUE");
	return *value_out || span_eq_str(text, "FALSE") ? ST_OK : ST_INVALID;
}

enum status
ldapstore_read_number(struct span text, int64_t least, int64_t most, int64_t *value_out)
{
	bool minus = text.n > 1 && text.p[0] == '-';
	uint64_t value;

	*value_out = 0;
	if (!span_number(minus ? span_from(text, 1) : text, INT64_MAX, &value))
		return ST_INVALID;
	*value_out = minus ? -(int64_t)value : (int64_t)value;
	return *value_out < least || *value_out > most ? ST_INVALID : ST_OK;
}
