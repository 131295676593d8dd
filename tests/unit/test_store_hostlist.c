/*
 * test_store_hostlist.c - the order of probes of host lists, and that the index answers what all
 * the probes would.
 */
#include "tests/unit/store_help.h"

#include <arpa/inet.h>

#include "lib/base/log.h"
#include "lib/store/hostlist.h"

static enum status
status_of(struct hostlist *list, const char *host, const char *address)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *in = NULL;
	struct err err = ERR_NONE;

	if (address != NULL && inet_pton(AF_INET, address, &in4.sin_addr) == 1) {
		in = (const struct sockaddr *)(const void *)&in4;
	} else if (address != NULL) {
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		in = (const struct sockaddr *)(const void *)&in6;
	}
	return hostlist_match(list, span_str(host), in, &err);
}

static bool
ask(struct hostlist *list, const char *host, const char *address)
{
	enum status status = status_of(list, host, address);

	assert_true(status == ST_OK || status == ST_ABSENT);
	return status == ST_OK;
}

static struct hostlist *
open_list(struct table *table)
{
	struct hostlist *list;
	struct err err = ERR_NONE;

	if (hostlist_open("InternalHosts", table, &list, &err) != ST_OK)
		fail_msg("%s", err.text);
	return list;
}

static void
precedence(void **state)
{
	static const struct {
		const char *list, *host, *address;
		bool in;
	} cases[] = {
	    {"example.com", "example.com", "192.0.2.1", true},
	    {"example.com", "EXAMPLE.com", "192.0.2.1", true},
	    {"Example.COM", "example.com", "192.0.2.1", true},
	    {"example.com", "a.example.com", "192.0.2.1", false},
	    {".example.com", "a.example.com", "192.0.2.1", true},
	    {".example.com", "b.a.example.com", "192.0.2.1", true},
	    {".example.com", "example.com", "192.0.2.1", false},
	    {".example.com,!.a.example.com", "b.a.example.com", "192.0.2.1", false},
	    {".example.com,!a.example.com", "b.a.example.com", "192.0.2.1", true},
	    {"!.example.com,a.example.com", "a.example.com", "192.0.2.1", true},
	    {"a.com,!a.com", "a.com", "192.0.2.1", false},
	    /* two questions, "the host?" and "the address?": a NOT of one is no NOT of the other */
	    {"!a.com,192.0.2.1", "a.com", "192.0.2.1", true},
	    {"!a.com,192.0.2.1", "a.com", "192.0.2.2", false},
	    {"!.a.com,.com,192.0.2.0/24", "x.a.com", "192.0.2.2", true},
	    {"a.com,!192.0.2.1", "a.com", "192.0.2.1", true},
	    {"192.0.2.1", "x", "192.0.2.1", true},
	    {"[192.0.2.1]", "x", "192.0.2.1", true},
	    {"192.0.2.0/24", "x", "192.0.2.1", true},
	    {"[192.0.2.0]/24", "x", "192.0.2.1", true},
	    {"192.0.2.1/24", "x", "192.0.2.1", false}, /* host bits */
	    {"192.0.2.0/24,!192.0.2.0/25", "x", "192.0.2.1", false},
	    {"192.0.2.0/24,!192.0.2.0/25", "x", "192.0.2.200", true},
	    {"!192.0.2.0/24,192.0.2.0/24", "x", "192.0.2.1", false},
	    {"[192.0.2.0]/24,!192.0.2.0/24", "x", "192.0.2.1", false},
	    {"192.0.2.0/24,![192.0.2.0]/24", "x", "192.0.2.1", true},
	    {"192.0.2.1/32,!192.0.2.1", "x", "192.0.2.1", false},
	    {"0.0.0.0/0", "x", "192.0.2.1", true},
	    {"0.0.0.0/0", "x", "2001:db8::1", false},
	    {"csl:::/0", "x", "2001:db8::1", true},
	    {"csl:2001:db8::/32", "x", "2001:db8:5::1", true},
	    {"csl:2001:DB8::/32", "x", "2001:db8:5::1", true},
	    {"csl:2001:db8:0::/32", "x", "2001:db8:5::1", false}, /* not as inet_ntop writes it */
	    {"csl:2001:db8::1", "x", "2001:db8::1", true},
	    {"csl:[2001:db8::1]", "x", "2001:db8::1", true},
	    {"csl:![2001:db8::1],2001:db8::/64", "x", "2001:db8::1", false},
	    {"192.0.2.1", "x", "::ffff:192.0.2.1", false}, /* mapped addresses stay IPv6 */
	    {"csl:::ffff:192.0.2.1", "x", "::ffff:192.0.2.1", true},
	    {"192.0.2.0/024", "x", "192.0.2.1", false},
	    {"[192.0.2.7]", "[192.0.2.7]", "198.51.100.1", true}, /* the name is probed, too */
	    {"192.0.2.7", "192.0.2.7", "198.51.100.1", true},
	    {"127.0.0.1", "x", NULL, true}, /* TRAP: no address is 127.0.0.1 */
	    {"127.0.0.1", "", NULL, true},
	    {"10.0.0.0/8", "x", NULL, false},
	    {"*.example.com", "a.example.com", "192.0.2.1", false},
	    {"", "", "192.0.2.1", false},
	};

	(void)state;
	log_threshold(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct table *table = help_open("InternalHosts", cases[i].list, TABLE_ICASE);
		struct hostlist *list = open_list(table);

		if (ask(list, cases[i].host, cases[i].address) != cases[i].in)
			fail_msg("case %zu: %s", i, cases[i].list);
		hostlist_close(list);
		table_close(table);
	}
}

