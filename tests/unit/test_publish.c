/*
 * test_publish.c - publishers without a server: names and texts, notations, the file of publishers,
 * zone files, what hooks and PowerDNS say, DNS messages and their signatures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "admin-api/publish_dns.h"
#include "admin-api/publish_exec.h"
#include "admin-api/publish_fragment.h"
#include "admin-api/publish_powerdns.h"
#include "lib/base/mem.h"

#define NAME SPAN_LIT("s._domainkey.example.com")
#define ZONE SPAN_LIT("example.com")
#define VALUE SPAN_LIT("v=DKIM1; p=AAAA")
#define BADTIME 18
#define OLD SPAN_LIT("v=DKIM1; p=")

static struct publish_change
change_of(int how, struct span name, struct span value, struct span old)
{
	struct publish_change change = {.name = name, .value = value, .old = old, .ttl_s = 300};

	change.how = how == 0 ? PUBLISH_ADD : how == 1 ? PUBLISH_REPLACE : PUBLISH_REMOVE;
	change.effect = LIFE_UNAVAILABLE;
	return change;
}

/* ---- what tenants give ---- */

static bool
is_public(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return publish_address_is_public((const struct sockaddr *)&in);
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return publish_address_is_public((const struct sockaddr *)&in6);
}

static void
hosts_inside(void **state)
{
	static const char *const inside[] = {"0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255",
	    "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
	    "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.168.0.0", "192.168.255.255",
	    "198.18.0.0", "198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.0",
	    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3",
	    "64:ff9b::10.0.0.1", "64:ff9b:1::1", "fe80::1", "febf::1", "fec0::1", "fc00::1",
	    "fdff::1", "ff02::1", "2002:7f00:1::1", "2002:c0a8:101::1",
	    "2001:0:7f00:1::", "4000::1", "100::1"};
	static const char *const outside[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0",
	    "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
	    "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.2.1", "192.167.255.255",
	    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:db8::1",
	    "2606:4700::1111", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1",
	    "3fff::1"};
	static const char *const names[] = {"127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1",
	    "017700000001", "2130706433", "localhost", "LOCALHOST", "localhost.", "a.localhost",
	    "A.LocalHost..", "::1", "fe80::1%lo", "0"};
	const struct sockaddr other = {.sa_family = AF_UNIX};
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		if (is_public(inside[i]))
			fail_msg("%s", inside[i]);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		if (!is_public(outside[i]))
			fail_msg("%s", outside[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (publish_host_check(span_str(names[i]), &err) != ST_INVALID)
			fail_msg("%s", names[i]);
	assert_false(publish_address_is_public(&other));
	assert_int_equal(publish_host_check(SPAN_LIT("192.0.2.1"), &err), ST_OK);
	assert_int_equal(publish_host_check(SPAN_LIT("ns.example.com"), &err), ST_OK);
	assert_int_equal(publish_host_check(SPAN_LIT("notlocalhost"), &err), ST_OK);
}

static void
rows_of_tenants(void **state)
{
	static const struct {
		const char *kind, *address, *secret, *says; /* says NULL: it opens */
		bool inside;
	} rows[] = {
	    {"manual", "", "", NULL, false},
	    {"manual", "", "x", "secret:", false},
	    {"rfc2136", "192.0.2.1", "", NULL, false},
	    {"rfc2136", "192.0.2.1", "eA==", "nothing that it is for", false},
	    {"rfc2136", "192.0.2.1?key=k", "eA==", NULL, false},
	    {"rfc2136", "192.0.2.1?key=k", "", "the secret is missing", false},
	    {"rfc2136", "192.0.2.1?key=k&timeout=30", "eA==", NULL, false},
	    {"rfc2136", "192.0.2.1?key=k&timeout=31", "eA==", "timeout", false},
	    {"rfc2136", "192.0.2.1?key=k&secretfile=/x", "eA==", "files are the operator's", false},
	    {"rfc2136", "192.0.2.1,127.0.0.1?key=k", "eA==", "host inside", false},
	    {"rfc2136", "192.0.2.1,127.0.0.1?key=k", "eA==", NULL, true},
	    {"powerdns", "https://192.0.2.1", "k", NULL, false},
	    {"powerdns", "https://192.0.2.1", "", "the secret is missing", false},
	    {"powerdns", "https://192.0.2.1?keyfile=/x", "k", "files are the operator's", false},
	    {"powerdns", "https://[::1]:1/", "k", "host inside", false},
	    {"powerdns", "https://[::1]:1/", "k", NULL, true},
	    {"powerdns", "https://0x7f000001/", "k", "host inside", false},
	    {"powerdns", "https://192.0.2.1", "k\r\nX-Other: y", "printable", false},
	    {"powerdns", "file:///etc/passwd", "k", "http", true},
	    {"exec", "/bin/true", "", "runs programs", true},
	    {"zonefile", "/x/%z", "", "writes files", true},
	    {"", "", "", "kind", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct publisher_given given = {.name = SPAN_LIT("p"),
		    .kind = span_str(rows[i].kind),
		    .address = span_str(rows[i].address),
		    .secret = span_str(rows[i].secret),
		    .allow_private = rows[i].inside};
		struct publisher *publisher;
		struct err err = ERR_NONE;
		enum status status = publisher_open_of_tenant(&given, &publisher, &err);

		publisher_close(publisher);
		if (rows[i].says == NULL
			? status != ST_OK
			: status != ST_INVALID || strstr(err.text, rows[i].says) == NULL)
			fail_msg("%zu %s: %s", i, rows[i].address, err.text);
	}
}

/* ---- names and texts ---- */

static void
names_are_checked(void **state)
{
	static const char *const good[] = {"a", "a.b", "A-1._x.com", "xn--bcher-kva.example"};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a\"", "a\\", "a;",
	    "a\n", "*", "a/b", "\xc3\xa4", "$a", "@", "a(", "a'b", "a%z"};
	char label[65];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(publish_name_good(span_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(publish_name_good(span_str(bad[i])));
	memset(label, 'a', 64);
	assert_true(publish_name_good(span_of(label, 63)));
	assert_false(publish_name_good(span_of(label, 64)));
	assert_true(publish_name_within(NAME, SPAN_LIT("EXAMPLE.com")));
	assert_true(publish_name_within(ZONE, ZONE));
	assert_false(publish_name_within(SPAN_LIT("notexample.com"), ZONE));
	assert_false(publish_name_within(SPAN_LIT("com"), ZONE));
}

static void
texts_are_split_at_255(void **state)
{
	static const struct {
		size_t n, strings, last;
	} cases[] = {{1, 1, 1}, {255, 1, 255}, {256, 2, 1}, {510, 2, 255}, {511, 3, 1}};
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span rest = span_of(text, cases[i].n), string, last = SPAN_EMPTY;
		size_t strings = 0;

		for (; publish_string_next(&rest, &string); strings++)
			last = string;
		assert_int_equal(strings, cases[i].strings);
		assert_int_equal(last.n, cases[i].last);
	}
}

static void
what_is_there_decides(void **state)
{
	static const struct {
		int how;
		size_t records;
		const char *there;
		bool alias, write;
		enum life_effect effect;
	} cases[] = {
	    {0, 0, "", false, true, LIFE_UNAVAILABLE},
	    {0, 1, "v=DKIM1; p=AAAA", false, false, LIFE_DONE},
	    {0, 1, "v=DKIM1; p=AAAB", false, false, LIFE_CONFLICT},
	    {0, 1, "v=DKIM1; p=", false, false, LIFE_CONFLICT},
	    {0, 2, "v=DKIM1; p=AAAA", false, false, LIFE_CONFLICT},
	    {0, 0, "", true, false, LIFE_CONFLICT},
	    {1, 1, "v=DKIM1; p=", false, true, LIFE_UNAVAILABLE},
	    {1, 1, "v=DKIM1; p=AAAA", false, false, LIFE_DONE},
	    {1, 0, "", false, false, LIFE_CONFLICT},
	    {1, 2, "v=DKIM1; p=", false, false, LIFE_CONFLICT},
	    {2, 1, "v=DKIM1; p=", false, true, LIFE_UNAVAILABLE},
	    {2, 0, "", false, false, LIFE_DONE},
	    {2, 1, "v=DKIM1; p=AAAA", false, false, LIFE_CONFLICT},
	    {2, 0, "", true, false, LIFE_CONFLICT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct publish_change change = change_of(cases[i].how, NAME, VALUE, OLD);
		struct publish_there there = {
		    cases[i].records, cases[i].alias, span_str(cases[i].there)};

		assert_int_equal(publish_compare(&change, &there), cases[i].write);
		assert_int_equal(change.effect, cases[i].effect);
		assert_int_equal(change.why[0] != '\0', change.effect == LIFE_CONFLICT);
	}
}

/* ---- notations, read by libldns ---- */

static void
check_line(const char *line, struct span text)
{
	ldns_rr *rr = NULL;
	char joined[PUBLISH_VALUE_MAX];
	size_t n = 0;

	assert_int_equal(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
	assert_int_equal(ldns_rr_get_type(rr), LDNS_RR_TYPE_TXT);
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i);

		memcpy(joined + n, ldns_rdf_data(rdf) + 1, ldns_rdf_size(rdf) - 1);
		n += ldns_rdf_size(rdf) - 1;
	}
	assert_true(span_eq(span_of(joined, n), text));
	ldns_rr_free(rr);
}

static void
notations_can_be_read(void **state)
{
	static const char *const texts[] = {
	    "v=DKIM1; p=AAAA", "say \"no\"", "\\", "a\\\"b", ";(){}$@"};
	char text[PUBLISH_VALUE_MAX];
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_reset(&out);
		assert_int_equal(
		    publish_write(PUBLISH_RFC1035, NAME, span_str(texts[i]), 300, &out), ST_OK);
		check_line(buf_text(&out), span_str(texts[i]));
	}
	for (size_t n = 1; n <= sizeof(text); n = n < 1100 ? n + 17 : n * 2) {
		memset(text, n % 2 == 0 ? '"' : 'k', n);
		buf_reset(&out);
		assert_int_equal(
		    publish_write(PUBLISH_RFC1035, NAME, span_of(text, n), 300, &out), ST_OK);
		check_line(buf_text(&out), span_of(text, n));
	}
	buf_free(&out);
}

static void
notations_have_names_and_limits(void **state)
{
	enum publish_notation notation;
	struct buf out;

	(void)state;
	for (unsigned int i = 0; i < PUBLISH_NOTATIONS; i++) {
		const char *name = publish_notation_name((enum publish_notation)i);

		assert_int_equal(publish_notation_by_name(span_str(name), &notation), ST_OK);
		assert_int_equal(notation, i);
		buf_init(&out, 14);
		assert_int_equal(publish_write(notation, NAME, VALUE, 300, &out), ST_TOO_BIG);
		buf_free(&out);
		buf_init(&out, 4096);
		assert_int_equal(
		    publish_write(notation, SPAN_LIT("a\nb"), VALUE, 300, &out), ST_INVALID);
		assert_int_equal(
		    publish_write(notation, NAME, SPAN_LIT("a\n"), 300, &out), ST_INVALID);
		assert_int_equal(out.n, 0);
		assert_int_equal(
		    publish_write(notation, NAME, SPAN_LIT("${a}\"%{b"), 300, &out), ST_OK);
		if (notation == PUBLISH_TERRAFORM)
			assert_non_null(strstr(buf_text(&out), "[\"$${a}\\\\\\\"%%{b\"]"));
		buf_free(&out);
	}
	assert_int_equal(publish_notation_by_name(SPAN_LIT("xml"), &notation), ST_ABSENT);
}

static void
cnames_can_be_read(void **state)
{
	static const struct {
		enum publish_notation notation;
		const char *has;
	} cases[] = {
	    {PUBLISH_SINGLE, "sp1.c.example.dkim.p.example."},
	    {PUBLISH_RFC1035,
		"sp1._domainkey.c.example. 300 IN CNAME sp1.c.example.dkim.p.example."},
	    {PUBLISH_BIND, "IN\tCNAME\tsp1.c.example.dkim.p.example.\n"},
	    {PUBLISH_NSUPDATE, "prereq nxdomain sp1._domainkey.c.example.\nupdate add "},
	    {PUBLISH_ROUTE53, "\"Value\":\"sp1.c.example.dkim.p.example.\""},
	    {PUBLISH_TERRAFORM, "records = [\"sp1.c.example.dkim.p.example.\"]"},
	    {PUBLISH_JSON, "\"type\":\"CNAME\""},
	};
	struct span name = SPAN_LIT("sp1._domainkey.c.example");
	struct span target = SPAN_LIT("sp1.c.example.dkim.p.example");
	ldns_rr *rr = NULL;
	struct buf out;
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, 4096);
		assert_int_equal(
		    publish_write_cname(cases[i].notation, name, target, 300, &out), ST_OK);
		if (strstr(buf_text(&out), cases[i].has) == NULL)
			fail_msg("%s", buf_text(&out));
		buf_reset(&out);
		assert_int_equal(
		    publish_write_cname(cases[i].notation, name, SPAN_LIT("a b"), 300, &out),
		    ST_INVALID);
		assert_int_equal(
		    publish_write_cname(cases[i].notation, SPAN_LIT("a.\""), target, 300, &out),
		    ST_INVALID);
		assert_int_equal(out.n, 0);
		buf_free(&out);
		buf_init(&out, 20);
		assert_int_equal(
		    publish_write_cname(cases[i].notation, name, target, 300, &out), ST_TOO_BIG);
		buf_free(&out);
	}
	buf_init(&out, 4096);
	assert_int_equal(publish_write_cname(PUBLISH_RFC1035, name, target, 300, &out), ST_OK);
	assert_int_equal(ldns_rr_new_frm_str(&rr, buf_text(&out), 0, NULL, NULL), LDNS_STATUS_OK);
	text = ldns_rdf2str(ldns_rr_rdf(rr, 0));
	assert_string_equal(text, "sp1.c.example.dkim.p.example.");
	free(text);
	ldns_rr_free(rr);
	buf_free(&out);
}

