/*
 * test_principal.c - who asks by HTTP: tokens and their networks, wrong ones, and how often one may
 * ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/principal.h"
#include "lib/store/keystore.h"
#include "tests/lib/operation_world.h"

#define FAR_AWAY INT64_C(253402300799)

/* ---- token.c ---- */

static void
test_tokens_differ(void **state)
{
	char one[TOKEN_BYTES + 1], two[TOKEN_BYTES + 1];
	char hash[ADMINROW_HASH_BYTES], again[ADMINROW_HASH_BYTES];

	(void)state;
	token_make(one);
	token_make(two);
	assert_int_equal(strlen(one), TOKEN_BYTES);
	assert_memory_equal(one, TOKEN_PREFIX, 4);
	assert_string_not_equal(one, two);
	assert_int_equal(strspn(one + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-_"),
	    TOKEN_BYTES - 4);
	token_hash(span_str(one), hash);
	token_hash(span_str(one), again);
	assert_string_equal(hash, again);
	/* A name of a certificate is no token of that text. */
	certificate_hash(span_str(one), again);
	assert_string_not_equal(hash, again);
}

static void
test_networks(void **state)
{
	static const struct {
		const char *networks, *address;
		bool fits;
	} cases[] = {
	    {"", "192.0.2.1", true},
	    {" ", "192.0.2.1", true},
	    {"192.0.2.0/24", "192.0.2.255", true},
	    {"192.0.2.0/24", "192.0.3.0", false},
	    {"192.0.2.7", "192.0.2.7", true},
	    {"192.0.2.7", "192.0.2.8", false},
	    {"192.0.2.128/25", "192.0.2.127", false},
	    {"0.0.0.0/0", "198.51.100.1", true},
	    {"0.0.0.0/0", "2001:db8::1", false},
	    {"::/0", "2001:db8::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"::1 192.0.2.0/24", "::1", true},
	    {"::ffff:192.0.2.1", "192.0.2.1", true},
	    {"nonsense", "192.0.2.1", false},
	    {"192.0.2.0/33", "192.0.2.1", false},
	    {"192.0.2.0/24", "unix", false},
	    {"192.0.2.0/24", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s: %s\n", cases[i].networks, cases[i].address);
		assert_true(
		    networks_fit(span_str(cases[i].networks), cases[i].address) == cases[i].fits);
	}
}

static void
test_networks_are_checked(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {{"", true}, {"192.0.2.0/24 2001:db8::/32 ::1", true}, {"192.0.2.0/0", true},
	    {"192.0.2.0/", false}, {"192.0.2.0/33", false}, {"::/129", false}, {"192.0.2", false},
	    {"192.0.2.0/-1", false}, {"example.org", false}, {"192.0.2.0/24,::1", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;

		print_message("# %s\n", cases[i].text);
		assert_true(
		    (networks_check(span_str(cases[i].text), &err) == ST_OK) == cases[i].good);
	}
}

static void
test_networks_within(void **state)
{
	static const struct {
		const char *networks, *network;
		bool within;
	} cases[] = {
	    {"", "0.0.0.0/0", true},
	    {"192.0.2.0/24", "192.0.2.0/24", true},
	    {"192.0.2.0/24", "192.0.2.128/25", true},
	    {"192.0.2.0/24", "192.0.2.7", true},
	    {"192.0.2.0/24", "192.0.2.0/23", false},
	    {"192.0.2.0/24", "192.0.3.0/24", false},
	    {"192.0.2.0/24", "0.0.0.0/0", false},
	    {"0.0.0.0/0", "::/0", false},
	    {"::/0", "192.0.2.0/24", true},
	    {"::1 192.0.2.0/24", "::1", true},
	    {"2001:db8::/32", "2001:db8:1::/48", true},
	    {"2001:db8:1::/48", "2001:db8::/32", false},
	    {"nonsense", "192.0.2.1", false},
	    {"192.0.2.0/24", "nonsense", false},
	    {"192.0.2.0/24", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s: %s\n", cases[i].networks, cases[i].network);
		assert_true(network_within(span_str(cases[i].networks),
				span_str(cases[i].network)) == cases[i].within);
	}
}

/* ---- principal.c ---- */

struct asking {
	struct operation_world *world;
	struct principals *principals;
	struct http_peer peer;
	struct http_field fields[2];
	struct http_request request;
	struct http_response response;
	char bearer[TOKEN_BYTES + 16];
};

static int
begin(void **state)
{
	struct asking *a = calloc(1, sizeof(*a));

	a->world = operation_world_begin();
	a->world->admin.records = true;
	principals_new(&a->world->admin, &a->principals);
	a->request = (struct http_request){
	    .method = SPAN_LIT("GET"), .path = SPAN_LIT("/v1/tenants"), .peer = &a->peer};
	a->request.fields = a->fields;
	snprintf(a->peer.address, sizeof(a->peer.address), "192.0.2.1");
	http_response_init(&a->response);
	*state = a;
	return 0;
}

static int
end(void **state)
{
	struct asking *a = *state;

	http_response_free(&a->response);
	principals_free(a->principals);
	operation_world_end(a->world);
	free(a);
	return 0;
}

static void
add_token(struct asking *a, const char *id, const char *secret, const char *networks,
    int64_t expires, int64_t revoked)
{
	struct keystore *store = a->world->admin.store;
	char hash[ADMINROW_HASH_BYTES];
	struct keystore_write write = {.what = STORE_TOKEN, .how = WRITE_ADD};
	struct err err = ERR_NONE;
	size_t at;

	token_hash(span_str(secret), hash);
	write.row.token = (struct store_token){.id = span_str(id),
	    .tenant = SPAN_LIT("acme"),
	    .name = SPAN_LIT("test"),
	    .secret = span_str(hash),
	    .scopes = SPAN_LIT("keys:read"),
	    .networks = span_str(networks),
	    .maker = SPAN_LIT("uid:0"),
	    .created = 1,
	    .expires = expires,
	    .revoked = revoked};
	assert_int_equal(store->ops->apply(store, &write, 1, &at, &err), ST_OK);
}

/* 0: it is somebody; else the status of the refusal. */
static int
ask(struct asking *a, const char *authorization, struct principal *who)
{
	http_response_free(&a->response);
	http_response_init(&a->response);
	a->request.field_count = authorization == NULL ? 0 : 1;
	a->fields[0] = (struct http_field){SPAN_LIT("Authorization"), span_str(authorization)};
	return principal_find(a->principals, &a->request, who, &a->response) ? 0
									     : a->response.status;
}

static int
ask_with(struct asking *a, const char *secret, struct principal *who)
{
	snprintf(a->bearer, sizeof(a->bearer), "Bearer %s", secret);
	return ask(a, a->bearer, who);
}

static void
test_who_asks(void **state)
{
	struct asking *a = *state;
	char good[TOKEN_BYTES + 1], over[TOKEN_BYTES + 1], ended[TOKEN_BYTES + 1],
	    bound[TOKEN_BYTES + 1];
	struct principal who;

	token_make(good);
	token_make(over);
	token_make(ended);
	token_make(bound);
	add_token(a, "t_good", good, "", FAR_AWAY, 0);
	add_token(a, "t_over", over, "", 1000, 0);
	add_token(a, "t_ended", ended, "", FAR_AWAY, 1000);
	add_token(a, "t_bound", bound, "198.51.100.0/24", FAR_AWAY, 0);
	assert_int_equal(ask_with(a, good, &who), 0);
	assert_string_equal(who.actor, "token:t_good");
	assert_string_equal(who.method, "token");
	assert_string_equal(who.tenant, "acme");
	assert_string_equal(who.source, "192.0.2.1");
	assert_int_equal(who.scopes, SCOPE_KEYS_READ);
	assert_int_equal(ask_with(a, over, &who), 401);
	assert_int_equal(ask_with(a, ended, &who), 401);
	assert_int_equal(ask_with(a, bound, &who), 401);
	snprintf(a->peer.address, sizeof(a->peer.address), "198.51.100.9");
	assert_int_equal(ask_with(a, bound, &who), 0);
	/* Which of these it is, nobody learns. */
	assert_int_equal(ask_with(a, "spt_0123456789012345678901234567890123456789012", &who), 401);
	assert_non_null(strstr(buf_text(&a->response.fields), "WWW-Authenticate: Bearer"));
}

static void
test_what_is_no_token(void **state)
{
	static const char *const cases[] = {"", "Bearer", "Bearer ", "Basic eDp5", "Bearer spt_x",
	    "Bearer xxx_0123456789012345678901234567890123456789012", NULL};
	struct asking *a = *state;
	struct principal who;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ask(a, cases[i], &who), 401);
}

/* So many from one address: then it waits, also with a good one; another address does not. */
static void
test_wrong_ones_wait(void **state)
{
	struct asking *a = *state;
	char good[TOKEN_BYTES + 1], wrong[TOKEN_BYTES + 1];
	struct principal who;

	token_make(good);
	token_make(wrong);
	add_token(a, "t_good", good, "", FAR_AWAY, 0);
	for (unsigned i = 0; i < PRINCIPAL_FAILURES_MAX; i++)
		assert_int_equal(ask_with(a, wrong, &who), 401);
	assert_int_equal(ask_with(a, good, &who), 429);
	assert_non_null(strstr(buf_text(&a->response.fields), "Retry-After: "));
	assert_false(principal_may_come(a->principals, &a->request, &a->response));
	snprintf(a->peer.address, sizeof(a->peer.address), "192.0.2.2");
	assert_int_equal(ask_with(a, good, &who), 0);
	/* The unix socket has no address. */
	a->peer.local = true;
	assert_int_equal(ask(a, NULL, &who), 0);
	assert_string_equal(who.method, "peer");
	assert_int_equal(who.scopes, SCOPES_ALL);
}

/* More at once than a token may ask; how many more come in meanwhile, the clock says. */
static void
test_too_many_of_one_token(void **state)
{
	struct asking *a = *state;
	char good[TOKEN_BYTES + 1], other[TOKEN_BYTES + 1];
	struct principal who;
	unsigned asked = 0;

	token_make(good);
	token_make(other);
	add_token(a, "t_good", good, "", FAR_AWAY, 0);
	add_token(a, "t_other", other, "", FAR_AWAY, 0);
	while (asked < 1000000 && ask_with(a, good, &who) == 0)
		asked++;
	assert_true(asked >= PRINCIPAL_BURST && asked < 1000000);
	assert_int_equal(a->response.status, 429);
	assert_int_equal(ask_with(a, other, &who), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tokens_differ),
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_networks_are_checked),
	    cmocka_unit_test(test_networks_within),
	    cmocka_unit_test_setup_teardown(test_who_asks, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_is_no_token, begin, end),
	    cmocka_unit_test_setup_teardown(test_wrong_ones_wait, begin, end),
	    cmocka_unit_test_setup_teardown(test_too_many_of_one_token, begin, end),
	};

	operations_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