/* A pattern that begins with '*' matches the probe with '!': NOT. */
static void
refile_trap_is_kept(void **state)
{
	struct table *table = help_table(
	    "InternalHosts", "refile", "*.example.com\n10.0.0.0/8\n192.0.2.*\n", TABLE_ICASE);
	struct hostlist *list = open_list(table);

	(void)state;
	assert_false(ask(list, "a.example.com", "198.51.100.1"));
	/* As in the TrustedHosts of many tutorials: the address still makes it internal. */
	assert_true(ask(list, "a.example.com", "10.1.2.3"));
	assert_true(ask(list, "a.example.org", "10.1.2.3"));
	assert_true(ask(list, "a.example.org", "192.0.2.77"));
	assert_false(ask(list, "a.example.org", "192.0.8.77"));
	hostlist_close(list);
	table_close(table);
}

static void
follows_the_table(void **state)
{
	char spec[PATH_MAX + 16];
	struct table *table;
	struct hostlist *list;
	struct err err = ERR_NONE;

	(void)state;
	snprintf(spec, sizeof(spec), "file:%s", help_write("hosts", "192.0.2.1\n"));
	table = help_open("InternalHosts", spec, TABLE_ICASE);
	list = open_list(table);
	assert_true(ask(list, "x", "192.0.2.1"));
	help_write("hosts", "192.0.2.128/25\n");
	assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_false(ask(list, "x", "192.0.2.1"));
	assert_true(ask(list, "x", "192.0.2.129"));
	hostlist_close(list);
	table_close(table);
}

static void
unavailable_is_no_answer(void **state)
{
	struct table *table = table_open_refusing("PeerList", 0, "gone");
	struct hostlist *list = open_list(table);

	(void)state;
	assert_int_equal(status_of(list, "x", "192.0.2.1"), ST_UNAVAILABLE);
	assert_int_equal(status_of(list, "", NULL), ST_UNAVAILABLE);
	assert_int_equal(status_of(NULL, "x", NULL), ST_ABSENT);
	hostlist_close(list);
	table_close(table);
}

/* A table that answers so many probes with "absent" and then no more. */
static int answers_left;

static enum status
few_answers(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	(void)table;
	(void)out;
	if (answers_left-- > 0)
		return span_eq_str(key, "192.0.2.0/24") ? ST_OK : ST_ABSENT;
	err_set(err, "gone in the middle");
	return ST_UNAVAILABLE;
}

/* Wherever the table is lost on the way, nobody knows; and no probe comes after it. */
static void
lost_on_the_way(void **state)
{
	static const struct table_ops losing = {.type = "losing", .lookup = few_answers};
	struct table *table = help_open("InternalHosts", "csl:x", TABLE_ICASE);
	const struct table_ops *ops = table->ops;
	struct hostlist *list;
	int needed = 0;

	(void)state;
	table->ops = &losing;
	list = open_list(table);
	for (answers_left = 0; status_of(list, "a.example", "192.0.2.1") != ST_OK;
	     answers_left = ++needed) {
		assert_int_equal(answers_left, -1);
		assert_true(needed < 100);
	}
	/* !host host !.example .example; four of the address; four of each /32 to /25; two. */
	assert_int_equal(needed, 4 + 4 + 4 * 8 + 2);
	hostlist_close(list);
	table->ops = ops;
	table_close(table);
}

