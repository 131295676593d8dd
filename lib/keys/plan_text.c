/*
 * plan_text.c - the small grammars inside a plan: durations, algorithms, windows, templates.
 * plan.c reads and writes with them, the tools durations too. They must never take what they would
 * write in another meaning.
 */
#include <time.h>

#include "lib/keys/plan_private.h"

/* ---- durations ---- */

static const struct {
	char name;
	int64_t seconds;
} units[] = {{'w', 7 * PLAN_DAY}, {'d', PLAN_DAY}, {'h', PLAN_HOUR}, {'m', 60}, {'s', 1}};
#define UNITS (sizeof(units) / sizeof(units[0]))

static int64_t
unit_seconds(char name)
{
	for (size_t i = 0; i < UNITS; i++)
		if (units[i].name == name)
			return units[i].seconds;
	return 0;
}

static size_t
digits(struct span s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

enum status
plan_duration(struct span text, int64_t *seconds_out)
{
	uint64_t number;
	int64_t sum = 0;

	if (span_number(text, PLAN_DURATION_MAX, &number)) {
		*seconds_out = (int64_t)number;
		return ST_OK;
	}
	if (text.n == 0)
		return ST_INVALID;
	while (text.n > 0) {
		size_t n = digits(text);
		int64_t unit = n < text.n ? unit_seconds(text.p[n]) : 0;

		if (unit == 0 || !span_number(span_sub(text, 0, n),
				     (uint64_t)((PLAN_DURATION_MAX - sum) / unit), &number))
			return ST_INVALID;
		sum += (int64_t)number * unit;
		text = span_from(text, n + 1);
	}
	*seconds_out = sum;
	return ST_OK;
}

void
plan_duration_write(int64_t seconds, struct buf *out)
{
	if (seconds <= 0) {
		buf_add_str(out, "0s");
		return;
	}
	for (size_t i = 1; i < UNITS; i++) { /* no weeks: "30d" is said, not "4w2d" */
		if (seconds >= units[i].seconds)
			buf_add_fmt(
			    out, "%lld%c", (long long)(seconds / units[i].seconds), units[i].name);
		seconds %= units[i].seconds;
	}
}

/* ---- algorithms ---- */

bool
plan_algorithm_parse(struct span text, struct plan_algorithm *out)
{
	uint64_t bits = 256;

	if (span_eq_str(text, "ed25519")) {
		*out = (struct plan_algorithm){"ed25519-sha256", 256};
		return true;
	}
	if (!span_starts(text, SPAN_LIT("rsa-")) || !span_number(span_from(text, 4), 8192, &bits) ||
	    bits < 1024 || bits % 8 != 0)
		return false;
	*out = (struct plan_algorithm){"rsa-sha256", (int)bits};
	return true;
}

void
plan_algorithm_write(const struct plan_algorithm *algorithm, struct buf *out)
{
	if (strcmp(algorithm->name, "ed25519-sha256") == 0)
		buf_add_str(out, "ed25519");
	else
		buf_add_fmt(out, "rsa-%d", algorithm->bits);
}

/* ---- windows ---- */

static const char day_names[] = "SunMonTueWedThuFriSat";

static bool
read_day(struct span text, int *out)
{
	for (int day = 0; day < 7; day++)
		if (span_ieq(text, span_of(day_names + 3 * day, 3))) {
			*out = day;
			return true;
		}
	return false;
}

static bool
read_minute(struct span text, int *out)
{
	struct span hour;
	uint64_t h, m;

	if (!span_cut(&text, ':', &hour) || hour.n != 2 || text.n != 2 ||
	    !span_number(hour, 24, &h) || !span_number(text, 59, &m) || (h == 24 && m > 0))
		return false;
	*out = (int)(h * 60 + m);
	return true;
}

static bool
read_days(struct span text, struct plan_window *out)
{
	struct span first;
	bool two = span_cut(&text, '-', &first);

	return read_day(first, &out->first_day) && read_day(two ? text : first, &out->last_day);
}

bool
plan_window_parse(struct span text, struct plan_window *out)
{
	struct span word, from;

	*out = (struct plan_window){.first_day = 0, .last_day = 6};
	if (!span_word(&text, &word))
		return false;
	if (span_find(word, ':') == SIZE_MAX && (!read_days(word, out) || !span_word(&text, &word)))
		return false;
	return span_trim(text).n == 0 && span_cut(&word, '-', &from) &&
	       read_minute(from, &out->from_min) && read_minute(word, &out->until_min) &&
	       out->from_min < out->until_min;
}

void
plan_window_write(const struct plan_window *window, struct buf *out)
{
	buf_add(out, span_of(day_names + 3 * window->first_day, 3));
	if (window->last_day != window->first_day) {
		buf_add_char(out, '-');
		buf_add(out, span_of(day_names + 3 * window->last_day, 3));
	}
	buf_add_fmt(out, " %02d:%02d-%02d:%02d", window->from_min / 60, window->from_min % 60,
	    window->until_min / 60, window->until_min % 60);
}

static bool
has_day(const struct plan_window *window, int day)
{
	if (window->first_day <= window->last_day)
		return day >= window->first_day && day <= window->last_day;
	return day >= window->first_day || day <= window->last_day;
}

/* When the window is open next, at now or later; a week ahead at most. */
static int64_t
window_opens(const struct plan_window *window, int64_t now_utc)
{
	int64_t today = now_utc - now_utc % PLAN_DAY;

	for (int ahead = 0; ahead <= 7; ahead++) {
		int64_t midnight = today + (int64_t)ahead * PLAN_DAY;
		int day = (int)((midnight / PLAN_DAY + 4) % 7); /* 1970 began on a Thursday */

		if (!has_day(window, day) || now_utc >= midnight + window->until_min * 60)
			continue;
		midnight += window->from_min * 60;
		return midnight > now_utc ? midnight : now_utc;
	}
	return now_utc;
}

bool
plan_window_open(const struct key_plan *plan, int64_t now_utc, int64_t *next_out)
{
	int64_t next = INT64_MAX;

	*next_out = now_utc;
	if (plan->window_count == 0 || now_utc < 0 || now_utc > INT64_MAX / 2)
		return true;
	for (size_t i = 0; i < plan->window_count; i++) {
		int64_t opens = window_opens(&plan->windows[i], now_utc);

		next = opens < next ? opens : next;
	}
	*next_out = next;
	return next <= now_utc;
}

int64_t
plan_interval_of(const struct key_plan *plan, struct span domain)
{
	static const uint8_t fixed[16] = "signpost jitter"; /* no secret: for spreading only */
	int64_t thousandth = (int64_t)(span_hash(domain, fixed) % 2001) - 1000;

	return plan->interval_s + plan->interval_s * plan->jitter_percent / 100 * thousandth / 1000;
}

/* ---- names ---- */

bool
plan_name_is_valid(struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = ascii_lower(name.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
			c == '-'))
			return false;
	}
	return true;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* What the names in a template stand for. */
