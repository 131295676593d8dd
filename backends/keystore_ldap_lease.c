/*
 * keystore_ldap_lease.c - leases: who alone may do something, until when. They stand in cn=store,
 * so that the modifications that begin and end a batch of writes are refused by the server when its
 * lease has got another holder.
 * Called through keystore_ops.lease, and by the writer of a batch that is fenced.
 * It must never give one lease to two at a time, nor one fence to two holders.
 */
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"

#define LEASE_TRIES 10U

/* ---- the server's clock ---- */

void
ldapstore_set_clock(struct ldapstore *store, int64_t modified_utc)
{
	pthread_mutex_lock(&store->lock);
	store->ahead_s = modified_utc - clock_utc_s();
	pthread_mutex_unlock(&store->lock);
}

int64_t
ldapstore_clock(struct ldapstore *store)
{
	int64_t now_utc;

	pthread_mutex_lock(&store->lock);
	now_utc = clock_utc_s() + store->ahead_s;
	pthread_mutex_unlock(&store->lock);
	return now_utc;
}

/* ---- to take one ---- */

struct taking {
	struct ldapstore *store;
	const struct store_lease *wanted;
	int64_t ttl_s;
	struct store_lease *out;
	/* What cn=store says. */
	bool has_store;
	uint64_t epoch;
	int64_t now_utc;
	struct store_lease seen;
};

static enum status
take_store(void *context, const struct ldapentry *entry, struct err *err)
{
	struct taking *t = context;
	const struct ldapentry_values *modified = &entry->values[LDAPSTORE_MODIFIED];
	enum status status;

	if (ldapstore_kind(entry) != LDAPSTORE_STORE)
		return ST_OK;
	t->has_store = true;
	status = ldapstore_epoch(entry, &t->epoch, err);
	if (status == ST_OK)
		status = ldapstore_lease_of(entry, t->wanted->name, &t->seen, err);
	if (status == ST_OK && (modified->count != 1 ||
				   ldapstore_read_time(modified->items[0], &t->now_utc) != ST_OK)) {
		err_set(err, "cn=store does not show modifyTimestamp");
		status = ST_UNAVAILABLE;
	}
	return status;
}

static enum status
read_lease(struct taking *t, struct ldaplink *link, const char *dn, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_stage stage = {.visit = take_store, .context = t};
	int64_t deadline_ms = clock_mono_ms() + t->store->pool.config.timeout_ms;
	enum status status = ldapstore_touch(t->store, link, deadline_ms, end, err);

	if (status != ST_OK)
		return status;
	t->has_store = false;
	stage.search = (struct ldaplink_search){.base = dn,
	    .filter = "(objectClass=signpostStore)",
	    .scope = LDAPURL_BASE,
	    .attributes = ldapstore_row_attributes,
	    .entries_max = 1,
	    .base_varies = true};
	status = ldapstore_ask(t->store, link, &stage, 1, deadline_ms, end, err);
	if (status == ST_OK && !t->has_store)
		return ldapstore_no_store(t->store, err);
	if (status == ST_OK)
		ldapstore_set_clock(t->store, t->now_utc);
	return status;
}

/* What the lease is to be. ST_DENIED: somebody else has it. *change_out false: it is so already. */
static enum status
decide(const struct taking *t, struct store_lease *next, bool *change_out, struct err *err)
{
	const struct store_lease *seen = &t->seen;
	bool held = seen->owner[0] != '\0' && seen->expires > t->now_utc,
	     ours = strcmp(seen->owner, t->wanted->owner) == 0;

	*change_out = true;
	*next = *seen;
	if (held && !ours) {
		err_set(err, "the lease \"%s\" is held by %s", seen->name, seen->owner);
		return ST_DENIED;
	}
	next->expires = 0;
	if (t->ttl_s == 0) {
		next->owner[0] = '\0';
		*change_out = ours;
		return ST_OK;
	}
	memcpy(next->owner, t->wanted->owner, sizeof(next->owner));
	next->fence = held ? seen->fence : seen->fence + 1;
	/* Above every fence of a history that was given up: see keystore_ldap_renew.c. */
	if (seen->fence == 0)
		next->fence = 1 + t->epoch - t->epoch % KEYSTORE_RENEW_STEP;
	next->expires = t->now_utc + t->ttl_s;
	return ST_OK;
}

static void
put(struct ldaplink_change *changes, size_t *n, bool adds, const char *attribute,
    const struct span *value)
{
	changes[*n].how = adds ? LDAPLINK_ADD : LDAPLINK_DELETE;
	changes[*n].attribute = attribute;
	changes[*n].values = value;
	changes[*n].count = 1;
	++*n;
}

/* One modification: what was seen is taken out by its value, so that of two who come at a time one
 * is refused. Of a name that never was there nothing can be taken out: there the epoch is raised by
 * its value, to the same end. */
static enum status
write_lease(struct taking *t, struct ldaplink *link, const char *dn, const struct store_lease *next,
    struct ldaplink_end *end, struct err *err)
{
	const struct store_lease from = {.fence = t->epoch}, to = {.fence = t->epoch + 1};
	char texts[4][LDAPSTORE_LEASE_BYTES], numbers[2][LDAPSTORE_LEASE_BYTES];
	struct ldaplink_change changes[6];
	struct span values[6];
	bool first = t->seen.fence == 0;
	size_t n = 0;