/* A table that is asked for many keys at once; its lookup is that of the file. */
static size_t questions;

static enum status
answer_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	*count_out = 0;
	questions++;
	for (size_t i = 0; i < count && *count_out < max; i++)
		if (table->ops->lookup(table, keys[i], &out[*count_out], err) == ST_OK)
			at_out[(*count_out)++] = i;
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

static void
few_questions(void **state)
{
	static const struct {
		const char *host, *address;
		size_t questions;
	} cases[] = {
	    /* 2 * 3 of the name; 4 * (1 + 33) of the address, 16 at once */
	    {"a.b.example", "192.0.2.1", 1 + 9},
	    {"", "192.0.2.1", 9},
	    {"x", "2001:db8::1", 1 + 33},
	};
	struct table *table = help_open("InternalHosts", "csl:x.example", TABLE_ICASE);
	const struct table_ops *ops = table->ops;
	struct table_ops probing = *ops;
	struct hostlist *list;

	(void)state;
	probing.walk = NULL;
	probing.lookup_many = answer_many;
	table->ops = &probing;
	list = open_list(table);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		questions = 0;
		assert_false(ask(list, cases[i].host, cases[i].address));
		assert_int_equal(questions, cases[i].questions);
	}
	hostlist_close(list);
	table->ops = ops;
	table_close(table);
}

/* The same entries asked probe by probe, as opendkim does, on a table that has no index; and on one
 * that is asked for many at once. */
static void
index_equals_probes(void **state)
{
	static const char *const parts[] = {"!", "", "", "[", "10.0.0.", "10.0.0.0", "10.0.0.1",
	    "0.0.0.0", "2001:db8::", "::1", "]", "/8", "/31", "/32", "/0", "/128", "/64", "a.b",
	    ".b", "b"};
	static const char *const hosts[] = {"a.b", "x.a.b", "b", "[10.0.0.1]", "10.0.0.1", ""};
	static const char *const addresses[] = {"10.0.0.0", "10.0.0.1", "10.9.9.9", "192.0.2.1",
	    "::1", "2001:db8::", "2001:db8::1", "2002::"};
	uint64_t seed = 99;
	size_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 1500; round++) {
		char text[1024] = "";
		struct table *table, *plain;
		struct table_ops probing;
		struct hostlist *fast, *slow;

		for (size_t i = 1 + help_random(&seed) % 6; i > 0; i--) {
			for (size_t p = 1 + help_random(&seed) % 4; p > 0; p--)
				strcat(text, parts[help_random(&seed) % 20]);
			strcat(text, "\n");
		}
		table = help_table("InternalHosts", "file", text, TABLE_ICASE);
		plain = help_table("InternalHosts", "file", text, TABLE_ICASE);
		probing = *plain->ops;
		probing.walk = NULL;
		probing.lookup_many = round % 2 == 0 ? NULL : answer_many;
		plain->ops = &probing;
		fast = open_list(table);
		slow = open_list(plain);
		for (size_t h = 0; h < 6; h++)
			for (size_t a = 0; a < 8; a++) {
				bool want = ask(slow, hosts[h], addresses[a]);

				if (ask(fast, hosts[h], addresses[a]) != want)
					fail_msg("%s %s: probes say %d\n%s", hosts[h], addresses[a],
					    want, text);
				*(want ? &in : &out) += 1;
			}
		hostlist_close(fast);
		hostlist_close(slow);
		table_close(table);
		table_close(plain);
	}
	print_message("# %zu in, %zu out\n", in, out);
	assert_true(in > 1000 && out > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(precedence),
	    cmocka_unit_test(refile_trap_is_kept),
	    cmocka_unit_test(follows_the_table),
	    cmocka_unit_test(unavailable_is_no_answer),
	    cmocka_unit_test(lost_on_the_way),
	    cmocka_unit_test(few_questions),
	    cmocka_unit_test(index_equals_probes),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
