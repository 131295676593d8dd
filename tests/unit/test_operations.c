/*
 * test_operations.c - operations where the socket's tests cannot reach: a store that does not
 * answer, or whose rows somebody else changes; a reconciler that is frozen; times; the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/makekey.h"
#include "admin-api/operation_table.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/sealedkey.h"
#include "tests/lib/operation_world.h"

#define HOLD                                                                                       \
	"{\"operation\":\"key.hold\",\"arguments\":{\"domain\":\"example.org\",\"selector\":"      \
	"\"s2\"}}"

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

static void
test_the_table(void **state)
{
	size_t count;
	const struct operation *all = operations_all(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || strcmp(all[i - 1].name, all[i].name) < 0);
		assert_ptr_equal(operation_find(span_str(all[i].name)), &all[i]);
		assert_non_null(all[i].run);
		assert_true(all[i].help[0] != '\0');
		for (size_t k = 0; k < all[i].argument_count; k++)
			assert_true(all[i].arguments[k].help[0] != '\0');
	}
	assert_null(operation_find(SPAN_LIT("key")));
	assert_null(operation_find(SPAN_EMPTY));
	for (unsigned i = 0; i < OPERATION_CODES; i++)
		assert_non_null(operation_code_name((enum operation_code)i));
	assert_string_equal(operation_code_name((enum operation_code)99), "internal");
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t at; /* -1: none */
	} cases[] = {{"0", 0}, {"1767225600", 1767225600}, {"1970-01-01T00:00:00Z", 0},
	    {"2026-01-01T00:00:00Z", 1767225600}, {"2024-02-29T23:59:59Z", 1709251199},
	    {"9999-12-31T23:59:59Z", 253402300799}, {"2023-02-29T00:00:00Z", -1},
	    {"2026-04-31T00:00:00Z", -1}, {"2026-13-01T00:00:00Z", -1},
	    {"2026-00-01T00:00:00Z", -1}, {"2026-01-01T24:00:00Z", -1},
	    {"2026-01-01T00:60:00Z", -1}, {"2026-01-01T00:00:60Z", -1},
	    {"1969-12-31T23:59:59Z", -1}, {"2026-01-01 00:00:00Z", -1}, {"2026-01-01T00:00:00", -1},
	    {"2026-01-01T00:00:00z", -1}, {"2026-01-01T00:00:00.5Z", -1}, {"-1", -1}, {"", -1},
	    {"253402300800", -1}, {"2026-1-01T00:00:00Z0", -1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[TIME_TEXT_BYTES];
		int64_t at = -1, again = -1;

		assert_int_equal(time_parse(span_str(cases[i].text), &at), cases[i].at >= 0);
		if (cases[i].at < 0)
			continue;
		assert_int_equal(at, cases[i].at);
		time_write(at, text);
		assert_true(time_parse(span_str(text), &again));
		assert_int_equal(again, at);
	}
}

static void
test_somebody_was_faster(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	w->deny = OPERATION_ATTEMPTS - 1;
	assert_int_equal(operation_world_ask(w, HOLD, &answer), OPERATION_OK);
	assert_int_equal(w->applied, OPERATION_ATTEMPTS);
	assert_int_equal(w->reconciler.woken, 1);
	/* What was planned by those that failed is not told. */
	assert_null(strstr(strstr(answer, "\"plan\"") + 6, "\"plan\""));
	assert_non_null(strstr(answer, "\"state\":\"HELD\""));
	w->deny = 100;
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"key.release\",\"arguments\":{\"domain\":"
			     "\"example.org\",\"selector\":\"s2\"}}",
			     &answer),
	    OPERATION_PRECONDITION_FAILED);
	assert_int_equal(w->reconciler.woken, 1);
	/* The row of a domain, too, which the reconciler writes whenever it has looked at it. */
	w->deny = OPERATION_ATTEMPTS - 1;
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"domain.set\",\"arguments\":{\"domain\":"
			     "\"example.org\",\"subdomains\":true}}",
			     &answer),
	    OPERATION_OK);
	assert_null(strstr(strstr(answer, "\"plan\"") + 6, "\"plan\""));
}

