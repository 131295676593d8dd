/*
 * operation_rotate.c - asking for new keys: of a domain, of all of a tenant, of all that are due.
 * Called through the table of operations. It only asks: the reconciler makes, proves and activates
 * them. It must never ask twice for a domain that has not ended the last one.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_later.h"
#include "lib/base/mem.h"

struct rotation {
	char reason[OPERATION_REASON_MAX + 1];
	int64_t not_before;
	bool only_due; /* whose ACTIVE keys are as old as the plan wants them to get */
	/* Of many. */
	json_t *domains;
	uint64_t looked, asked, refused;
	char names[KEYSTORE_LIVES_MAX][KEYSTORE_DOMAIN_MAX + 1]; /* to be asked for together */
	size_t count;
};

static bool
is_due(const struct operation_call *call, const struct lives *lives)
{
	int64_t interval_s = plan_interval_of(&lives->life.plan, lives->life.name);

	if (!lives->life.plan.manage || interval_s <= 0)
		return false;
	for (size_t i = 0; i < lives->life.count; i++) {
		const struct key_times *t = &lives->life.keys[i].times;

		if (key_state_at(t, call->now_utc) == KEY_ACTIVE &&
		    t->active + interval_s <= call->now_utc)
			return true;
	}
	return false;
}

static enum operation_code
check_version(struct operation_call *call, const struct lives *lives)
{
	char version[VERSION_BYTES];

	version_of_domain(lives->row, version);
	return call_version(call, version);
}

/* The rotation that was asked for, where it is one: with the answer, and with a refusal. */
static void
show(struct operation_call *call, const struct lives *lives)
{
	const struct rotation_id asked = {.kind = 'r', .at = lives->life.life.rotate_asked};

	if (call_has(call, "domain"))
		json_object_set_new(call->result, "rotation", rotation_row(call, lives, &asked));
}

static void
begun(struct operation_call *call, const struct lives *lives)
{
	const struct rotation_id asked = {.kind = 'r', .at = lives->life.life.rotate_asked};

	later_begun_rotation(call, OPERATION_KIND_ROTATION, lives, &asked);
	rotation_new_version(call, lives);
}

static enum operation_code
ask(struct operation_call *call, struct lives *lives, void *context)
{
	const struct rotation *rotation = context;
	enum operation_code code = OPERATION_OK;
	struct err why = ERR_NONE;

	if (call_has(call, "domain"))
		code = check_version(call, lives);
	if (code != OPERATION_OK)
		return code;
	if (rotation_in_progress(&lives->life, call->now_utc)) {
		show(call, lives);
		return call_refuse(call, OPERATION_ROTATION_IN_PROGRESS,
		    "%.*s: a rotation was asked for already (%s), and has not ended",
		    SPAN_ARG(lives->life.name),
		    lives->life.life.reason[0] != '\0' ? lives->life.life.reason : "no reason");
	}
	if (life_rotate(
		&lives->life, rotation->not_before, rotation->reason, call->now_utc, &why)) {
		show(call, lives);
		if (call_has(call, "domain"))
			begun(call, lives);
		return OPERATION_OK;
	}
	return call_refuse(
	    call, OPERATION_ILLEGAL_TRANSITION, "%.*s: %s", SPAN_ARG(lives->life.name), why.text);
}

/* ---- many ---- */

static void
note(struct operation_call *call, struct rotation *rotation, struct span domain,
    enum operation_code code)
{
	json_t *entry =
	    json_pack("{s:o, s:s}", "domain", json_span(domain), "code", operation_code_name(code));

	if (code == OPERATION_OK)
		rotation->asked++;
	else
		rotation->refused++;
	if (code != OPERATION_OK)
		json_object_set_new(entry, "detail", json_span(span_str(call->detail.text)));
	/* An answer of a million domains helps nobody. Those that were refused have room of their
	 * own. */
	if ((code == OPERATION_OK ? rotation->asked : rotation->refused) <= OPERATION_PAGE)
		json_array_append(rotation->domains, entry);
	json_decref(entry);
}

/* What only says something about one domain does not end the walk. */
static bool
goes_on(enum operation_code code)
{
	return code != OPERATION_STORE_UNAVAILABLE && code != OPERATION_FROZEN;
}

static bool
is_wanted(
    const struct operation_call *call, const struct rotation *rotation, const struct lives *lives)
{
	return lives->life.plan.manage && (!rotation->only_due || is_due(call, lives));
}

static enum operation_code
ask_if_wanted(struct operation_call *call, struct lives *lives, void *context)
{
	return is_wanted(call, context, lives) ? ask(call, lives, context)
					       : OPERATION_ILLEGAL_TRANSITION;
}

