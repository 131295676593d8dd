/*
 * test_pattern_cache.c - a cache that forgets, is shared, and is never wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/store/pattern_cache.h"

#define THREADS 4
#define PATTERNS (PATTERN_CACHE_ENTRIES * 3)

static enum status
ask(struct pattern_cache *cache, const char *pattern, const char *key)
{
	struct err err = ERR_NONE;
	enum status status = pattern_cache_match(cache, span_str(pattern), span_str(key), &err);

	if (status == ST_INVALID && err.text[0] == '\0')
		return ST_FAILED;
	return status;
}

static void
matches(void **state)
{
	static const struct {
		const char *pattern, *key;
		enum status status;
	} cases[] = {
	    {"a@b", "a@b", ST_OK},
	    {"a@b", "a@bc", ST_ABSENT},
	    {"a.b", "axb", ST_ABSENT},
	    {"*@b", "a@b", ST_OK},
	    {"*@b", "a@bc", ST_ABSENT},
	    {"", "", ST_OK},
	    {"", "a", ST_ABSENT},
	    {"*", "", ST_OK},
	    {"[ab]@b", "b@b", ST_OK},
	    {"[ab]@b", "c@b", ST_ABSENT},
	    {"[ab]@b", "b@b\n", ST_ABSENT},
	    /* The whole key, with either side of '|'. */
	    {"a@b|c@d", "a@b", ST_OK},
	    {"a@b|c@d", "c@d", ST_OK},
	    {"a@b|c@d", "a@bx", ST_ABSENT},
	    {"a@b|c@d", "xc@d", ST_ABSENT},
	    {"(a|ab)@b", "ab@b", ST_OK},
	    {"a?@b", "@b", ST_OK},
	    {"((a{90}){90})@b", "a@b", ST_ABSENT}, /* too large to be kept */
	    {"(", "a", ST_INVALID},
	    {"a{2", "a", ST_INVALID},
	    {"(a*)*(a*)*(a*)*(a*)*b|[x]", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ST_INVALID},
	};
	struct pattern_cache *cache = pattern_cache_new();

	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			if (ask(cache, cases[i].pattern, cases[i].key) != cases[i].status)
				fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].key);
			assert_int_equal(
			    ask(NULL, cases[i].pattern, cases[i].key), cases[i].status);
		}
	pattern_cache_free(cache);
	pattern_cache_free(NULL);
}

/* Three times as many patterns as it holds, each asked with its own address and the next one's. */
static void *
use(void *context)
{
	struct pattern_cache *cache = context;
	size_t wrong = 0;

	for (unsigned i = 0; i < PATTERNS; i++) {
		unsigned n = i * 7919U % PATTERNS;
		char pattern[32], key[32], other[32];

		snprintf(pattern, sizeof(pattern), "[xy]%u@b", n);
		snprintf(key, sizeof(key), "y%u@b", n);
		snprintf(other, sizeof(other), "y%u@b", n + 1);
		wrong += ask(cache, pattern, key) != ST_OK;
		wrong += ask(cache, pattern, other) != ST_ABSENT;
	}
	return (void *)(uintptr_t)wrong;
}

static void
threads(void **state)
{
	struct pattern_cache *cache = pattern_cache_new();
	pthread_t thread[THREADS];
	void *wrong;

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use, cache), 0);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	pattern_cache_free(cache);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(matches),
    cmocka_unit_test(threads),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
