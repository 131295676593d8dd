/*
 * test_operation_rotation.c - rotations as things of their own: their names, steps and ends, and
 * that one that nobody may see is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/keys/life.h"
#include "tests/lib/operation_world.h"

#define PLAN                                                                                       \
	"{\"operation\":\"policy.set\",\"arguments\":{\"tenant\":\"acme\",\"policy\":\"std\","     \
	"\"plan\":{\"manage\":true,\"algorithms\":[\"ed25519\"],\"publisher\":\"manual\"}}}"
#define ROTATE                                                                                     \
	"{\"operation\":\"rotate\",\"arguments\":{\"domain\":\"example.org\",\"reason\":\"why\"}}"
#define LIST "{\"operation\":\"rotation.list\",\"arguments\":{\"domain\":\"example.org\"}}"

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

/* rotation.WORD of the rotation. */
static enum operation_code
ask_about(struct operation_world *w, const char *word, const char *rotation, const char **answer)
{
	char request[300];

	snprintf(request, sizeof(request),
	    "{\"operation\":\"rotation.%s\",\"arguments\":{\"domain\":\"example.org\","
	    "\"rotation\":\"%s\"}}",
	    word, rotation);
	return operation_world_ask(w, request, answer);
}

/* A member of the rotation in an answer; "" if it is null. */
static const char *
member(const char *answer, const char *name)
{
	static char text[80];
	json_t *json = json_loads(answer, 0, NULL);
	const json_t *rotation = json_object_get(json_object_get(json, "result"), "rotation");
	const char *value = json_string_value(json_object_get(rotation, name));

	assert_true(json_is_object(rotation));
	snprintf(text, sizeof(text), "%s", value == NULL ? "" : value);
	json_decref(json);
	return text;
}

static void
ask_for_one(struct operation_world *w, char *name, size_t room)
{
	const char *answer;

	assert_int_equal(operation_world_ask(w, PLAN, &answer), OPERATION_OK);
	assert_int_equal(operation_world_ask(w, ROTATE, &answer), OPERATION_OK);
	snprintf(name, room, "%s", member(answer, "rotation"));
	assert_int_equal(name[0], 'r');
	assert_string_equal(member(answer, "state"), "open");
	assert_string_equal(member(answer, "reason"), "why");
}

static size_t
rotations_of(struct operation_world *w, const char **answer)
{
	json_t *json;
	size_t n;

	assert_int_equal(operation_world_ask(w, LIST, answer), OPERATION_OK);
	json = json_loads(*answer, 0, NULL);
	n = json_array_size(json_object_get(json_object_get(json, "result"), "rotations"));
	json_decref(json);
	return n;
}

static void
test_steps_say_what_they_wait_for(void **state)
{
	struct operation_world *w = *state;
	const char *answer;
	char name[80];

	assert_int_equal(rotations_of(w, &answer), 1);
	assert_non_null(strstr(answer, "\"rotation\":\"a6\""));
	ask_for_one(w, name, sizeof(name));
	assert_int_equal(rotations_of(w, &answer), 2);
	assert_non_null(strstr(answer, name));
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	assert_non_null(strstr(answer, "\"from\":\"s1\",\"to\":\"s2\",\"done\":false"));
	assert_non_null(strstr(answer, "{\"step\":\"load\",\"selector\":\"s2\",\"at\":\"1970-"));
	assert_non_null(strstr(answer, "{\"step\":\"activate\",\"selector\":\"s2\",\"at\":null"));
	assert_non_null(strstr(answer, "\"blocked_by\":[\"AuthoritativeServers\"]"));
	assert_non_null(strstr(answer, "\"version\":\"d"));
}

/* What an answer has as its version is what the next change needs. */
static void
test_versions_follow(void **state)
{
	static const char *const words[] = {"pause", "resume", "abort"};
	struct operation_world *w = *state;
	char name[80], version[60];
	const char *answer;

	ask_for_one(w, name, sizeof(name));
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	for (size_t i = 0; i < 3; i++) {
		const char *p = strstr(answer, "\"version\":\"") + 11;

		snprintf(version, sizeof(version), "%.*s", (int)strcspn(p, "\""), p);
		w->caller.version = span_str(version);
		assert_int_equal(ask_about(w, words[i], name, &answer), OPERATION_OK);
		assert_null(strstr(answer, version));
	}
}

static void
test_only_one_is_open(void **state)
{
	struct operation_world *w = *state;
	const char *answer;
	char name[80], said[120];

	ask_for_one(w, name, sizeof(name));
	assert_int_equal(operation_world_ask(w, ROTATE, &answer), OPERATION_ROTATION_IN_PROGRESS);
	snprintf(said, sizeof(said), "\"rotation\":\"%s\"", name);
	assert_non_null(strstr(answer, said));
}

