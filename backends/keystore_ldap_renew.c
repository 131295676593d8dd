/*
 * keystore_ldap_renew.c - what is said of a directory into which a backup was put back: another
 * identity, a later epoch, and fences that no leader of the history that was given up has.
 * Called through keystore_ops.renew, by an administrator; keystore_ldap_epoch.c makes it one
 * modification. It must never raise a fence over one that somebody takes at the same moment: each
 * value that was seen is taken out by itself.
 */
#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* ---- leases ---- */

static bool
raise_fence(struct span value, char text[LDAPSTORE_LEASE_BYTES])
{
	struct store_lease lease;

	if (!ldapstore_lease_read(value, &lease))
		return false; /* nobody can hold it, and nobody take it */
	lease.fence += KEYSTORE_RENEW_STEP;
	lease.owner[0] = '\0';
	ldapstore_lease_holder(&lease, text);
	return true;
}

static struct span
copy(struct span text)
{
	return span_of(span_dup(text), text.n);
}

void
ldapstore_renewal_take(struct ldapstore_renewal *renewal, const struct ldapentry *entry)
{
	const struct ldapentry_values *holders = &entry->values[LDAPSTORE_LEASE_HOLDER],
				      *untils = &entry->values[LDAPSTORE_LEASE_UNTIL];
	char text[LDAPSTORE_LEASE_BYTES];

	renewal->seen = mem_zalloc(holders->count + 1, sizeof(renewal->seen[0]));
	renewal->raised = mem_zalloc(holders->count + 1, sizeof(renewal->raised[0]));
	renewal->untils = mem_zalloc(untils->count + 1, sizeof(renewal->untils[0]));
	for (size_t i = 0; i < holders->count; i++) {
		if (!raise_fence(holders->items[i], text))
			continue;
		renewal->seen[renewal->count] = copy(holders->items[i]);
		renewal->raised[renewal->count++] = copy(span_str(text));
	}
	for (size_t i = 0; i < untils->count; i++)
		renewal->untils[renewal->until_count++] = copy(untils->items[i]);
}

size_t
ldapstore_renewal_changes(const struct ldapstore_renewal *renewal,
    struct ldaplink_change changes[LDAPSTORE_RENEWAL_CHANGES])
{
	size_t n = 0;

	if (renewal->count > 0) {
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_DELETE, "signpostLeaseHolder", renewal->seen, renewal->count};
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_ADD, "signpostLeaseHolder", renewal->raised, renewal->count};
	}
	if (renewal->until_count > 0)
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_DELETE, "signpostLeaseUntil", renewal->untils, renewal->until_count};
	return n;
}

static void
free_texts(struct span *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free((char *)(uintptr_t)texts[i].p);
	mem_free(texts);
}

void
ldapstore_renewal_free(struct ldapstore_renewal *renewal)
{
	free_texts(renewal->seen, renewal->count);
	free_texts(renewal->raised, renewal->count);
	free_texts(renewal->untils, renewal->until_count);
}

/* ---- the store ---- */

static enum status
do_renew(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_writer *w = context;
	enum status status;

	(void)deadline_ms;
	w->link = link;
	w->err = err;
	w->plan.now_utc = clock_utc_s();
	buf_init(&w->store_dn, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&w->store_dn, w->own->base);
	status = ldapstore_raise_epoch(w, end);
	buf_free(&w->store_dn);
	return status;
}

enum status
ldapstore_renew(struct keystore *store, struct store_state *state_out, struct err *err)
{
	struct ldapstore *own = store->state;
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct ldapstore_writer w = {.own = own, .plan = {.store = own}, .identity = identity};
	struct store_change none;
	size_t count;
	enum status status;

	if (!own->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	keystore_identity_make(identity);
	status = ldappool_run_once(&own->pool, do_renew, &w, own->pool.config.timeout_ms * 4, err);
	if (status != ST_OK) {
		err_prefix(err, "%s", store->where);
		return status;
	}
	/* Nothing comes behind the last epoch that can be. */
	status = keystore_changes(store, INT64_MAX, 1, &none, &count, state_out, err);
	return status == ST_TOO_BIG ? ST_OK : status;
}
