/*
 * operation_quota.c - holds what is written to the quotas of tenants.
 * Called by call_apply() for each batch. It must never let two batches that were counted at the
 * same time both be written: the row of the quota is written with them, under the revision that was
 * read before it was counted.
 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "admin-api/operation_quota.h"
#include "admin-api/quota.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"

#define DAY_S 86400

/* ---- what a batch adds ---- */

static struct quota_item *
item_of(struct quota_batch *batch, struct span tenant)
{
	for (size_t i = batch->count; i-- > 0;)
		if (span_eq(batch->items[i].row.tenant, tenant))
			return &batch->items[i];
	batch->items[batch->count].row.tenant = tenant;
	return &batch->items[batch->count++];
}

static bool
is_rotation(const struct operation_call *call, const struct keystore_write *write)
{
	return write->what == STORE_DOMAIN && write->life &&
	       strcmp(call->operation->name, "rotate") == 0;
}

static void
add_write(struct quota_batch *batch, const struct operation_call *call,
    const struct keystore_write *write)
{
	if (write->what == STORE_DOMAIN && write->how == WRITE_ADD)
		item_of(batch, write->row.domain.tenant)->more.domains++;
	else if (is_rotation(call, write))
		item_of(batch, write->row.domain.tenant)->rotations++;
	/* Put: another key in the place of a destroyed one. */
	else if (write->what == STORE_KEY && (write->how == WRITE_ADD || write->how == WRITE_PUT))
		item_of(batch, write->row.key.tenant)->more.keys++;
}

/* ---- may it be? ---- */

static enum status
refuse(struct operation_call *call, struct err *err, const struct quota_item *item,
    const char *what, int64_t limit, uint64_t there, uint64_t more)
{
	call->over_quota = true;
	err_set(err,
	    "tenant %.*s: its quota of %s is %lld; there are %llu, and %llu more would be too many",
	    SPAN_ARG(item->row.tenant), what, (long long)limit, (unsigned long long)there,
	    (unsigned long long)more);
	return ST_TOO_BIG;
}

static bool
is_over(int64_t limit, uint64_t there, uint64_t more)
{
	return limit >= 0 && more > 0 && there + more > (uint64_t)limit;
}

static enum status
check_counted(struct operation_call *call, const struct quota_item *item, struct err *err)
{
	const struct store_quota *row = &item->row;
	struct store_count there = {.domains = 0};
	enum status status = quotas_count(call->admin->quotas, row, &there, err);

	if (status != ST_OK)
		return status;
	if (is_over(row->domains, there.domains, item->more.domains))
		return refuse(
		    call, err, item, "domains", row->domains, there.domains, item->more.domains);
	if (is_over(row->keys, there.keys, item->more.keys))
		return refuse(call, err, item, "keys", row->keys, there.keys, item->more.keys);
	return ST_OK;
}

static uint64_t
rotated_today(const struct store_quota *row, int64_t now_utc)
{
	return row->day == now_utc / DAY_S ? (uint64_t)row->rotated : 0;
}

/* Reads the quota; found: it limits any of this. */
static enum status
check(struct operation_call *call, struct quota_item *item, struct err *err)
{
	struct store_quota *row = &item->row;
	enum status status = quotas_find(call->admin->quotas, row->tenant, row, &item->found, err);
	bool counted;
	uint64_t today;

	if (status != ST_OK || !item->found)
		return status;
	counted = (row->domains >= 0 && item->more.domains > 0) ||
		  (row->keys >= 0 && item->more.keys > 0);
	item->found = counted || (row->rotations >= 0 && item->rotations > 0);
	if (counted)
		status = check_counted(call, item, err);
	today = rotated_today(row, call->now_utc);
	if (status == ST_OK && is_over(row->rotations, today, item->rotations))
		return refuse(call, err, item, "rotations in a day (of UTC)", row->rotations, today,
		    item->rotations);
	return status;
}

static void
add_quota(
    struct quota_batch *batch, const struct operation_call *call, const struct quota_item *item)
{
	struct keystore_write *write = &batch->writes[batch->write_count++];
	struct store_quota *row = &write->row.quota;

	*write = (struct keystore_write){.what = STORE_QUOTA, .how = WRITE_CHANGE};
	*row = item->row;
	if (item->rotations == 0)
		return;
	row->rotated = (int64_t)(rotated_today(&item->row, call->now_utc) + item->rotations);
	row->day = call->now_utc / DAY_S;
}

/* Others of this process wait; of those of another one nobody knows when they will. */
static void
take_turn(struct quota_batch *batch, unsigned tries)
{
	unsigned most_ms = 1U << (tries < 6 ? tries : 6);
	struct timespec pause = {.tv_nsec = 0};
	uint16_t random = 0;

	for (size_t i = 0; i < batch->count; i++)
		batch->turns |=
		    quotas_turn_of(batch->quotas, batch->items[i].row.tenant, tries > 0);
	if (batch->turns != 0)
		batch->turns = quotas_take_turn(batch->quotas, batch->turns);
	if (tries < 2)
		return;
	random_bytes(&random, sizeof(random));
	pause.tv_nsec = (long)(random % (most_ms * 1000U)) * 1000L;
	(void)nanosleep(&pause, NULL);
}

