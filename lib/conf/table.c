/*
 * table.c - the one table of parameters as data, and finding a name in it: exactly, or the nearest
 * one for a misspelt name. Called by the parser, the flags and whoever dumps a configuration. It
 * holds no values and must never be written to.
 */
#include <string.h>

#include "lib/conf/conf.h"

struct parameter {
	const char *name;
	enum conf_type type;
	enum conf_class class;
	const char *value;
};

static const struct parameter table[CONF_COUNT] = {
#define ROW(id, name, type, value, class)                                                          \
	[CONF_##id] = {name, CONF_TYPE_##type, CONF_CLASS_##class, value},
    CONF_PARAMETERS(ROW)
#undef ROW
};

/* Where every int of 32 bits is not good enough. */
static const struct {
	enum conf_parameter parameter;
	int64_t least, most;
} ranges[] = {
    {CONF_ADMIN_LEASE, 6, 3600},
    {CONF_AUTO_RESTART_COUNT, 0, INT32_MAX},
    {CONF_CACHE_NEGATIVE_TTL, 0, 86400},
    {CONF_CACHE_SIZE, 0, INT32_MAX},
    {CONF_CACHE_STALE_TTL, 0, 31536000},
    {CONF_CACHE_TTL, 0, 86400},
    {CONF_CLOCK_DRIFT, 0, INT32_MAX},
    {CONF_DNS_CACHE_SIZE, 65536, 1 << 30},
    {CONF_DNS_TIMEOUT, 0, INT32_MAX},
    {CONF_DRAIN_TIMEOUT, 0, 86400},
    {CONF_FRONTENDS, 0, 256},
    {CONF_GATEWAY_REPORT_INTERVAL, 1, 3600},
    {CONF_IDLE_TIMEOUT, 1, 604800},
    {CONF_KEEPER_THREADS, 0, 256},
    {CONF_KEY_CACHE_SIZE, 65536, INT32_MAX},
    {CONF_KEY_STORE_POLL_INTERVAL, 1, 3600},
    {CONF_LDAP_KEEPALIVE_IDLE, 0, 32767},
    {CONF_LDAP_KEEPALIVE_INTERVAL, 0, 32767},
    {CONF_LDAP_KEEPALIVE_PROBES, 0, 127},
    {CONF_LDAP_TIMEOUT, 0, INT32_MAX},
    {CONF_LISTEN_BACKLOG, 1, 65535},
    {CONF_MAXIMUM_CONNECTIONS, 1, 1000000},
    {CONF_MAXIMUM_HEADERS, 0, INT32_MAX},
    {CONF_MAXIMUM_SIGNATURES_TO_VERIFY, 0, INT32_MAX},
    {CONF_METRICS_INTERVAL, 1, 86400},
    {CONF_MINIMUM_KEY_BITS, 0, INT32_MAX},
    {CONF_PROVING_PORT, 1, 65535},
    {CONF_PROVING_THREADS, 1, 64},
    {CONF_SELF_VERIFY, 0, 1000000000},
    {CONF_SELF_VERIFY_FIRST, 0, 1000},
    {CONF_SHADOW_REPORT_SIZE, 65536, INT32_MAX},
    {CONF_SIGNATURE_TTL, 0, INT32_MAX},
    {CONF_UMASK, 0, 0777},
};

/* Longest name that is compared with the table when guessing; ours are shorter. */
#define NAME_MAX_GUESSED 40

const char *
conf_name(enum conf_parameter parameter)
{
	return table[parameter].name;
}

enum conf_type
conf_type_of(enum conf_parameter parameter)
{
	return table[parameter].type;
}

enum conf_class
conf_class_of(enum conf_parameter parameter)
{
	return table[parameter].class;
}

const char *
conf_default(enum conf_parameter parameter)
{
	return table[parameter].value;
}

void
conf_int_range(enum conf_parameter parameter, int64_t *least_out, int64_t *most_out)
{
	*least_out = INT32_MIN;
	*most_out = INT32_MAX;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (ranges[i].parameter != parameter)
			continue;
		*least_out = ranges[i].least;
		*most_out = ranges[i].most;
	}
}

enum conf_parameter
conf_by_name(struct span name)
{
	for (int p = 0; p < CONF_COUNT; p++) {
		if (span_ieq_str(name, table[p].name))
			return (enum conf_parameter)p;
	}
	return CONF_COUNT;
}

static unsigned int
least_of(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* The next row of the distances between a and b; the least number in it. */
static unsigned int
distance_row(struct span a, struct span b, size_t i, const unsigned int *before,
    const unsigned int *last, unsigned int *now)
{
	char ca = ascii_lower(a.p[i - 1]);
	unsigned int least = (unsigned int)i;

	now[0] = (unsigned int)i;
	for (size_t j = 1; j <= b.n; j++) {
		char cb = ascii_lower(b.p[j - 1]);

		now[j] = least_of(last[j] + 1, now[j - 1] + 1);
		now[j] = least_of(now[j], last[j - 1] + (ca != cb));
		if (i > 1 && j > 1 && ca == ascii_lower(b.p[j - 2]) &&
		    cb == ascii_lower(a.p[i - 2]))
			now[j] = least_of(now[j], before[j - 2] + 1);
		least = least_of(least, now[j]);
	}
	return least;
}

/* Damerau-Levenshtein (neighbours may be swapped), letters without case; limit when it is that or
 * more. Both are at most NAME_MAX_GUESSED long. */
static unsigned int
distance(struct span a, struct span b, unsigned int limit)
{
	unsigned int rows[3][NAME_MAX_GUESSED + 1];
	unsigned int *before = rows[0], *last = rows[1], *now = rows[2], *spare;
	unsigned int least_before = 0, least;

	for (size_t j = 0; j <= b.n; j++)
		last[j] = before[j] = (unsigned int)j;
	for (size_t i = 1; i <= a.n; i++) {
		least = distance_row(a, b, i, before, last, now);
		/* A swap looks two rows back. */
		if (least >= limit && least_before >= limit)
			return limit;
		least_before = least;
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b.n];
}

enum conf_parameter
conf_nearest(struct span name)
{
	enum conf_parameter nearest = CONF_COUNT;
	/* One slip in a short name, up to three in a long one. */
	unsigned int best = least_of(1 + (unsigned int)(name.n / 6), 3) + 1;

	if (name.n < 2 || name.n > NAME_MAX_GUESSED)
		return CONF_COUNT;
	for (int p = 0; p < CONF_COUNT; p++) {
		struct span other = span_str(table[p].name);
		unsigned int d;

		/* Each octet more or less is a slip of its own. */
		if (other.n >= name.n + best || name.n >= other.n + best)
			continue;
		d = distance(name, other, best);
		if (d < best) {
			best = d;
			nearest = (enum conf_parameter)p;
		}
	}
	return nearest;
}
