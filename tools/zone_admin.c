/*
 * zone_admin.c - the records of a domain's keys as signpost-admind has them: with their TTLs, and
 * the CNAMEs of those that are delegated. Called by zone_keys.c. It must never take a record that
 * is not one of a key of this domain.
 */
#include "config.h"

#include <sysexits.h>

#include "tools/admin.h"
#include "tools/zone.h"

static void
add_rows(struct zone_job *job, const json_t *list)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));
		const char *value = json_string_value(json_object_get(row, "value"));
		const char *type = json_string_value(json_object_get(row, "type"));
		json_int_t ttl_s = json_integer_value(json_object_get(row, "ttl"));
		bool cname = span_eq_str(SPAN_LIT("CNAME"), type == NULL ? "" : type);

		/* What stands for a key that was revoked is not for somebody who begins. */
		if (name == NULL || value == NULL || span_eq_str(SPAN_LIT("v=DKIM1; p="), value))
			continue;
		zone_keys_add(job, cname ? ZONE_CNAME : ZONE_TXT, span_str(name), span_str(value),
		    ttl_s > 0 && ttl_s <= ZONE_TTL_MAX_S ? (uint32_t)ttl_s : 0);
	}
}

static int
ask(struct zone_job *job, struct admin_client *client)
{
	const char *program = job->wanted->program;
	json_t *request = json_pack("{s:s, s:{s:s}}", "operation", "domain.records", "arguments",
	    "domain", job->records.domain);
	json_t *answer = admin_ask(client, request);
	int exit_code = EX_UNAVAILABLE;

	if (answer != NULL && !json_is_true(json_object_get(answer, "ok"))) {
		exit_code = admin_show_refusal(program, answer);
		if (exit_code == 1) /* it was understood, and there is none */
			exit_code = EX_DATAERR;
	} else if (answer != NULL) {
		add_rows(job, json_object_get(json_object_get(answer, "result"), "records"));
		exit_code = EX_OK;
	}
	json_decref(answer);
	json_decref(request);
	return exit_code;
}

int
zone_admin_keys(struct zone_job *job)
{
	const struct zone_wanted *wanted = job->wanted;
	const struct admin_request given = {.socket = wanted->socket,
	    .url = wanted->url,
	    .token_file = wanted->token_file,
	    .conf = wanted->conf_path};
	struct admin_target target;
	struct admin_client *client;
	int exit_code = admin_target_find(wanted->program, &given, &target);

	if (exit_code == EX_OK) {
		client = admin_connect(wanted->program, &target);
		exit_code = client == NULL ? EX_UNAVAILABLE : ask(job, client);
		admin_disconnect(client);
	}
	admin_target_free(&target);
	return exit_code;
}