struct selector_parts {
	const struct tm *day; /* NULL: it may have no date */
	struct span random;   /* empty: nor this one */
	int slot;             /* 0: nor this one */
};

/* Appends what a {name} stands for; false: there is no such. */
static bool
add_part(struct span name, const struct selector_parts *parts, struct buf *out)
{
	const struct tm *day = parts->day;

	if (day != NULL && span_eq_str(name, "year"))
		buf_add_fmt(out, "%04d", day->tm_year + 1900);
	else if (day != NULL && span_eq_str(name, "month"))
		buf_add_fmt(out, "%02d", day->tm_mon + 1);
	else if (day != NULL && span_eq_str(name, "day"))
		buf_add_fmt(out, "%02d", day->tm_mday);
	else if (parts->random.n > 0 && span_eq_str(name, "random"))
		buf_add(out, parts->random);
	else if (parts->slot > 0 && span_eq_str(name, "slot"))
		buf_add_fmt(out, "%d", parts->slot);
	else
		return false;
	return true;
}

/* Appends the template with its parts; false: it is none. */
static bool
fill(struct span template, const struct selector_parts *parts, struct buf *out)
{
	while (template.n > 0) {
		struct span name;

		if (template.p[0] != '{') {
			if (!is_letter(template.p[0]) && template.p[0] != '-')
				return false;
			buf_add_char(out, template.p[0]);
			template = span_from(template, 1);
			continue;
		}
		template = span_from(template, 1);
		if (!span_cut(&template, '}', &name) || !add_part(name, parts, out))
			return false;
	}
	return true;
}

/* Once: with more of it, what is random once more says nothing more. */
static bool
has_once(struct span text, const char *part)
{
	int found = 0;

	for (size_t i = 0; i < text.n; i++)
		found += span_starts(span_from(text, i), span_str(part));
	return found == 1;
}

bool
plan_template_has_slot(struct span text)
{
	return has_once(text, "{slot}");
}

bool
plan_template_is_valid(struct span text)
{
	static const struct tm day = {.tm_year = 126, .tm_mday = 1};
	struct selector_parts parts = {.slot = PLAN_SLOTS_MAX};
	struct buf made;
	bool ok;

	if (!plan_template_has_slot(text))
		parts = (struct selector_parts){.day = &day, .random = SPAN_LIT("xxxxxxxx")};
	buf_init(&made, PLAN_SELECTOR_MAX);
	ok = (parts.slot > 0 || has_once(text, "{random}")) && fill(text, &parts, &made) &&
	     buf_status(&made) == ST_OK && made.n > 0 && is_letter(made.p[0]) &&
	     is_letter(made.p[made.n - 1]);
	buf_free(&made);
	return ok;
}

/* All of it, or nothing. */
static enum status
append_filled(struct span template, const struct selector_parts *parts, struct buf *out)
{
	struct buf made;
	enum status status;

	buf_init(&made, PLAN_SELECTOR_MAX);
	if (!fill(template, parts, &made))
		made.overflow = true;
	status = buf_status(&made);
	if (status == ST_OK)
		buf_add(out, buf_span(&made));
	buf_free(&made);
	return status == ST_OK ? buf_status(out) : status;
}

enum status
plan_template_slot(struct span text, int slot, struct buf *out)
{
	struct selector_parts parts = {.slot = slot};

	return append_filled(text, &parts, out);
}

enum status
plan_selector(const struct key_plan *plan, int64_t now_utc, struct span random, struct buf *out)
{
	struct selector_parts parts = {.random = random};
	time_t now = (time_t)now_utc;
	struct tm day;

	parts.day = gmtime_r(&now, &day);
	return append_filled(span_str(plan->selector), &parts, out);
}

/* ---- domains ---- */

static bool
is_domain_letter(char c, bool first)
{
	return is_letter(ascii_lower(c)) || (c == '-' && !first) || (c == '_' && first);
}

bool
plan_domain_is_valid(struct span name)
{
	size_t label = 0, labels = 1;

	if (name.n > PLAN_DELEGATION_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		bool last = i + 1 == name.n || name.p[i + 1] == '.';

		if (name.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			labels++;
		} else if (!is_domain_letter(name.p[i], label == 0) || ++label > 63 ||
			   (last && name.p[i] == '-')) {
			return false;
		}
	}
	return label > 0 && labels > 1;
}