/* ---- the file of publishers ---- */

static void
publishers_are_opened(void **state)
{
	static const char *const good[] = {"a manual:", "a.b-c_d\t exec:/bin/true?timeout=5",
	    "a rfc2136:127.0.0.1", "a rfc2136:[::1]:5353,ns.example:53",
	    "a rfc2136:h?key=k.example&secretfile=/s&algorithm=hmac-sha512&zone=z",
	    "a zonefile:/d/%z.zone?run=/bin/true", "a powerdns:http://127.0.0.1:8081?keyfile=/k",
	    "a powerdns:http://[::1]:8081/?keyfile=/k", "a powerdns:https://h.example?keyfile=/k",
	    "a powerdns:http://h.example?keyfile=/k&insecure=yes"};
	static const char *const bad[] = {"", "a", "a b", "a nothing:", "ä manual:", "a manual:x",
	    "a exec:", "a exec:true", "a exec:/bin/true?timeout=0", "a exec:/bin/true?timeout=601",
	    "a exec:/bin/true?x=1", "a rfc2136:", "a rfc2136:h:0", "a rfc2136:h:65536",
	    "a rfc2136:[::1", "a rfc2136:,", "a rfc2136:h?key=k", "a rfc2136:h?secretfile=/s",
	    "a rfc2136:h?key=k&secretfile=s", "a rfc2136:h?key=k&secretfile=/s&algorithm=hmac-md5",
	    "a rfc2136:h?zone=a..b", "a rfc2136:h?zone=a&zone=b",
	    "a rfc2136:h?zone=", "a rfc2136:1,2,3,4,5,6,7,8,9", "a zonefile:x", "a zonefile:/d/",
	    "a zonefile:/d/x?run=y", "a powerdns:127.0.0.1?keyfile=/k",
	    "a powerdns:http://127.0.0.1", "a powerdns:http://h.example?keyfile=/k",
	    "a powerdns:http://127.evil@h?keyfile=/k", "a powerdns:https://u:p@h?keyfile=/k",
	    "a powerdns:https://h?keyfile=/k&insecure=no",
	    "a powerdns:https://h?keyfile=/k&server=a/b", "a exec:/bin/a b"};
	struct publisher *publisher;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err err = ERR_NONE;

		if (publisher_open(span_str(good[i]), &publisher, &err) != ST_OK)
			fail_msg("%s: %s", good[i], err.text);
		assert_non_null(publisher->where);
		publisher_close(publisher);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_NONE;

		if (publisher_open(span_str(bad[i]), &publisher, &err) != ST_INVALID)
			fail_msg("%s is taken", bad[i]);
		assert_null(publisher);
		assert_true(err.text[0] != '\0');
	}
	publisher_close(NULL);
}

