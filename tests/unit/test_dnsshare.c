/*
 * test_dnsshare.c - answers of DNS between a front-end and the keeper: what a front-end says and
 * hears over its socket, what the keeper takes from it and gives to whom, and the line of
 * QueryCache.
 */
#include "tests/unit/shared_help.h"

#include <sys/socket.h>

#include "daemon/channel.h"
#include "daemon/dnsshare.h"
#include "lib/base/clock.h"
#include "lib/crypto/digest.h"
#include "lib/dns/octets.h"

#define NAME "s1._domainkey.example.com"

static struct conf *
conf_of(const char *text)
{
	struct conf *conf = conf_new();

	assert_int_equal(conf_parse_text(conf, "test", span_str(text), NULL), ST_OK);
	return conf;
}

/* ---- the keeper ---- */

static const char *
octets_of(enum dns_security security, enum status status, struct buf *out)
{
	struct dns_answer answer = {.status = status, .security = security};

	buf_reset(out);
	answer.count = status == ST_OK;
	answer.texts[0] = (struct dns_text){SPAN_LIT("v=DKIM1; p="), 1, 11};
	assert_int_equal(dns_octets_write(&answer, out), ST_OK);
	return out->p;
}

static struct request
put_of(const char *name, const struct buf *octets, int64_t left_ms)
{
	return (struct request){.type = REQUEST_DNS_PUT,
	    .key_name = span_str(name),
	    .octets = buf_span(octets),
	    .until_ms = left_ms == INT64_MAX || left_ms == INT64_MIN ? left_ms : NOW_MS + left_ms};
}

static bool
gets(struct gateway *gateway, const struct dnsshare_site *site, const char *name,
    const struct buf *octets, int64_t now_ms)
{
	const struct request request = {.type = REQUEST_DNS_GET, .key_name = span_str(name)};
	struct sharedcache_answer held;
	struct reply reply;
	bool there;

	help_utc_ms = UTC_MS + (now_ms - NOW_MS);
	dnsshare_get(
	    gateway == NULL ? NULL : gateway->cache, site, &request, now_ms, &held, &reply);
	assert_int_equal(reply.verdict, VERDICT_DNS);
	help_utc_ms = UTC_MS;
	there = reply.octets.n > 0;
	if (there) {
		assert_true(span_eq(reply.octets, buf_span(octets)));
		assert_true(reply.until_ms > now_ms);
	}
	sharedcache_answer_release(&held);
	return there;
}

static void
test_what_a_front_end_may_say(void **state)
{
	static const struct {
		const char *name;
		enum dns_security security;
		enum status status;
		int64_t left_ms;
		bool validates, right;
	} cases[] = {
	    {NAME, DNS_UNKNOWN, ST_OK, 60000, false, true},
	    {NAME, DNS_UNKNOWN, ST_OK, 86400000, false, true},
	    {NAME, DNS_UNKNOWN, ST_OK, 86400001, false, false},
	    {NAME, DNS_UNKNOWN, ST_OK, INT64_MAX, false, false},
	    {NAME, DNS_UNKNOWN, ST_OK, -1, false, true},
	    {NAME, DNS_UNKNOWN, ST_OK, INT64_MIN, false, true},
	    {NAME, DNS_UNKNOWN, ST_ABSENT, 3600000, false, true},
	    {NAME, DNS_UNKNOWN, ST_ABSENT, 3600001, false, false},
	    {NAME, DNS_SECURE, ST_OK, 60000, false, false},
	    {NAME, DNS_INSECURE, ST_ABSENT, 60000, false, false},
	    {NAME, DNS_SECURE, ST_OK, 60000, true, true},
	    {NAME, DNS_INSECURE, ST_OK, 60000, true, true},
	    {NAME, DNS_UNKNOWN, ST_OK, 60000, true, false},
	    {"s1._domainkeys.example.com", DNS_UNKNOWN, ST_OK, 60000, false, false},
	    {"_domainkey.example.com", DNS_UNKNOWN, ST_OK, 60000, false, false},
	    {"_dmarc.example.com", DNS_UNKNOWN, ST_OK, 60000, false, false},
	    {"S1._domainkey.example.com", DNS_UNKNOWN, ST_OK, 60000, false, false},
	    {"s 1._domainkey.example.com", DNS_UNKNOWN, ST_OK, 60000, false, false},
	    {"._domainkey.example.com", DNS_UNKNOWN, ST_OK, 60000, false, false},
	    {"", DNS_UNKNOWN, ST_OK, 60000, false, false},
	};
	struct memshared *server = memshared_new();
	struct gateway *gateway = gateway_open(server, SITE_1, NULL);
	struct buf octets;

	(void)state;
	buf_init(&octets, DNS_OCTETS_MAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct dnsshare_site site = {
		    .validates = cases[i].validates, .scope = "scope"};
		bool kept = cases[i].right && cases[i].left_ms > 0;
		struct request request;

		octets_of(cases[i].security, cases[i].status, &octets);
		request = put_of(cases[i].name, &octets, cases[i].left_ms);
		memshared_clear(server);
		assert_int_equal(
		    dnsshare_put(gateway->cache, &site, &request, NOW_MS), cases[i].right);
		assert_int_equal(dnsshare_put(NULL, &site, &request, NOW_MS), cases[i].right);
		assert_int_equal(gets(gateway, &site, cases[i].name, &octets, NOW_MS), kept);
		assert_false(gets(NULL, &site, cases[i].name, &octets, NOW_MS));
		/* Octets that are none. */
		request.octets.n--;
		assert_false(dnsshare_put(gateway->cache, &site, &request, NOW_MS));
	}
	buf_free(&octets);
	gateway_close(gateway);
	memshared_free(server);
}

