/*
 * test_base.c - lib/base: spans, buffers, arenas, secret memory, the clock and the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__ /* of features.h */
#include <malloc.h>
#endif

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/base/secretthread.h"
#include "lib/base/span.h"

static void
test_buf_stops_at_its_maximum(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	buf_add_str(&buf, "12345");
	buf_add_str(&buf, "678901");
	assert_int_equal(buf_status(&buf), ST_TOO_BIG);
	assert_int_equal(buf.n, 5);
	buf_add_char(&buf, 'x');
	assert_int_equal(buf.n, 5);
	buf_reset(&buf);
	buf_add_fmt(&buf, "%05d%s", 42, "abcde");
	assert_int_equal(buf_status(&buf), ST_OK);
	assert_string_equal(buf_text(&buf), "00042abcde");
	buf_drop_front(&buf, 5);
	assert_string_equal(buf_text(&buf), "abcde");
	buf_free(&buf);
}

static void
test_span_cutting(void **state)
{
	struct span rest = SPAN_LIT("  one\ttwo "), word, head;
	uint64_t value;

	(void)state;
	assert_true(span_word(&rest, &word));
	assert_true(span_eq_str(word, "one"));
	assert_true(span_word(&rest, &word));
	assert_true(span_eq_str(word, "two"));
	assert_false(span_word(&rest, &word));
	rest = SPAN_LIT("a:b");
	assert_true(span_cut(&rest, ':', &head));
	assert_true(span_eq_str(head, "a"));
	assert_false(span_cut(&rest, ':', &head));
	assert_true(span_eq_str(head, "b"));
	assert_true(span_number(SPAN_LIT("4294967296"), UINT64_MAX, &value));
	assert_int_equal(value, 4294967296);
	assert_false(span_number(SPAN_LIT("99999999999999999999"), UINT64_MAX, &value));
	assert_false(span_number(SPAN_LIT("-1"), 10, &value));
	assert_false(span_number(SPAN_LIT("11"), 10, &value));
}

/* The vector of the SipHash paper: key 00..0f, input 00..0e. */
static void
test_span_is_text(void **state)
{
	static const char *const good[] = {"", "plain", "\xc3\xa9", "\xe3\x81\x82",
	    "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\x01"};
	static const char *const bad[] = {"\x80", "\xc3", "\xc3\x28", "\xc0\x80", "\xe0\x9f\xbf",
	    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xff", "a\xe3\x81"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(span_is_text(span_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(span_is_text(span_str(bad[i])));
	assert_false(span_is_text(SPAN_LIT("a\0b")));
}

static void
test_span_hash_vector(void **state)
{
	uint8_t key[16];
	char in[15];

	(void)state;
	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 15; i++)
		in[i] = (char)i;
	assert_true(span_hash(span_of(in, 15), key) == 0xa129ca6149be45e5U);
}

static void
test_arena_is_bounded(void **state)
{
	struct arena arena;
	char *p;

	(void)state;
	arena_init(&arena, 20000);
	p = arena_alloc(&arena, 9000);
	assert_non_null(p);
	memset(p, 1, 9000);
	assert_non_null(arena_alloc(&arena, 9000));
	assert_null(arena_alloc(&arena, 9000));
	arena_reset(&arena);
	assert_true(span_eq_str(arena_copy(&arena, SPAN_LIT("abc")), "abc"));
	assert_null(arena_copy(&arena, span_of(p, 30000)).p);
	arena_free(&arena);
}

static void
test_secret_sizes_and_wiping(void **state)
{
	void *kept[600];
	bool locked;
	char *p, *again;

	(void)state;
	for (size_t i = 0; i < 600; i++) {
		kept[i] = secret_malloc(i * 20 + 1);
		memset(kept[i], 0xa5, i * 20 + 1);
	}
	for (size_t i = 0; i < 600; i++) {
		assert_int_equal(((unsigned char *)kept[i])[i * 20], 0xa5);
		secret_free(kept[i]);
	}
	p = secret_malloc(100);
	memset(p, 'k', 100);
	secret_free(p);
	again = secret_malloc(100);
	assert_ptr_equal(p, again);
	for (size_t i = sizeof(void *); i < 100; i++)
		assert_int_equal(again[i], 0);
	p = secret_realloc(again, 50000);
	memset(p, 'x', 50000);
	secret_free(p);
	assert_true(secret_bytes(&locked) > 0);
	p = secret_stack(65536);
	assert_non_null(p);
	memset(p, 1, 65536);
	assert_true(secret_equal("abc", "abc", 3));
	assert_false(secret_equal("abc", "abd", 3));
}

/* Is this address in memory that is locked? */
static bool
is_locked(const void *p)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long at = (unsigned long)(uintptr_t)p, from, to;
	bool ours = false, locked = false;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from <= at && at < to;
		else if (ours && strncmp(line, "VmFlags:", 8) == 0)
			locked = strstr(line, " lo") != NULL && strstr(line, " dd") != NULL;
	}
	fclose(maps);
	return locked;
}

static void *
look_at_stack(void *context)
{
	/* Not the address of a local: the address sanitizer may keep that one elsewhere. */
	*(bool *)context = is_locked(__builtin_frame_address(0));
	return NULL;
}

static void
test_secret_thread(void **state)
{
	struct secret_thread thread;
	bool locked = false, can = false;

	(void)state;
	assert_true(secret_thread_start(&thread, 1U << 20, look_at_stack, &locked));
	secret_thread_join(&thread);
	/* Where the limit refuses it (RLIMIT_MEMLOCK), secret memory says so. */
	(void)secret_bytes(&can);
	assert_true(locked || !can);
	assert_false(is_locked(__builtin_frame_address(0)));
}

/* Blocks that the C library has asked the system for, one by one; 0: nobody knows. */
static size_t
large_blocks(void)
{
#ifdef M_MMAP_THRESHOLD
	return mallinfo2().hblks;
#else
	return 0;
#endif
}

/* Without it a large block that was freed makes the C library keep those that come after. */
static void
test_large_blocks_are_given_back(void **state)
{
	size_t before;
	char *block;

	(void)state;
	mem_give_back();
	block = mem_alloc(8U << 20);
	before = large_blocks();
	mem_free(block);
	if (before == 0)
		return; /* this allocator tells nothing of its blocks */
	before = large_blocks();
	block = mem_alloc(1U << 20);
	assert_int_equal(large_blocks(), before + 1);
	mem_free(block);
	assert_int_equal(large_blocks(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buf_stops_at_its_maximum),
	    cmocka_unit_test(test_span_cutting),
	    cmocka_unit_test(test_span_hash_vector),
	    cmocka_unit_test(test_span_is_text),
	    cmocka_unit_test(test_arena_is_bounded),
	    cmocka_unit_test(test_secret_sizes_and_wiping),
	    cmocka_unit_test(test_secret_thread),
	    cmocka_unit_test(test_large_blocks_are_given_back),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
