/*
 * test_operation_records.c - all records of a domain: which keys have one, with what in it, and the
 * CNAMEs of slots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/keys/state.h"
#include "tests/lib/operation_world.h"

#define RECORDS(more)                                                                              \
	"{\"operation\":\"domain.records\",\"arguments\":{\"domain\":\"example.org\"" more "}}"
#define P "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

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

/* Of the records in the answer, the one with this selector; NULL. json_decref(*owner). */
static const json_t *
find(const char *answer, const char *selector, json_t **owner)
{
	const json_t *list;
	json_t *row;
	size_t i;

	*owner = json_loads(answer, 0, NULL);
	list = json_object_get(json_object_get(*owner, "result"), "records");
	json_array_foreach((json_t *)list, i, row)
	{
		const char *name = json_string_value(json_object_get(row, "selector"));

		if (name != NULL && strcmp(name, selector) == 0)
			return row;
	}
	return NULL;
}

static void
test_in_all_formats(void **state)
{
	static const struct {
		const char *request, *has;
	} cases[] = {
	    {RECORDS(""), "s1._domainkey.example.org. 3600 IN TXT \\\"v=DKIM1; k=ed25519; p="},
	    {RECORDS(",\"format\":\"rfc1035\""), "s2._domainkey.example.org. 3600 IN TXT"},
	    {RECORDS(",\"format\":\"single\""), "\"text\":\"v=DKIM1; k=ed25519; p=" P "\\nv=DKIM1"},
	    {RECORDS(",\"format\":\"nsupdate\""), "update add s1._domainkey.example.org."},
	    {RECORDS(",\"format\":\"route53\""), "ResourceRecordSet"},
	    {RECORDS(",\"format\":\"terraform\""), "resource \\\"aws_route53_record\\\""},
	    {RECORDS(",\"format\":\"json\""), "strings"},
	};
	struct operation_world *w = *state;
	const char *answer;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(operation_world_ask(w, cases[i].request, &answer), OPERATION_OK);
		if (strstr(answer, cases[i].has) == NULL)
			fail_msg("%s: %s", cases[i].request, answer);
	}
	assert_int_equal(
	    operation_world_ask(w, RECORDS(",\"format\":\"xml\""), &answer), OPERATION_VALIDATION);
	w->caller.tenant = SPAN_LIT("beta");
	assert_int_equal(operation_world_ask(w, RECORDS(""), &answer), OPERATION_NOT_FOUND);
}

static void
set_times(struct operation_world *w, const char *selector, const struct key_times *times)
{
	const struct span name = SPAN_LIT("example.org");
	struct keystore_write write = {.what = STORE_KEY, .how = WRITE_CHANGE, .life = true};
	struct keystore *store = w->admin.store;
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t at;

	assert_int_equal(store->ops->lives(store, &name, 1, &rows, &err), ST_OK);
	for (size_t i = 0; i < rows->key_count; i++)
		if (span_eq_str(rows->keys[i].selector, selector))
			write.row.key = rows->keys[i];
	write.row.key.times = *times;
	assert_int_equal(store->ops->apply(store, &write, 1, &at, &err), ST_OK);
	keystore_rows_release(rows);
}

static void
test_states(void **state)
{
	static const struct {
		struct key_times times;
		const char *value; /* NULL: no record */
	} cases[] = {
	    {{.created = 1}, NULL},
	    {{.created = 1, .publishing = 2}, "v=DKIM1; k=ed25519; p=" P},
	    {{.created = 1, .publishing = 2, .published = 3, .held = 4},
		"v=DKIM1; k=ed25519; p=" P},
	    {{.created = 1, .publishing = 2, .failed = 4}, NULL},
	    {{.created = 1, .active = 2, .retiring = 3, .revoking = 4}, "v=DKIM1; p="},
	    {{.created = 1, .active = 2, .retiring = 3, .revoking = 4, .revoked = 5},
		"v=DKIM1; p="},
	    {{.created = 1, .active = 2, .retiring = 3, .revoking = 4, .revoked = 5, .removed = 6},
		NULL},
	};
	struct operation_world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const json_t *row;
		const char *answer, *value;
		json_t *owner;

		set_times(w, "s2", &cases[i].times);
		assert_int_equal(operation_world_ask(w, RECORDS(""), &answer), OPERATION_OK);
		row = find(answer, "s2", &owner);
		value = json_string_value(json_object_get(row, "value"));
		if ((value == NULL) != (cases[i].value == NULL) ||
		    (value != NULL && strcmp(value, cases[i].value) != 0))
			fail_msg("case %zu: %s", i, answer);
		if (value != NULL)
			assert_int_equal(json_is_null(json_object_get(row, "p_sha256")),
			    strstr(value, P) == NULL);
		json_decref(owner);
	}
}

static void
test_cnames_of_slots(void **state)
{
	static const char *const requests[] = {
	    ("{\"operation\":\"policy.set\",\"arguments\":{\"tenant\":\"acme\",\"policy\":"
	     "\"deleg\","
	     "\"plan\":{\"manage\":true,\"publisher\":\"manual\",\"algorithms\":[\"ed25519\"],"
	     "\"delegation\":\"dkim.p.example\"}}}"),
	    ("{\"operation\":\"domain.add\",\"arguments\":{\"tenant\":\"acme\",\"policy\":"
	     "\"deleg\","
	     "\"domain\":\"c.example\"}}"),
	    "{\"operation\":\"domain.records\",\"arguments\":{\"domain\":\"c.example\"}}"};
	struct operation_world *w = *state;
	const char *answer = "";

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(operation_world_ask(w, requests[i], &answer), OPERATION_OK);
	if (strstr(answer, "\"type\":\"CNAME\"") == NULL ||
	    strstr(answer, "._domainkey.c.example. ") == NULL ||
	    strstr(answer, "dkim.p.example.") == NULL)
		fail_msg("%s", answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_in_all_formats, begin, end),
	    cmocka_unit_test_setup_teardown(test_states, begin, end),
	    cmocka_unit_test_setup_teardown(test_cnames_of_slots, begin, end),
	};

	operations_begin();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
