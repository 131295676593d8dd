/*
 * test_conf_values.c - values with a shape of their own: sockets, users, lists, actions, rates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/conf/values.h"

#define BAD (-1)

static const struct {
	const char *text;
	int kind; /* BAD: refused */
	const char *path, *host, *service;
	int port; /* -1: a service name */
} sockets[] = {
    {"local:/run/o.sock", CONF_SOCKET_UNIX, "/run/o.sock", "", "", -1},
    {"unix:/run/o.sock", CONF_SOCKET_UNIX, "/run/o.sock", "", "", -1},
    {"LOCAL:o.sock", CONF_SOCKET_UNIX, "o.sock", "", "", -1},
    {"/run/o.sock", CONF_SOCKET_UNIX, "/run/o.sock", "", "", -1},
    {"/run/a:b", CONF_SOCKET_UNIX, "/run/a:b", "", "", -1},
    {"inet:8891", CONF_SOCKET_INET, "", "", "8891", 8891},
    {"inet:0@127.0.0.1", CONF_SOCKET_INET, "", "127.0.0.1", "0", 0},
    {"inet:8891@localhost", CONF_SOCKET_INET, "", "localhost", "8891", 8891},
    {"Inet:8891@[127.0.0.1]", CONF_SOCKET_INET, "", "127.0.0.1", "8891", 8891},
    {"inet:smtp@mx", CONF_SOCKET_INET, "", "mx", "smtp", -1},
    {"inet6:8891", CONF_SOCKET_INET6, "", "", "8891", 8891},
    {"inet6:8891@[::1]", CONF_SOCKET_INET6, "", "::1", "8891", 8891},
    {"inet6:8891@::1", CONF_SOCKET_INET6, "", "::1", "8891", 8891},
    {"", BAD, "", "", "", 0},
    {"8891", BAD, "", "", "", 0},
    {"local:", BAD, "", "", "", 0},
    {"inet:", BAD, "", "", "", 0},
    {"inet:@localhost", BAD, "", "", "", 0},
    {"inet:8891@", BAD, "", "", "", 0},
    {"inet:8891@[]", BAD, "", "", "", 0},
    {"inet:8891@[localhost]", BAD, "", "", "", 0},
    {"inet:65536", BAD, "", "", "", 0},
    {"inet:99999999999999999999", BAD, "", "", "", 0},
    {"inet:-1", BAD, "", "", "", 0},
    {"inet:localhost:8891", BAD, "", "", "", 0},
    {"inet:8891@a b", BAD, "", "", "", 0},
    {"inet:8891@a@b", BAD, "", "", "", 0},
    {"inet:8891@[::1]", BAD, "", "", "", 0},
    {"inet6:8891@127.0.0.1", BAD, "", "", "", 0},
    {"tcp:8891", BAD, "", "", "", 0},
    {"local:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	BAD, "", "", "", 0},
};

static void
test_socket(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		struct conf_socket socket = {.port = 4242};
		struct err err = ERR_NONE;
		enum status status = conf_socket(sockets[i].text, &socket, &err);

		if (sockets[i].kind == BAD) {
			if (status != ST_INVALID)
				fail_msg("\"%s\" was accepted", sockets[i].text);
			assert_string_not_equal(err.text, "");
			assert_int_equal(socket.port, 4242);
			continue;
		}
		if (status != ST_OK)
			fail_msg("\"%s\": %s", sockets[i].text, err.text);
		assert_int_equal(socket.kind, sockets[i].kind);
		assert_string_equal(socket.path, sockets[i].path);
		assert_string_equal(socket.host, sockets[i].host);
		assert_string_equal(socket.service, sockets[i].service);
		assert_int_equal(socket.port_known, sockets[i].port >= 0);
		if (sockets[i].port >= 0)
			assert_int_equal(socket.port, sockets[i].port);
	}
}

