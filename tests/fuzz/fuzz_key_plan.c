/*
 * fuzz_key_plan.c - any text as a plan: what is taken can be written and read again, makes
 * selectors and windows, and breaks no invariant.
 */
#include <stdlib.h>

#include "lib/keys/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* Each slot has a selector of its own, which leads back to it. */
static void
use_slots(const struct key_plan *plan)
{
	struct buf out;

	must(plan->slots >= PLAN_SLOTS_MIN * (int)plan->algorithm_count);
	buf_init(&out, PLAN_SELECTOR_MAX);
	for (int slot = 1; slot <= plan->slots; slot++) {
		buf_reset(&out);
		must(plan_slot(plan, slot, &out) == ST_OK);
		must(plan_slot_of(plan, buf_span(&out)) == slot);
	}
	must(plan_slot(plan, plan->slots + 1, &out) != ST_OK);
	buf_free(&out);
	buf_init(&out, PLAN_TEXT_MAX);
	(void)plan_slots_warn(plan, &out);
	must(buf_status(&out) == ST_OK);
	buf_free(&out);
}

static void
use(const struct key_plan *plan)
{
	struct buf out;
	int64_t next;

	buf_init(&out, PLAN_SELECTOR_MAX);
	if (plan->delegation[0] != '\0') {
		use_slots(plan);
	} else {
		must(plan->slots == 0);
		must(plan_selector(plan, 1800000000, SPAN_LIT("0123abcd"), &out) == ST_OK);
		must(out.n > 0 && span_find(buf_span(&out), '.') == SIZE_MAX);
	}
	buf_free(&out);
	must(plan_window_open(plan, 1800000000, &next) == (next == 1800000000));
	must(next >= 1800000000 && next <= 1800000000 + 7 * 86400 + 86400);
	must(plan_interval_of(plan, SPAN_LIT("a.example")) >= 0);
	must(plan->proofs >= 1 && plan->lease_s >= plan->error_s && plan->error_s > 0);
	must(!plan->manage || plan->publisher[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_plan plan, again;
	struct err err = ERR_NONE;
	struct buf text, more;

	if (key_plan_parse(span_of(data, size), -1, &plan, &err) != ST_OK) {
		for (const char *p = err.text; *p != '\0'; p++)
			must(*p >= ' ' && *p <= '~');
		return 0;
	}
	use(&plan);
	buf_init(&text, PLAN_TEXT_MAX);
	buf_init(&more, PLAN_TEXT_MAX);
	key_plan_write(&plan, &text);
	must(key_plan_parse(buf_span(&text), -1, &again, &err) == ST_OK);
	key_plan_write(&again, &more);
	must(span_eq(buf_span(&text), buf_span(&more)));
	buf_free(&text);
	buf_free(&more);
	return 0;
}
