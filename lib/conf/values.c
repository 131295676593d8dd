/*
 * values.c - what the text of a parameter means: booleans, integers, actions, modes, lists.
 * The parser, the checks and the daemon call it. Pure: it must never ask the system for anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/values.h"

/* Longest text of an integer. */
#define INT_TEXT_MAX 64

enum status
conf_parse_bool(struct span text, bool *value_out, struct err *err)
{
	char c = text.n == 0 ? ' ' : text.p[0];

	if (c == ' ' || c == '\0' || strchr("tTyY1fFnN0", c) == NULL) {
		err_set(err, "yes or no is needed");
		return ST_INVALID;
	}
	*value_out = strchr("tTyY1", c) != NULL;
	return ST_OK;
}

enum status
conf_parse_int(struct span text, int64_t least, int64_t most, int64_t *value_out, struct err *err)
{
	char copy[INT_TEXT_MAX] = "", *end = copy;
	long long value = 0;

	errno = 0;
	if (text.n > 0 && text.n < sizeof(copy) && !ascii_blank(text.p[0])) {
		memcpy(copy, text.p, text.n);
		value = strtoll(copy, &end, 0);
	}
	if (end == copy || (size_t)(end - copy) != text.n) {
		err_set(err, "an integer is needed and nothing may follow it (0x: hexadecimal, "
			     "leading 0: octal)");
		return ST_INVALID;
	}
	if (errno == ERANGE || value < least || value > most) {
		err_set(err, "it must be %lld to %lld", (long long)least, (long long)most);
		return ST_INVALID;
	}
	*value_out = value;
	return ST_OK;
}

static bool
canonicalization_name(struct span name, bool *relaxed_out)
{
	*relaxed_out = span_ieq_str(name, "relaxed");
	return *relaxed_out || span_ieq_str(name, "simple");
}

enum status
conf_canonicalization(
    const char *text, bool *header_relaxed_out, bool *body_relaxed_out, struct err *err)
{
	struct span rest = span_str(text), header;
	bool header_relaxed = false, body_relaxed = false, two = span_cut(&rest, '/', &header);

	if (!canonicalization_name(header, &header_relaxed) ||
	    (two && !canonicalization_name(rest, &body_relaxed))) {
		err_set(err, "HEADER/BODY is needed, each \"simple\" or \"relaxed\"");
		return ST_INVALID;
	}
	*header_relaxed_out = header_relaxed;
	*body_relaxed_out = body_relaxed;
	return ST_OK;
}

static const char *const actions[] = {
    [CONF_ACTION_ACCEPT] = "accept",
    [CONF_ACTION_DISCARD] = "discard",
    [CONF_ACTION_QUARANTINE] = "quarantine",
    [CONF_ACTION_REJECT] = "reject",
    [CONF_ACTION_TEMPFAIL] = "tempfail",
};

enum status
conf_action(const char *text, enum conf_action *action_out, struct err *err)
{
	struct span word = span_str(text);

	for (int i = 0; i <= CONF_ACTION_TEMPFAIL; i++) {
		if (!span_ieq_str(word, actions[i]) && !span_ieq(word, span_of(actions[i], 1)))
			continue;
		*action_out = (enum conf_action)i;
		return ST_OK;
	}
	err_set(err, "accept, discard, quarantine, reject or tempfail is needed");
	return ST_INVALID;
}

const char *
conf_action_name(enum conf_action action)
{
	return actions[action];
}

static unsigned int
unit_seconds(char unit)
{
	switch (ascii_lower(unit)) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	default:
		return 0;
	}
}

enum status
conf_sender_match(const char *text, enum conf_sender_match *match_out, struct err *err)
{
	static const char *const names[] = {"no", "domain", "address"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!span_ieq_str(span_str(text), names[i]))
			continue;
		*match_out = (enum conf_sender_match)i;
		return ST_OK;
	}
	err_set(err, "no, domain or address is needed");
	return ST_INVALID;
}