enum status
quota_batch_begin(struct quota_batch *batch, struct operation_call *call,
    const struct keystore_write *writes, size_t count, unsigned tries, struct err *err)
{
	enum status status = ST_OK;

	*batch = (struct quota_batch){
	    .quotas = call->admin->quotas, .given = count, .write_count = count};
	call->over_quota = false;
	batch->items = mem_zalloc(count + 1, sizeof(*batch->items));
	for (size_t i = 0; i < count && batch->quotas != NULL; i++)
		add_write(batch, call, &writes[i]);
	take_turn(batch, tries);
	batch->writes = mem_zalloc(count + batch->count + 1, sizeof(*batch->writes));
	if (count > 0)
		memcpy(batch->writes, writes, count * sizeof(*writes));
	for (size_t i = 0; i < batch->count && status == ST_OK; i++) {
		status = check(call, &batch->items[i], err);
		if (status == ST_OK && batch->items[i].found)
			add_quota(batch, call, &batch->items[i]);
	}
	if (status != ST_OK)
		quota_batch_end(batch);
	return status;
}

bool
quota_batch_was_late(const struct quota_batch *batch, enum status status, size_t at)
{
	/* Absent: an operator took the quota away. */
	return (status == ST_DENIED || status == ST_ABSENT) && at >= batch->given &&
	       at < batch->write_count;
}

static void
forget_removed(struct operation_call *call, const struct keystore_write *write)
{
	if (write->what == STORE_DOMAIN && write->how == WRITE_REMOVE)
		quotas_forget(call->admin->quotas, write->row.domain.tenant);
	else if (write->what == STORE_KEY && (write->how == WRITE_REMOVE || write->life))
		quotas_forget(call->admin->quotas, write->row.key.tenant);
	else if (write->what == STORE_QUOTA)
		quotas_forget(call->admin->quotas, write->row.quota.tenant);
}

void
quota_batch_done(const struct quota_batch *batch, struct operation_call *call)
{
	if (call->admin->quotas == NULL)
		return;
	for (size_t i = 0; i < batch->count; i++)
		if (batch->items[i].found)
			quotas_added(
			    call->admin->quotas, &batch->items[i].row, &batch->items[i].more);
	for (size_t i = 0; i < batch->given; i++)
		forget_removed(call, &batch->writes[i]);
}

void
quota_batch_end(struct quota_batch *batch)
{
	if (batch->turns != 0)
		quotas_end_turn(batch->quotas, batch->turns);
	mem_free(batch->items);
	mem_free(batch->writes);
	*batch = (struct quota_batch){.count = 0};
}

/* ---- of a tenant, as people see it ---- */

static const struct member {
	const char *name;
	size_t at;
	int64_t least;
} members[] = {{"domains", offsetof(struct store_quota, domains), 0},
    {"keys", offsetof(struct store_quota, keys), 0},
    {"rotations_per_day", offsetof(struct store_quota, rotations), 0},
    {"requests_per_minute", offsetof(struct store_quota, requests), 1}};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static int64_t
limit_of(const struct store_quota *row, const struct member *member)
{
	return *(const int64_t *)(const void *)((const char *)row + member->at);
}

static enum operation_code
take_member(
    struct operation_call *call, struct store_quota *row, const char *name, const json_t *value)
{
	int64_t limit = json_is_null(value) ? QUOTA_NONE : json_integer_value(value);

	for (size_t i = 0; i < MEMBERS; i++) {
		if (strcmp(members[i].name, name) != 0)
			continue;
		if (!json_is_null(value) &&
		    (!json_is_integer(value) || limit < members[i].least || limit > QUOTA_MAX))
			return call_wrong(call, "quota",
			    "%s: an integer of %lld to %d is needed, or null for no limit", name,
			    (long long)members[i].least, QUOTA_MAX);
		*(int64_t *)(void *)((char *)row + members[i].at) = limit;
		return OPERATION_OK;
	}
	return call_wrong(call, "quota",
	    "it has \"domains\", \"keys\", \"rotations_per_day\" and \"requests_per_minute\", and "
	    "nothing else");
}

enum operation_code
quota_take(struct operation_call *call, struct store_quota *row)
{
	const json_t *quota = json_object_get(call->arguments, "quota");
	enum operation_code code = OPERATION_OK;
	const char *name;
	json_t *value;

	if (quota == NULL)
		return OPERATION_OK;
	/* A tenant cannot help itself to more. */
	if (!call->caller->platform)
		return call_refuse(
		    call, OPERATION_FORBIDDEN, "quotas are changed by who is of no tenant himself");
	json_object_foreach((json_t *)quota, name, value) if (code == OPERATION_OK) code =
	    take_member(call, row, name, value);
	return code;
}

bool
quota_is_empty(const struct store_quota *row)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (limit_of(row, &members[i]) >= 0)
			return false;
	return true;
}

json_t *
quota_row(const struct store_quota *row)
{
	json_t *out = json_object();

	for (size_t i = 0; i < MEMBERS; i++) {
		int64_t limit = limit_of(row, &members[i]);

		json_object_set_new(out, members[i].name,
		    limit < 0 ? json_null() : json_integer((json_int_t)limit));
	}
	return out;
}

enum operation_code
quota_show_usage(struct operation_call *call, const struct store_quota *row, json_t *into)
{
	struct store_count count = {.domains = 0};
	struct err err = ERR_NONE;
	enum status status = keystore_count(call->admin->store, row->tenant, &count, &err);

	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	json_object_set_new(into, "usage",
	    json_pack("{s:I, s:I, s:I}", "domains", (json_int_t)count.domains, "keys",
		(json_int_t)count.keys, "rotations_today",
		(json_int_t)rotated_today(row, call->now_utc)));
	return OPERATION_OK;
}