static void
names_127_outside_are_not_loopback(void **state)
{
	struct publisher *publisher;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(publisher_open(SPAN_LIT("a powerdns:http://127.example.com?keyfile=/k"),
			     &publisher, &err),
	    ST_INVALID);
}

static void
write_text(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void
files_of_publishers_are_read(void **state)
{
	char folder[] = "/tmp/signpost-publish-XXXXXX", path[64];
	struct publisher **all;
	struct err err = ERR_NONE;
	size_t count;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/p", folder);
	assert_int_equal(publishers_read(path, &all, &count, &err), ST_ABSENT);
	write_text(path, "# one\n\n  a exec:/bin/true  \r\n#b x\nc manual:\n", 0644);
	assert_int_equal(publishers_read(path, &all, &count, &err), ST_OK);
	assert_int_equal(count, 3);
	assert_string_equal(all[2]->name, "manual");
	assert_ptr_equal(publisher_find(all, count, SPAN_LIT("c")), all[1]);
	assert_null(publisher_find(all, count, SPAN_LIT("b")));
	publishers_close(all, count);
	write_text(path, "manual manual:\n", 0644);
	assert_int_equal(publishers_read(path, &all, &count, &err), ST_OK);
	assert_int_equal(count, 1);
	publishers_close(all, count);
	write_text(path, "a manual:\n\na manual:", 0644);
	assert_int_equal(publishers_read(path, &all, &count, &err), ST_INVALID);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "line 3"));
	write_text(path, "a manual:\n", 0664);
	assert_int_equal(publishers_read(path, &all, &count, &err), ST_DENIED);
	assert_int_equal(publishers_read(NULL, &all, &count, &err), ST_OK);
	assert_int_equal(count, 1);
	publishers_close(all, count);
	unlink(path);
	rmdir(folder);
}

