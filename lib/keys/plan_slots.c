/*
 * plan_slots.c - the slots of a plan with a delegation: their selectors, where the records stand,
 * and how long one is taken.
 * The life cycle, the reconciler and the operations that show CNAMEs ask. It must never make two
 * names for one slot: the customer has set them once, for good.
 */
#include "lib/keys/plan_private.h"

#define NAME_MAX_BYTES 253U /* octets of a name as text, without the final dot */

enum status
plan_slot(const struct key_plan *plan, int slot, struct buf *out)
{
	if (slot < 1 || slot > plan->slots || plan->delegation[0] == '\0')
		return ST_TOO_BIG;
	return plan_template_slot(span_str(plan->selector), slot, out);
}

int
plan_slot_of(const struct key_plan *plan, struct span selector)
{
	struct buf name;
	int found = 0;

	buf_init(&name, PLAN_SELECTOR_MAX);
	for (int slot = 1; slot <= plan->slots && found == 0; slot++) {
		buf_reset(&name);
		if (plan_slot(plan, slot, &name) == ST_OK && span_ieq(buf_span(&name), selector))
			found = slot;
	}
	buf_free(&name);
	return found;
}

enum status
plan_target(const struct key_plan *plan, struct span selector, struct span domain, struct buf *out)
{
	size_t length = selector.n + 1 + domain.n + 1 + strlen(plan->delegation);

	if (length > NAME_MAX_BYTES || plan->delegation[0] == '\0')
		return ST_TOO_BIG;
	buf_add_fmt(out, "%.*s.%.*s.%s", SPAN_ARG(selector), SPAN_ARG(domain), plan->delegation);
	return buf_status(out);
}

/* ---- how long ---- */

/* From when it stops to sign: revoked, removed, and forgotten by all caches. */
int64_t
plan_slot_ends_s(const struct key_plan *plan)
{
	int64_t tomb = plan->tomb_s > plan->ttl_s ? plan->tomb_s : plan->ttl_s;

	return plan->lease_s + plan->signature_s + plan->error_s + tomb + plan->ttl_s +
	       plan->neg_cap_s + plan->error_s;
}

/* From when a slot is free until the next key in it may sign. */
static int64_t
begins_s(const struct key_plan *plan)
{
	int64_t caches = plan->neg_cap_s > plan->ttl_s ? plan->neg_cap_s : plan->ttl_s;

	return plan->proof_gap_s * (plan->proofs - 1) + caches + plan->error_s +
	       plan->activation_wait_s;
}

bool
plan_slots_warn(const struct key_plan *plan, struct buf *out)
{
	int64_t spare, interval, needed = plan_slot_ends_s(plan) + begins_s(plan);

	if (!plan->manage || plan->delegation[0] == '\0' || plan->interval_s == 0)
		return false;
	/* One signs and one stands by; the others end, one after the other. */
	spare = plan->slots / (int)plan->algorithm_count - (PLAN_SLOTS_MIN - 1);
	interval = plan->interval_s - plan->interval_s * plan->jitter_percent / 100;
	if (spare * interval >= needed)
		return false;
	buf_add_str(out, "the interval is too short for the slots: a key takes its slot for ");
	plan_duration_write(plan_slot_ends_s(plan), out);
	buf_add_str(out, " after it has signed, so that there will be no stand-by key for some of "
			 "the time; with ");
	buf_add_fmt(out, "%d slots the interval should be ", plan->slots);
	plan_duration_write((needed / spare) * 100 / (100 - plan->jitter_percent) + 1, out);
	buf_add_str(out, " or longer");
	return true;
}