/* A hundred in a transaction; what cannot be done so is done one by one. */
static void
test_rotate_many(void **state)
{
	static const char rotate[] =
	    "{\"operation\":\"rotate\",\"arguments\":{\"tenant\":\"acme\",\"reason\":\"x\"}}";
	struct operation_world *w = *state;
	const char *answer;
	char request[200];

	for (int i = 0; i < 149; i++) {
		snprintf(request, sizeof(request),
		    "{\"operation\":\"domain.add\",\"arguments\":{\"tenant\":\"acme\","
		    "\"policy\":\"std\",\"domain\":\"d%d.example.org\"}}",
		    i);
		assert_int_equal(operation_world_ask(w, request, &answer), OPERATION_OK);
	}
	assert_int_equal(operation_world_ask(w, rotate, &answer), OPERATION_OK);
	assert_non_null(strstr(answer, "\"asked\":150"));
	assert_non_null(strstr(answer, "\"refused\":0"));
	assert_int_equal(operation_world_ask(w, rotate, &answer), OPERATION_OK);
	assert_non_null(strstr(answer, "\"asked\":0"));
	assert_non_null(strstr(answer, "\"refused\":150"));
	assert_non_null(strstr(answer, "a rotation was asked for already (x)"));
}

/* Of an array of the answer. */
static size_t
count_of(const char *answer, const char *in, const char *name)
{
	json_t *json = json_loads(answer, 0, NULL);
	const json_t *object = in == NULL ? json : json_object_get(json, in);
	size_t n = json_array_size(json_object_get(object, name));

	json_decref(json);
	return n;
}

static void
add_domains(struct operation_world *w, size_t count)
{
	struct keystore_write *writes = test_calloc(count, sizeof(*writes));
	char(*names)[40] = test_calloc(count, sizeof(*names));
	struct err err = ERR_NONE;
	size_t at;

	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "m%zu.example.org", i);
		writes[i] = (struct keystore_write){.what = STORE_DOMAIN,
		    .how = WRITE_ADD,
		    .row.domain = {.name = span_str(names[i]),
			.tenant = SPAN_LIT("acme"),
			.policy = SPAN_LIT("std"),
			.signature_ttl_s = -1,
			.enabled = true}};
	}
	assert_int_equal(
	    w->admin.store->ops->apply(w->admin.store, writes, count, &at, &err), ST_OK);
	test_free(writes);
	test_free(names);
}

/* An answer has an end, however many domains there are. */
static void
test_rotate_very_many(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	add_domains(w, 2 * OPERATION_PAGE);
	w->applied = 0;
	assert_int_equal(operation_world_ask(w,
			     "{\"dry_run\":true,\"operation\":\"rotate\",\"arguments\":{"
			     "\"tenant\":\"acme\",\"reason\":\"x\"}}",
			     &answer),
	    OPERATION_OK);
	assert_int_equal(w->applied, 0);
	assert_non_null(strstr(answer, "\"asked\":1001"));
	assert_int_equal(count_of(answer, "result", "domains"), OPERATION_PAGE);
	assert_int_equal(count_of(answer, NULL, "plan"), OPERATION_PAGE);
	assert_non_null(strstr(answer, "\"plan_left\":501"));
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"rotate\",\"arguments\":{\"domain\":"
			     "\"m9.example.org\",\"reason\":\"first\"}}",
			     &answer),
	    OPERATION_OK);
	assert_null(strstr(answer, "plan_left"));
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"rotate\",\"arguments\":{"
			     "\"tenant\":\"acme\",\"reason\":\"x\"}}",
			     &answer),
	    OPERATION_OK);
	assert_non_null(strstr(answer, "\"asked\":1000"));
	assert_int_equal(count_of(answer, NULL, "plan"), OPERATION_PAGE);
	/* Those that were refused are told, however many were not. */
	assert_non_null(strstr(answer, "\"refused\":1"));
	assert_non_null(strstr(answer, "asked for already (first)"));
}