/* ---- any number of changes ---- */

static size_t pieces;

static void
count_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	(void)publisher;
	(void)zone;
	assert_true(count > 0 && count <= PUBLISH_BATCH_MAX);
	pieces++;
	for (size_t i = 0; i < count; i++)
		publish_effect(&changes[i], LIFE_DONE, NULL);
}

static void
changes_are_given_in_pieces(void **state)
{
	static const struct publisher_ops ops = {.kind = "count", .apply = count_apply};
	struct publisher publisher = {.ops = &ops};
	enum { COUNT = 1203 };
	struct publish_change *changes = mem_zalloc(COUNT, sizeof(*changes));
	char(*names)[64] = mem_zalloc(COUNT, sizeof(*names));

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(
		    names[i], sizeof(names[i]), "%c%d.example.com", i % 2 ? 'a' : 'A', i / 2 * 2);
		changes[i] = change_of(0, span_str(names[i]), VALUE, SPAN_EMPTY);
	}
	changes[4].value = SPAN_LIT("\n");
	pieces = 0;
	publisher_apply(&publisher, ZONE, changes, COUNT);
	assert_int_equal(pieces, 2);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(changes[i].effect, i == 4                 ? LIFE_REFUSED
						    : i == 5 || i % 2 == 0 ? LIFE_DONE
									   : LIFE_UNAVAILABLE);
	publisher_apply(&publisher, SPAN_LIT("not a zone"), changes, 2);
	assert_int_equal(changes[0].effect, LIFE_REFUSED);
	publisher_apply(&publisher, ZONE, changes, 0);
	mem_free(changes);
	mem_free(names);
}

