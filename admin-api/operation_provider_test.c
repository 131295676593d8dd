/*
 * operation_provider_test.c - tries a DNS provider: writes a record, looks whether it is there, and
 * removes it.
 * Called through the table of operations. It must never touch a record that it did not write, and
 * says what it does in the audit before it does it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_provider.h"
#include "admin-api/provider.h"
#include "lib/crypto/digest.h"

#define TEST_LABEL "_signpost-test-"
#define TEST_TTL_S 60U

struct trial {
	struct publisher *publisher;
	struct span zone;
	char name[KEYSTORE_DOMAIN_MAX + 64], value[64];
	json_t *steps; /* borrowed */
};

static void
make_names(struct trial *trial)
{
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t random[16];
	char text[sizeof(random) + 1];

	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		text[i] = letters[random[i] % 32];
	text[sizeof(random)] = '\0';
	(void)snprintf(
	    trial->name, sizeof(trial->name), TEST_LABEL "%.8s.%.*s", text, SPAN_ARG(trial->zone));
	(void)snprintf(trial->value, sizeof(trial->value), "signpost test %s", text);
}

/* true: done. */
static bool
try_step(struct trial *trial, const char *step, struct publish_change *change)
{
	bool done;

	change->name = span_str(trial->name);
	change->ttl_s = TEST_TTL_S;
	publisher_apply(trial->publisher, trial->zone, change, 1);
	done = change->effect == LIFE_DONE;
	json_array_append_new(trial->steps,
	    json_pack("{s:s, s:b, s:o, s:o}", "step", step, "done", done, "why",
		json_span(span_str(change->why)), "code",
		done ? json_null()
		     : json_string(operation_code_name(OPERATION_DNS_PROVIDER_ERROR))));
	return done;
}

/* "see": asked again to write it, a publisher looks first, and says that it is there, alone. What
 * may have been written is removed also when nobody heard that it was. */
static bool
try_all(struct trial *trial)
{
	struct span value = span_str(trial->value);
	struct publish_change write = {.how = PUBLISH_ADD, .value = value}, see = write,
			      removal = {.how = PUBLISH_REMOVE, .old = value};
	bool works = try_step(trial, "write", &write);

	works = works && try_step(trial, "see", &see);
	if (write.effect == LIFE_DONE || write.effect == LIFE_UNAVAILABLE)
		works = try_step(trial, "remove", &removal) && works;
	return works;
}

static enum operation_code
take_zone(struct operation_call *call, struct trial *trial)
{
	enum operation_code code = call_domain(call, "zone", &trial->zone);

	if (code != OPERATION_OK)
		return code;
	if (trial->zone.n + sizeof(TEST_LABEL) + 9 > KEYSTORE_DOMAIN_MAX)
		return call_wrong(call, "zone", "a name in it would be too long");
	if (!scope_domain_fits(call->caller->domains, trial->zone))
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "%.*s is not within the domains that you may administer",
		    SPAN_ARG(trial->zone));
	make_names(trial);
	return OPERATION_OK;
}

/* Recorded before it is done. */
static enum operation_code
record(struct operation_call *call, const struct store_provider *row, const struct trial *trial)
{
	struct err err = ERR_NONE;
	json_t *line = provider_json(row);
	enum status status;

	json_object_set_new(line, "record", json_string(trial->name));
	call_plan(call, "provider", provider_json(row), line);
	status = call_apply(call, NULL, 0, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

static enum operation_code
open_publisher(
    struct operation_call *call, const struct store_provider *row, struct publisher **out)
{
	struct err err = ERR_NONE;
	enum status status = provider_open(call->admin->sitekey, row, out, &err);

	if (status == ST_OK && (*out)->ops->by_hand)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "records of %s are put by hand: there is nothing to try", (*out)->name);
	if (status == ST_OK)
		return OPERATION_OK;
	return call_refuse(call, OPERATION_DNS_PROVIDER_ERROR, "it cannot be used: %s", err.text);
}

enum operation_code
operation_provider_test(struct operation_call *call)
{
	struct trial trial = {.publisher = NULL};
	struct store_provider row;
	struct keystore_rows *rows;
	enum operation_code code = provider_row(call, &rows, &row);

	if (code == OPERATION_OK)
		code = take_zone(call, &trial);
	if (code == OPERATION_OK)
		code = open_publisher(call, &row, &trial.publisher);
	if (code == OPERATION_OK)
		code = record(call, &row, &trial);
	if (code == OPERATION_OK) {
		trial.steps = json_array();
		json_object_set_new(call->result, "provider", provider_json(&row));
		json_object_set_new(call->result, "record", json_string(trial.name));
		json_object_set_new(call->result, "steps", trial.steps);
		json_object_set_new(
		    call->result, "works", json_boolean(!call->dry_run && try_all(&trial)));
	}
	publisher_close(trial.publisher);
	keystore_rows_release(rows);
	return code;
}
