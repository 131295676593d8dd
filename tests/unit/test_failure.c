/*
 * test_failure.c - failure policies: words, what is refused, what is inherited.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/store/failure.h"

/* "no-key=tempfail store=fallback:x" of what is set. */
static const char *
shown(const struct failure_policy *policy)
{
	static struct buf text;

	if (text.max == 0)
		buf_init(&text, 4096);
	buf_reset(&text);
	for (int i = 0; i < FAILURE_CAUSES; i++) {
		enum failure_action action = (enum failure_action)policy->action[i];

		if (action == FAILURE_ACTION_UNSET)
			continue;
		buf_add_fmt(&text, "%s%s=%s", text.n > 0 ? " " : "",
		    failure_cause_name((enum failure_cause)i), failure_action_name(action));
		if (action == FAILURE_ACTION_FALLBACK)
			buf_add_fmt(&text, ":%s", policy->fallback[i]);
	}
	return buf_text(&text);
}

#define NAME_63 "123456789012345678901234567890123456789012345678901234567890123"

static void
reads(void **state)
{
	static const struct {
		const char *text, *becomes;
	} cases[] = {
	    {"", ""},
	    {" ,, \t\r\n", ""},
	    {"no-rule=unsigned", "no-rule=unsigned"},
	    {"no-rule=unsigned no-key=tempfail store=stale unreadable=fallback:backup "
	     "lease=tempfail",
		"no-rule=unsigned no-key=tempfail store=stale unreadable=fallback:backup "
		"lease=tempfail"},
	    {"crypto=reject,tenant=reject", "tenant=reject crypto=reject"},
	    {",STORE=Unsigned,\n", "store=unsigned"},
	    {"store=fallback:a:b=c", "store=fallback:a:b=c"},
	    {"lease=fallback:" NAME_63, "lease=fallback:" NAME_63},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct failure_policy policy;
		struct err err = ERR_NONE;

		if (failure_parse(span_str(cases[i].text), &policy, &err) != ST_OK)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_string_equal(shown(&policy), cases[i].becomes);
	}
}

static void
refuses(void **state)
{
	static const char *const texts[] = {"no-rule", "=tempfail",
	    "no-rule=", "no-rule = unsigned", "norule=unsigned", "no-rule=nothing", "no-rule=unset",
	    "no-rule=stale", "lease=stale", "crypto=stale", "store=stale:x",
	    "store=tempfail:", "store=fallback", "store=fallback:", ("store=fallback:1" NAME_63),
	    "store=fallback:\x01", "store=fallback:\xc3\xa4", "store=stale store=tempfail",
	    "store=tempfail x", "no-key=tempfail;store=stale"};
	struct failure_policy policy = failure_defaults;
	static char big[FAILURE_TEXT_MAX + 1];
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		memset(&err, 0, sizeof(err));
		if (failure_parse(span_str(texts[i]), &policy, &err) != ST_INVALID)
			fail_msg("%s is taken", texts[i]);
		assert_non_null(strchr(err.text, '"'));
		assert_null(strchr(err.text, '\x01'));
		assert_memory_equal(&policy, &failure_defaults, sizeof(policy));
	}
	memset(big, ' ', sizeof(big));
	assert_int_equal(failure_parse(span_of(big, sizeof(big)), &policy, &err), ST_INVALID);
	assert_int_equal(failure_parse(span_of(big, sizeof(big) - 1), &policy, &err), ST_OK);
	assert_int_equal(failure_parse(span_of("store=stale\0x", 13), &policy, &err), ST_INVALID);
}

static void
inherits(void **state)
{
	struct failure_policy tenant, policy;
	struct err err = ERR_NONE;

	(void)state;
	assert_string_equal(shown(&failure_defaults),
	    "no-rule=unsigned tenant=unsigned no-key=tempfail store=stale unreadable=tempfail "
	    "lease=tempfail crypto=tempfail");
	assert_int_equal(
	    failure_parse(SPAN_LIT("no-key=fallback:spare store=tempfail"), &tenant, &err), ST_OK);
	assert_int_equal(failure_parse(SPAN_LIT("store=reject"), &policy, &err), ST_OK);
	failure_inherit(&policy, &tenant);
	assert_string_equal(shown(&policy), "no-key=fallback:spare store=reject");
	failure_inherit(&policy, &failure_defaults);
	assert_string_equal(shown(&policy),
	    "no-rule=unsigned tenant=unsigned no-key=fallback:spare store=reject "
	    "unreadable=tempfail lease=tempfail crypto=tempfail");
	assert_string_equal(failure_cause_name((enum failure_cause)77), "?");
	assert_string_equal(failure_action_name((enum failure_action)77), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(inherits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