/* One that could not be asked for together with others. */
static enum operation_code
rotate_one_of_many(struct operation_call *call, struct span domain, struct rotation *rotation)
{
	struct lives *lives;
	enum operation_code code = lives_read(call, domain, &lives);
	bool wanted = true;

	if (code == OPERATION_OK) {
		wanted = is_wanted(call, rotation, lives);
		lives_free(lives);
		if (wanted)
			code = lives_update(call, domain, ask, rotation);
	}
	if (wanted)
		note(call, rotation, domain, code);
	return goes_on(code) ? OPERATION_OK : code;
}

/* Those that were collected. */
static enum operation_code
rotate_some(struct operation_call *call, struct rotation *rotation)
{
	enum operation_code code = OPERATION_OK;
	struct span names[KEYSTORE_LIVES_MAX] = {SPAN_EMPTY};
	bool done[KEYSTORE_LIVES_MAX];
	size_t count = rotation->count;

	for (size_t i = 0; i < count; i++)
		names[i] = span_str(rotation->names[i]);
	rotation->count = 0;
	lives_update_together(call, names, count, ask_if_wanted, rotation, done);
	for (size_t i = 0; code == OPERATION_OK && i < count; i++)
		if (done[i])
			note(call, rotation, names[i], OPERATION_OK);
		else
			code = rotate_one_of_many(call, names[i], rotation);
	rotation->looked += count;
	if (!call_progress(call, json_pack("{s:I, s:I}", "looked", (json_int_t)rotation->looked,
				     "asked", (json_int_t)rotation->asked)))
		return call_refuse(call, OPERATION_PRECONDITION_FAILED, "nobody listens any more");
	return code;
}

static enum operation_code
collect(struct operation_call *call, const struct store_domain *row, void *context)
{
	struct rotation *rotation = context;

	snprintf(rotation->names[rotation->count++], sizeof(rotation->names[0]), "%.*s",
	    SPAN_ARG(row->name));
	return rotation->count < KEYSTORE_LIVES_MAX ? OPERATION_OK : rotate_some(call, rotation);
}

static enum operation_code
rotate_many(struct operation_call *call, struct span tenant, struct rotation *rotation)
{
	struct operation_id id = {.kind = OPERATION_KIND_ROTATIONS, .at_utc = call->now_utc};
	enum operation_code code;

	call->late_reply = true;
	rotation->domains = json_array();
	code = row_walk_domains(call, tenant, collect, rotation);
	if (code == OPERATION_OK && rotation->count > 0)
		code = rotate_some(call, rotation);
	json_object_set_new(call->result, "domains", rotation->domains);
	json_object_set_new(call->result, "asked", json_integer((json_int_t)rotation->asked));
	json_object_set_new(call->result, "refused", json_integer((json_int_t)rotation->refused));
	id.tenant = tenant.n > 0 ? tenant : call->caller->tenant;
	id.count = rotation->asked;
	later_begun(call, &id);
	/* Each domain has its line; its keys do not change yet. */
	json_object_del(call->result, "keys");
	return code;
}

static enum operation_code
take_arguments(struct operation_call *call, struct rotation *rotation, struct span *tenant_out)
{
	struct span reason = call_text(call, "reason");
	unsigned given = (call_has(call, "domain") ? 1U : 0U) +
			 (call_has(call, "tenant") ? 1U : 0U) +
			 (call_switch(call, "due", false) ? 1U : 0U);

	*tenant_out = SPAN_EMPTY;
	rotation->not_before = call_time(call, "not_before");
	rotation->only_due = call_switch(call, "due", false);
	if (reason.n > OPERATION_REASON_MAX)
		return call_wrong(call, "reason", "at most %u octets", OPERATION_REASON_MAX);
	snprintf(rotation->reason, sizeof(rotation->reason), "%.*s", SPAN_ARG(reason));
	if (given != 1)
		return call_wrong(call, "domain",
		    "give one of \"domain\", \"tenant\" (all of its domains) and \"due\" (all "
		    "whose "
		    "keys are as old as their policy wants)");
	return call_has(call, "tenant") ? call_tenant(call, "tenant", tenant_out) : OPERATION_OK;
}

enum operation_code
operation_rotate(struct operation_call *call)
{
	struct rotation rotation = {.only_due = false};
	struct span domain, tenant;
	enum operation_code code = take_arguments(call, &rotation, &tenant);

	if (code == OPERATION_OK && !call_has(call, "domain"))
		return rotate_many(call, tenant, &rotation);
	if (code == OPERATION_OK)
		code = call_domain(call, "domain", &domain);
	if (code != OPERATION_OK)
		return code;
	/* Before it is written: it is a part of the answer that is kept. */
	json_object_set_new(call->result, "domain", json_span(domain));
	return lives_update(call, domain, ask, &rotation);
}