/* ---- zone files ---- */

static void
check_fragment(const char *before, struct publish_change *changes, size_t count, const char *after)
{
	struct fragment fragment;
	struct err err = ERR_NONE;
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(fragment_read(span_str(before), ZONE, &fragment, &err), ST_OK);
	fragment_apply(&fragment, changes, count);
	assert_int_equal(fragment_write(&fragment, &out), ST_OK);
	/* Behind the two lines of the head. */
	assert_string_equal(strstr(strstr(buf_text(&out), "\n") + 1, "\n") + 1, after);
	buf_free(&out);
	fragment_free(&fragment);
}

static void
fragments_are_changed(void **state)
{
	struct publish_change changes[4];

	(void)state;
	changes[0] = change_of(0, SPAN_LIT("b.example.com"), VALUE, SPAN_EMPTY);
	changes[1] = change_of(1, SPAN_LIT("C.example.com"), OLD, VALUE);
	changes[2] = change_of(2, SPAN_LIT("d.example.com"), SPAN_EMPTY, VALUE);
	changes[3] = change_of(0, SPAN_LIT("a.example.com"), VALUE, SPAN_EMPTY);
	check_fragment(";; signpost: old head\nd.example.com. 1 IN TXT \"v=DKIM1; \" \"p=AAAA\"\n\n"
		       "c.example.com.\t60  in txt  \"v=DKIM1; p=AAAA\"\n",
	    changes, 4,
	    "a.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n"
	    "b.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n"
	    "c.example.com. 300 IN TXT \"v=DKIM1; p=\"\n");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(changes[i].effect, LIFE_DONE);
}

