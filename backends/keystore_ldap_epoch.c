/*
 * keystore_ldap_epoch.c - the entry cn=store around a batch of writes: what is going to be changed,
 * and then a new epoch with the list of what was.
 * Called by keystore_ldap_write.c before the first write of an entry and after the last.
 * It must never take a change out of the list but the oldest, nor lose the words of a writer that
 * died.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define CHANGES_KEPT 1000U
#define EPOCH_TRIES 50U
#define NAMED_MAX (KEYSTORE_BATCH_MAX * 3U + 1U)

int64_t
ldapstore_step_deadline(const struct ldapstore_writer *w)
{
	return clock_mono_ms() + w->own->pool.config.timeout_ms;
}

#define PENDING_BYTES (KEYSTORE_DOMAIN_MAX + KEYSTORE_LEASE_MAX + 100U)

/* ---- before ---- */

/* "WHEN NONCE SUBJECT"; behind the nonce "/EPOCH" of who asks gateways to try keys, and
 * "/EPOCH/FENCE/LEASE", perhaps without that epoch, of who writes under a lease. */
static void
name_pending(struct ldapstore_writer *w, uint64_t nonce, struct ldaplink_change *change)
{
	const struct store_lease *lease = w->plan.lease;
	char when[16], mark[KEYSTORE_LEASE_MAX + 64] = "";
	int n = 0;

	ldapstore_write_time(w->plan.now_utc, when);
	if (w->plan.loads)
		n = snprintf(mark, sizeof(mark), "/%llu", (unsigned long long)w->plan.epoch);
	if (lease != NULL)
		(void)snprintf(mark + n, sizeof(mark) - (size_t)n, "%s/%llu/%s", n > 0 ? "" : "/",
		    (unsigned long long)lease->fence, lease->name);
	for (size_t i = 0; i < w->plan.subject_count; i++) {
		char *text = w->pending + i * PENDING_BYTES;

		(void)snprintf(text, PENDING_BYTES, "%s %016llx%s %s", when,
		    (unsigned long long)nonce, mark, w->plan.subjects[i]);
		w->pending_values[i] = span_str(text);
	}
	*change = (struct ldaplink_change){
	    LDAPLINK_ADD, "signpostPending", w->pending_values, w->plan.subject_count};
}

/* Whoever has tried all keys up to the epoch that is now does not go on until this batch has ended:
 * the epoch is still the one in the mark when that is written, and keys get one that is later. */
static enum status
write_pending(struct ldapstore_writer *w, uint64_t nonce, struct ldaplink_end *end)
{
	struct ldaplink_change changes[5];
	struct ldapstore_fence room;
	struct span epoch;
	char text[24];
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)w->plan.epoch);
	epoch = span_str(text);
	if (w->plan.subject_count > 0)
		name_pending(w, nonce, &changes[n++]);
	n += ldapstore_fence(&w->plan, &room, changes + n);
	if (w->plan.loads) {
		changes[n++] =
		    (struct ldaplink_change){LDAPLINK_DELETE, "signpostEpoch", &epoch, 1};
		changes[n++] = (struct ldaplink_change){LDAPLINK_ADD, "signpostEpoch", &epoch, 1};
	}
	if (n == 0)
		return ST_OK;
	return ldaplink_change(w->link, LDAPLINK_MODIFY_ENTRY, buf_text(&w->store_dn), changes, n,
	    ldapstore_step_deadline(w), end, w->err);
}

static void
set_loading(struct ldapstore_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct keystore_write *w = plan->steps[i].write;

		if (w->life && w->what == STORE_KEY && w->row.key.loading == KEYSTORE_LOADING_NOW)
			plan->steps[i].loading = plan->epoch + 1;
	}
}

/* ---- after ---- */

/* cn=store as it is now, and what it is to become. */
struct turn {
	struct ldapstore_writer *writer;
	bool has_store;
	uint64_t epoch;
	char identity[KEYSTORE_IDENTITY_BYTES];
	enum status lease; /* ST_DENIED: it is not held any more */
	struct span *changes,
	    *ended; /* owned texts: changes that are kept; what dead writers left */
	size_t change_count, ended_count;
	struct ldapstore_renewal renewal;
};

static void
turn_free(struct turn *t)
{
	for (size_t i = 0; i < t->change_count; i++)
		mem_free((char *)(uintptr_t)t->changes[i].p);
	for (size_t i = 0; i < t->ended_count; i++)
		mem_free((char *)(uintptr_t)t->ended[i].p);
	mem_free(t->changes);
	mem_free(t->ended);
	ldapstore_renewal_free(&t->renewal);
	memset(t, 0, sizeof(*t));
}

static bool
is_old(struct span value, int64_t now_utc, const struct store_lease *lease)
{
	struct span subject;
	int64_t when;

	return ldapstore_pending(value, &when, &subject) != ST_OK ||
	       now_utc - when > LDAPSTORE_PENDING_S || ldapstore_pending_deposed(value, lease);
}

