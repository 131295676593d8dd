/*
 * test_tenant.c - each sentence of lib/store/tenant.h.
 */
#include "tests/unit/route_world.h"

#include <arpa/inet.h>

#include "backends/registry.h"

/* A session as a text: "login|listener|host|address"; the address is kept in octets. */
static struct tenant_session
session_of(const char *text, uint8_t octets[16])
{
	struct span rest = span_str(text), address;
	struct tenant_session s = {.family = 0};
	char name[64];

	(void)span_cut(&rest, '|', &s.login);
	(void)span_cut(&rest, '|', &s.listener);
	(void)span_cut(&rest, '|', &s.host);
	address = rest;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(address));
	if (address.n == 0)
		return s;
	s.family = span_find(address, ':') == SIZE_MAX ? 4 : 6;
	s.address = octets;
	assert_int_equal(inet_pton(s.family == 4 ? AF_INET : AF_INET6, name, octets), 1);
	return s;
}

/* The subjects with blanks between them; static. */
static const char *
subjects_text(const struct tenant_session *session)
{
	static char text[16384];
	struct span subjects[TENANT_SUBJECTS_MAX];
	struct buf room;
	size_t count, n = 0;

	buf_init(&room, 16384);
	assert_int_equal(tenant_subjects(session, &room, subjects, &count), ST_OK);
	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, "%s%.*s", i == 0 ? "" : " ", SPAN_ARG(subjects[i]));
	buf_free(&room);
	return text;
}

static void
subjects(void **state)
{
	static const struct {
		const char *session, *subjects;
	} cases[] = {
	    {"|||", "*"},
	    {"User@Example.COM|||", "login:user@example.com login:@example.com *"},
	    {"user|||", "login:user *"},
	    {"a@b@c.example|||", "login:a@b@c.example login:@c.example *"},
	    {"user@|||", "login:user@ *"},
	    {"@|||", "login:@ *"},
	    {"|Submission||", "listener:submission *"},
	    {"u@x|in|h.example|192.0.2.1", "login:u@x login:@x listener:in *"},
	    {"||H.P.Example|", "client:h.p.example client:.p.example client:.example *"},
	    {"||h.example.|", "client:h.example client:.example *"},
	    {"||localhost|", "client:localhost *"},
	    {"||[192.0.2.1]|", "*"},
	    {"||unknown host|", "*"},
	    {"||.example|", "*"},
	    {"||a..example|", "*"},
	    {"||.|", "*"},
	    {"||10.0.0.0/8|", "*"}, /* a name that would be a network */
	    {"||x/0|", "*"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t octets[16];
		struct tenant_session s = session_of(cases[i].session, octets);

		assert_string_equal(subjects_text(&s), cases[i].subjects);
	}
}

static void
networks(void **state)
{
	uint8_t octets[16];
	struct tenant_session s = session_of("|||203.0.113.255", octets);

	(void)state;
	assert_string_equal(subjects_text(&s),
	    "client:203.0.113.255/32 client:203.0.113.254/31 client:203.0.113.252/30 "
	    "client:203.0.113.248/29 client:203.0.113.240/28 client:203.0.113.224/27 "
	    "client:203.0.113.192/26 client:203.0.113.128/25 client:203.0.113.0/24 "
	    "client:203.0.112.0/23 client:203.0.112.0/22 client:203.0.112.0/21 "
	    "client:203.0.112.0/20 client:203.0.96.0/19 client:203.0.64.0/18 "
	    "client:203.0.0.0/17 client:203.0.0.0/16 client:203.0.0.0/15 client:203.0.0.0/14 "
	    "client:203.0.0.0/13 client:203.0.0.0/12 client:203.0.0.0/11 client:203.0.0.0/10 "
	    "client:203.0.0.0/9 client:203.0.0.0/8 client:202.0.0.0/7 client:200.0.0.0/6 "
	    "client:200.0.0.0/5 client:192.0.0.0/4 client:192.0.0.0/3 client:192.0.0.0/2 "
	    "client:128.0.0.0/1 client:0.0.0.0/0 *");
	s = session_of("|in||2001:db8:1234:5678:9abc:def0:1234:5678", octets);
	assert_non_null(strstr(subjects_text(&s), "listener:in "
						  "client:2001:db8:1234:5678:9abc:def0:1234:5678/"
						  "128 client:2001:db8:1234:5678:9abc:def0:1234:"
						  "5670/124 "));
	assert_non_null(strstr(subjects_text(&s), " client:2001:db8:1234:5600::/56 "));
	assert_non_null(strstr(subjects_text(&s), " client:2001:db8::/32 client:2001:db0::/28 "));
	assert_non_null(strstr(subjects_text(&s), " client:2000::/4 client:::/0 *"));
	assert_null(strstr(subjects_text(&s), "/127"));
	s = session_of("|||::ffff:192.0.2.1", octets); /* stays IPv6 */
	assert_non_null(strstr(subjects_text(&s), "client:::ffff:192.0.2.1/128 "));
	assert_null(strstr(subjects_text(&s), "/32 client:192"));
	s.family = 1;
	assert_string_equal(subjects_text(&s), "*");
}

/* Whatever the client is called, it fits, and in the room that is promised. */
static void
limits(void **state)
{
	struct tenant_session s = {.family = 6,
	    .address = (const uint8_t *)"\xff\xff\xff\xff\xff"
					"\xff\xff\xff\xff\xff"
					"\xff\xff\xff\xff\xff"};
	struct span subjects[TENANT_SUBJECTS_MAX];
	char host[300] = "", login[2000];
	struct buf room;
	size_t count;

	(void)state;
	for (int i = 0; i < 39; i++)
		strcat(host, "abcde.");
	strcat(host, "x");
	memset(login, 'l', sizeof(login));
	login[0] = '@';
	s.host = span_str(host);
	s.listener = span_of(login, 503); /* "listener:" and these are the longest subject */
	buf_init(&room, 16384);
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_OK);
	assert_int_equal(count, 1 + 33 + 40 + 1);
	s.listener = span_of(login, 504);
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_OK);
	assert_int_equal(count, 33 + 40 + 1);
	/* 41 labels are no name, and neither are 254 octets. */
	memmove(host + 2, host, strlen(host) + 1);
	memcpy(host, "y.", 2);
	s.host = span_str(host);
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_OK);
	assert_int_equal(count, 33 + 1);
	memset(host, 'h', sizeof(host));
	s.host = span_of(host, 253);
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_OK);
	assert_int_equal(count, 33 + 1 + 1);
	s.host = span_of(host, 254);
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_OK);
	assert_int_equal(count, 33 + 1);
	/* A login that no binding can have is a login all the same. */
	s.login = span_of(login, sizeof(login));
	s.listener = SPAN_LIT("in");
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_OK);
	assert_int_equal(count, 2);
	assert_true(span_eq_str(subjects[0], "listener:in"));
	buf_free(&room);
	buf_init(&room, 100);
	s.login = SPAN_EMPTY;
	assert_int_equal(tenant_subjects(&s, &room, subjects, &count), ST_TOO_BIG);
	assert_int_equal(count, 0);
	buf_free(&room);
}