/* However many domains others have in front of it. */
static void
test_the_domains_of_one_tenant(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	add_domains(w, 2 * OPERATION_PAGE);
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"domain.list\",\"arguments\":{\"tenant\":"
			     "\"beta\",\"limit\":2}}",
			     &answer),
	    OPERATION_OK);
	assert_non_null(strstr(answer, "\"domains\":[{\"domain\":\"other.example\""));
	assert_null(strstr(answer, "\"next\""));
	w->caller.tenant = SPAN_LIT("beta");
	assert_int_equal(
	    operation_world_ask(w, "{\"operation\":\"domain.list\"}", &answer), OPERATION_OK);
	assert_int_equal(count_of(answer, "result", "domains"), 1);
	w->caller.tenant = SPAN_EMPTY;
	assert_int_equal(
	    operation_world_ask(
		w, "{\"operation\":\"status\",\"arguments\":{\"tenant\":\"acme\"}}", &answer),
	    OPERATION_OK);
	assert_non_null(strstr(answer, "\"ACTIVE\":1"));
	assert_non_null(strstr(answer, "\"LOADED\":1"));
	assert_non_null(strstr(answer, "\"keys\":2"));
	assert_int_equal(
	    operation_world_ask(
		w, "{\"operation\":\"status\",\"arguments\":{\"tenant\":\"beta\"}}", &answer),
	    OPERATION_OK);
	assert_non_null(strstr(answer, "\"keys\":0"));
}

/* Why a key failed is told for as long as its row is there. */
static void
test_why_it_failed(void **state)
{
	static const char *const questions[] = {
	    "{\"operation\":\"key.show\",\"arguments\":{\"domain\":\"example.org\","
	    "\"selector\":\"s2\"}}",
	    "{\"operation\":\"key.list\",\"arguments\":{\"domain\":\"example.org\","
	    "\"destroyed\":true}}"};
	struct operation_world *w = *state;
	struct keystore *store = w->admin.store;
	const struct span name = SPAN_LIT("example.org");
	struct keystore_write write = {.what = STORE_KEY, .how = WRITE_CHANGE, .life = true};
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	const char *answer;
	size_t at;

	assert_int_equal(store->ops->lives(store, &name, 1, &rows, &err), ST_OK);
	for (size_t i = 0; i < rows->key_count; i++)
		if (span_eq_str(rows->keys[i].selector, "s2"))
			write.row.key = rows->keys[i];
	write.row.key.life = SPAN_LIT("{\"failure\":\"no room for it\"}");
	write.row.key.times.failed = 7;
	for (write.row.key.times.destroyed = 0; write.row.key.times.destroyed < 18;
	     write.row.key.times.destroyed += 9) {
		assert_int_equal(store->ops->apply(store, &write, 1, &at, &err), ST_OK);
		write.row.key.row_revision++;
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(
			    operation_world_ask(w, questions[i], &answer), OPERATION_OK);
			assert_non_null(strstr(answer, "\"failure\":\"no room for it\""));
		}
	}
	assert_non_null(strstr(answer, "DESTROYED"));
	keystore_rows_release(rows);
}

static void
test_rotate_together(void **state)
{
	static const char rotate[] =
	    "{\"operation\":\"rotate\",\"arguments\":{\"tenant\":\"acme\",\"reason\":\"x\"}}";
	struct operation_world *w = *state;
	const char *answer;

	w->deny = 1; /* once for all together, then one by one */
	assert_int_equal(operation_world_ask(w, rotate, &answer), OPERATION_OK);
	assert_non_null(strstr(answer, "\"asked\":1"));
	assert_int_equal(w->applied, 2);
}

static void
test_a_store_that_does_not_answer(void **state)
{
	static const char *const requests[] = {HOLD, "{\"operation\":\"status\"}",
	    "{\"operation\":\"tenant.list\"}",
	    "{\"operation\":\"tenant.add\",\"arguments\":{\"tenant\":\"new\"}}",
	    "{\"operation\":\"domain.remove\",\"arguments\":{\"domain\":\"other.example\"}}",
	    "{\"operation\":\"rotate\",\"arguments\":{\"tenant\":\"acme\",\"reason\":\"x\"}}",
	    "{\"operation\":\"drift\"}",
	    "{\"operation\":\"key.generate\",\"arguments\":{\"domain\":\"example.org\"}}"};
	struct operation_world *w = *state;
	const char *answer;

	w->answer = ST_UNAVAILABLE;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		assert_int_equal(
		    operation_world_ask(w, requests[i], &answer), OPERATION_STORE_UNAVAILABLE);
		assert_non_null(strstr(answer, "it does not answer"));
	}
	assert_int_equal(w->reconciler.woken, 0);
	w->answer = ST_OK;
	assert_int_equal(operation_world_ask(w, HOLD, &answer), OPERATION_OK);
}

