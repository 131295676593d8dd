/*
 * publish.c - opens publishers by their kind, checks every change before one of them sees it, and
 * gives it the changes in pieces.
 * Called by the reconciler between an intent and its result. It must never hand on a name or a
 * value that was not checked, nor two changes of one name: whether the second may be made depends
 * on what became of the first.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "admin-api/publish_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define SHOWN_MAX 40U /* octets of a foreign text in a sentence */

static const struct publisher_ops *const kinds[] = {
    &publish_rfc2136, &publish_powerdns, &publish_exec, &publish_zonefile, &publish_manual};

/* ---- effects ---- */

static void set_effect(struct publish_change *change, enum life_effect effect, const char *fmt,
    va_list args) PRINTF_LIKE(3, 0);

static void
set_effect(struct publish_change *change, enum life_effect effect, const char *fmt, va_list args)
{
	change->effect = effect;
	change->why[0] = '\0';
	if (fmt != NULL)
		vsnprintf(change->why, sizeof(change->why), fmt, args);
}

void
publish_effect(struct publish_change *change, enum life_effect effect, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_effect(change, effect, fmt, args);
	va_end(args);
}

void
publish_effect_all(
    struct publish_change *changes, size_t count, enum life_effect effect, const char *fmt, ...)
{
	va_list args;

	for (size_t i = 0; i < count; i++) {
		va_start(args, fmt);
		set_effect(&changes[i], effect, fmt, args);
		va_end(args);
	}
}

/* The beginning of a text that anybody may have written, for a sentence. */
static const char *
shown(struct span text, char room[SHOWN_MAX + 4])
{
	size_t n = text.n < SHOWN_MAX ? text.n : SHOWN_MAX;

	for (size_t i = 0; i < n; i++)
		room[i] = text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?';
	snprintf(room + n, 4, "%s", text.n > n ? "..." : "");
	return room;
}

static void
conflict(struct publish_change *change, const struct publish_there *there)
{
	char room[SHOWN_MAX + 4];

	if (there->alias)
		publish_effect(change, LIFE_CONFLICT,
		    "%.*s has an alias (CNAME), and nothing can be beside it; it was not touched",
		    SPAN_ARG(change->name));
	else if (there->records == 0)
		publish_effect(change, LIFE_CONFLICT,
		    "%.*s has no TXT record, where ours should be replaced",
		    SPAN_ARG(change->name));
	else if (there->records > 1)
		publish_effect(change, LIFE_CONFLICT,
		    "%.*s has %zu TXT records; they were not touched", SPAN_ARG(change->name),
		    there->records);
	else
		publish_effect(change, LIFE_CONFLICT,
		    "%.*s has a TXT record that is not ours (\"%s\"); it was not touched",
		    SPAN_ARG(change->name), shown(there->text, room));
}

bool
publish_compare(struct publish_change *change, const struct publish_there *there)
{
	bool one = there->records == 1 && !there->alias;
	bool none = there->records == 0 && !there->alias;
	bool wanted =
	    change->how == PUBLISH_REMOVE ? none : one && span_eq(there->text, change->value);
	bool expected =
	    change->how == PUBLISH_ADD ? none : one && span_eq(there->text, change->old);

	if (wanted)
		publish_effect(change, LIFE_DONE, NULL);
	else if (!expected)
		conflict(change, there);
	return !wanted && expected;
}

/* ---- one publisher ---- */

static const struct publisher_ops *
find_kind(struct span kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_eq_str(kind, kinds[i]->kind))
			return kinds[i];
	return NULL;
}