static void
test_paused_and_taken_back(void **state)
{
	struct operation_world *w = *state;
	const char *answer;
	char name[80];

	ask_for_one(w, name, sizeof(name));
	assert_int_equal(ask_about(w, "rollback", name, &answer), OPERATION_ILLEGAL_TRANSITION);
	assert_int_equal(ask_about(w, "pause", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "paused");
	assert_true(member(answer, "paused")[0] != '\0');
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "paused");
	assert_int_equal(ask_about(w, "resume", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "open");
	assert_int_equal(ask_about(w, "abort", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "aborted");
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "aborted");
	assert_string_equal(member(answer, "reason"), "why");
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_about(w,
				     i == 0   ? "abort"
				     : i == 1 ? "pause"
					      : "resume",
				     name, &answer),
		    OPERATION_ILLEGAL_TRANSITION);
	/* Nothing is in the way of the next one. */
	assert_int_equal(operation_world_ask(w, ROTATE, &answer), OPERATION_OK);
}

/* As the reconciler would write it: s2 signs, s1 retires. */
static void
activate(struct operation_world *w)
{
	const struct span name = SPAN_LIT("example.org");
	struct keystore *store = w->admin.store;
	struct keystore_write writes[2];
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	int64_t now;
	size_t at;

	assert_int_equal(store->ops->now(store, &now, &err), ST_OK);
	assert_int_equal(store->ops->lives(store, &name, 1, &rows, &err), ST_OK);
	assert_int_equal(rows->key_count, 2);
	for (size_t i = 0; i < 2; i++) {
		struct store_key *key = &rows->keys[i];

		if (span_eq_str(key->selector, "s1")) {
			key->times.retiring = now;
			key->times.sign_until = now + 9999;
		} else {
			key->times.active = now;
		}
		writes[i] = (struct keystore_write){
		    .what = STORE_KEY, .how = WRITE_CHANGE, .life = true, .row.key = *key};
	}
	assert_int_equal(store->ops->apply(store, writes, 2, &at, &err), ST_OK);
	keystore_rows_release(rows);
}

static void
test_rolled_back(void **state)
{
	struct operation_world *w = *state;
	const char *answer;
	char name[80];

	ask_for_one(w, name, sizeof(name));
	activate(w);
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "done");
	assert_non_null(strstr(answer, "\"from\":\"s1\",\"to\":\"s2\",\"done\":true"));
	/* It is one rotation, not two: what was activated is what was asked for. s1's is told. */
	assert_int_equal(rotations_of(w, &answer), 2);
	assert_int_equal(ask_about(w, "abort", name, &answer), OPERATION_ILLEGAL_TRANSITION);
	assert_int_equal(ask_about(w, "rollback", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "rolled-back");
	assert_non_null(strstr(answer, "\"state\":\"HELD\""));
	assert_int_equal(ask_about(w, "rollback", name, &answer), OPERATION_ILLEGAL_TRANSITION);
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "rolled-back");
}

static void
test_names_that_are_none(void **state)
{
	static const char *const names[] = {"", "r", "r0", "a0", "a7", "r6", "a06", "x6", "a6 "};
	struct operation_world *w = *state;
	const char *answer;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(ask_about(w, "show", names[i], &answer), OPERATION_NOT_FOUND);
	assert_int_equal(ask_about(w, "show", "a6", &answer), OPERATION_OK);
	assert_string_equal(member(answer, "state"), "done");
	assert_int_equal(ask_about(w, "rollback", "a6", &answer), OPERATION_ILLEGAL_TRANSITION);
}

static void
test_of_another_tenant_and_version(void **state)
{
	static const char *const words[] = {"show", "pause", "resume", "abort", "rollback"};
	struct operation_world *w = *state;
	const char *answer;
	char name[80];

	ask_for_one(w, name, sizeof(name));
	w->applied = 0;
	w->caller.tenant = SPAN_LIT("beta");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(ask_about(w, words[i], name, &answer), OPERATION_NOT_FOUND);
	assert_int_equal(operation_world_ask(w, LIST, &answer), OPERATION_NOT_FOUND);
	w->caller.tenant = SPAN_LIT("acme");
	w->caller.version = SPAN_LIT("d0000");
	for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(
		    ask_about(w, words[i], name, &answer), OPERATION_PRECONDITION_FAILED);
	w->caller.version = SPAN_EMPTY;
	w->caller.scopes = SCOPE_KEYS_READ;
	for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(ask_about(w, words[i], name, &answer), OPERATION_FORBIDDEN);
	assert_int_equal(ask_about(w, "show", name, &answer), OPERATION_OK);
	assert_int_equal(w->applied, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_steps_say_what_they_wait_for, begin, end),
	    cmocka_unit_test_setup_teardown(test_versions_follow, begin, end),
	    cmocka_unit_test_setup_teardown(test_only_one_is_open, begin, end),
	    cmocka_unit_test_setup_teardown(test_paused_and_taken_back, begin, end),
	    cmocka_unit_test_setup_teardown(test_rolled_back, begin, end),
	    cmocka_unit_test_setup_teardown(test_names_that_are_none, begin, end),
	    cmocka_unit_test_setup_teardown(test_of_another_tenant_and_version, begin, end),
	};

	operations_begin();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
