/*
 * test_life_discard.c - keys that an operator removes: never one of which anything may be in DNS or
 * in a mirror.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include "lib/keys/life.h"
#include "tests/unit/life_world.h"

/* At once where nothing of it is anywhere; as it was before where something may be. */
static void
test_discard(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PREPARED), before;
	struct err why = ERR_NONE;

	assert_true(life_discard(domain, 0, T, &why));
	assert_int_equal(key_state_at(&key->times, T), KEY_DESTROYED);
	assert_true(key->changed);
	for (enum key_state s = KEY_PUBLISHING; s <= KEY_REVOKED; s++) {
		domain->count = 0;
		key = add_key(domain, s);
		before = *key;
		assert_false(life_discard(domain, 0, T, &why));
		assert_non_null(strstr(why.text, "let it retire"));
		assert_memory_equal(key, &before, sizeof(before));
	}
	domain->count = 0;
	key = add_key(domain, KEY_PUBLISHED); /* its record is there still */
	assert_true(life_failed(key, "x", T));
	before = *key;
	assert_false(life_discard(domain, 0, T, &why));
	assert_non_null(strstr(why.text, "may still be in DNS"));
	assert_memory_equal(key, &before, sizeof(before));
	key->times.removed = T;
	assert_true(life_discard(domain, 0, T, &why));
	assert_int_equal(key_state_at(&key->times, T), KEY_DESTROYED);
	assert_false(life_discard(domain, 0, T, &why)); /* it is */
}

/* What a mirror shows, its readers may sign with. */
static void
test_discard_and_a_mirror(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PREPARED);
	struct err why = ERR_NONE;

	assert_true(life_failed(key, "x", T));
	snprintf(key->life.mirror, sizeof(key->life.mirror), "zimbra");
	key->life.mirroring = T;
	assert_false(life_discard(domain, 0, T, &why));
	assert_non_null(strstr(why.text, "in a mirror"));
	key->life.mirroring = 0;
	key->life.mirror[0] = '\0';
	assert_true(life_discard(domain, 0, T, &why));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(test_discard),
	    WITH(test_discard_and_a_mirror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