static void
test_who_gets_it_and_how_long(void **state)
{
	const struct dnsshare_site site = {.scope = "scope"}, other = {.scope = "other"},
				   nobody = {.scope = ""};
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL),
		       *b = gateway_open(server, SITE_1, NULL);
	struct gateway *stranger = gateway_open(server, OTHER_SITE_1, NULL);
	struct request request;
	struct buf octets;

	(void)state;
	buf_init(&octets, DNS_OCTETS_MAX);
	octets_of(DNS_UNKNOWN, ST_OK, &octets);
	request = put_of(NAME, &octets, 60000);
	assert_true(dnsshare_put(a->cache, &site, &request, NOW_MS));
	assert_true(gets(b, &site, NAME, &octets, NOW_MS));
	assert_true(gets(b, &site, NAME, &octets, NOW_MS + 60000 - SHAREDCACHE_SKEW_MS - 1));
	assert_false(gets(b, &site, NAME, &octets, NOW_MS + 60000 - SHAREDCACHE_SKEW_MS));
	assert_false(gets(b, &site, "s2._domainkey.example.com", &octets, NOW_MS));
	assert_false(gets(b, &other, NAME, &octets, NOW_MS));
	assert_false(gets(stranger, &site, NAME, &octets, NOW_MS));
	memshared_clear(server);
	assert_true(dnsshare_put(a->cache, &nobody, &request, NOW_MS));
	assert_int_equal(memshared_count(server), 0);
	assert_false(gets(b, &nobody, NAME, &octets, NOW_MS));
	buf_free(&octets);
	gateway_close(a);
	gateway_close(b);
	gateway_close(stranger);
	memshared_free(server);
}

/* ---- scopes ---- */

static struct dnsshare_site
site_of(const char *text, bool validates)
{
	struct conf *conf = conf_of(text);
	struct dnsshare_site site;
	struct err err = ERR_NONE;

	assert_int_equal(dnsshare_site_read(conf, validates, &site, &err), ST_OK);
	assert_int_equal(site.validates, validates);
	conf_free(conf);
	return site;
}

static void
test_scopes(void **state)
{
	static const char *const texts[] = {"", "Nameservers 192.0.2.1\n",
	    "MemcachedPrefix 192.0.2.1\n", "Nameservers 192.0.2.2\n",
	    "Nameservers 192.0.2.1\nMemcachedPrefix x\n"};
	const size_t count = sizeof(texts) / sizeof(texts[0]);
	struct dnsshare_site sites[2 * 5];

	(void)state;
	for (size_t i = 0; i < 2 * count; i++) {
		struct dnsshare_site again = site_of(texts[i / 2], i % 2 == 1);

		sites[i] = site_of(texts[i / 2], i % 2 == 1);
		assert_string_equal(sites[i].scope, again.scope);
		assert_int_equal(strlen(sites[i].scope), (SHA256_BYTES + 2) / 3 * 4);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(sites[i].scope, sites[j].scope);
	}
}

static struct dnsshare_site
site_with_file(const char *parameter, const char *name, const char *contents)
{
	char text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s %s\n", parameter, help_write(name, contents));
	return site_of(text, true);
}