	ldapstore_lease_holder(&t->seen, texts[0]);
	ldapstore_lease_holder(next, texts[1]);
	ldapstore_lease_until(&t->seen, texts[2]);
	ldapstore_lease_until(next, texts[3]);
	/* " EPOCH" */
	ldapstore_lease_holder(&from, numbers[0]);
	ldapstore_lease_holder(&to, numbers[1]);
	for (size_t i = 0; i < 4; i++)
		values[i] = span_str(texts[i]);
	for (size_t i = 0; i < 2; i++)
		values[4 + i] = span_from(span_str(numbers[i]), 1);
	if (!first)
		put(changes, &n, false, "signpostLeaseHolder", &values[0]);
	put(changes, &n, true, "signpostLeaseHolder", &values[1]);
	if (t->seen.expires > 0)
		put(changes, &n, false, "signpostLeaseUntil", &values[2]);
	if (next->expires > 0)
		put(changes, &n, true, "signpostLeaseUntil", &values[3]);
	if (first) {
		put(changes, &n, false, "signpostEpoch", &values[4]);
		put(changes, &n, true, "signpostEpoch", &values[5]);
	}
	return ldaplink_change(link, LDAPLINK_MODIFY_ENTRY, dn, changes, n,
	    clock_mono_ms() + t->store->pool.config.timeout_ms, end, err);
}

static enum status
do_lease(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct taking *t = context;
	enum status status = ldapstore_need_life(t->store, link, deadline_ms, end, err);
	struct store_lease next = {.fence = 0};
	bool again = status == ST_OK, change = true;
	struct buf name;

	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&name, t->store->base);
	for (size_t tries = 0; again && tries < LEASE_TRIES; tries++) {
		again = false;
		status = read_lease(t, link, buf_text(&name), end, err);
		if (status == ST_OK)
			status = decide(t, &next, &change, err);
		if (status == ST_DENIED)
			*t->out = t->seen;
		if (status != ST_OK || !change)
			break;
		status = write_lease(t, link, buf_text(&name), &next, end, err);
		again = status == ST_DENIED;
	}
	buf_free(&name);
	if (status == ST_OK) {
		*t->out = next;
		memcpy(t->out->owner, t->wanted->owner, sizeof(t->out->owner));
	}
	return again || status == ST_ABSENT ? ST_UNAVAILABLE : status;
}

enum status
ldapstore_lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err)
{
	struct taking t = {.store = store->state, .wanted = wanted, .ttl_s = ttl_s, .out = out};
	enum status status = keystore_lease_check(wanted, ttl_s, err);

	memset(out, 0, sizeof(*out));
	if (status != ST_OK)
		return status;
	if (!t.store->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_UNAVAILABLE;
	}
	status = ldappool_run_once(
	    &t.store->pool, do_lease, &t, t.store->pool.config.timeout_ms * 2, err);
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	return status;
}

/* ---- to write under one ---- */

static enum status
lost(const struct store_lease *lease, struct err *err)
{
	err_set(err, "the lease \"%s\" is not held by %s under the fence %llu", lease->name,
	    lease->owner, (unsigned long long)lease->fence);
	return ST_DENIED;
}

enum status
ldapstore_check_lease(struct ldapstore_plan *plan, const struct ldapentry *entry, struct err *err)
{
	const struct store_lease *lease = plan->lease;
	struct store_lease seen;
	enum status status = ST_OK;

	if (lease == NULL)
		return ST_OK;
	status = ldapstore_lease_of(entry, lease->name, &seen, err);
	if (status != ST_OK)
		return status;
	plan->lease_until = seen.expires;
	return strcmp(seen.owner, lease->owner) == 0 && seen.fence == lease->fence &&
		       seen.expires > ldapstore_clock(plan->store)
		   ? ST_OK
		   : lost(lease, err);
}

struct hold {
	struct ldapstore_plan *plan;
	bool has_store;
};

static enum status
take_hold(void *context, const struct ldapentry *entry, struct err *err)
{
	struct hold *hold = context;

	if (ldapstore_kind(entry) != LDAPSTORE_STORE)
		return ST_OK;
	hold->has_store = true;
	return ldapstore_check_lease(hold->plan, entry, err);
}

enum status
ldapstore_hold_lease(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	struct hold hold = {&w->plan, false};
	struct ldapstore_stage stage = {.visit = take_hold, .context = &hold};
	enum status status;

	if (w->plan.lease == NULL || ldapstore_clock(w->own) < w->plan.lease_until)
		return ST_OK;
	stage.search = (struct ldaplink_search){.base = buf_text(&w->store_dn),
	    .filter = "(objectClass=signpostStore)",
	    .scope = LDAPURL_BASE,
	    .attributes = ldapstore_row_attributes,
	    .entries_max = 1,
	    .base_varies = true};
	status = ldapstore_ask(w->own, w->link, &stage, 1, ldapstore_step_deadline(w), end, w->err);
	return status == ST_OK && !hold.has_store ? ldapstore_no_store(w->own, w->err) : status;
}

size_t
ldapstore_fence(const struct ldapstore_plan *plan, struct ldapstore_fence *room,
    struct ldaplink_change changes[2])
{
	size_t n = 0;

	if (plan->lease == NULL)
		return 0;
	ldapstore_lease_holder(plan->lease, room->text);
	room->value = span_str(room->text);
	put(changes, &n, false, "signpostLeaseHolder", &room->value);
	put(changes, &n, true, "signpostLeaseHolder", &room->value);
	return n;
}
