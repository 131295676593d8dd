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

#define PENDING_BYTES (KEYSTORE_DOMAIN_MAX + 48U)

/* "WHEN NONCE SUBJECT" */
enum status
ldapstore_say_pending(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	size_t count = w->plan.subject_count;
	struct ldaplink_change change = {LDAPLINK_ADD, "signpostPending", NULL, count};
	char when[16];
	uint64_t nonce = 0;

	ldapstore_write_time(w->plan.now_utc, when);
	/* It only keeps what two writers say apart. */
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		nonce = (uint64_t)clock_mono_us();
	w->pending = mem_zalloc(count + 1, PENDING_BYTES);
	w->pending_values = mem_zalloc(count + 1, sizeof(w->pending_values[0]));
	for (size_t i = 0; i < count; i++) {
		char *text = w->pending + i * PENDING_BYTES;

		(void)snprintf(text, PENDING_BYTES, "%s %016llx %s", when,
		    (unsigned long long)nonce, w->plan.subjects[i]);
		w->pending_values[i] = span_str(text);
	}
	change.values = w->pending_values;
	return ldaplink_change(w->link, LDAPLINK_MODIFY_ENTRY, buf_text(&w->store_dn), &change, 1,
	    ldapstore_step_deadline(w), end, w->err);
}

/* cn=store as it is now, and what it is to become. */
struct turn {
	struct ldapstore_writer *writer;
	bool has_store;
	uint64_t epoch;
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct span *changes,
	    *ended; /* owned texts: changes that are kept; what dead writers left */
	size_t change_count, ended_count;
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
	memset(t, 0, sizeof(*t));
}

static bool
is_old(struct span value, int64_t now_utc)
{
	struct span subject;
	int64_t when;

	return ldapstore_pending(value, &when, &subject) != ST_OK ||
	       now_utc - when > LDAPSTORE_PENDING_S;
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
	ldapstore_store_identity(entry, t->identity);
	t->changes = mem_zalloc(changes->count + 1, sizeof(t->changes[0]));
	t->ended = mem_zalloc(pending->count + 1, sizeof(t->ended[0]));
	for (size_t i = 0; i < changes->count; i++)
		t->changes[t->change_count++] =
		    span_of(span_dup(changes->items[i]), changes->items[i].n);
	for (size_t i = 0; i < pending->count; i++)
		if (is_old(pending->items[i], t->writer->plan.now_utc))
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
	struct ldaplink_change changes[8];
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

enum status
ldapstore_raise_epoch(struct ldapstore_writer *w, struct ldaplink_end *end)
{
	enum status status = ST_DENIED;
	bool nameless = false;

	for (size_t tries = 0; tries < EPOCH_TRIES && status == ST_DENIED; tries++) {
		struct turn t = {.writer = w};

		status = read_turn(&t, end);
		if (status == ST_OK)
			status = raise_epoch(&t, end);
		nameless = w->identity == NULL && t.identity[0] == '\0';
		turn_free(&t);
	}
	if (status != ST_OK && w->identity == NULL)
		err_prefix(w->err, "the rows are written, and gateways that cache do not know yet");
	if (status == ST_OK && nameless)
		status = ldapstore_make_identity(w->own, w->link, end, w->err);
	return status == ST_OK ? ST_OK : ST_UNAVAILABLE;
}