static void
test_scopes_of_files(void **state)
{
	static const char anchors[] = ". IN DS 20326 8 2 E06D\nexample. IN DS 1 8 2 AA\n";
	static const char same[] = "; kept by a program\n\nexample.\tIN DS 1  8 2 AA ; VALID\r\n"
				   ". IN DS 20326 8 2 E06D ;;state=2";
	struct conf *conf = conf_of("TrustAnchorFile /nonexistent/anchors\n");
	struct dnsshare_site one = site_with_file("TrustAnchorFile", "a", anchors), site;
	struct err err = ERR_NONE;

	(void)state;
	site = site_with_file("TrustAnchorFile", "b", same);
	assert_string_equal(one.scope, site.scope);
	site = site_with_file("TrustAnchorFile", "c", ". IN DS 20326 8 2 E06D\n");
	assert_string_not_equal(one.scope, site.scope);
	site = site_with_file("TrustAnchorFile", "d", "");
	assert_string_not_equal(one.scope, site.scope);
	one = site_with_file("ResolverConfiguration", "e", "server:\n");
	site = site_with_file("ResolverConfiguration", "f", "server:\n");
	assert_string_equal(one.scope, site.scope);
	site = site_with_file("ResolverConfiguration", "f", "server:\n\n");
	assert_string_not_equal(one.scope, site.scope);
	assert_int_not_equal(dnsshare_site_read(conf, true, &site, &err), ST_OK);
	assert_string_equal(site.scope, "");
	assert_non_null(strstr(err.text, "/nonexistent/anchors"));
	conf_free(conf);
}

/* ---- a front-end ---- */

struct front {
	struct loop loop;
	struct dnsshare share;
	struct resolver *resolver;
	struct dns_query *query;
	int fds[2];
	unsigned int answered;
	enum status status;
	char text[64];
};

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct front *front = owner;

	front->answered++;
	front->status = answer->status;
	if (answer->count > 0)
		snprintf(
		    front->text, sizeof(front->text), "%.*s", SPAN_ARG(answer->texts[0].joined));
}

/* The DNS is a port that nobody listens on. */
static void
front_open(struct front *front, const char *more)
{
	char text[256];
	struct conf *conf;
	struct err err = ERR_NONE;

	*front = (struct front){.answered = 0};
	snprintf(text, sizeof(text), "Nameservers 127.0.0.1@1\n%s", more);
	conf = conf_of(text);
	assert_int_equal(loop_open(&front->loop, &err), ST_OK);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, front->fds), 0);
	assert_int_equal(dnsshare_open(&front->share, conf, &front->loop, front->fds[0], 7,
			     &front->resolver, &err),
	    ST_OK);
	conf_free(conf);
}

static void
front_close(struct front *front)
{
	resolver_free(front->resolver);
	buf_free(&front->share.frame);
	loop_close(&front->loop);
	close(front->fds[0]);
	close(front->fds[1]);
}

static void
test_a_front_end_asks_the_keeper(void **state)
{
	static char room[FRAME_MAX];
	struct reply reply = {.verdict = VERDICT_DNS, .until_ms = clock_mono_ms() + 3600000};
	struct request request;
	struct front front;
	struct buf octets;
	size_t n;

	(void)state;
	front_open(&front, "Memcached 127.0.0.1\n");
	resolver_txt(front.resolver, SPAN_LIT("S1._domainkey.example.com"), 600000, on_answer,
	    &front, &front.query);
	assert_int_equal(channel_receive(front.fds[1], room, sizeof(room), &n), ST_OK);
	assert_int_equal(request_decode(span_of(room, n), &request), ST_OK);
	assert_int_equal(request.type, REQUEST_DNS_GET);
	assert_int_equal(request.frontend, 7);
	assert_true(span_eq_str(request.key_name, NAME));
	buf_init(&octets, DNS_OCTETS_MAX);
	octets_of(DNS_UNKNOWN, ST_OK, &octets);
	reply.octets = buf_span(&octets);
	reply.id = request.id + 1;
	dnsshare_take(&front.share, &reply);
	assert_int_equal(front.answered, 0);
	reply.id = request.id;
	dnsshare_take(&front.share, &reply);
	dnsshare_take(&front.share, &reply);
	assert_int_equal(front.answered, 1);
	assert_string_equal(front.text, "v=DKIM1; p=");
	resolver_txt(front.resolver, SPAN_LIT(NAME), 600000, on_answer, &front, &front.query);
	assert_int_equal(front.answered, 2);
	assert_int_equal(channel_receive(front.fds[1], room, sizeof(room), &n), ST_UNAVAILABLE);
	buf_free(&octets);
	front_close(&front);
}