/* "TENANT" or the name of the status; static. */
static const char *
speaks_for(struct table *map, struct keystore *store, const char *session)
{
	static char tenant[KEYSTORE_TENANT_MAX + 1];
	struct err err = ERR_NONE;
	uint8_t octets[16];
	struct tenant_session s = session_of(session, octets);
	enum status status = tenant_of_session(map, store, &s, tenant, &err);

	if (status == ST_OK)
		return tenant;
	assert_string_equal(tenant, "");
	if (status != ST_ABSENT)
		assert_true(err.text[0] != '\0');
	return status_name(status);
}

static struct table *
open_map(const char *spec)
{
	struct err err = ERR_NONE;
	struct table *table;

	if (table_open(backend_registry(), "TenantMap", spec, TABLE_ICASE, &table, &err) != ST_OK)
		fail_msg("%s", err.text);
	return table;
}

static const struct {
	const char *session, *tenant;
} bound[] = {
    {"u@a.example|||", "login-a"},
    {"U@A.Example|||", "login-a"},
    {"v@a.example|||", "domain-a"},
    {"v@a.example|in||", "domain-a"}, /* the most telling first */
    {"v@b.example|in||", "listener-in"},
    {"v@b.example|out||", "absent"},
    /* Who has a login does not speak for the network he is in. */
    {"v@b.example|||192.0.2.1", "absent"},
    {"v@b.example||h.c.example|", "absent"},
    {"|||192.0.2.1", "one"},
    {"|||192.0.2.2", "net"},
    {"|||192.0.3.2", "absent"},
    {"|||2001:db8::1", "six"},
    {"||h.c.example|192.0.2.1", "one"},
    {"||h.c.example|192.0.9.1", "host-c"},
    {"||x.c.example|192.0.9.1", "below-c"},
    {"||c.example|192.0.9.1", "absent"},
};
#define BOUND (sizeof(bound) / sizeof(bound[0]))
#define BOUND_MAP                                                                                  \
	"login:u@a.example=login-a,login:@a.example=domain-a,listener:in=listener-in,"             \
	"client:192.0.2.1/32=one,client:192.0.2.0/24=net,client:2001:db8::/32=six,"                \
	"client:h.c.example=host-c,client:.c.example=below-c"

static struct keystore *
bound_store(void)
{
	struct keystore *s = memstore_new();

	memstore_binding(s, "client:192.0.2.0/24", "net");
	memstore_binding(s, "client:192.0.2.1/32", "one");
	memstore_binding(s, "login:@a.example", "domain-a");
	memstore_binding(s, "login:u@a.example", "login-a");
	memstore_binding(s, "listener:in", "listener-in");
	memstore_binding(s, "client:2001:db8::/32", "six");
	memstore_binding(s, "client:.c.example", "below-c");
	memstore_binding(s, "client:h.c.example", "host-c");
	return s;
}