/* Each line is foreign, is kept, and the name has a conflict, while another name has not. */
static void
foreign_lines_stay(void **state)
{
	static const char *const texts[] = {
	    "a.example.com. 300 IN CNAME b.example.com.\n",
	    "a 300 IN TXT \"v=DKIM1; p=AAAA\"\n",
	    "A.example.com. IN TXT \"v=DKIM1; p=AAAA\"\n",
	    "a.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\" ; remark\n",
	    "a.example.com. 300 IN TXT v=DKIM1\n",
	    "a.example.com. 300 IN TXT \"\\118=DKIM1; p=AAAA\"\n",
	    "a.example.com. 300 IN TXT (\n\"v=DKIM1; p=AAAA\"\nc.example.com. 1 IN TXT \"x\" )\n",
	    "$ORIGIN a.example.com.\n@ IN A 192.0.2.1\n",
	    "$ORIGIN com.\n; more\na.example IN A 192.0.2.1\n",
	    "; remark\na.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n\tIN A 192.0.2.1\n",
	    "x A 192.0.2.1\na A 192.0.2.1\n  A 192.0.2.2\n",
	    "$ORIGIN\na A 192.0.2.1\n",
	    "a.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n\tIN A 192.0.2.1\n$ORIGIN net.\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct publish_change changes[2];
		char after[512];

		changes[0] = change_of(0, SPAN_LIT("a.example.com"), VALUE, SPAN_EMPTY);
		changes[1] = change_of(0, SPAN_LIT("b.example.com"), VALUE, SPAN_EMPTY);
		snprintf(after, sizeof(after), "%sb.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n",
		    texts[i]);
		check_fragment(texts[i], changes, 2, after);
		assert_int_equal(changes[0].effect, LIFE_CONFLICT);
		assert_int_equal(changes[1].effect, LIFE_DONE);
	}
}

/* What has no owner belongs to the record before, whatever is between. */
static void
records_with_more_are_foreign(void **state)
{
	struct publish_change change = change_of(2, SPAN_LIT("a.example.com"), SPAN_EMPTY, VALUE);

	(void)state;
	check_fragment(
	    "a.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n; remark\n\n\tIN A 192.0.2.1\n",
	    &change, 1,
	    "; remark\na.example.com. 300 IN TXT \"v=DKIM1; p=AAAA\"\n\tIN A 192.0.2.1\n");
	assert_int_equal(change.effect, LIFE_CONFLICT);
}

static void
open_parentheses_hinder_all(void **state)
{
	struct fragment fragment;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(
	    fragment_read(SPAN_LIT("a TXT ( \"x\" ; )\n"), ZONE, &fragment, &err), ST_INVALID);
	fragment_free(&fragment);
	assert_int_equal(
	    fragment_read(SPAN_LIT("a TXT \"(\" \\( ; (\n"), ZONE, &fragment, &err), ST_OK);
	fragment_free(&fragment);
}

/* ---- hooks ---- */

static void
hooks_are_read(void **state)
{
	static const struct {
		const char *text;
		enum life_effect first, second;
	} good[] = {
	    {"{\"results\":[{\"id\":1,\"result\":\"done\"},{\"id\":0,\"result\":\"pending\"}]}",
		LIFE_PENDING, LIFE_DONE},
	    {"{\"results\":[{\"id\":0,\"result\":\"refused\",\"why\":\"a\\nb\"}],\"more\":1}",
		LIFE_REFUSED, LIFE_UNAVAILABLE},
	    {"{\"results\":[]}", LIFE_UNAVAILABLE, LIFE_UNAVAILABLE},
	};
	static const char *const bad[] = {"", "{", "[]", "{\"results\":{}}",
	    "{\"results\":[{\"id\":2,\"result\":\"done\"}]}",
	    "{\"results\":[{\"id\":-1,\"result\":\"done\"}]}",
	    "{\"results\":[{\"id\":0,\"result\":\"done\"},{\"id\":0,\"result\":\"done\"}]}",
	    "{\"results\":[{\"id\":0,\"result\":\"Done\"}]}", "{\"results\":[{\"id\":0}]}",
	    "{\"results\":[{\"id\":0,\"result\":\"done\"},7]}",
	    "{\"results\":[{\"id\":0,\"result\":\"done\",\"why\":1}]}", "{\"results\":[]} x"};
	struct publish_change changes[2];
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		changes[0] = changes[1] = change_of(0, NAME, VALUE, SPAN_EMPTY);
		assert_int_equal(
		    publish_exec_answer(span_str(good[i].text), changes, 2, &err), ST_OK);
		assert_int_equal(changes[0].effect, good[i].first);
		assert_int_equal(changes[1].effect, good[i].second);
		assert_null(strchr(changes[0].why, '\n'));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		changes[0] = changes[1] = change_of(0, NAME, VALUE, SPAN_EMPTY);
		assert_int_equal(
		    publish_exec_answer(span_str(bad[i]), changes, 2, &err), ST_INVALID);
		assert_int_equal(changes[0].effect, LIFE_UNAVAILABLE);
	}
}

/* ---- PowerDNS ---- */