static enum status
take_turn(void *context, const struct ldapentry *entry, struct err *err)
{
	struct turn *t = context;
	const struct ldapentry_values *changes = &entry->values[LDAPSTORE_CHANGE],
				      *pending = &entry->values[LDAPSTORE_PENDING];

	if (ldapstore_kind(entry) != LDAPSTORE_STORE)
		return ST_OK;
	t->has_store = true;
	t->lease = ldapstore_check_lease(&t->writer->plan, entry, err);
	if (t->lease != ST_OK && t->lease != ST_DENIED)
		return t->lease;
	ldapstore_store_identity(entry, t->identity);
	if (t->writer->identity != NULL)
		ldapstore_renewal_take(&t->renewal, entry);
	t->changes = mem_zalloc(changes->count + 1, sizeof(t->changes[0]));
	t->ended = mem_zalloc(pending->count + 1, sizeof(t->ended[0]));
	for (size_t i = 0; i < changes->count; i++)
		t->changes[t->change_count++] =
		    span_of(span_dup(changes->items[i]), changes->items[i].n);
	for (size_t i = 0; i < pending->count; i++)
		if (is_old(pending->items[i], t->writer->plan.now_utc, t->writer->plan.lease))
			t->ended[t->ended_count++] =
			    span_of(span_dup(pending->items[i]), pending->items[i].n);
	return ldapstore_epoch(entry, &t->epoch, err);
}

static int
newest_first(const void *left, const void *right)
{
	struct store_change a, b;
	bool bad_a = ldapstore_change(*(const struct span *)left, &a) != ST_OK,
	     bad_b = ldapstore_change(*(const struct span *)right, &b) != ST_OK;

	if (bad_a || bad_b)
		return (int)bad_a - (int)bad_b;
	return (a.epoch < b.epoch) - (a.epoch > b.epoch);
}

/* The texts of the new changes: those of this batch, and of writers that never ended. */
static size_t
add_new_changes(struct turn *t, char *room, struct span *values)
{
	struct ldapstore_plan *plan = &t->writer->plan;
	size_t n = 0;

	for (size_t i = 0; i < plan->subject_count + t->ended_count && n < NAMED_MAX; i++) {
		struct span subject = SPAN_EMPTY;
		int64_t when;
		char *text = room + n * PENDING_BYTES;
		bool twice = false;

		if (i < plan->subject_count)
			subject = span_str(plan->subjects[i]);
		else if (ldapstore_pending(t->ended[i - plan->subject_count], &when, &subject) !=
			 ST_OK)
			continue;
		(void)snprintf(text, PENDING_BYTES, "%llu %.*s", (unsigned long long)t->epoch + 1,
		    SPAN_ARG(subject));
		values[n] = span_str(text);
		for (size_t k = 0; k < n; k++)
			twice = twice || span_eq(values[k], values[n]);
		n += twice ? 0 : 1;
	}
	return n;
}

/* How many of the old ones stay, newest first. An epoch that does not fit as a whole goes as a
 * whole: *from_out is what the list goes back to. */
static size_t
old_that_stay(const struct turn *t, size_t added, uint64_t *from_out)
{
	size_t room = added < CHANGES_KEPT ? CHANGES_KEPT - added : 0, stay;
	struct store_change first;

	*from_out = 0;
	if (t->change_count <= room)
		return t->change_count;
	stay = room;
	if (ldapstore_change(t->changes[room], &first) == ST_OK)
		*from_out = first.epoch;
	while (stay > 0) {
		struct store_change last;

		if (ldapstore_change(t->changes[stay - 1], &last) == ST_OK &&
		    last.epoch > *from_out)
			break;
		stay--;
	}
	return stay;
}

/* One modification: the old epoch is taken out by its value, so that of two writers one comes
 * second and tries again. */
