/*
 * moving_cover.c - the order of a table of patterns, in which the first row that matches wins, held
 * against the order of a store, in which the most specific one does.
 * Called by moving_plan.c. It must never let a row in that would sign for a sender for whom the
 * site's own table had another one; where it cannot know, it leaves the row out and says so.
 */
#include "config.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/store/pattern.h"
#include "lib/store/table.h"
#include "tools/moving.h"

/* A row of many senders that stands before others. */
struct wide {
	struct moving_sender *sender;
	struct pattern_regex *regex, *hosts; /* hosts: of its part behind '@', for any user */
};

struct covering {
	struct moving_site *site;
	struct wide *wides;
	size_t count, room;
};

struct span
moving_host_of(struct span subject)
{
	size_t at = span_rfind(subject, '@');

	return at == SIZE_MAX ? subject : span_from(subject, at + 1);
}

/* ---- patterns ---- */

static bool
matches(struct span pattern, const struct pattern_regex *regex, struct span text)
{
	if (regex != NULL)
		return pattern_regex_match(regex, text) == ST_OK;
	return pattern_kind(pattern) == PATTERN_LITERAL ? span_eq(pattern, text)
							: pattern_glob_match(pattern, text);
}

static struct pattern_regex *
compiled(struct span pattern)
{
	struct pattern_regex *regex = NULL;
	struct err err = ERR_NONE;

	if (pattern_kind(pattern) == PATTERN_REGEX &&
	    pattern_regex_compile(pattern, true, &regex, &err) != ST_OK)
		return NULL;
	return regex;
}

/* Whatever stands in front of '@'. */
static bool
matches_any_user(const struct wide *wide, struct span host)
{
	struct span subject = wide->sender->subject;
	struct buf text;
	bool all;

	buf_init(&text, TABLE_KEY_MAX);
	buf_add_char(&text, '@');
	buf_add(&text, host);
	all = wide->regex == NULL && subject.p[0] == '*' && matches(subject, NULL, buf_span(&text));
	buf_free(&text);
	return all;
}

/* "*" and what stands behind the last '@' of the subject. */
static struct span
hosts_of(struct span subject, struct buf *room)
{
	size_t at = span_rfind(subject, '@');

	buf_add_str(room, "*");
	buf_add(room, at == SIZE_MAX ? subject : span_from(subject, at));
	return buf_span(room);
}

/* Might there be somebody there for whom it is? Rather too often than not. */
static bool
may_match(const struct wide *wide, struct span host)
{
	struct span subject = wide->sender->subject;
	struct buf text, room;
	bool may;

	buf_init(&text, TABLE_KEY_MAX);
	buf_init(&room, TABLE_KEY_MAX);
	buf_add_str(&text, "postmaster@");
	buf_add_str(&text, host.n > 0 && host.p[0] == '.' ? "x" : "");
	buf_add(&text, host);
	if (pattern_kind(subject) == PATTERN_REGEX)
		may = wide->hosts == NULL || matches(subject, wide->hosts, buf_span(&text)) ||
		      matches(subject, wide->regex, buf_span(&text));
	else
		may = matches(hosts_of(subject, &room), NULL, buf_span(&text)) ||
		      (host.n > 0 && host.p[0] == '.' && span_ends(moving_host_of(subject), host));
	buf_free(&text);
	buf_free(&room);
	return may;
}

/* ---- one row before another one ---- */

static bool
covers(const struct wide *wide, const struct moving_sender *row)
{
	const struct moving_sender *before = wide->sender;
	struct span host = moving_host_of(row->subject);

	if (before->kind == MOVING_ALL)
		return true;
	if (row->kind == MOVING_ALL || row->kind == MOVING_PATTERN)
		return false;
	if (before->kind == MOVING_SUFFIX)
		return span_ends(host, before->subject) &&
		       (host.n > before->subject.n || row->kind == MOVING_SUFFIX);
	if (row->kind == MOVING_ADDRESS)
		return matches(before->subject, wide->regex, row->subject);
	return matches_any_user(wide, host);
}

/* Do both have senders in common, whom the store would give to the later one? */
static bool
is_late(const struct wide *wide, const struct moving_sender *row)
{
	const struct moving_sender *before = wide->sender;

	if (before->left_out || before->kind != MOVING_PATTERN)
		return false;
	return (row->kind == MOVING_DOMAIN || row->kind == MOVING_SUFFIX) &&
	       may_match(wide, moving_host_of(row->subject));
}

static bool
same_outcome(
    const struct moving_site *site, const struct moving_sender *a, const struct moving_sender *b)
{
	return site->keys[a->key].name.n == site->keys[b->key].name.n &&
	       span_eq(site->keys[a->key].name, site->keys[b->key].name) &&
	       span_eq(a->identity, b->identity);
}

static void
leave_out(struct moving_site *site, struct moving_sender *row, const char *code,
    enum severity severity, const char *how, const struct moving_sender *other)
{
	row->left_out = true;
	moving_find(site, severity, code, row->written, row->where, row->line, "%s (line %u, %.*s)",
	    how, other->line, SHOWN(other->written));
}

static void
hold_against(struct covering *covering, struct moving_sender *row)
{
	struct moving_site *site = covering->site;

	for (size_t i = 0; i < covering->count && !row->left_out; i++) {
		const struct wide *wide = &covering->wides[i];

		if (wide->sender->left_out)
			continue;
		if (covers(wide, row)) {
			if (!site->many)
				leave_out(site, row, "never-matched", SEVERITY_NOTE,
				    "a row before it has all its senders", wide->sender);
		} else if (is_late(wide, row) && !same_outcome(site, wide->sender, row)) {
			leave_out(site, wide->sender, "order", SEVERITY_ERROR,
			    "in a store the more specific row wins, not the first: this one would "
			    "never be asked; write its senders one by one",
			    row);
		}
	}
}

static void
remember(struct covering *covering, struct moving_sender *row)
{
	struct wide *wide;
	struct buf room;

	if (covering->count == covering->room) {
		covering->room = covering->room == 0 ? 16 : covering->room * 2;
		covering->wides =
		    mem_resize(covering->wides, covering->room, sizeof(*covering->wides));
	}
	wide = &covering->wides[covering->count++];
	*wide = (struct wide){.sender = row};
	if (row->kind != MOVING_PATTERN)
		return;
	buf_init(&room, TABLE_KEY_MAX + 2);
	wide->regex = compiled(row->subject);
	wide->hosts = compiled(hosts_of(row->subject, &room));
	buf_free(&room);
}

void
moving_cover(struct moving_site *site)
{
	struct covering covering = {.site = site};

	for (size_t i = 0; i < site->sender_count; i++) {
		struct moving_sender *row = &site->senders[i];

		if (row->left_out)
			continue;
		hold_against(&covering, row);
		if (!row->left_out && row->kind != MOVING_ADDRESS && row->kind != MOVING_DOMAIN)
			remember(&covering, row);
	}
	for (size_t i = 0; i < covering.count; i++) {
		pattern_regex_free(covering.wides[i].regex);
		pattern_regex_free(covering.wides[i].hosts);
	}
	mem_free(covering.wides);
}
