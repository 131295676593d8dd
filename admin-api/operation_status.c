/*
 * operation_status.c - what all is like: counts of keys by state, what is overdue or stuck, who
 * leads, which gateways report. Called through the table of operations. It must never hold more
 * than a page of rows, nor change anything.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_lives.h"
#include "admin-api/reconciler.h"

#define STATES (KEY_FAILED + 1)
#define OVERDUE_S 300 /* what was due so long ago, nobody looks at */
#define SHOWN_MAX 100U
#define SIZES_MAX 12U   /* kinds and sizes of keys that are told apart, and one for all others */
#define WEAK_BELOW 2048 /* bits of an RSA key: RFC 8301 section 3.2 */

/* Keys that sign, will, or may be needed to verify still, by what they are and how old. */
struct size_count {
	char algorithm[32];
	int bits;
	uint64_t keys;
};
struct age_count {
	uint64_t keys, weak;
};
static const int age_days[] = {30, 90, 180, 365}; /* up to; and those that are older */
#define AGES (sizeof(age_days) / sizeof(age_days[0]) + 1)

struct counting {
	struct span tenant;
	struct span only; /* the only one whose keys are counted; empty: all */
	uint64_t states[STATES], keys, domains;
	uint64_t stuck_count, drifted_count, unsigned_count;
	json_t *stuck, *unsigned_list;
	struct size_count sizes[SIZES_MAX]; /* the last one: "", 0: all others */
	struct age_count ages[AGES];
	/* Keys come in the order of their domains: the one they are of now. */
	char domain[KEYSTORE_DOMAIN_MAX + 1];
	bool has_keys, signs;
};

/* All keys of one domain were seen. */
static void
end_domain(struct counting *counting)
{
	counting->domains += counting->has_keys ? 1 : 0;
	if (counting->has_keys && !counting->signs && counting->unsigned_count++ < SHOWN_MAX)
		json_array_append_new(counting->unsigned_list, json_string(counting->domain));
	counting->has_keys = counting->signs = false;
}

/* Domains whose keys are all destroyed are not counted. */
static void
count_domain(struct operation_call *call, struct counting *counting, const struct store_key *row)
{
	if (!span_eq_str(row->domain, counting->domain)) {
		end_domain(counting);
		snprintf(counting->domain, sizeof(counting->domain), "%.*s", SPAN_ARG(row->domain));
	}
	if (key_state_at(&row->times, call->now_utc) != KEY_DESTROYED)
		counting->has_keys = true;
	if (key_may_sign(&row->times, call->now_utc))
		counting->signs = true;
}

static bool
is_in_use(enum key_state state)
{
	return state != KEY_REVOKED && state != KEY_REMOVED && state != KEY_DESTROYED &&
	       state != KEY_COMPROMISED && state != KEY_FAILED;
}

static void
count_size(struct counting *counting, const struct store_key *row)
{
	struct size_count *size = counting->sizes;

	while (size < &counting->sizes[SIZES_MAX - 1] && size->keys > 0 &&
	       (size->bits != row->bits || !span_eq_str(row->algorithm, size->algorithm)))
		size++;
	if (size->keys++ > 0 || size == &counting->sizes[SIZES_MAX - 1])
		return;
	snprintf(size->algorithm, sizeof(size->algorithm), "%.*s", SPAN_ARG(row->algorithm));
	size->bits = row->bits;
}

static void
count_age(struct operation_call *call, struct counting *counting, const struct store_key *row)
{
	int64_t made = row->times.created > 0 ? row->times.created : row->times.active;
	int64_t days = made > 0 && made < call->now_utc ? (call->now_utc - made) / 86400 : 0;
	size_t i = 0;

	while (i + 1 < AGES && days > age_days[i])
		i++;
	counting->ages[i].keys++;
	if (span_eq_str(row->algorithm, "rsa-sha256") && row->bits > 0 && row->bits < WEAK_BELOW)
		counting->ages[i].weak++;
}

static void
count_key(struct operation_call *call, struct counting *counting, const struct store_key *row)
{
	enum key_state state = key_state_at(&row->times, call->now_utc);
	struct err ignored = ERR_NONE;
	struct key_life life;

	count_domain(call, counting, row);
	counting->keys++;
	counting->states[state]++;
	if (is_in_use(state)) {
		count_size(counting, row);
		count_age(call, counting, row);
	}
	if (state == KEY_DESTROYED || key_life_parse(row->life, &life, &ignored) != ST_OK)
		return;
	counting->drifted_count += life.drifted ? 1 : 0;
	if (life.trouble[0] == '\0')
		return;
	if (counting->stuck_count++ < SHOWN_MAX)
		json_array_append_new(counting->stuck,
		    json_pack("{s:o, s:o, s:s, s:i, s:o, s:o}", "domain", json_span(row->domain),
			"selector", json_span(row->selector), "state", key_state_name(state),
			"tries", life.tries, "next_try", json_time(life.next_try), "trouble",
			json_span(span_str(life.trouble))));
}