enum status
publisher_open(struct span text, struct publisher **out, struct err *err)
{
	struct span rest = span_trim(text), name, kind, value;
	struct publisher *publisher;
	enum status status;

	*out = NULL;
	if (!span_word(&rest, &name))
		name = SPAN_EMPTY;
	status = named_line_check("publisher", name, err);
	if (status != ST_OK)
		return status;
	value = span_trim(rest);
	if (!span_cut(&value, ':', &kind) || find_kind(kind) == NULL) {
		err_set(err,
		    "%.*s: behind the name comes \"rfc2136:\", \"powerdns:\", \"exec:\", "
		    "\"zonefile:\" or \"manual:\"",
		    SPAN_ARG(name));
		return ST_INVALID;
	}
	publisher = mem_zalloc(1, sizeof(*publisher));
	publisher->ops = find_kind(kind);
	publisher->timeout_ms = PUBLISH_TIMEOUT_MS;
	memcpy(publisher->name, name.p, name.n);
	status = publisher->ops->open(publisher, value, err);
	if (status == ST_OK) {
		*out = publisher;
		return ST_OK;
	}
	err_prefix(err, "%.*s", SPAN_ARG(name));
	publisher_close(publisher);
	return status;
}

void
publisher_close(struct publisher *publisher)
{
	if (publisher == NULL)
		return;
	publisher->ops->close(publisher);
	secret_free(publisher->secret);
	mem_free(publisher->where);
	mem_free(publisher);
}

/* ---- changes ---- */

static bool
check_change(struct publish_change *change, struct span zone)
{
	const char *wrong = NULL;

	if (!publish_name_good(change->name))
		wrong = "the name is not made of letters, digits, '-' and '_' in labels of 1 to 63";
	else if (!publish_name_within(change->name, zone))
		wrong = "the name is not in the zone";
	else if (change->how != PUBLISH_REMOVE && !publish_value_good(change->value))
		wrong = "the text is not 1 to 4096 octets of printable ASCII";
	else if (change->how != PUBLISH_ADD && !publish_value_good(change->old))
		wrong = "the text before is not 1 to 4096 octets of printable ASCII";
	else if (change->ttl_s > INT32_MAX)
		wrong = "the TTL is beyond that of RFC 2181";
	if (wrong != NULL)
		publish_effect(change, LIFE_REFUSED, "%s", wrong);
	return wrong == NULL;
}

struct place {
	struct span name;
	size_t at;
};

static int
compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int order = strncasecmp(x->name.p, y->name.p, n);

	if (order != 0)
		return order;
	if (x->name.n != y->name.n)
		return x->name.n < y->name.n ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* good[i] becomes false of all but the first change of a name. */
static void
leave_out_repeated(struct publish_change *changes, size_t count, bool *good)
{
	struct place *places = mem_zalloc(count, sizeof(*places));
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (good[i])
			places[n++] = (struct place){changes[i].name, i};
	qsort(places, n, sizeof(*places), compare_places);
	for (size_t i = 1; i < n; i++) {
		if (!span_ieq(places[i].name, places[i - 1].name))
			continue;
		good[places[i].at] = false;
		publish_effect(&changes[places[i].at], LIFE_UNAVAILABLE,
		    "another change of %.*s comes first", SPAN_ARG(places[i].name));
	}
	mem_free(places);
}

/* The next PUBLISH_BATCH_MAX good changes from *at on. */
static void
apply_piece(struct publisher *publisher, struct span zone, struct publish_change *changes,
    size_t count, const bool *good, size_t *at)
{
	struct publish_change *piece = mem_zalloc(PUBLISH_BATCH_MAX, sizeof(*piece));
	size_t from[PUBLISH_BATCH_MAX], n = 0;

	for (; *at < count && n < PUBLISH_BATCH_MAX; (*at)++) {
		if (!good[*at])
			continue;
		from[n] = *at;
		piece[n++] = changes[*at];
	}
	publish_effect_all(piece, n, LIFE_UNAVAILABLE, "it was not tried");
	if (n > 0)
		publisher->ops->apply(publisher, zone, piece, n);
	for (size_t i = 0; i < n; i++)
		changes[from[i]] = piece[i];
	mem_free(piece);
}

void
publisher_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	bool *good = mem_zalloc(count + 1, sizeof(*good));
	size_t at = 0;

	if (!publish_name_good(zone)) {
		publish_effect_all(
		    changes, count, LIFE_REFUSED, "the name of the zone cannot be used");
		at = count;
	}
	for (size_t i = at; i < count; i++)
		good[i] = check_change(&changes[i], zone);
	leave_out_repeated(changes, count, good);
	while (at < count)
		apply_piece(publisher, zone, changes, count, good, &at);
	mem_free(good);
}
