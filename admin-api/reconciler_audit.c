/*
 * reconciler_audit.c - what a turn does to the keys of a domain, for the audit: which of them came
 * from which state into which, and why.
 * Called by reconciler_commit.c, for a row of the same transaction. It must never record what only
 * was looked at: a domain is looked at many times a day.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/audit_step.h"
#include "admin-api/reconciler_private.h"

#define WHY_SHOWN 200U /* octets of why a step was made */
#define FULL_AT 600U   /* octets from which on there is no room for any more of that */
#define STUCK_TRIES 3  /* failures in a row: that is worth to be said */

struct steps {
	struct buf detail, before, after;
};

/* Subject, what became of it, and why: as audit_step.h reads it. */
static void
add(struct steps *steps, struct span subject, const char *what, const char *why)
{
	struct buf *detail = &steps->detail;
	struct span shown = span_sub(span_str(why), 0, WHY_SHOWN);

	buf_add_fmt(detail, "%s%.*s: %s", detail->n > 0 ? "; " : "", SPAN_ARG(subject), what);
	if (shown.n == 0 || detail->n > FULL_AT)
		return;
	buf_add_str(detail, ": ");
	audit_step_add_words(detail, shown);
}

static void
add_step(struct steps *steps, struct span selector, const char *before, const char *after,
    const char *why)
{
	char what[64];

	snprintf(what, sizeof(what), "%s to %s", before, after);
	add(steps, selector, what, why);
	buf_add_fmt(&steps->before, "%.*s %s\n", SPAN_ARG(selector), before);
	buf_add_fmt(&steps->after, "%.*s %s\n", SPAN_ARG(selector), after);
}

static void
add_condition(struct steps *steps, struct span selector, const char *word, const char *why)
{
	add(steps, selector, word, why);
	buf_add_fmt(&steps->after, "%.*s %s\n", SPAN_ARG(selector), word);
}

/* That DNS is not what it should be any more, or is again; that nothing goes on. */
static void
find_conditions(const struct work *work, size_t i, struct steps *steps)
{
	const struct life_key *key = &work->life.keys[i];
	struct err ignored = ERR_NONE;
	struct key_life before;

	if (key_life_parse(work->rows[i]->life, &before, &ignored) != ST_OK)
		return;
	if (key->life.drifted != before.drifted)
		add_condition(steps, work->rows[i]->selector,
		    key->life.drifted ? "drifted" : "right", key->life.trouble);
	if (key->life.tries >= STUCK_TRIES && before.tries < STUCK_TRIES)
		add_condition(steps, work->rows[i]->selector, "stuck", key->life.trouble);
}

/* One that was asked for, or that was due. */
static void
find_rotation(const struct work *work, int64_t now_utc, struct steps *steps)
{
	int64_t asked = work->life.life.rotate_asked, active = 0;
	bool was = false, retired = false;
	char name[48];

	for (size_t i = 0; i < work->life.count; i++) {
		const struct key_times *before = &work->rows[i]->times;
		const struct key_times *after = &work->life.keys[i].times;
		bool signed_before = key_state_at(before, now_utc) == KEY_ACTIVE;
		bool signs = key_state_at(after, now_utc) == KEY_ACTIVE;

		was = was || (signed_before && before->active < asked);
		retired = retired || (signed_before && !signs);
		if (signs && !signed_before)
			active = after->active;
	}
	if (active == 0 || !retired || life_is_rotating(&work->life, now_utc))
		return;
	snprintf(name, sizeof(name), "rotation %c%lld", was ? 'r' : 'a',
	    (long long)(was ? asked : active));
	add(steps, span_str(name), "finished", "");
}

static void
find_steps(const struct work *work, int64_t now_utc, struct steps *steps)
{
	for (size_t i = 0; i < PLAN_ALGORITHMS_MAX; i++)
		if (work->made[i] != NULL)
			add_step(steps, span_str(work->selectors[i]), "-",
			    key_state_name(KEY_PREPARED), "");
	for (size_t i = 0; i < work->life.count; i++) {
		const struct life_key *key = &work->life.keys[i];
		enum key_state before = key_state_at(&work->rows[i]->times, now_utc);
		enum key_state after = key_state_at(&key->times, now_utc);

		if (key->changed && before != after)
			add_step(steps, work->rows[i]->selector, key_state_name(before),
			    key_state_name(after), key->life.trouble);
		if (key->changed)
			find_conditions(work, i, steps);
	}
	find_rotation(work, now_utc, steps);
}

static struct span
hash_of(struct turn *turn, const struct buf *text)
{
	char hex[KEYSTORE_DIGEST_BYTES];

	keystore_digest(buf_span(text), hex);
	return arena_copy(&turn->arena, span_str(hex));
}

bool
audit_write(struct turn *turn, const struct work *work, struct keystore_write *out)
{
	struct steps steps;
	bool any;

	if (!turn->reconciler->config.records)
		return false;
	buf_init(&steps.detail, ADMINROW_DETAIL_MAX);
	buf_init(&steps.before, KEYSTORE_TEXT_MAX);
	buf_init(&steps.after, KEYSTORE_TEXT_MAX);
	find_steps(work, guard_now(turn), &steps);
	any = steps.detail.n > 0;
	*out = (struct keystore_write){.what = STORE_AUDIT, .how = WRITE_ADD};
	if (any)
		out->row.audit = (struct store_audit){.actor = SPAN_LIT("system:reconciler"),
		    .method = SPAN_LIT("system"),
		    .source = span_str(turn->reconciler->config.owner),
		    .tenant = work->row->tenant,
		    .action = SPAN_LIT("life"),
		    .object = work->row->name,
		    .before = hash_of(turn, &steps.before),
		    .after = hash_of(turn, &steps.after),
		    .detail = arena_copy(&turn->arena, buf_span(&steps.detail)),
		    .result = SPAN_LIT("ok")};
	buf_free(&steps.detail);
	buf_free(&steps.before);
	buf_free(&steps.after);
	return any;
}
