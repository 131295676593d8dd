/*
 * zimbra_follow.c - what is told of a key that was begun: its record, what it waits for, and, with
 * --wait, each step until it signs.
 * Called by zimbra_add.c and zimbra_update.c. It must never say that a key signs, or is in the
 * directory, before it is so.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/zimbra_api.h"

#define LOOK_MS 1000
#define LINE_MAX_BYTES 1024U

/* "PUBLISHED; next: prove, not before 2026-11-23T04:00:00Z, waits for AuthoritativeServers". */
static void
describe(const json_t *key, struct buf *out)
{
	const json_t *next = json_object_get(key, "next");
	const char *action = zimbra_text_of(next, "action");
	const char *earliest = zimbra_text_of(next, "earliest");
	const char *trouble = zimbra_text_of(key, "trouble");
	json_t *by;
	size_t i;

	buf_add_str(out, zimbra_text_of(key, "state"));
	if (action[0] != '\0')
		buf_add_fmt(out, "; next: %s", action);
	if (earliest[0] != '\0')
		buf_add_fmt(out, ", not before %s", earliest);
	json_array_foreach(json_object_get(next, "blocked_by"), i, by)
	{
		buf_add_fmt(out, "%s %s", i == 0 ? ", waits for" : ",",
		    json_is_string(by) ? json_string_value(by) : "");
	}
	if (trouble[0] != '\0')
		buf_add_fmt(out, "; %s", trouble);
}

static int
ask_key(struct zimbra_api *api, const char *domain, const char *selector, json_t **result_out)
{
	return zimbra_ask(api, "key.show",
	    json_pack("{s:s, s:s}", "domain", domain, "selector", selector), NULL, result_out);
}

static void
tell_record(
    const struct zimbra_api *api, const char *domain, const char *selector, const json_t *result)
{
	const char *value = zimbra_text_of(json_object_get(result, "record"), "value");
	struct buf line, shown;

	buf_init(&line, 65536);
	buf_init(&shown, 262144);
	zimbra_record_text(span_str(selector), span_str(domain), span_str(value), &line);
	zimbra_safe(&shown, buf_span(&line));
	zimbra_tell(api->request, "Public signature to enter into DNS%s:",
	    api->manual ? "" : " (the publisher of the policy enters it)");
	fprintf(stdout, "%s", buf_text(&shown));
	buf_free(&line);
	buf_free(&shown);
}

/* One object, for programs. */
static void
tell_json(struct zimbra_api *api, const char *domain, const char *selector, const char *old,
    const json_t *result)
{
	const json_t *key = json_object_get(result, "key");
	json_t *out = json_pack("{s:s, s:s, s:s?, s:b, s:O?, s:O?}", "domain", domain, "selector",
	    selector, "signs_until_then", old, "mirror", api->mirror ? 1 : 0, "key", key, "record",
	    json_object_get(result, "record"));
	char *text = out == NULL ? NULL : json_dumps(out, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text != NULL)
		puts(text);
	json_decref(out);
}

int
zimbra_tell_key(struct zimbra_api *api, const char *domain, const char *selector, const char *old)
{
	json_t *result = NULL;
	int exit_code = ask_key(api, domain, selector, &result);
	struct buf line;

	if (exit_code != EX_OK)
		return exit_code;
	if (api->request->json) {
		tell_json(api, domain, selector, old, result);
		json_decref(result);
		return EX_OK;
	}
	buf_init(&line, LINE_MAX_BYTES * 2);
	describe(json_object_get(result, "key"), &line);
	zimbra_tell(api->request, "DKIM key made for domain %s with selector %s", domain, selector);
	tell_record(api, domain, selector, result);
	if (old != NULL)
		zimbra_tell(api->request,
		    "The key with selector %s goes on signing until this one is in DNS and proven.",
		    old);
	zimbra_tell(api->request, "It is %s.", buf_text(&line));
	zimbra_tell(api->request, "Where it is: signpost status %s", domain);
	buf_free(&line);
	json_decref(result);
	return EX_OK;
}

/* ---- waiting ---- */

/* 0: go on looking; 1: it signs; -1: it will not. */
static int
judge(const json_t *key)
{
	if (strcmp(zimbra_text_of(key, "state"), "ACTIVE") == 0)
		return 1;
	return zimbra_is_coming(key) ? 0 : -1;
}

static void
tell_end(const struct zimbra_api *api, const char *domain, const char *selector, int end)
{
	if (end < 0)
		cli_say(api->program,
		    "%s: key %s will not sign by itself; signpost key show %s %s says why", domain,
		    selector, domain, selector);
	else if (api->mirror)
		zimbra_tell(api->request, "DKIM Data added to LDAP for domain %s with selector %s",
		    domain, selector);
	else
		zimbra_tell(api->request,
		    "Key %s of domain %s signs at Signpost's gateways; LDAP is unchanged", selector,
		    domain);
}

int
zimbra_follow(struct zimbra_api *api, const char *domain, const char *selector)
{
	int exit_code = EX_OK, end = 0;
	struct buf line, last;

	buf_init(&line, LINE_MAX_BYTES * 2);
	buf_init(&last, LINE_MAX_BYTES * 2);
	while (exit_code == EX_OK && end == 0) {
		json_t *result = NULL;

		exit_code = ask_key(api, domain, selector, &result);
		if (exit_code == EX_OK) {
			const json_t *key = json_object_get(result, "key");

			buf_reset(&line);
			describe(key, &line);
			if (!span_eq(buf_span(&line), buf_span(&last)))
				cli_say(api->program, "%s: key %s is %s", domain, selector,
				    buf_text(&line));
			buf_reset(&last);
			buf_add(&last, buf_span(&line));
			end = judge(key);
		}
		json_decref(result);
		if (exit_code == EX_OK && end == 0)
			usleep(LOOK_MS * 1000);
	}
	if (exit_code == EX_OK)
		tell_end(api, domain, selector, end);
	buf_free(&line);
	buf_free(&last);
	return exit_code == EX_OK && end < 0 ? 1 : exit_code;
}
