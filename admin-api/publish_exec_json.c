/*
 * publish_exec_json.c - the JSON between exec: and a hook.
 * Called by publish_exec.c before and after the program ran. It must never take a result for a
 * change that it is not of, nor half of an answer.
 */
#include <jansson.h>

#include "admin-api/publish_exec.h"
#include "lib/base/mem.h"

static void
write_change(const struct publish_change *change, size_t id, struct buf *out)
{
	static const char *const hows[] = {
	    [PUBLISH_ADD] = "add", [PUBLISH_REPLACE] = "replace", [PUBLISH_REMOVE] = "remove"};
	struct span rest, string;

	buf_add_fmt(out, "{\"id\":%zu,\"how\":\"%s\",\"name\":", id, hows[change->how]);
	publish_json_string(out, change->name);
	buf_add_fmt(out, ",\"ttl\":%u", (unsigned int)change->ttl_s);
	if (change->how != PUBLISH_REMOVE) {
		buf_add_str(out, ",\"value\":");
		publish_json_string(out, change->value);
		buf_add_str(out, ",\"strings\":[");
		for (rest = change->value; publish_string_next(&rest, &string);) {
			publish_json_string(out, string);
			if (rest.n > 0)
				buf_add_char(out, ',');
		}
		buf_add_char(out, ']');
	}
	if (change->how != PUBLISH_ADD) {
		buf_add_str(out, ",\"old\":");
		publish_json_string(out, change->old);
	}
	buf_add_char(out, '}');
}

void
publish_exec_request(struct span publisher, struct span zone, const struct publish_change *changes,
    size_t count, struct buf *out)
{
	buf_add_str(out, "{\"version\":1,\"publisher\":");
	publish_json_string(out, publisher);
	buf_add_str(out, ",\"zone\":");
	publish_json_string(out, zone);
	buf_add_str(out, ",\"changes\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		write_change(&changes[i], i, out);
	}
	buf_add_str(out, "]}\n");
}

static bool
effect_by_name(const char *name, enum life_effect *out)
{
	static const struct {
		const char *name;
		enum life_effect effect;
	} effects[] = {{"done", LIFE_DONE}, {"pending", LIFE_PENDING}, {"conflict", LIFE_CONFLICT},
	    {"unavailable", LIFE_UNAVAILABLE}, {"refused", LIFE_REFUSED}};

	for (size_t i = 0; name != NULL && i < sizeof(effects) / sizeof(effects[0]); i++) {
		if (strcmp(name, effects[i].name) == 0) {
			*out = effects[i].effect;
			return true;
		}
	}
	return false;
}

/* What one result says. */
struct result {
	bool given;
	enum life_effect effect;
	const char *why; /* borrowed from the JSON; NULL: none */
};

static bool
read_result(const json_t *entry, struct result *results, size_t count, struct err *err)
{
	json_t *id = json_object_get(entry, "id"), *why = json_object_get(entry, "why");
	struct result *result;
	json_int_t at = json_is_integer(id) ? json_integer_value(id) : -1;

	if (at < 0 || (uint64_t)at >= count) {
		err_set(err, "a result has no \"id\", or one of no change");
		return false;
	}
	result = &results[at];
	if (result->given) {
		err_set(err, "there are two results of \"id\" %lld", (long long)at);
		return false;
	}
	if (!effect_by_name(json_string_value(json_object_get(entry, "result")), &result->effect)) {
		err_set(err,
		    "the \"result\" of \"id\" %lld is not \"done\", \"pending\", \"conflict\", "
		    "\"unavailable\" or \"refused\"",
		    (long long)at);
		return false;
	}
	if (why != NULL && !json_is_string(why) && !json_is_null(why)) {
		err_set(err, "the \"why\" of \"id\" %lld is not a text", (long long)at);
		return false;
	}
	result->why = json_string_value(why);
	result->given = true;
	return true;
}

static void
set_result(struct publish_change *change, const struct result *result)
{
	bool silent = result->why == NULL || result->why[0] == '\0';

	if (result->effect == LIFE_DONE)
		publish_effect(change, LIFE_DONE, NULL);
	else
		publish_effect(change, result->effect, "%s",
		    silent ? "the hook gives no reason" : result->why);
	for (char *p = change->why; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static bool
read_results(const json_t *root, struct result *results, size_t count, struct err *err)
{
	json_t *list = json_object_get(root, "results");

	if (!json_is_array(list)) {
		err_set(err, "it has no list \"results\"");
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!read_result(json_array_get(list, i), results, count, err))
			return false;
	return true;
}

enum status
publish_exec_answer(
    struct span answer, struct publish_change *changes, size_t count, struct err *err)
{
	struct result *results = mem_zalloc(count + 1, sizeof(*results));
	json_error_t error;
	json_t *root =
	    json_loadb(answer.p == NULL ? "" : answer.p, answer.n, JSON_REJECT_DUPLICATES, &error);
	bool good = false;

	if (root == NULL)
		err_set(err, "it is not JSON: line %d: %s", error.line, error.text);
	else
		good = read_results(root, results, count, err);
	for (size_t i = 0; good && i < count; i++)
		if (results[i].given)
			set_result(&changes[i], &results[i]);
	json_decref(root);
	mem_free(results);
	return good ? ST_OK : ST_INVALID;
}