static void
test_socket_resolve(void **state)
{
	struct conf_address addresses[CONF_SOCKET_ADDRESSES_MAX];
	struct conf_socket socket;
	struct sockaddr_in in;
	struct sockaddr_un un;
	size_t count = 0;

	(void)state;
	assert_int_equal(conf_socket("inet:8891@127.0.0.1", &socket, NULL), ST_OK);
	assert_int_equal(conf_socket_resolve(&socket, addresses, &count, NULL), ST_OK);
	assert_int_equal(count, 1);
	memcpy(&in, &addresses[0].address, sizeof(in));
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(ntohs(in.sin_port), 8891);
	assert_int_equal(ntohl(in.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(conf_socket("inet:25", &socket, NULL), ST_OK);
	assert_int_equal(conf_socket_resolve(&socket, addresses, &count, NULL), ST_OK);
	memcpy(&in, &addresses[0].address, sizeof(in));
	assert_int_equal(in.sin_addr.s_addr, INADDR_ANY);
	/* No address twice, however often /etc/hosts names localhost. */
	assert_int_equal(conf_socket("inet:25@localhost", &socket, NULL), ST_OK);
	assert_int_equal(conf_socket_resolve(&socket, addresses, &count, NULL), ST_OK);
	for (size_t i = 1; i < count; i++)
		assert_memory_not_equal(
		    &addresses[0].address, &addresses[i].address, addresses[i].length);
	assert_int_equal(conf_socket("local:/a/b", &socket, NULL), ST_OK);
	assert_int_equal(conf_socket_resolve(&socket, addresses, &count, NULL), ST_OK);
	memcpy(&un, &addresses[0].address, sizeof(un));
	assert_int_equal(count, 1);
	assert_string_equal(un.sun_path, "/a/b");
	assert_int_equal(conf_socket("inet:no-such-service-x@127.0.0.1", &socket, NULL), ST_OK);
	assert_int_equal(conf_socket_resolve(&socket, addresses, &count, NULL), ST_ABSENT);
}

static void
test_canonicalization(void **state)
{
	bool header = false, body = true;

	(void)state;
	assert_int_equal(conf_canonicalization("Relaxed", &header, &body, NULL), ST_OK);
	assert_true(header && !body);
	assert_int_equal(conf_canonicalization("simple/relaxed", &header, &body, NULL), ST_OK);
	assert_true(!header && body);
	assert_int_equal(conf_canonicalization("relaxed/", &header, &body, NULL), ST_INVALID);
	assert_int_equal(conf_canonicalization("relaxed/x", &header, &body, NULL), ST_INVALID);
	assert_int_equal(conf_canonicalization("a/b/c", &header, &body, NULL), ST_INVALID);
	assert_true(!header && body);
}

static void
test_words(void **state)
{
	enum conf_action action;
	bool sign, verify;
	int facility;

	(void)state;
	assert_int_equal(conf_action("TempFail", &action, NULL), ST_OK);
	assert_int_equal(action, CONF_ACTION_TEMPFAIL);
	assert_int_equal(conf_action("q", &action, NULL), ST_OK);
	assert_int_equal(action, CONF_ACTION_QUARANTINE);
	assert_string_equal(conf_action_name(action), "quarantine");
	assert_int_equal(conf_action("rejec", &action, NULL), ST_INVALID);
	assert_int_equal(conf_action("", &action, NULL), ST_INVALID);
	assert_int_equal(conf_mode("vs", &sign, &verify, NULL), ST_OK);
	assert_true(sign && verify);
	assert_int_equal(conf_mode("v", &sign, &verify, NULL), ST_OK);
	assert_true(!sign && verify);
	assert_int_equal(conf_mode("", &sign, &verify, NULL), ST_INVALID);
	assert_int_equal(conf_mode("sx", &sign, &verify, NULL), ST_INVALID);
	assert_int_equal(conf_syslog_facility("LOCAL3", &facility, NULL), ST_OK);
	assert_int_equal(facility, LOG_LOCAL3);
	assert_int_equal(conf_syslog_facility("post", &facility, NULL), ST_INVALID);
}

static void
test_numbers(void **state)
{
	static const char *const bad_rates[] = {"10", "10/", "/1h", "0/1h", "10/0", "10/1w",
	    "10/1hh", "10/h", "-1/1h", "10/9999999999", "10/99999999d", "10 / 1h"};
	unsigned int count, seconds;
	int64_t number;
	mode_t mask;

	(void)state;
	assert_int_equal(conf_restart_rate("10/1h", &count, &seconds, NULL), ST_OK);
	assert_int_equal(count, 10);
	assert_int_equal(seconds, 3600);
	assert_int_equal(conf_restart_rate("3/2M", &count, &seconds, NULL), ST_OK);
	assert_int_equal(seconds, 120);
	assert_int_equal(conf_restart_rate("3/45", &count, &seconds, NULL), ST_OK);
	assert_int_equal(seconds, 45);
	for (size_t i = 0; i < sizeof(bad_rates) / sizeof(bad_rates[0]); i++)
		if (conf_restart_rate(bad_rates[i], &count, &seconds, NULL) != ST_INVALID)
			fail_msg("\"%s\" was accepted", bad_rates[i]);
	assert_int_equal(conf_umask("007", &mask, NULL), ST_OK);
	assert_int_equal(mask, 7);
	assert_int_equal(conf_umask("0777", &mask, NULL), ST_OK);
	assert_int_equal(mask, 0777);
	assert_int_equal(conf_umask("0778", &mask, NULL), ST_INVALID);
	assert_int_equal(conf_umask("-1", &mask, NULL), ST_INVALID);
	assert_int_equal(conf_parse_int(SPAN_LIT("-0x10"), -16, 0, &number, NULL), ST_OK);
	assert_int_equal(number, -16);
	assert_int_equal(conf_parse_int(SPAN_LIT("-17"), -16, 0, &number, NULL), ST_INVALID);
	assert_int_equal(conf_parse_int(SPAN_LIT(""), 0, 9, &number, NULL), ST_INVALID);
	assert_int_equal(conf_parse_int(SPAN_LIT("1\0"), 0, 9, &number, NULL), ST_INVALID);
}

static void
test_list(void **state)
{
	struct conf_list list;

	(void)state;
	assert_int_equal(conf_list(" a ,, b c,\td, ", &list, NULL), ST_OK);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.items[0], "a");
	assert_string_equal(list.items[1], "b c");
	assert_string_equal(list.items[2], "d");
	conf_list_free(&list);
	assert_int_equal(conf_list(" , ", &list, NULL), ST_OK);
	assert_int_equal(list.count, 0);
	conf_list_free(&list);
}

static void
test_user(void **state)
{
	struct conf_user user = {.uid = 4242};
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(conf_user("root", &user, &err), ST_OK);
	assert_int_equal(user.uid, 0);
	assert_int_equal(user.gid, 0);
	assert_string_equal(user.name, "root");
	assert_int_equal(conf_user("0:0", &user, &err), ST_OK);
	assert_string_equal(user.name, "root");
	assert_int_equal(conf_user("no-such-user-x", &user, &err), ST_ABSENT);
	assert_string_equal(err.text, "no such user: \"no-such-user-x\"");
	assert_int_equal(conf_user("root:no-such-group-x", &user, &err), ST_ABSENT);
	assert_string_equal(err.text, "no such group: \"no-such-group-x\"");
	assert_int_equal(conf_user(":root", &user, &err), ST_INVALID);
	assert_int_equal(conf_user("root:", &user, &err), ST_INVALID);
}

static void
test_origins(void **state)
{
	static const struct {
		const char *text;
		unsigned origins; /* 0: refused */
		const char *why;
	} rows[] = {
	    {"mta,macro,internal,authenticated", 15, ""},
	    {"mta", 1U << CONF_ORIGIN_MTA, ""},
	    {"macro", 1U << CONF_ORIGIN_MACRO, ""},
	    {"internal", 1U << CONF_ORIGIN_INTERNAL, ""},
	    {"authenticated", 1U << CONF_ORIGIN_AUTHENTICATED, ""},
	    {"Authenticated, MTA", 1U << CONF_ORIGIN_AUTHENTICATED | 1U << CONF_ORIGIN_MTA, ""},
	    {"mta,mta", 1U << CONF_ORIGIN_MTA, ""},
	    {"", 0, "at least one of mta, macro, internal and authenticated is needed"},
	    {",", 0, "at least one of mta, macro, internal and authenticated is needed"},
	    {"mta,peers", 0, "\"peers\" is none of mta, macro, internal and authenticated"},
	    {"mt", 0, "\"mt\" is none of mta, macro, internal and authenticated"},
	    {"authenticatedx", 0,
		"\"authenticatedx\" is none of mta, macro, internal and authenticated"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned origins = 99;
		struct err err = ERR_NONE;
		enum status status = conf_origins(rows[i].text, &origins, &err);

		assert_int_equal(status, rows[i].origins == 0 ? ST_INVALID : ST_OK);
		assert_string_equal(err.text, rows[i].why);
		if (status == ST_OK)
			assert_int_equal(origins, rows[i].origins);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_socket),
	    cmocka_unit_test(test_socket_resolve),
	    cmocka_unit_test(test_canonicalization),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_user),
	    cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