static void
powerdns_is_read(void **state)
{
	static const struct {
		const char *text;
		size_t records;
		bool alias;
		const char *value;
	} good[] = {
	    {"{\"rrsets\":[]}", 0, false, ""},
	    {"{\"rrsets\":[{\"name\":\"S._domainkey.example.com.\",\"type\":\"TXT\",\"records\":[{"
	     "\"content\":\"\\\"v=DKIM1; \\\" \\\"p=AAAA\\\"\"}]}]}",
		1, false, "v=DKIM1; p=AAAA"},
	    {"{\"rrsets\":[{\"name\":\"s._domainkey.example.com.\",\"type\":\"TXT\",\"records\":[{"
	     "\"content\":\"\\\"a\\\\\\\"\\\\\\\\\\\\065\\\"\"}]}]}",
		1, false, "a\"\\A"},
	    {"{\"rrsets\":[{\"name\":\"other.example.com.\",\"type\":\"TXT\",\"records\":[{}]}]}",
		0, false, ""},
	    {"{\"rrsets\":[{\"name\":\"s._domainkey.example.com.\",\"type\":\"CNAME\"}]}", 0, true,
		""},
	    {"{\"rrsets\":[{\"name\":\"s._domainkey.example.com.\",\"type\":\"TXT\",\"records\":[{"
	     "\"content\":\"plain\"}]}]}",
		1, false, "\n"},
	    {"{\"rrsets\":[{\"name\":\"s._domainkey.example.com.\",\"type\":\"TXT\",\"records\":[{}"
	     ",7]"
	     "}]}",
		2, false, "\n"},
	};
	static const char *const bad[] = {"", "[]", "{}", "{\"rrsets\":{}}", "{\"rrsets\":[7]}"};
	struct publish_there there;
	struct err err = ERR_NONE;
	struct buf room;

	(void)state;
	buf_init(&room, 4096);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(
		    powerdns_rrsets_read(span_str(good[i].text), NAME, &room, &there, &err), ST_OK);
		assert_int_equal(there.records, good[i].records);
		assert_int_equal(there.alias, good[i].alias);
		assert_true(span_eq_str(there.text, good[i].value));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    powerdns_rrsets_read(span_str(bad[i]), NAME, &room, &there, &err), ST_INVALID);
	buf_free(&room);
}

/* ---- DNS ---- */

static struct tsig_key
key_of(enum mac_digest digest)
{
	return (struct tsig_key){
	    SPAN_LIT("Key.example"), digest, SPAN_LIT("0123456789abcdef0123456789abcdef")};
}

/* What a server would answer: the question with the bit of an answer. tsig_sign() makes the record;
 * its MAC is then made again as that of an answer, over the question's MAC too (RFC 8945 5.3.1). */
static void
make_answer(const struct tsig_key *key, const struct tsig_mac *mac, int64_t now, char error,
    struct buf *answer)
{
	size_t algorithm = sizeof("hmac-sha256") + 1, name = key->name.n + 2, begin, at;
	char length[2] = {0, (char)mac->n};
	struct tsig_mac own;
	struct buf text;

	buf_init(&text, 4096);
	wire_question_write(7, NAME, answer);
	answer->p[2] |= (char)0x80;
	buf_add(&text, span_of(length, 2));
	buf_add(&text, span_of(mac->octets, mac->n));
	buf_add(&text, buf_span(answer));
	begin = answer->n;
	at = begin + name + 10;
	assert_int_equal(tsig_sign(key, now, answer, &own), ST_OK);
	for (size_t i = 0; i < name; i++)
		buf_add_char(&text, ascii_lower(answer->p[begin + i]));
	buf_add(&text, span_of(answer->p + begin + name + 2, 6));
	buf_add(&text, span_of(answer->p + at, algorithm + 8));
	answer->p[answer->n - 3] = error;
	buf_add(&text, span_from(buf_span(answer), answer->n - 4));
	assert_int_equal(
	    mac_make(key->digest, key->secret, &(struct span){text.p, text.n}, 1, own.octets),
	    ST_OK);
	memcpy(answer->p + at + algorithm + 10, own.octets, own.n);
	buf_free(&text);
}

