/*
 * test_reconciler_commit.c - what a turn of the reconciler writes while others write the same
 * domains: theirs is looked at again, the rest is in the store, and no row is sent often for it.
 */
#include "tests/unit/reconciler_world.h"

#define DOMAINS 60U
#define EACH 3U /* of so many domains one is written by somebody else */

static const struct keystore_ops *below;
static size_t sent, refused; /* rows: up to the one that was refused */
static bool meanwhile;       /* others write first, once */

/* Somebody else writes these rows just before. */
static void
write_before(struct keystore *store, const struct keystore_write *writes, size_t count)
{
	for (size_t i = 0, domains = 0; i < count; i++) {
		struct err err = ERR_NONE;
		size_t at;

		if (writes[i].what != STORE_DOMAIN || domains++ % EACH != 0)
			continue;
		assert_int_equal(below->apply(store, &writes[i], 1, &at, &err), ST_OK);
		refused++;
	}
}

static enum status
count_sent(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at, struct err *err)
{
	enum status status;

	if (meanwhile && count > DOMAINS) {
		meanwhile = false;
		write_before(store, writes, count);
	}
	status = below->apply_fenced(store, lease, writes, count, at, err);
	sent += status == ST_OK ? count : *at + 1;
	return status;
}

static int
begin(void **state)
{
	struct setting *s = setting_begin(state, "commit");
	static char names[DOMAINS][40];

	world->silent = true; /* keys are made, and no more */
	for (size_t i = 0; i < DOMAINS; i++) {
		struct keystore_write domain;

		snprintf(names[i], sizeof(names[i]), "d%zu.example.com", i);
		domain = a_domain(WRITE_ADD, names[i], "acme");
		domain.row.domain.policy = S("p");
		put_row(s, &domain);
	}
	below = s->real;
	s->ops.apply_fenced = count_sent;
	sent = refused = 0;
	return 0;
}

static size_t
all_keys(struct setting *s)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t n;

	assert_int_equal(s->real->list(s->store, STORE_KEY, SPAN_EMPTY, 1000, &rows, &err), ST_OK);
	n = rows->key_count;
	keystore_rows_release(rows);
	return n;
}

/* What the first turns send when nobody is in the way. */
static size_t
sent_alone(void)
{
	void *state;
	size_t n;

	begin(&state);
	turns(state);
	assert_int_equal(all_keys(state), DOMAINS + 1);
	n = sent;
	setting_end(&state);
	return n;
}

static void
test_many_are_written_by_others(void **state)
{
	struct setting *s;
	size_t alone = sent_alone();

	begin(state);
	s = *state;
	meanwhile = true;
	turns(s);
	assert_false(meanwhile);
	assert_int_equal(refused, (DOMAINS + 1 + EACH - 1) / EACH);
	/* Each domain has one key, of those also that were looked at again. */
	assert_int_equal(all_keys(s), DOMAINS + 1);
	assert_in_range(sent, alone, 3 * alone);
	setting_end(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_many_are_written_by_others),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
