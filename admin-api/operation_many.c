/*
 * operation_many.c - many domains added at once.
 * Called by bulk.c. It must never do what a domain.add of one would refuse: whatever is not plain
 * is left for that one. Killed in between, the same call ends what is left.
 */
#include "config.h"

#include "admin-api/operation_many.h"
#include "admin-api/operation_table.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define TRIES_MAX 8U

struct many {
	struct operation_call call;
	struct span tenant, policy; /* that were found last */
	bool found;
	size_t count;                           /* of writes */
	struct keystore_write writes[MANY_MAX]; /* domains that are to be added */
	size_t at[MANY_MAX];                    /* which of the arguments each of them is */
	size_t due_count;
	struct span due[MANY_MAX]; /* domains whose first look is not due yet */
};

/* ---- looking ---- */

static bool
references_are_there(struct many *many, const struct store_domain *row)
{
	if (many->found && span_eq(many->tenant, row->tenant) && span_eq(many->policy, row->policy))
		return true;
	many->found = domain_check_references(&many->call, row) == OPERATION_OK;
	many->tenant = row->tenant;
	many->policy = row->policy;
	return many->found;
}

static bool
is_same(const struct store_domain *a, const struct store_domain *b)
{
	return span_eq(a->tenant, b->tenant) && span_eq(a->policy, b->policy) &&
	       span_eq(a->signs_as, b->signs_as) && a->subdomains == b->subdomains &&
	       a->enabled == b->enabled;
}

/* Was it added, and nobody has looked at it since? */
static bool
is_untouched(const struct store_domain *row)
{
	return row->due == 0 && row->life.n == 0;
}

static enum many_result
look(struct many *many, const struct store_domain *row)
{
	struct keystore_rows *rows;
	enum many_result result = MANY_ALONE;
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	status =
	    row_find(many->call.admin->store, STORE_DOMAIN, row->name, SPAN_EMPTY, &rows, &i, &err);
	if (status == ST_ABSENT)
		return MANY_DONE;
	if (status == ST_OK && is_same(&rows->domains[i], row)) {
		result = MANY_REPLAYED;
		if (is_untouched(&rows->domains[i]))
			many->due[many->due_count++] = row->name;
	}
	keystore_rows_release(rows);
	return result;
}

static enum many_result
take(struct many *many, json_t *arguments, size_t at)
{
	struct keystore_write *write = &many->writes[many->count];
	struct store_domain *row = &write->row.domain;
	enum many_result result;

	*write = (struct keystore_write){.what = STORE_DOMAIN, .how = WRITE_ADD};
	many->call.arguments = arguments;
	if (!operation_arguments_are_right(many->call.operation, arguments) ||
	    domain_take_new(&many->call, row) != OPERATION_OK ||
	    !call_sees(&many->call, row->tenant, row->name) || !references_are_there(many, row))
		return MANY_ALONE;
	result = look(many, row);
	if (result == MANY_DONE)
		many->at[many->count++] = at;
	return result;
}

/* ---- writing ---- */

static enum status
add_rows(struct many *many)
{
	struct operation_call *call = &many->call;
	struct err err = ERR_NONE;
	enum status status;

	for (size_t i = 0; i < many->count; i++)
		call_plan(call, "domain", NULL, row_domain(&many->writes[i].row.domain));
	status = call_apply(call, many->writes, many->count, &err);
	if (status != ST_OK)
		return status;
	if (!call->dry_run && many->count > 0)
		log_line(LOG_LEVEL_NOTICE, "%s: domain.add: %zu domains, %.*s to %.*s: ok",
		    call->caller->actor, many->count, SPAN_ARG(many->writes[0].row.domain.name),
		    SPAN_ARG(many->writes[many->count - 1].row.domain.name));
	for (size_t i = 0; i < many->count; i++)
		many->due[many->due_count++] = many->writes[i].row.domain.name;
	return ST_OK;
}