static void
signatures_are_checked(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct tsig_key key = key_of((enum mac_digest)i), other = key;
		struct tsig_mac mac;
		struct buf question, answer;
		uint16_t error;

		other.secret = SPAN_LIT("another");
		buf_init(&question, 4096);
		buf_init(&answer, 4096);
		wire_question_write(7, NAME, &question);
		assert_int_equal(tsig_sign(&key, 1000000, &question, &mac), ST_OK);
		make_answer(&key, &mac, 1000000, 0, &answer);
		assert_int_equal(
		    tsig_check(&key, 1000300, buf_span(&answer), &mac, &error), TSIG_GOOD);
		assert_int_equal(error, 0);
		assert_int_equal(
		    tsig_check(&key, 1000301, buf_span(&answer), &mac, &error), TSIG_BAD);
		assert_int_equal(
		    tsig_check(&key, 999699, buf_span(&answer), &mac, &error), TSIG_BAD);
		assert_int_equal(
		    tsig_check(&other, 1000000, buf_span(&answer), &mac, &error), TSIG_BAD);
		/* Every octet counts, but those of the id, which the record has too. */
		for (size_t at = 2; at < answer.n; at++) {
			answer.p[at] ^= 1;
			assert_int_not_equal(
			    tsig_check(&key, 1000000, buf_span(&answer), &mac, &error), TSIG_GOOD);
			answer.p[at] ^= 1;
		}
		for (size_t n = 0; n < answer.n; n++)
			assert_int_not_equal(
			    tsig_check(&key, 1000000, span_of(answer.p, n), &mac, &error),
			    TSIG_GOOD);
		mac.octets[0] ^= 1;
		assert_int_equal(
		    tsig_check(&key, 1000000, buf_span(&answer), &mac, &error), TSIG_BAD);
		mac.octets[0] ^= 1;
		buf_reset(&answer);
		make_answer(&key, &mac, 1000000, BADTIME, &answer);
		/* The server signs it with the time that it was given. */
		assert_int_equal(
		    tsig_check(&key, 9000000, buf_span(&answer), &mac, &error), TSIG_GOOD);
		assert_int_equal(error, BADTIME);
		assert_non_null(strstr(tsig_error_text(error), "clock"));
		buf_reset(&answer);
		wire_question_write(7, NAME, &answer);
		assert_int_equal(
		    tsig_check(&key, 1000000, buf_span(&answer), &mac, &error), TSIG_UNSIGNED);
		buf_free(&question);
		buf_free(&answer);
	}
}

/* What one of each adds, as libldns reads it. */
static void
updates_have_prerequisites(void **state)
{
	static const struct {
		int how;
		size_t prerequisites, updates;
	} cases[] = {{0, 2, 1}, {1, 1, 2}, {2, 1, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct publish_change change = change_of(cases[i].how, NAME, VALUE, OLD);
		struct span rdata = SPAN_LIT("\3v=D\10KIM1; p=");
		struct wire_update update;
		ldns_pkt *packet = NULL;
		struct buf out;

		buf_init(&out, WIRE_MESSAGE_MAX);
		wire_update_init(&update);
		wire_update_add(&update, &change, rdata);
		assert_true(wire_update_size(&update) <= wire_change_size_max(&change, rdata));
		assert_int_equal(wire_update_write(&update, 77, ZONE, &out), ST_OK);
		assert_int_equal(
		    ldns_wire2pkt(&packet, (const uint8_t *)out.p, out.n), LDNS_STATUS_OK);
		assert_int_equal(ldns_pkt_get_opcode(packet), LDNS_PACKET_UPDATE);
		assert_int_equal(ldns_pkt_ancount(packet), cases[i].prerequisites);
		assert_int_equal(ldns_pkt_nscount(packet), cases[i].updates);
		assert_int_equal(ldns_rr_get_class(ldns_rr_list_rr(ldns_pkt_answer(packet), 0)),
		    cases[i].how == 0 ? LDNS_RR_CLASS_NONE : LDNS_RR_CLASS_IN);
		ldns_pkt_free(packet);
		wire_update_free(&update);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_checked),
	    cmocka_unit_test(texts_are_split_at_255),
	    cmocka_unit_test(what_is_there_decides),
	    cmocka_unit_test(notations_can_be_read),
	    cmocka_unit_test(notations_have_names_and_limits),
	    cmocka_unit_test(cnames_can_be_read),
	    cmocka_unit_test(publishers_are_opened),
	    cmocka_unit_test(names_127_outside_are_not_loopback),
	    cmocka_unit_test(files_of_publishers_are_read),
	    cmocka_unit_test(changes_are_given_in_pieces),
	    cmocka_unit_test(fragments_are_changed),
	    cmocka_unit_test(foreign_lines_stay),
	    cmocka_unit_test(records_with_more_are_foreign),
	    cmocka_unit_test(open_parentheses_hinder_all),
	    cmocka_unit_test(hooks_are_read),
	    cmocka_unit_test(hosts_inside),
	    cmocka_unit_test(rows_of_tenants),
	    cmocka_unit_test(powerdns_is_read),
	    cmocka_unit_test(signatures_are_checked),
	    cmocka_unit_test(updates_have_prerequisites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