static enum status
raise_epoch(struct turn *t, struct ldaplink_end *end)
{
	struct ldapstore_writer *w = t->writer;
	char *room = mem_zalloc(NAMED_MAX, PENDING_BYTES), old[24], new[24], back[24];
	struct span *values = mem_zalloc(NAMED_MAX, sizeof(values[0])), numbers[3], identity;
	struct ldaplink_change changes[10 + LDAPSTORE_RENEWAL_CHANGES];
	struct ldapstore_fence fence;
	size_t n = 0, added, stay;
	uint64_t from;
	enum status status;

	if (t->change_count > 1)
		qsort(t->changes, t->change_count, sizeof(t->changes[0]), newest_first);
	added = add_new_changes(t, room, values);
	stay = old_that_stay(t, added, &from);
	(void)snprintf(old, sizeof(old), "%llu", (unsigned long long)t->epoch);
	(void)snprintf(new, sizeof(new), "%llu",
	    (unsigned long long)t->epoch + (w->identity == NULL ? 1 : KEYSTORE_RENEW_STEP));
	(void)snprintf(back, sizeof(back), "%llu", (unsigned long long)from);
	numbers[0] = span_str(old);
	numbers[1] = span_str(new);
	numbers[2] = span_str(back);
	changes[n++] = (struct ldaplink_change){LDAPLINK_DELETE, "signpostEpoch", &numbers[0], 1};
	changes[n++] = (struct ldaplink_change){LDAPLINK_ADD, "signpostEpoch", &numbers[1], 1};
	if (stay < t->change_count)
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_DELETE, "signpostChange", t->changes + stay, t->change_count - stay};
	if (added > 0)
		changes[n++] =
		    (struct ldaplink_change){LDAPLINK_ADD, "signpostChange", values, added};
	if (from > 0)
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_REPLACE, "signpostChangesFrom", &numbers[2], 1};
	if (t->ended_count > 0)
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_DELETE, "signpostPending", t->ended, t->ended_count};
	if (w->plan.subject_count > 0)
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_DELETE, "signpostPending", w->pending_values, w->plan.subject_count};
	identity = span_str(w->identity == NULL ? "" : w->identity);
	if (w->identity != NULL)
		changes[n++] = (struct ldaplink_change){
		    LDAPLINK_REPLACE, "signpostStoreIdentity", &identity, 1};
	n += ldapstore_renewal_changes(&t->renewal, changes + n);
	n += ldapstore_fence(&w->plan, &fence, changes + n);
	status = ldaplink_change(w->link, LDAPLINK_MODIFY_ENTRY, buf_text(&w->store_dn), changes, n,
	    ldapstore_step_deadline(w), end, w->err);
	mem_free(room);
	mem_free(values);
	return status;
}

static enum status
read_turn(struct turn *t, struct ldaplink_end *end)
{
	struct ldapstore_writer *w = t->writer;
	struct ldapstore_stage stage = {.visit = take_turn, .context = t};
	enum status status;

	stage.search = (struct ldaplink_search){.base = buf_text(&w->store_dn),
	    .filter = "(objectClass=signpostStore)",
	    .scope = LDAPURL_BASE,
	    .attributes = ldapstore_attributes,
	    .entries_max = 1,
	    .base_varies = true};
	status = ldapstore_ask(w->own, w->link, &stage, 1, ldapstore_step_deadline(w), end, w->err);
	return status == ST_OK && !t->has_store ? ldapstore_no_store(w->own, w->err) : status;
}

/* The epoch was another one, or the lease is lost: what cn=store says tells which. */
enum status
ldapstore_say_pending(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	enum status status = ST_DENIED;
	bool lost = false;
	uint64_t nonce = 0;

	/* It only keeps what two writers say apart. */
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		nonce = (uint64_t)clock_mono_us();
	w->pending = mem_zalloc(w->plan.subject_count + 1, PENDING_BYTES);
	w->pending_values = mem_zalloc(w->plan.subject_count + 1, sizeof(w->pending_values[0]));
	for (size_t tries = 0; tries < EPOCH_TRIES && status == ST_DENIED && !lost; tries++) {
		struct turn t = {.writer = w};

		status = write_pending(w, nonce, end);
		if (status != ST_DENIED)
			break;
		if (read_turn(&t, end) != ST_OK)
			status = ST_UNAVAILABLE;
		lost = t.lease != ST_OK;
		w->plan.epoch = t.epoch;
		turn_free(&t);
	}
	if (status == ST_OK)
		set_loading(&w->plan);
	return status == ST_DENIED && !lost ? ST_UNAVAILABLE : status;
}

static enum status
raise_once(struct ldapstore_writer *w, bool *nameless_out, bool *lost_out, struct ldaplink_end *end)
{
	struct turn t = {.writer = w};
	enum status status = read_turn(&t, end);

	*lost_out = status == ST_OK && t.lease != ST_OK;
	if (status == ST_OK)
		status = *lost_out ? ST_DENIED : raise_epoch(&t, end);
	*nameless_out = w->identity == NULL && t.identity[0] == '\0';
	turn_free(&t);
	return status;
}

enum status
ldapstore_raise_epoch(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	enum status status = ST_DENIED;
	bool nameless = false, lost = false;

	for (size_t tries = 0; tries < EPOCH_TRIES && status == ST_DENIED && !lost; tries++)
		status = raise_once(w, &nameless, &lost, end);
	if (status != ST_OK && w->identity == NULL)
		err_prefix(w->err, "the rows are written, and gateways that cache do not know yet");
	if (status == ST_OK && nameless)
		status = ldapstore_make_identity(w->own, w->link, end, w->err);
	if (status == ST_OK)
		return ST_OK;
	return lost ? ST_DENIED : ST_UNAVAILABLE;
}
