/*
 * keystore_ldap_write.c - changes of a key store in a directory.
 * Called by administrators' programs through keystore_ops.apply and .migrate.
 * It must never begin before all was looked at, stop telling caches about what was written, or
 * leave a domain without a key that may sign in the middle.
 *
 * A directory has no transactions. So: first everything is looked at, and most of what can be wrong
 * is found while nothing has been written; then cn=store is told what will be changed; then the
 * entries are written, each at once or not at all, those that let sign before those that end it,
 * what is named before what names it; last the epoch is raised. Who reads in between sees old and
 * new entries side by side: an old and a new key of a domain, both published, or a domain whose
 * rule is still to come. Each entry says itself whose it is, so it is never another tenant's.
 * What only administrators see is written around that: that an answer will be kept, the audit and
 * tokens before, answers behind.
 */
#include "backends/keystore_ldap_admin_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

static enum status
write_mirror(
    struct ldapstore_writer *w, const struct ldapstore_step *step, struct ldaplink_end *end)
{
	struct ldapstore_entry *entry = mem_alloc(sizeof(*entry));
	struct buf name, record;
	enum status status;

	buf_init(&name, LDAPSTORE_TEXT_MAX);
	buf_init(&record, LDAPSTORE_TEXT_MAX * 2);
	ldapstore_dn_domain(&name, w->own->base, step->write->row.key.domain);
	ldapstore_entry_mirror(step, &record, entry);
	status = ldaplink_change(w->link, LDAPLINK_MODIFY_ENTRY, buf_text(&name), entry->changes,
	    entry->count, ldapstore_step_deadline(w), end, w->err);
	buf_free(&name);
	buf_free(&record);
	mem_free(entry);
	return status;
}

static enum status
write_step(struct ldapstore_writer *w, const struct ldapstore_step *step, struct ldaplink_end *end)
{
	struct ldapstore_entry *entry;
	enum status status;

	/* The key goes last, what shows it goes first: so who comes after one who died here sees
	 * that the key is still to be written, and shows it again with it. */
	if (step->mirror || step->unmirror) {
		status = write_mirror(w, step, end);
		if (status != ST_OK)
			return status;
	}
	if (step->write->how == WRITE_REMOVE)
		return ldaplink_change(w->link, LDAPLINK_DELETE_ENTRY, step->dn, NULL, 0,
		    ldapstore_step_deadline(w), end, w->err);
	entry = mem_alloc(sizeof(*entry));
	ldapstore_entry(step, entry);
	status = ldaplink_change(w->link, step->add ? LDAPLINK_ADD_ENTRY : LDAPLINK_MODIFY_ENTRY,
	    step->dn, entry->changes, entry->count, ldapstore_step_deadline(w), end, w->err);
	mem_free(entry);
	return status;
}

/* What was written stays written, so caches are told in any case. */
static enum status
write_all(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	enum status status = ldapstore_say_pending(w, end), last;
	struct err ignored = ERR_NONE, *err = w->err;
	size_t done = 0;

	if (status == ST_ABSENT)
		return ldapstore_no_store(w->own, w->err);
	w->plan.at = w->plan.count;
	while (done < w->plan.count && status == ST_OK) {
		status = ldapstore_hold_lease(w, end);
		if (status == ST_OK) {
			status = write_step(w, &w->plan.steps[done], end);
			if (status != ST_OK)
				w->plan.at = w->plan.steps[done].at;
		}
		done++;
	}
	if (end->lost || end->silent)
		return ST_UNAVAILABLE;
	if (w->plan.count == 0 || (status != ST_OK && done == 0))
		return status;
	if (status != ST_OK)
		w->err = &ignored;
	if (status != ST_OK && done > 1)
		err_prefix(err, "%zu of %zu rows were written before", done - 1, w->plan.count);
	last = ldapstore_raise_epoch(w, end);
	w->err = err;
	return status == ST_OK ? last : status;
}

