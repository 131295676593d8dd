/*
 * test_operation_slots.c - operations on a domain with delegated slots: which CNAMEs its customer
 * is told, which are seen, and which selectors new keys get.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/store/sitekey.h"
#include "tests/lib/operation_world.h"

#define POLICY                                                                                     \
	"{\"operation\":\"policy.set\",\"arguments\":{\"tenant\":\"acme\",\"policy\":\"deleg\","   \
	"\"plan\":{\"manage\":true,\"publisher\":\"manual\",\"algorithms\":[\"ed25519\"],"         \
	"\"delegation\":\"dkim.p.example\"@}}}"
#define ADD                                                                                        \
	"{\"operation\":\"domain.add\",\"arguments\":{\"tenant\":\"acme\",\"policy\":\"deleg\","   \
	"\"domain\":\"c.example\"}}"
#define SHOW "{\"operation\":\"domain.show\",\"arguments\":{\"domain\":\"c.example\"@}}"
#define GENERATE "{\"operation\":\"key.generate\",\"arguments\":{\"domain\":\"c.example\"@}}"

/* more: in place of the '@' in the request. */
static enum operation_code
ask(struct operation_world *w, const char *request, const char *more, const char **answer)
{
	const char *at = strchr(request, '@');
	char text[1000];

	if (at == NULL)
		return operation_world_ask(w, request, answer);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - request), request, more, at + 1);
	return operation_world_ask(w, text, answer);
}

static void
expect(struct operation_world *w, const char *request, const char *more, enum operation_code code,
    const char *has)
{
	const char *answer;

	assert_int_equal(ask(w, request, more, &answer), code);
	if (strstr(answer, has) == NULL)
		fail_msg("%s is not in %s", has, answer);
}

static int
begin(void **state)
{
	struct operation_world *w = operation_world_begin();
	struct err err = ERR_NONE;
	const char *answer;

	*state = w;
	if (sitekey_parse(SPAN_LIT("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), "test",
		&w->admin.sitekey, &err) != ST_OK)
		return 1;
	if (ask(w, POLICY, "", &answer) != OPERATION_OK)
		return 1;
	return ask(w, ADD, "", &answer) == OPERATION_OK ? 0 : 1;
}

static int
end(void **state)
{
	struct operation_world *w = *state;

	sitekey_close(w->admin.sitekey);
	w->admin.sitekey = NULL;
	operation_world_end(w);
	return 0;
}

static void
test_cnames_are_told(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	expect(w, SHOW, "", OPERATION_OK,
	    "{\"slot\":3,\"name\":\"sp3._domainkey.c.example\",\"target\":\"sp3.c.example.dkim.p."
	    "example\",\"key\":null}");
	expect(w, SHOW, ",\"notation\":\"rfc1035\"", OPERATION_OK,
	    "sp1._domainkey.c.example. 3600 IN CNAME "
	    "sp1.c.example.dkim.p.example.\\nsp2._domainkey.");
	expect(w, SHOW, ",\"notation\":\"nsupdate\"", OPERATION_OK,
	    "prereq nxdomain sp1._domainkey.c.example.");
	expect(w, SHOW, ",\"notation\":\"xml\"", OPERATION_VALIDATION, "notation");
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"domain.add\",\"arguments\":{\"tenant\":\"acme\","
			     "\"policy\":\"deleg\",\"domain\":\"d.example\"}}",
			     &answer),
	    OPERATION_OK);
	assert_non_null(strstr(answer, "\"target\":\"sp1.d.example.dkim.p.example\""));
	/* Others have none. */
	assert_int_equal(operation_world_ask(w,
			     "{\"operation\":\"domain.show\",\"arguments\":{\"domain\":"
			     "\"example.org\"}}",
			     &answer),
	    OPERATION_OK);
	assert_null(strstr(answer, "cnames"));
}

/* The next one that is free; then one by its name; then none. */
static void
test_keys_get_slots(void **state)
{
	struct operation_world *w = *state;

	expect(w, GENERATE, "", OPERATION_OK, "\"selector\":\"sp1\"");
	expect(w, GENERATE, ",\"selector\":\"sp1\"", OPERATION_SELECTOR_EXISTS,
	    "slot sp1: it has a key");
	expect(w, GENERATE, ",\"selector\":\"other\"", OPERATION_VALIDATION,
	    "it is none of the slots");
	expect(w, GENERATE, ",\"selector\":\"sp3\"", OPERATION_OK, "\"selector\":\"sp3\"");
	expect(w, GENERATE, "", OPERATION_OK, "\"selector\":\"sp2\"");
	expect(w, GENERATE, "", OPERATION_SELECTOR_EXISTS, "no slot of c.example is free");
	expect(w, SHOW, "", OPERATION_OK, "\"key\":\"PREPARED\"");
	/* Where it will stand, and the way there. */
	expect(w,
	    "{\"operation\":\"key.show\",\"arguments\":{\"domain\":\"c.example\",\"selector\":"
	    "\"sp1\"@}}",
	    "", OPERATION_OK,
	    "\"cname\":{\"name\":\"sp1._domainkey.c.example\",\"target\":\"sp1.c.example.dkim.p."
	    "example\"}");
}

