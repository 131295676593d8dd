/*
 * operation_later_many.c - how far many rotations have come that were asked for at once.
 * Called by operation_later.c. It must never take a rotation for one of these that was asked for at
 * another time. What it cannot tell: those of another request in the same second are counted, too,
 * and one whose domain was asked for again since has ended, but how, nobody knows any more.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_later.h"
#include "lib/base/mem.h"

/* A rotation may be written a moment later than it was asked for: after the key that became ACTIVE
 * in the same second. */
#define SECONDS 2

struct many {
	const struct operation_id *id;
	uint64_t open, paused, done, aborted, rolled_back;
	char names[KEYSTORE_LIVES_MAX][KEYSTORE_DOMAIN_MAX + 1]; /* to be read together */
	size_t count;
};

static bool
is_of_it(const struct many *many, int64_t at_utc)
{
	return at_utc >= many->id->at_utc && at_utc < many->id->at_utc + SECONDS;
}

static enum operation_code
look_at(struct operation_call *call, struct lives *lives, void *context)
{
	struct many *many = context;
	const struct domain_life *life = &lives->life.life;

	if (rotation_in_progress(&lives->life, call->now_utc)) {
		many->open += life->paused == 0;
		many->paused += life->paused > 0;
	} else if (life->rolled_back >= life->rotate_asked) {
		many->rolled_back++;
	} else {
		many->done++;
	}
	return OPERATION_OK;
}

static enum operation_code
look_at_some(struct operation_call *call, struct many *many)
{
	struct span names[KEYSTORE_LIVES_MAX] = {SPAN_EMPTY};
	size_t count = many->count;

	for (size_t i = 0; i < count; i++)
		names[i] = span_str(many->names[i]);
	many->count = 0;
	return count == 0 ? OPERATION_OK : lives_read_together(call, names, count, look_at, many);
}

/* Its row alone says whether its keys have to be looked at. */
static enum operation_code
visit(struct operation_call *call, const struct store_domain *row, void *context)
{
	struct many *many = context;
	struct domain_life life;
	struct err ignored = ERR_NONE;

	if (domain_life_parse(row->life, &life, &ignored) != ST_OK)
		return OPERATION_OK;
	if (life.rotate_aborted > 0 && is_of_it(many, life.rotate_aborted)) {
		many->aborted++;
	} else if (life.rotate_undone > 0 && is_of_it(many, life.rotate_undone)) {
		many->rolled_back++;
	} else if (is_of_it(many, life.rotate_asked)) {
		snprintf(many->names[many->count++], sizeof(many->names[0]), "%.*s",
		    SPAN_ARG(row->name));
		if (many->count == KEYSTORE_LIVES_MAX)
			return look_at_some(call, many);
	}
	return OPERATION_OK;
}

static json_t *
counts_of(const struct many *many)
{
	uint64_t seen = many->open + many->paused + many->done + many->aborted + many->rolled_back;
	uint64_t asked = many->id->count;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "asked", (json_int_t)asked, "open",
	    (json_int_t)many->open, "paused", (json_int_t)many->paused, "done",
	    (json_int_t)many->done, "aborted", (json_int_t)many->aborted, "rolled_back",
	    (json_int_t)many->rolled_back, "unknown",
	    (json_int_t)(asked > seen ? asked - seen : 0));
}

enum operation_code
later_of_many(struct operation_call *call, const struct operation_id *id, struct later *out)
{
	struct many *many;
	enum operation_code code;
	bool tenant = id->tenant.n > 0;

	if (!call_sees(call, id->tenant, SPAN_EMPTY) || (!tenant && call->caller->tenant.n > 0))
		return call_refuse(call, OPERATION_NOT_FOUND, "there is no such operation");
	many = mem_zalloc(1, sizeof(*many));
	many->id = id;
	code = row_walk_domains(call, id->tenant, visit, many);
	if (code == OPERATION_OK)
		code = look_at_some(call, many);
	out->state = many->open + many->paused > 0 ? LATER_RUNNING : LATER_DONE;
	out->result = counts_of(many);
	if (tenant)
		snprintf(out->about, sizeof(out->about), "/v1/tenants/%.*s", SPAN_ARG(id->tenant));
	mem_free(many);
	return code;
}
