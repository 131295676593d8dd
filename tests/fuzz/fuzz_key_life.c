/*
 * fuzz_key_life.c - any text as the life of a row: what is taken can be written and read again, and
 * whatever it says, a domain with such rows is decided about, and no step breaks.
 */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/keys/life.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
write_and_read(const struct key_life *life)
{
	struct key_life again;
	struct err err = ERR_NONE;
	struct buf text, more;

	buf_init(&text, LIFE_TEXT_MAX);
	buf_init(&more, LIFE_TEXT_MAX);
	key_life_write(life, &text);
	must(buf_status(&text) == ST_OK);
	must(key_life_parse(buf_span(&text), &again, &err) == ST_OK);
	must(strcmp(life->trouble, again.trouble) == 0);
	key_life_write(&again, &more);
	must(span_eq(buf_span(&text), buf_span(&more)));
	buf_free(&text);
	buf_free(&more);
}

/* The times of a row come from its first octets. */
static void
fill_times(struct key_times *times, const uint8_t *data, size_t size)
{
	int64_t *const all[] = {&times->publishing, &times->published, &times->proven,
	    &times->loaded, &times->active, &times->retiring, &times->revoking, &times->revoked,
	    &times->held, &times->failed, &times->sign_until};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && i < size; i++)
		*all[i] = data[i] < 128 ? 0 : data[i] > 250 ? INT64_MAX : data[i];
}

static void
step(struct life_domain *domain, const struct life_action *action)
{
	struct life_key *key = &domain->keys[action->key];
	struct life_sight sight = {.seen = LIFE_SEEN_MIXED, .neg_s = INT64_MAX, .why = "\xff"};

	(void)life_slot_free_at(key);
	sight.customer = key->life.tries % 2 > 0;
	(void)life_surveyed(key, &domain->plan, &sight, 300);
	(void)life_looked(key, &domain->plan, &sight, 300);
	(void)life_published(key, &domain->plan, LIFE_REFUSED, "?", 300);
	(void)life_activate(domain, action->key, 300);
	(void)life_intend_revoke(domain, action->key, 300);
	(void)life_revoked(key, &domain->plan, LIFE_UNAVAILABLE, "?", 300);
	(void)life_intend_remove(domain, action->key, 300);
	(void)life_intend_mirror(domain, action->key, 300);
	(void)life_mirrored(domain, action->key, LIFE_DONE, "?", 300);
	(void)life_unmirrored(domain, action->key, LIFE_UNAVAILABLE, "?", 300);
	write_and_read(&key->life);
}

static void
decide(const struct key_life *life, const uint8_t *data, size_t size)
{
	struct life_domain *domain = mem_zalloc(1, sizeof(*domain));
	struct life_gateways gateways = {.live = size % 2, .tested = size};
	struct life_decision decision;

	domain->keys = mem_zalloc(2, sizeof(*domain->keys));
	domain->name = SPAN_LIT("a.example");
	domain->enabled = true;
	key_plan_default(&domain->plan);
	domain->plan.manage = size % 3 > 0;
	if (size % 7 == 0)
		memcpy(domain->plan.mirror, "m", 2);
	if (size % 5 == 0) {
		memcpy(domain->plan.delegation, "d.example", 10);
		memcpy(domain->plan.selector, "sp{slot}", 9);
		domain->plan.slots = 3;
	}
	domain->count = 2;
	for (size_t i = 0; i < 2; i++) {
		memcpy(domain->keys[i].algorithm, "rsa-sha256", 11);
		domain->keys[i].selector = i == 0 ? SPAN_LIT("sp1") : SPAN_LIT("sp2");
		domain->keys[i].life = *life;
		fill_times(
		    &domain->keys[i].times, data + (i < size ? i : 0), size - (i < size ? i : 0));
	}
	life_decide(domain, &gateways, 300, &decision);
	must(decision.count <= LIFE_ACTIONS_MAX);
	must(decision.wait_count <= domain->count + domain->plan.algorithm_count);
	must(decision.due >= 300);
	for (size_t i = 0; i < decision.count; i++)
		if (decision.actions[i].what != LIFE_GENERATE)
			step(domain, &decision.actions[i]);
	life_decide(domain, &gateways, 301, &decision);
	mem_free(domain->keys);
	mem_free(domain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_life life;
	struct domain_life domain;
	struct err err = ERR_NONE;

	if (domain_life_parse(span_of(data, size), &domain, &err) == ST_OK)
		must(memchr(domain.reason, '\0', sizeof(domain.reason)) != NULL);
	if (key_life_parse(span_of(data, size), &life, &err) == ST_OK) {
		write_and_read(&life);
		decide(&life, data, size);
		return 0;
	}
	for (const char *p = err.text; *p != '\0'; p++)
		must(*p >= ' ' && *p <= '~');
	return 0;
}
