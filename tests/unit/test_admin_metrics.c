/*
 * test_admin_metrics.c - the census against a plain list, what the watcher says of a store that is
 * there, fails and comes back, and /healthz, /readyz and /metrics: who hears what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/api.h"
#include "admin-api/census.h"
#include "admin-api/watcher.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "tests/lib/operation_world.h"

/* ---- the census ---- */

#define NAMES 3000U
#define CHANGES 40000U

static struct census_domain known[NAMES];
static bool there[NAMES];

static struct census_domain
any_domain(unsigned number)
{
	struct census_domain domain = {.due = number % 3 == 0 ? 0 : (int64_t)(number % 977) + 1,
	    .stuck = (uint8_t)(number % 2),
	    .drifted = (uint8_t)(number % 5 == 0)};

	domain.states[number % CENSUS_STATES] = (uint8_t)(number % 64);
	domain.states[KEY_ACTIVE] = (uint8_t)(number % 3);
	return domain;
}

static void
sum_up(struct census_counts *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < NAMES; i++) {
		const struct census_domain *domain = &known[i];

		if (!there[i])
			continue;
		out->domains++;
		for (unsigned s = 0; s < CENSUS_STATES; s++)
			out->states[s] += domain->states[s];
		out->stuck += domain->stuck;
		out->drifted += domain->drifted > 0;
		if (domain->due != 0 && (out->due == 0 || domain->due < out->due))
			out->due = domain->due;
	}
}

static void
change_one(struct census *census, unsigned number)
{
	unsigned at = number % NAMES;
	char name[32];

	snprintf(name, sizeof(name), "d%u.example", at);
	there[at] = number / NAMES % 3 != 0;
	known[at] = any_domain(number / 7);
	census_begin(census);
	census_set(census, span_str(name), there[at] ? &known[at] : NULL);
	census_end(census);
}

static void
test_census_is_what_a_list_says(void **state)
{
	struct census *census = census_new();
	struct census_counts counts, expected;
	uint32_t number = 6376;

	(void)state;
	assert_false(census_read(census, &counts));
	census_is_complete(census);
	for (unsigned i = 0; i < CHANGES; i++) {
		number = number * 1664525U + 1013904223U;
		change_one(census, number >> 4);
		if (i % 1999 != 0)
			continue;
		sum_up(&expected);
		assert_true(census_read(census, &counts));
		assert_memory_equal(&counts, &expected, sizeof(counts));
	}
	census_clear(census);
	assert_false(census_read(census, &counts));
	assert_int_equal(counts.domains, 0);
	census_free(census);
}

/* ---- the watcher ---- */

static int
begin(void **state)
{
	*state = operation_world_begin();
	return 0;
}

static int
end(void **state)
{
	operation_world_end(*state);
	return 0;
}

/* Of the store's answers, from another thread. */
static atomic_bool away;
static enum status (*real_now)(struct keystore *store, int64_t *utc_s_out, struct err *err);

static enum status
failing_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	if (!atomic_load(&away))
		return real_now(store, utc_s_out, err);
	err_set(err, "db.internal.example does not answer");
	return ST_UNAVAILABLE;
}

static void
can_fail(struct operation_world *world)
{
	atomic_store(&away, false);
	real_now = world->ops.now;
	world->ops.now = failing_now;
}

/* Waits for what must come; a test that never sees it fails by make's time. */
static void
wait_until_up(struct watcher *watcher, bool up, struct watched *out)
{
	for (;;) {
		struct timespec pause = {.tv_nsec = 2000000};

		watcher_read(watcher, out);
		if (out->up == up)
			return;
		watched_free(out);
		nanosleep(&pause, NULL);
	}
}

static void
report(struct keystore *store, const char *node, uint64_t epoch)
{
	struct store_gateway row = {
	    .node = span_str(node), .version = SPAN_LIT("1"), .epoch = epoch, .started = 1};
	struct err err = ERR_NONE;

	assert_int_equal(store->ops->report(store, &row, &err), ST_OK);
}

static void
test_watcher(void **state)
{
	struct operation_world *world = *state;
	struct watcher *watcher;
	struct watched watched;
	struct err err = ERR_NONE;

	can_fail(world);
	report(world->admin.store, "gw-1", 1);
	assert_int_equal(watcher_new(&world->admin, 1, &watcher, &err), ST_OK);
	wait_until_up(watcher, true, &watched);
	assert_int_equal(watched.node_count, 1);
	assert_string_equal(watched.nodes[0].name, "gw-1");
	assert_true(watched.epoch > 1);
	assert_int_equal(watched.nodes[0].lag, watched.epoch - 1);
	watched_free(&watched);
	atomic_store(&away, true);
	wait_until_up(watcher, false, &watched);
	assert_string_equal(watched.why, "db.internal.example does not answer");
	assert_int_equal(watched.node_count, 1); /* what was known last */
	watched_free(&watched);
	atomic_store(&away, false);
	wait_until_up(watcher, true, &watched);
	watched_free(&watched);
	watcher_free(watcher);
}

/* ---- paths ---- */

struct asked {
	int status;
	char type[64], body[60000];
};