static void
test_frozen(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	memcpy(w->reconciler.state.frozen, "the clock jumped", 17);
	assert_int_equal(operation_world_ask(w, HOLD, &answer), OPERATION_FROZEN);
	assert_non_null(strstr(answer, "the clock jumped"));
	assert_int_equal(
	    operation_world_ask(w, "{\"operation\":\"status\"}", &answer), OPERATION_OK);
	assert_non_null(strstr(answer, "\"frozen\":\"the clock jumped\""));
	assert_int_equal(w->applied, 0);
}

static void
test_without_a_site_key(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	assert_int_equal(
	    operation_world_ask(w,
		"{\"operation\":\"key.generate\",\"arguments\":{\"domain\":\"example.org\"}}",
		&answer),
	    OPERATION_FORBIDDEN);
	assert_non_null(strstr(answer, "SiteKeyFile"));
}

static void
test_a_dry_run_does_not_write(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	assert_int_equal(operation_world_ask(w,
			     "{\"dry_run\":true,\"operation\":\"key.hold\",\"arguments\":{"
			     "\"domain\":\"example.org\",\"selector\":\"s2\"}}",
			     &answer),
	    OPERATION_OK);
	assert_non_null(strstr(answer, "\"dry_run\":true"));
	assert_int_equal(w->applied, 0);
	assert_int_equal(w->reconciler.woken, 0);
}

/* ---- new keys ---- */

static struct sitekey *
site_key(void)
{
	struct sitekey *sitekey;
	struct err err = ERR_NONE;
	char *text;
	size_t n;

	assert_int_equal(sitekey_rotate_text(NULL, false, &text, &n, &err), ST_OK);
	assert_int_equal(sitekey_parse(span_of(text, n), "test", &sitekey, &err), ST_OK);
	secret_free(text);
	return sitekey;
}

static void
test_a_key_opens_for_its_row_alone(void **state)
{
	struct makekey_wanted wanted = {.tenant = SPAN_LIT("acme"),
	    .domain = SPAN_LIT("example.org"),
	    .selector = SPAN_LIT("s1"),
	    .algorithm = SPAN_LIT("rsa-sha256"),
	    .bits = 1024,
	    .mirror = true};
	struct sitekey *sitekey = site_key();
	struct err err = ERR_NONE;
	struct makekey_made made;
	struct store_key row;
	char *plain;
	size_t n;

	(void)state;
	assert_int_equal(makekey(sitekey, &wanted, &made, &err), ST_OK);
	makekey_row(&wanted, &made, 77, &row);
	assert_int_equal(row.times.created, 77);
	assert_int_equal(row.bits, 1024);
	for (int i = 0; i < 2; i++) {
		struct sealedkey_owner owner = {.tenant = row.tenant,
		    .domain = row.domain,
		    .selector = i == 0 ? row.selector : SPAN_LIT("s2"),
		    .id = row.id,
		    .revision = row.revision};
		enum status status =
		    sealedkey_open(sitekey, &owner, row.private_key, &plain, &n, &err);

		assert_int_equal(status, i == 0 ? ST_OK : ST_DENIED);
		if (status != ST_OK)
			continue;
		assert_string_equal(plain, made.mirror_pem);
		secret_free(plain);
	}
	wanted.pem = span_str(made.mirror_pem);
	wanted.bits = 2048;
	{
		struct makekey_made again;

		assert_int_equal(makekey(sitekey, &wanted, &again, &err), ST_INVALID);
		wanted.bits = 0;
		assert_int_equal(makekey(sitekey, &wanted, &again, &err), ST_OK);
		assert_string_equal(again.public_key, made.public_key);
		assert_string_not_equal(again.id, made.id);
		makekey_forget(&again);
		wanted.algorithm = SPAN_LIT("ed25519-sha256");
		assert_int_equal(makekey(sitekey, &wanted, &again, &err), ST_INVALID);
	}
	makekey_forget(&made);
	makekey_forget(&made);
	sitekey_close(sitekey);
}