/* The keeper's socket is full, or it is gone: the DNS is asked. */
static void
test_a_keeper_that_cannot_be_asked(void **state)
{
	struct front front;

	(void)state;
	for (int gone = 0; gone < 2; gone++) {
		front_open(&front, "Memcached 127.0.0.1\n");
		if (gone == 1)
			shutdown(front.fds[1], SHUT_RDWR);
		while (gone == 0 && channel_send(front.fds[0], SPAN_LIT("x")) == ST_OK)
			continue;
		resolver_txt(
		    front.resolver, SPAN_LIT(NAME), 600000, on_answer, &front, &front.query);
		while (front.answered == 0)
			loop_step(&front.loop);
		assert_int_equal(front.status, ST_UNAVAILABLE);
		front_close(&front);
	}
}

/* Nothing is in front of libunbound, or of answers from files, unless somebody wants it. */
static void
test_when_there_is_a_cache(void **state)
{
	static const struct {
		const char *conf;
		bool cached;
	} cases[] = {
	    {"", false},
	    {"QueryCache yes\n", true},
	    {"Memcached 127.0.0.1\n", true},
	    {"TestDNSData csl:a=b\nMemcached 127.0.0.1\nQueryCache yes\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply reply = {.verdict = VERDICT_DNS, .id = 1};
		struct front front;

		front_open(&front, cases[i].conf);
		assert_int_equal(front.share.cached != NULL, cases[i].cached);
		dnsshare_take(&front.share, &reply);
		dnsshare_tick(&front.share, 1000);
		front_close(&front);
	}
}

/* ---- QueryCache ---- */

static void
test_the_line_of_query_cache(void **state)
{
	struct resolver_cached_stats stats = {.questions = 10,
	    .hits = 4,
	    .negative_hits = 1,
	    .shared_hits = 2,
	    .misses = 3,
	    .entries = 6};
	struct dnsshare share = {.log_stats = true};
	struct buf text;

	(void)state;
	buf_init(&text, 256);
	assert_true(dnsshare_stats_text(&share, &stats, &text));
	assert_string_equal(buf_text(&text),
	    "cache of DNS: 10 questions, 5 hits (50%), 1 of them negative, 2 from other gateways, "
	    "3 asked of DNS; 6 entries");
	buf_reset(&text);
	assert_false(dnsshare_stats_text(&share, &stats, &text));
	assert_int_equal(text.n, 0);
	stats.questions += 3;
	stats.hits++;
	stats.misses += 2;
	stats.entries = 8;
	assert_true(dnsshare_stats_text(&share, &stats, &text));
	assert_string_equal(buf_text(&text),
	    "cache of DNS: 3 questions, 1 hits (33%), 0 of them negative, 0 from other gateways, "
	    "2 asked of DNS; 8 entries");
	buf_free(&text);
}

static void
test_how_often_it_comes(void **state)
{
	struct front front;

	(void)state;
	front_open(&front, "QueryCache yes\n");
	dnsshare_tick(&front.share, 1000);
	assert_int_equal(front.share.log_next_ms, 1000 + DNSSHARE_STATS_EVERY_MS);
	dnsshare_tick(&front.share, 999 + DNSSHARE_STATS_EVERY_MS);
	assert_int_equal(front.share.log_next_ms, 1000 + DNSSHARE_STATS_EVERY_MS);
	dnsshare_tick(&front.share, 1000 + DNSSHARE_STATS_EVERY_MS);
	assert_int_equal(front.share.log_next_ms, 1000 + 2 * DNSSHARE_STATS_EVERY_MS);
	front_close(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_a_front_end_may_say),
	    cmocka_unit_test(test_who_gets_it_and_how_long),
	    cmocka_unit_test(test_scopes),
	    cmocka_unit_test(test_scopes_of_files),
	    cmocka_unit_test(test_a_front_end_asks_the_keeper),
	    cmocka_unit_test(test_a_keeper_that_cannot_be_asked),
	    cmocka_unit_test(test_when_there_is_a_cache),
	    cmocka_unit_test(test_the_line_of_query_cache),
	    cmocka_unit_test(test_how_often_it_comes),
	};

	return cmocka_run_group_tests_name("dnsshare", tests, help_setup, help_teardown);
}