/* The row of the key that had it last, destroyed long ago, is written over. */
static void
test_a_slot_is_used_again(void **state)
{
	struct operation_world *w = *state;
	struct keystore *store = w->admin.store;
	struct keystore_write write = {.what = STORE_KEY, .how = WRITE_CHANGE, .life = true};
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t at;

	expect(w, GENERATE, ",\"selector\":\"sp1\"", OPERATION_OK, "\"selector\":\"sp1\"");
	assert_int_equal(store->ops->list(store, STORE_KEY, SPAN_EMPTY, 99, &rows, &err), ST_OK);
	for (size_t i = 0; i < rows->key_count; i++)
		if (span_eq_str(rows->keys[i].selector, "sp1"))
			write.row.key = rows->keys[i];
	write.row.key.times =
	    (struct key_times){.created = 1000, .failed = 1001, .removed = 1002, .destroyed = 1003};
	write.row.key.private_key = SPAN_EMPTY;
	if (store->ops->apply(store, &write, 1, &at, &err) != ST_OK)
		fail_msg("%s", err.text);
	keystore_rows_release(rows);
	expect(w, GENERATE, ",\"selector\":\"sp1\"", OPERATION_OK, "\"selector\":\"sp1\"");
}

static void
test_the_next_key_waits_for_a_slot(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(w, GENERATE, "", &answer), OPERATION_OK);
	for (int i = 1; i <= 3; i++) {
		char request[200];

		snprintf(request, sizeof(request),
		    "{\"operation\":\"key.hold\",\"arguments\":{\"domain\":\"c.example\","
		    "\"selector\":\"sp%d\"}}",
		    i);
		assert_int_equal(operation_world_ask(w, request, &answer), OPERATION_OK);
	}
	expect(w, SHOW, "", OPERATION_OK,
	    "\"new_key\":{\"action\":\"generate\",\"earliest\":null,\"blocked_by\":[\"Slots\"]}");
}

static void
test_plans_are_warned_about(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	assert_int_equal(ask(w, POLICY, "", &answer), OPERATION_OK);
	assert_null(strstr(answer, "warning"));
	expect(w, POLICY, ",\"interval\":\"30d\"", OPERATION_OK,
	    "\"warning\":\"the interval is too short for the slots");
	expect(w,
	    "{\"operation\":\"policy.show\",\"arguments\":{\"tenant\":\"acme\",\"policy\":"
	    "\"deleg\"@}}",
	    "", OPERATION_OK, "\"warning\":\"the interval is too short");
	expect(w, POLICY, ",\"slots\":2", OPERATION_VALIDATION, "slots");
	expect(w, POLICY, ",\"selector\":\"s{random}\"", OPERATION_VALIDATION, "{slot}");
}

/* ---- DNS ---- */

static void
write_dns(struct operation_world *w, const char *text)
{
	w->admin.authority.resolvers = scratch_write(&w->scratch, "dns", text);
}

static void
test_cnames_are_looked_at(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	write_dns(w, "sp1._domainkey.c.example\tCNAME sp1.c.example.dkim.p.example\n"
		     "sp2._domainkey.c.example\tCNAME sp1.c.example.dkim.p.example\n");
	assert_int_equal(ask(w, SHOW, ",\"look\":true", &answer), OPERATION_OK);
	assert_non_null(strstr(answer, "\"target\":\"sp1.c.example.dkim.p.example\",\"key\":null,"
				       "\"seen\":\"yes\",\"why\":\"the CNAME leads to its "
				       "target\""));
	assert_non_null(
	    strstr(answer, "\"seen\":\"no\",\"why\":\"the customer must set the record "
			   "\\\"sp2._domainkey.c.example. CNAME "
			   "sp2.c.example.dkim.p.example.\\\": the CNAME there leads to "
			   "sp1.c.example.dkim.p.example; that is the target of another "
			   "slot\""));
	assert_non_null(strstr(answer, "sp3.c.example.dkim.p.example.\\\": there is none: the "
				       "server answers NXDOMAIN"));
	expect(w, "{\"operation\":\"drift\",\"arguments\":{\"domain\":\"c.example\"@}}", "",
	    OPERATION_OK, "\"keys\":3,\"right\":1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_cnames_are_told),
	    TEST(test_keys_get_slots),
	    TEST(test_a_slot_is_used_again),
	    TEST(test_the_next_key_waits_for_a_slot),
	    TEST(test_plans_are_warned_about),
	    TEST(test_cnames_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