static void
ask(struct api *api, const char *path, const struct http_peer *peer, struct asked *out)
{
	struct http_request request = {.method = SPAN_LIT("GET"),
	    .path = span_str(path),
	    .peer = peer,
	    .id = "r1",
	    .context = api};
	struct http_response response;
	const char *type;

	memset(out, 0, sizeof(*out));
	http_response_init(&response);
	if (api_handler.begin(&request, &response) == HTTP_WHOLE)
		api_handler.answer(&request, &response);
	out->status = response.status;
	assert_true(response.body.n < sizeof(out->body));
	memcpy(out->body, response.body.p, response.body.n);
	type = strstr(buf_text(&response.fields), "Content-Type: ");
	assert_non_null(type);
	snprintf(out->type, sizeof(out->type), "%.*s", (int)strcspn(type + 14, "\r"), type + 14);
	http_response_free(&response);
}

static const struct http_peer local = {.local = true, .address = "unix"};
static const struct http_peer anybody = {.address = "192.0.2.1", .tls = true};

/* Asks until the store was looked at. */
static void
ask_until(struct api *api, const char *path, int status, struct asked *out)
{
	for (;;) {
		struct timespec pause = {.tv_nsec = 2000000};

		ask(api, path, &anybody, out);
		if (out->status == status)
			return;
		nanosleep(&pause, NULL);
	}
}

static struct api *
new_api(struct operation_world *world)
{
	struct err err = ERR_NONE;
	struct api *api;

	if (api_new(&world->admin, &api, &err) != ST_OK)
		fail_msg("%s", err.text);
	return api;
}

static void
test_health_is_for_everybody_and_says_nothing(void **state)
{
	struct api *api = new_api(*state);
	struct asked got;

	ask(api, "/healthz", &anybody, &got);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body, "ok\n");
	ask(api, "/healthz", &local, &got);
	assert_string_equal(got.body, "ok\n");
	ask(api, "/healthz/", &local, &got);
	assert_int_equal(got.status, 404);
	api_free(api);
}

static void
test_readiness(void **state)
{
	struct operation_world *world = *state;
	struct api *api;
	struct asked got;

	can_fail(world);
	api = new_api(world);
	/* There is no site key. */
	ask(api, "/readyz", &anybody, &got);
	assert_int_equal(got.status, 503);
	assert_string_equal(got.body, "{\"ready\":false}\n");
	ask(api, "/readyz", &local, &got);
	assert_int_equal(got.status, 503);
	assert_non_null(strstr(got.body, "\"site_key\":{\"ready\":false"));
	assert_non_null(strstr(got.body, "\"publishers\":{\"ready\":true"));
	assert_int_equal(strcmp(got.type, "application/json"), 0);
	world->admin.sitekey = (struct sitekey *)world; /* nobody looks into it here */
	ask_until(api, "/readyz", 200, &got);
	assert_string_equal(got.body, "{\"ready\":true}\n");
	world->reconciler.state.leader = true;
	ask(api, "/readyz", &local, &got);
	assert_non_null(strstr(got.body, "\"state\":\"leader\""));
	snprintf(world->reconciler.state.frozen, sizeof(world->reconciler.state.frozen),
	    "safe mode: gw-1 has seen more");
	ask(api, "/readyz", &anybody, &got);
	assert_int_equal(got.status, 503);
	assert_null(strstr(got.body, "gw-1"));
	ask(api, "/readyz", &local, &got);
	assert_non_null(strstr(got.body, "safe mode: gw-1 has seen more"));
	world->admin.sitekey = NULL;
	api_free(api);
}

static void
test_a_store_that_is_away(void **state)
{
	struct operation_world *world = *state;
	struct asked got;
	struct api *api;

	can_fail(world);
	atomic_store(&away, true);
	world->admin.sitekey = (struct sitekey *)world;
	api = new_api(world);
	ask_until(api, "/readyz", 503, &got);
	assert_null(strstr(got.body, "db.internal"));
	do
		ask(api, "/readyz", &local, &got);
	while (strstr(got.body, "it was not asked yet") != NULL);
	assert_non_null(strstr(got.body, "db.internal.example does not answer"));
	ask(api, "/metrics", &local, &got);
	assert_non_null(strstr(got.body, "\nsignpost_store_up{store=\"keystore\"} 0\n"));
	assert_null(strstr(got.body, "signpost_store_epoch"));
	world->admin.sitekey = NULL;
	api_free(api);
}

static void
test_metrics_are_not_for_everybody(void **state)
{
	struct operation_world *world = *state;
	struct api *api = new_api(world);
	struct asked got;

	world->reconciler.has_census = true;
	world->reconciler.census.states[KEY_ACTIVE] = 12;
	ask(api, "/metrics", &anybody, &got);
	assert_int_equal(got.status, 401);
	assert_null(strstr(got.body, "signpost_"));
	ask(api, "/metrics", &local, &got);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.type, "text/plain; version=0.0.4");
	assert_non_null(strstr(got.body, "\nsignpost_key_state{state=\"active\"} 12\n"));
	assert_null(strstr(got.body, "destroyed\"} 12"));
	/* Not the leader, or not yet through: no number, not a wrong one. */
	world->reconciler.has_census = false;
	ask(api, "/metrics", &local, &got);
	assert_null(strstr(got.body, "signpost_key_state"));
	/* The request before this one; what was refused at its head is not run. */
	assert_non_null(strstr(got.body, "signpost_http_request_seconds_bucket{le=\"+Inf\"} 1\n"));
	assert_null(strstr(got.body, "example.org"));
	api_free(api);
}

int
main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_census_is_what_a_list_says),
	    IN_WORLD(test_watcher),
	    IN_WORLD(test_health_is_for_everybody_and_says_nothing),
	    IN_WORLD(test_readiness),
	    IN_WORLD(test_a_store_that_is_away),
	    IN_WORLD(test_metrics_are_not_for_everybody),
	};

	operations_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