/* Those that nobody has looked at meanwhile. rows_out: MANY_MAX. */
static size_t
due_writes(struct many *many, struct keystore_rows **rows_out, size_t *row_count)
{
	struct err err = ERR_NONE;
	size_t count = 0;

	*row_count = 0;
	for (size_t i = 0; i < many->due_count; i++) {
		struct keystore_write *write = &many->writes[count];
		struct keystore_rows **rows = &rows_out[*row_count];
		size_t at;

		if (row_find(many->call.admin->store, STORE_DOMAIN, many->due[i], SPAN_EMPTY, rows,
			&at, &err) != ST_OK)
			continue;
		(*row_count)++;
		if (!is_untouched(&(*rows)->domains[at]))
			continue;
		*write = (struct keystore_write){
		    .what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true};
		write->row.domain = (*rows)->domains[at];
		write->row.domain.due = many->call.now_utc;
		count++;
	}
	return count;
}

static void
make_due(struct many *many)
{
	struct keystore_rows **rows = mem_zalloc(MANY_MAX, sizeof(struct keystore_rows *));
	struct err err = ERR_NONE;
	size_t row_count, count = due_writes(many, rows, &row_count);
	enum status status =
	    count == 0 ? ST_OK : call_apply(&many->call, many->writes, count, &err);

	/* Somebody looks at one of them just now. */
	for (size_t i = 0; status == ST_DENIED && i < many->due_count; i++)
		if (row_make_due(&many->call, many->due[i]) != OPERATION_OK)
			break;
	for (size_t i = 0; i < row_count; i++)
		keystore_rows_release(rows[i]);
	mem_free(rows);
}

/* ---- all ---- */

static bool
begin(struct many *many, struct admin *admin, const struct operation_caller *caller, bool dry_run)
{
	struct operation_call *call = &many->call;
	struct err err = ERR_NONE;

	*call = (struct operation_call){.admin = admin,
	    .caller = caller,
	    .operation = operation_find(SPAN_LIT("domain.add")),
	    .dry_run = dry_run,
	    .result = json_object(),
	    .plan = json_array(),
	    .fresh = json_array(),
	    .errors = json_array()};
	arena_init(&call->arena, OPERATION_ARENA_MAX);
	return (caller->scopes & (uint32_t)SCOPE_DOMAINS_WRITE) != 0 &&
	       admin->store->ops->now(admin->store, &call->now_utc, &err) == ST_OK;
}

static void
end(struct many *many)
{
	json_decref(many->call.result);
	json_decref(many->call.plan);
	json_decref(many->call.fresh);
	json_decref(many->call.errors);
	arena_free(&many->call.arena);
	mem_free(many);
}

static enum status
try(struct admin *admin, const struct operation_caller *caller, json_t *const *arguments,
    size_t count, bool dry_run, enum many_result *results)
{
	struct many *many = mem_zalloc(1, sizeof(*many));
	bool good = begin(many, admin, caller, dry_run);
	json_t *none = json_object();
	enum status status = ST_OK;

	for (size_t i = 0; i < count; i++)
		results[i] = good && i < MANY_MAX ? take(many, arguments[i], i) : MANY_ALONE;
	many->call.arguments = none;
	if (good)
		status = add_rows(many);
	for (size_t i = 0; status != ST_OK && i < many->count; i++)
		results[many->at[i]] = MANY_ALONE;
	if (good && !dry_run && many->due_count > 0)
		make_due(many);
	json_decref(none);
	end(many);
	return status;
}

/* Denied: somebody else has added one of them since it was looked at. With the same text, that is
 * no failure. */
void
operation_domains_add(struct admin *admin, const struct operation_caller *caller,
    json_t *const *arguments, size_t count, bool dry_run, enum many_result *results)
{
	for (unsigned i = 0; i < TRIES_MAX; i++)
		if (try(admin, caller, arguments, count, dry_run, results) != ST_DENIED)
			return;
}