static void
remember(char after[], size_t room, const struct store_key *row)
{
	snprintf(after, room, "%.*s %.*s", SPAN_ARG(row->domain), SPAN_ARG(row->selector));
}

/* ---- those of one tenant ---- */

/* Keys of up to KEYSTORE_LIVES_MAX domains; those that are DESTROYED are not read. */
static enum operation_code
count_lives(struct operation_call *call, struct counting *counting, const struct span *domains,
    size_t count)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status = store->ops->lives(store, domains, count, &rows, &err);

	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	/* A store answers keys in any order. */
	for (size_t n = 0; n < count; n++)
		for (size_t i = 0; i < rows->key_count; i++)
			if (span_eq(rows->keys[i].domain, domains[n]))
				count_key(call, counting, &rows->keys[i]);
	keystore_rows_release(rows);
	return OPERATION_OK;
}

static enum operation_code
count_page(struct operation_call *call, const struct keystore_rows *page, void *context)
{
	struct counting *counting = context;
	enum operation_code code = OPERATION_OK;
	struct span domains[KEYSTORE_LIVES_MAX];
	size_t count = 0;

	for (size_t i = 0; code == OPERATION_OK && i < page->domain_count; i++) {
		const struct store_domain *row = &page->domains[i];

		if (span_eq(row->tenant, counting->only) && call_sees(call, row->tenant, row->name))
			domains[count++] = row->name;
		if (count == KEYSTORE_LIVES_MAX || (count > 0 && i + 1 == page->domain_count)) {
			code = count_lives(call, counting, domains, count);
			count = 0;
		}
	}
	if (code == OPERATION_OK &&
	    !call_progress(call, json_pack("{s:I}", "keys", (json_int_t)counting->keys)))
		code = call_refuse(call, OPERATION_PRECONDITION_FAILED, "nobody listens any more");
	return code;
}

/* ---- all of them ---- */

static enum operation_code
count_keys(struct operation_call *call, struct counting *counting)
{
	struct keystore *store = call->admin->store;
	char after[KEYSTORE_DOMAIN_MAX + KEYSTORE_SELECTOR_MAX + 2] = "";
	struct err err = ERR_NONE;
	size_t count = 1;

	while (count > 0) {
		struct keystore_rows *page;
		enum status status = store->ops->list(
		    store, STORE_KEY, span_str(after), OPERATION_PAGE, &page, &err);

		if (status != ST_OK)
			return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
		count = page->key_count;
		for (size_t i = 0; i < count; i++)
			if ((counting->tenant.n == 0 ||
				span_eq(page->keys[i].tenant, counting->tenant)) &&
			    call_sees(call, page->keys[i].tenant, page->keys[i].domain))
				count_key(call, counting, &page->keys[i]);
		if (count > 0)
			remember(after, sizeof(after), &page->keys[count - 1]);
		keystore_rows_release(page);
		if (count > 0 &&
		    !call_progress(call, json_pack("{s:I}", "keys", (json_int_t)counting->keys)))
			return call_refuse(
			    call, OPERATION_PRECONDITION_FAILED, "nobody listens any more");
	}
	return OPERATION_OK;
}

static json_t *
states_json(const struct counting *counting)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < STATES; i++)
		if (counting->states[i] > 0)
			json_object_set_new(out, key_state_name((enum key_state)i),
			    json_integer((json_int_t)counting->states[i]));
	return out;
}

/* "figures": what is in use, for a picture of it. */
static json_t *
figures_json(const struct counting *counting)
{
	json_t *sizes = json_array(), *ages = json_array();

	for (size_t i = 0; i < SIZES_MAX; i++) {
		const struct size_count *size = &counting->sizes[i];

		if (size->keys == 0)
			continue;
		json_array_append_new(
		    sizes, json_pack("{s:s, s:i, s:I}", "algorithm", size->algorithm, "bits",
			       size->bits, "keys", (json_int_t)size->keys));
	}
	for (size_t i = 0; i < AGES; i++)
		json_array_append_new(
		    ages, json_pack("{s:o, s:I, s:I}", "days",
			      i + 1 < AGES ? json_integer(age_days[i]) : json_null(), "keys",
			      (json_int_t)counting->ages[i].keys, "weak",
			      (json_int_t)counting->ages[i].weak));
	return json_pack("{s:o, s:o}", "sizes", sizes, "ages", ages);
}