/* The batch, and around it what belongs to the administration. */
static enum status
write_with_admin(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	bool nothing_else = w->plan.count == 0 && w->plan.lease == NULL;
	struct ldapadmin admin;
	enum status status;

	ldapadmin_begin(&admin, w->own, w->link, end, w->err);
	status = ldapadmin_batch_check(w->admin, &admin, w->plan.now_utc);
	if (status == ST_OK && w->admin->any)
		status = ldapadmin_batch_before(w->admin, &admin, w->plan.now_utc);
	if (status == ST_OK && !nothing_else)
		status = write_all(w, end);
	if (!end->lost && !end->silent)
		ldapadmin_quotas_end(&admin, w->admin);
	if (status == ST_OK)
		status = ldapadmin_batch_after(w->admin, &admin, w->plan.now_utc);
	else if (!end->lost && !end->silent)
		ldapadmin_batch_undo(w->admin, &admin);
	ldapadmin_end(&admin);
	return end->lost || end->silent ? ST_UNAVAILABLE : status;
}

static enum status
do_writes(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_writer *w = context;
	enum status status;

	w->link = link;
	w->err = err;
	/* By the clock of which now() told: a key that is active now by the server's signs. */
	pthread_mutex_lock(&w->own->lock);
	w->plan.now_utc = clock_utc_s() + w->own->ahead_s;
	pthread_mutex_unlock(&w->own->lock);
	buf_init(&w->store_dn, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&w->store_dn, w->own->base);
	status = ldapstore_check(&w->plan, link, deadline_ms, end, err);
	if (status == ST_OK)
		status = w->admin == NULL ? write_all(w, end) : write_with_admin(w, end);
	buf_free(&w->store_dn);
	mem_free(w->pending);
	mem_free(w->pending_values);
	return status;
}

static enum status
check_rows(const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err)
{
	for (*at_out = 0; *at_out < count; ++*at_out) {
		enum status status;

		/* What is not there cannot be removed, whatever it looks like. */
		if (writes[*at_out].how == WRITE_REMOVE &&
		    !store_what_is_admin(writes[*at_out].what))
			continue;
		status = keystore_write_check(&writes[*at_out], err);
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

enum status
ldapstore_apply_fenced(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err)
{
	struct ldapstore *own = store->state;
	struct ldapadmin_batch admin;
	struct ldapstore_writer w = {
	    .own = own, .plan = {.store = own, .writes = writes, .count = count, .lease = lease}};
	enum status status;

	*at_out = count;
	if (count > KEYSTORE_BATCH_MAX || !own->write) {
		err_set(err, "%s: %s", store->where,
		    count > KEYSTORE_BATCH_MAX ? "too many changes at once" : "opened for reading");
		return count > KEYSTORE_BATCH_MAX ? ST_TOO_BIG : ST_DENIED;
	}
	status = check_rows(writes, count, at_out, err);
	if (status == ST_OK && lease != NULL)
		status = keystore_lease_check(lease, 0, err);
	if (status != ST_OK || (count == 0 && lease == NULL))
		return status;
	if (ldapadmin_batch_begin(&admin, writes, count)) {
		w.admin = &admin;
		w.plan.writes = admin.rest;
		w.plan.count = admin.rest_count;
	}
	w.plan.at = w.plan.count;
	ldapstore_keep_names(own, NULL);
	/* Each write has its own time; the checks have one for all. */
	status = ldappool_run_once(&own->pool, do_writes, &w,
	    own->pool.config.timeout_ms * (int64_t)(2 + count / 10), err);
	*at_out = w.admin == NULL ? w.plan.at : ldapadmin_batch_at(&admin, w.plan.at);
	if (status != ST_ABSENT && status != ST_DENIED && status != ST_INVALID)
		*at_out = count;
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	ldapstore_plan_free(&w.plan);
	if (w.admin != NULL)
		ldapadmin_batch_free(&admin);
	return status;
}

enum status
ldapstore_apply(struct keystore *store, const struct keystore_write *writes, size_t count,
    size_t *at_out, struct err *err)
{
	return ldapstore_apply_fenced(store, NULL, writes, count, at_out, err);
}