static void
first_bound_decides(void **state)
{
	struct keystore *store = bound_store();
	struct table *map = open_map("csl:" BOUND_MAP);
	struct table *everybody = open_map("csl:*=all");

	(void)state;
	for (size_t i = 0; i < BOUND; i++) {
		assert_string_equal(speaks_for(map, NULL, bound[i].session), bound[i].tenant);
		assert_string_equal(speaks_for(NULL, store, bound[i].session), bound[i].tenant);
	}
	memstore_forget_asked(store);
	for (size_t i = 0; i < BOUND; i++)
		(void)speaks_for(NULL, store, bound[i].session);
	/* One question each. */
	assert_int_equal(memstore_asked(store, MEMSTORE_BINDINGS), BOUND);
	/* What the map knows is not asked of the store. */
	assert_string_equal(speaks_for(everybody, store, "u@a.example|||"), "all");
	assert_int_equal(memstore_asked(store, MEMSTORE_BINDINGS), BOUND);
	assert_string_equal(speaks_for(NULL, NULL, "u@a.example|||"), "absent");
	table_close(everybody);
	table_close(map);
	keystore_close(store);
}

static void
faults(void **state)
{
	struct table *down = table_open_refusing("TenantMap", TABLE_ICASE, "it is away");
	struct table *bad = open_map("csl:login:u@a.example=No Tenant,login:v@a.example");
	struct keystore *store = bound_store();

	(void)state;
	assert_string_equal(speaks_for(down, store, "u@a.example|||"), "unavailable");
	assert_int_equal(memstore_asked(store, MEMSTORE_BINDINGS), 0);
	assert_string_equal(speaks_for(bad, store, "u@a.example|||"), "invalid");
	assert_string_equal(speaks_for(bad, store, "v@a.example|||"), "invalid");
	assert_string_equal(speaks_for(bad, store, "x@a.example|||"), "domain-a");
	memstore_fail(store, ST_UNAVAILABLE);
	assert_string_equal(speaks_for(NULL, store, "u@a.example|||"), "unavailable");
	memstore_fail(store, ST_INVALID);
	assert_string_equal(speaks_for(NULL, store, "u@a.example|||"), "invalid");
	memstore_fail(store, ST_OK);
	/* Bindings of others change nothing. */
	memstore_of(store)->lies = MEMSTORE_OTHER_NAMES;
	for (size_t i = 0; i < BOUND; i++)
		assert_string_equal(speaks_for(NULL, store, bound[i].session), bound[i].tenant);
	/* Bound to two: nobody knows. */
	memstore_of(store)->lies = MEMSTORE_OTHER_TENANTS;
	assert_string_equal(speaks_for(NULL, store, "u@a.example|||"), "invalid");
	memstore_of(store)->lies = 0;
	memstore_binding(store, "*", "No Tenant");
	assert_string_equal(speaks_for(NULL, store, "|||"), "invalid");
	table_close(down);
	table_close(bad);
	keystore_close(store);
}

/* More subjects than one question takes: their order still decides. */
static void
many_subjects(void **state)
{
	struct keystore *store = memstore_new();
	const char *session = "||a.b.c.d.e.f.g.h.example|192.0.2.1";

	(void)state;
	memstore_binding(store, "client:.example", "last");
	assert_string_equal(speaks_for(NULL, store, session), "last");
	assert_int_equal(memstore_asked(store, MEMSTORE_BINDINGS), 2);
	memstore_binding(store, "client:0.0.0.0/0", "first");
	assert_string_equal(speaks_for(NULL, store, session), "first");
	assert_int_equal(memstore_asked(store, MEMSTORE_BINDINGS), 3);
	keystore_close(store);
}

static void
sender_match(void **state)
{
	static const struct {
		const char *login, *user, *domain;
		bool by_domain, by_address;
	} cases[] = {
	    {"u@a.example", "u", "a.example", true, true},
	    {"U@A.Example", "u", "a.example", true, true},
	    {"u@a.example", "U", "a.example", true, true},
	    {"u@a.example", "v", "a.example", true, false},
	    {"u@a.example", "u", "w.a.example", true, false},
	    {"u@a.example", "u", "xa.example", false, false},
	    {"u@w.a.example", "u", "a.example", false, false},
	    {"u@a.example", "u", "a.example.org", false, false},
	    {"u@a.example", "u", "", false, false},
	    {"u", "u", "a.example", false, false},
	    {"", "u", "a.example", false, false},
	    {"u@", "u", "a.example", false, false},
	    {"u@.example", "u", "a.example", false, false},
	    {"u@b@a.example", "u@b", "a.example", true, true},
	    {"u@b@a.example", "u", "b", false, false},
	    {"@a.example", "u", "a.example", true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span login = span_str(cases[i].login), user = span_str(cases[i].user),
			    domain = span_str(cases[i].domain);

		assert_int_equal(tenant_sender_match(login, user, domain, false),
		    cases[i].by_domain ? ST_OK : ST_DENIED);
		assert_int_equal(tenant_sender_match(login, user, domain, true),
		    cases[i].by_address ? ST_OK : ST_DENIED);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(subjects),
    cmocka_unit_test(networks),
    cmocka_unit_test(limits),
    cmocka_unit_test(first_bound_decides),
    cmocka_unit_test(faults),
    cmocka_unit_test(many_subjects),
    cmocka_unit_test(sender_match),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