/* Those that nobody has looked at although it was time. */
static enum operation_code
add_overdue(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	json_t *list = json_array();
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;

	json_object_set_new(call->result, "overdue", list);
	if (store->ops->due == NULL)
		return OPERATION_OK;
	status = store->ops->due(store, call->now_utc - OVERDUE_S, SHOWN_MAX, &rows, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < rows->domain_count; i++)
		json_array_append_new(
		    list, json_pack("{s:o, s:o}", "domain", json_span(rows->domains[i].name), "due",
			      json_time(rows->domains[i].due)));
	keystore_rows_release(rows);
	return OPERATION_OK;
}

static void
add_reconciler(struct operation_call *call)
{
	struct reconciler_state state;

	if (call->admin->reconciler == NULL) {
		json_object_set_new(call->result, "reconciler", json_null());
		return;
	}
	memset(&state, 0, sizeof(state));
	reconciler_state(call->admin->reconciler, &state);
	json_object_set_new(call->result, "reconciler",
	    json_pack("{s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"leader", state.leader ? 1 : 0, "leader_name",
		json_span(span_str(state.leader_name)), "frozen",
		state.frozen[0] == '\0' ? json_null() : json_span(span_str(state.frozen)), "turns",
		(json_int_t)state.turns, "generated", (json_int_t)state.generated, "published",
		(json_int_t)state.published, "proven", (json_int_t)state.proven, "activated",
		(json_int_t)state.activated, "revoked", (json_int_t)state.revoked, "removed",
		(json_int_t)state.removed, "destroyed", (json_int_t)state.destroyed, "failed",
		(json_int_t)state.failed, "rolled_back", (json_int_t)state.rolled_back,
		"store_errors", (json_int_t)state.store_errors, "publisher_errors",
		(json_int_t)state.publisher_errors));
}

static enum operation_code
add_store(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	struct store_state state = {.epoch = 0};
	struct store_change none;
	struct err err = ERR_NONE;
	enum status status;
	size_t count = 0;

	/* Nothing comes behind the last epoch that can be. */
	status = keystore_changes(store, INT64_MAX, 1, &none, &count, &state, &err);
	if (status != ST_OK && status != ST_TOO_BIG)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	json_object_set_new(call->result, "store",
	    json_pack("{s:o, s:I, s:o, s:i, s:o}", "where", json_span(span_str(store->where)),
		"epoch", (json_int_t)state.epoch, "identity", json_span(span_str(state.identity)),
		"schema", state.schema, "now", json_time(call->now_utc)));
	return OPERATION_OK;
}

/* The store and the gateways are of all tenants: not for one of them. */
static bool
sees_all(const struct operation_call *call)
{
	return call->caller->tenant.n == 0 && call->caller->domains.n == 0;
}

static enum operation_code
add_machines(struct operation_call *call, bool overdue)
{
	enum operation_code code = add_store(call);

	if (code == OPERATION_OK && overdue)
		code = add_overdue(call);
	if (code == OPERATION_OK && call->admin->store->ops->gateways != NULL)
		code = operation_gateway_list(call);
	add_reconciler(call);
	return code;
}

static enum operation_code
status_of_all(struct operation_call *call)
{
	struct counting counting = {.stuck = json_array(), .unsigned_list = json_array()};
	enum operation_code code = OPERATION_OK;

	json_object_set_new(call->result, "stuck", counting.stuck);
	json_object_set_new(call->result, "unsigned", counting.unsigned_list);
	if (call_has(call, "tenant"))
		code = call_tenant(call, "tenant", &counting.tenant);
	counting.only = call_only_tenant(call);
	if (code == OPERATION_OK)
		code = counting.only.n > 0 && call->admin->store->ops->lives != NULL
			   ? row_walk_pages(call, counting.only, count_page, &counting)
			   : count_keys(call, &counting);
	if (code == OPERATION_OK && sees_all(call))
		code = add_machines(call, counting.tenant.n == 0);
	if (code != OPERATION_OK)
		return code;
	end_domain(&counting);
	json_object_set_new(call->result, "domains", json_integer((json_int_t)counting.domains));
	json_object_set_new(
	    call->result, "unsigned_domains", json_integer((json_int_t)counting.unsigned_count));
	json_object_set_new(call->result, "states", states_json(&counting));
	json_object_set_new(call->result, "figures", figures_json(&counting));
	json_object_set_new(call->result, "keys", json_integer((json_int_t)counting.keys));
	json_object_set_new(
	    call->result, "stuck_keys", json_integer((json_int_t)counting.stuck_count));
	json_object_set_new(
	    call->result, "drifted_keys", json_integer((json_int_t)counting.drifted_count));
	return OPERATION_OK;
}

enum operation_code
operation_status(struct operation_call *call)
{
	if (!call_has(call, "domain"))
		return status_of_all(call);
	if (call_has(call, "tenant"))
		return call_wrong(call, "tenant", "give \"domain\" or \"tenant\", not both");
	return operation_domain_show(call);
}