/* That of the key before does not open in the row of the one that took its slot, nor does this one
 * in the row of that. */
static void
test_a_key_of_a_slot_opens_for_its_revision(void **state)
{
	struct makekey_wanted wanted = {.tenant = SPAN_LIT("acme"),
	    .domain = SPAN_LIT("example.org"),
	    .selector = SPAN_LIT("s1"),
	    .algorithm = SPAN_LIT("ed25519-sha256")};
	struct sitekey *sitekey = site_key();
	struct makekey_made made[2];
	struct err err = ERR_NONE;
	struct store_key rows[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		wanted.revision = i == 0 ? 0 : rows[0].revision + 1;
		assert_int_equal(makekey(sitekey, &wanted, &made[i], &err), ST_OK);
		makekey_row(&wanted, &made[i], 77, &rows[i]);
		assert_int_equal(rows[i].revision, MAKEKEY_REVISION + i);
	}
	/* Of each text: under which id and revision it opens. */
	for (size_t i = 0; i < 8; i++) {
		size_t text = i & 1, id = (i >> 1) & 1, revision = i >> 2;
		struct sealedkey_owner owner = {.tenant = wanted.tenant,
		    .domain = wanted.domain,
		    .selector = wanted.selector,
		    .id = rows[id].id,
		    .revision = rows[revision].revision};
		char *plain = NULL;
		size_t n;

		assert_int_equal(
		    sealedkey_open(sitekey, &owner, rows[text].private_key, &plain, &n, &err),
		    text == id && text == revision ? ST_OK : ST_DENIED);
		secret_free(plain);
	}
	makekey_forget(&made[0]);
	makekey_forget(&made[1]);
	sitekey_close(sitekey);
}

static void
test_keys_that_cannot_be(void **state)
{
	static const struct {
		const char *algorithm;
		int bits;
		const char *pem;
		enum status status;
	} cases[] = {{"rsa-sha256", 1023, "", ST_INVALID}, {"rsa-sha256", 8193, "", ST_INVALID},
	    {"rsa-sha1", 2048, "", ST_INVALID}, {"", 0, "", ST_INVALID},
	    {"", 0, "-----BEGIN PRIVATE KEY-----\n", ST_INVALID}, {"", 0, "x", ST_INVALID},
	    {"ed25519-sha256", 0, "", ST_OK}};
	struct sitekey *sitekey = site_key();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct makekey_wanted wanted = {.tenant = SPAN_LIT("t"),
		    .domain = SPAN_LIT("d.example"),
		    .selector = SPAN_LIT("s"),
		    .algorithm = span_str(cases[i].algorithm),
		    .bits = cases[i].bits,
		    .pem = span_str(cases[i].pem)};
		struct makekey_made made;
		struct err err = ERR_NONE;

		assert_int_equal(makekey(sitekey, &wanted, &made, &err), cases[i].status);
		if (cases[i].status == ST_OK)
			assert_null(made.mirror_pem);
		else
			assert_true(err.text[0] != '\0' && made.private_key == NULL);
		makekey_forget(&made);
		assert_int_equal(makekey(NULL, &wanted, &made, &err), ST_DENIED);
	}
	sitekey_close(sitekey);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_table),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test_setup_teardown(test_somebody_was_faster, begin, end),
	    cmocka_unit_test_setup_teardown(test_rotate_many, begin, end),
	    cmocka_unit_test_setup_teardown(test_rotate_very_many, begin, end),
	    cmocka_unit_test_setup_teardown(test_the_domains_of_one_tenant, begin, end),
	    cmocka_unit_test_setup_teardown(test_why_it_failed, begin, end),
	    cmocka_unit_test_setup_teardown(test_rotate_together, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_store_that_does_not_answer, begin, end),
	    cmocka_unit_test_setup_teardown(test_frozen, begin, end),
	    cmocka_unit_test_setup_teardown(test_without_a_site_key, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_dry_run_does_not_write, begin, end),
	    cmocka_unit_test(test_a_key_opens_for_its_row_alone),
	    cmocka_unit_test(test_a_key_of_a_slot_opens_for_its_revision),
	    cmocka_unit_test(test_keys_that_cannot_be),
	};

	return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
