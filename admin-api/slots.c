/*
 * slots.c - which slot the next key of a domain with a delegation gets.
 * Called before a key is made, by the reconciler and by key.generate. It must never take a slot
 * whose row is not that of a DESTROYED key, nor one whose last record a cache may have (I5): what
 * lib/keys/life.h says of rows it was given is asked again of the row that is in the store.
 */
#include "config.h"

#include "admin-api/operation_call.h"
#include "admin-api/slots.h"

static enum status
refuse(struct err *err, const struct slot *slot, const char *why)
{
	err_set(err, "slot %s: %s", slot->selector, why);
	return ST_DENIED;
}

/* A row is there. */
static enum status
take_row(const struct store_key *row, int64_t now_utc, struct slot *out, struct err *err)
{
	struct life_key before = {.times = row->times}, after = {.loading = 0};

	if (row->times.destroyed <= 0 || row->times.destroyed > now_utc)
		return refuse(err, out, "it has a key");
	if (key_life_parse(row->life, &before.life, err) != ST_OK)
		return refuse(err, out, "the life of the key that had it cannot be read");
	if (life_slot_free_at(&before) > now_utc)
		return refuse(err, out, "caches may have the record of the key that had it");
	life_slot_follow(&after, &before);
	out->life = after.life;
	out->row_revision = row->row_revision;
	out->revision = row->revision + 1;
	out->free_since = row->times.destroyed;
	return ST_OK;
}

static enum status
name_slot(const struct life_domain *domain, int number, struct slot *out, struct err *err)
{
	struct buf name;
	enum status status;

	*out = (struct slot){.number = number};
	buf_init(&name, PLAN_SELECTOR_MAX);
	status = plan_slot(&domain->plan, number, &name);
	if (status == ST_OK)
		memcpy(out->selector, buf_text(&name), name.n + 1);
	else
		err_set(err, "%.*s has no slot %d", SPAN_ARG(domain->name), number);
	buf_free(&name);
	return status;
}

enum status
slot_look(struct keystore *store, const struct life_domain *domain, int number, int64_t now_utc,
    struct slot *out, struct err *err)
{
	struct keystore_rows *rows = NULL;
	enum status status = name_slot(domain, number, out, err);
	size_t i;

	if (status != ST_OK)
		return status;
	if (life_slot_is_taken(domain, number, now_utc))
		return refuse(err, out, "it has a key");
	status = row_find(store, STORE_KEY, domain->name, span_str(out->selector), &rows, &i, err);
	if (status == ST_ABSENT)
		return ST_OK;
	if (status == ST_OK)
		status = take_row(&rows->keys[i], now_utc, out, err);
	keystore_rows_release(rows);
	return status;
}

enum status
slot_choose(struct keystore *store, const struct life_domain *domain, uint32_t taken,
    int64_t now_utc, struct slot *out, struct err *err)
{
	bool found = false;

	for (int number = 1; number <= domain->plan.slots; number++) {
		struct slot slot;
		enum status status;

		if ((taken >> number & 1) != 0 || life_slot_is_taken(domain, number, now_utc))
			continue;
		status = slot_look(store, domain, number, now_utc, &slot, err);
		if (status != ST_OK && status != ST_DENIED)
			return status;
		if (status != ST_OK || (found && slot.free_since >= out->free_since))
			continue;
		*out = slot;
		found = true;
	}
	if (!found)
		err_set(err,
		    "no slot of %.*s is free: each of the %d has a key, or had one until "
		    "lately",
		    SPAN_ARG(domain->name), domain->plan.slots);
	return found ? ST_OK : ST_ABSENT;
}

void
slot_write(const struct slot *slot, struct buf *text, struct keystore_write *write)
{
	if (slot->row_revision == 0)
		return;
	key_life_write(&slot->life, text);
	write->how = WRITE_PUT;
	write->life = true;
	write->row.key.row_revision = slot->row_revision;
	write->row.key.life = buf_span(text);
}