enum status
conf_origins(const char *text, unsigned *origins_out, struct err *err)
{
	static const char *const names[] = {"mta", "macro", "internal", "authenticated"};
	struct span rest = span_str(text), item;

	*origins_out = 0;
	while (conf_list_next(&rest, &item)) {
		unsigned found = 0;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (span_ieq_str(item, names[i]))
				found = 1U << i;
		if (found == 0) {
			err_set(err, "\"%.*s\" is none of mta, macro, internal and authenticated",
			    SPAN_ARG(item));
			return ST_INVALID;
		}
		*origins_out |= found;
	}
	if (*origins_out != 0)
		return ST_OK;
	err_set(err, "at least one of mta, macro, internal and authenticated is needed");
	return ST_INVALID;
}

enum status
conf_restart_rate(
    const char *text, unsigned int *count_out, unsigned int *seconds_out, struct err *err)
{
	struct span rest = span_str(text), count_text;
	uint64_t count = 0, time = 0;
	unsigned int unit = 1;
	bool cut = span_cut(&rest, '/', &count_text);

	if (rest.n > 1 && unit_seconds(rest.p[rest.n - 1]) != 0) {
		unit = unit_seconds(rest.p[rest.n - 1]);
		rest.n--;
	}
	/* 24855 days: the product stays within 31 bits. */
	if (!cut || !span_number(count_text, INT32_MAX, &count) ||
	    !span_number(rest, INT32_MAX / unit, &time) || count == 0 || time == 0) {
		err_set(err,
		    "COUNT/TIME is needed, TIME with s, m, h or d behind it (10/1h: ten in "
		    "an hour)");
		return ST_INVALID;
	}
	*count_out = (unsigned int)count;
	*seconds_out = (unsigned int)time * unit;
	return ST_OK;
}

enum status
conf_mode(const char *text, bool *sign_out, bool *verify_out, struct err *err)
{
	size_t n = strlen(text);

	if (n == 0 || strspn(text, "sv") != n) {
		err_set(err, "s (sign), v (verify) or both is needed");
		return ST_INVALID;
	}
	*sign_out = strchr(text, 's') != NULL;
	*verify_out = strchr(text, 'v') != NULL;
	return ST_OK;
}

enum status
conf_umask(const char *text, mode_t *mask_out, struct err *err)
{
	int64_t value;
	enum status status = conf_parse_int(span_str(text), 0, 0777, &value, err);

	if (status == ST_OK)
		*mask_out = (mode_t)value;
	return status;
}

enum status
conf_syslog_facility(const char *text, int *facility_out, struct err *err)
{
	int facility = log_facility_number(text);

	if (facility < 0) {
		err_set(err, "a syslog facility is needed: mail, daemon, local0 to local7, ...");
		return ST_INVALID;
	}
	*facility_out = facility;
	return ST_OK;
}

bool
conf_list_next(struct span *rest, struct span *item_out)
{
	while (rest->n > 0) {
		struct span item;

		(void)span_cut(rest, ',', &item);
		*item_out = span_trim(item);
		if (item_out->n > 0)
			return true;
	}
	return false;
}

enum status
conf_list(const char *text, struct conf_list *list_out, struct err *err)
{
	struct span rest = span_str(text), item;
	struct conf_list list = {NULL, 0};
	size_t count = 0;

	while (conf_list_next(&rest, &item))
		count++;
	if (count > CONF_LIST_MAX) {
		err_set(err, "the list has more than %d items", CONF_LIST_MAX);
		return ST_TOO_BIG;
	}
	if (count > 0)
		list.items = mem_zalloc(count, sizeof(*list.items));
	rest = span_str(text);
	while (conf_list_next(&rest, &item))
		list.items[list.count++] = span_dup(item);
	*list_out = list;
	return ST_OK;
}

void
conf_list_free(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mem_free(list->items[i]);
	mem_free(list->items);
	*list = (struct conf_list){NULL, 0};
}
