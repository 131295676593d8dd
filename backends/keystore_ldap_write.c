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
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"

#define CHANGES_KEPT 1000U
#define EPOCH_TRIES 50U
#define NAMED_MAX (KEYSTORE_BATCH_MAX * 3U + 1U)

struct writer {
	struct ldapstore_plan plan;
	struct ldapstore *own;
	struct ldaplink *link;
	struct buf store_dn;
	char *pending; /* one text of room for each subject */
	struct span *pending_values;
	bool begun;
	struct err *err;
};

static int64_t
step_deadline(const struct writer *w)
{
	return clock_mono_ms() + w->own->pool.config.timeout_ms;
}

/* ---- before and after ---- */

#define PENDING_BYTES (KEYSTORE_DOMAIN_MAX + 48U)

/* "WHEN NONCE SUBJECT" */
static enum status
say_what_comes(struct writer *w, struct ldaplink_end *end)
{
	size_t count = w->plan.subject_count;
	struct ldaplink_change change = {LDAPLINK_ADD, "signpostPending", NULL, count};
	char when[16];
	uint64_t nonce = 0;

	ldapstore_write_time(w->plan.now_utc, when);
	random_bytes(&nonce, sizeof(nonce));
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
	    step_deadline(w), end, w->err);
}

/* cn=store as it is now, and what it is to become. */
struct turn {
	struct writer *writer;
	bool has_store;
	uint64_t epoch;
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
	struct writer *w = t->writer;
	char *room = mem_zalloc(NAMED_MAX, PENDING_BYTES), old[24], new[24], back[24];
	struct span *values = mem_zalloc(NAMED_MAX, sizeof(values[0])), numbers[3];
	struct ldaplink_change changes[8];
	size_t n = 0, added, stay;
	uint64_t from;
	enum status status;

	if (t->change_count > 1)
		qsort(t->changes, t->change_count, sizeof(t->changes[0]), newest_first);
	added = add_new_changes(t, room, values);
	stay = old_that_stay(t, added, &from);
	(void)snprintf(old, sizeof(old), "%llu", (unsigned long long)t->epoch);
	(void)snprintf(new, sizeof(new), "%llu", (unsigned long long)t->epoch + 1);
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
	status = ldaplink_change(w->link, LDAPLINK_MODIFY_ENTRY, buf_text(&w->store_dn), changes, n,
	    step_deadline(w), end, w->err);
	mem_free(room);
	mem_free(values);
	return status;
}

static enum status
read_turn(struct turn *t, struct ldaplink_end *end)
{
	struct writer *w = t->writer;
	struct ldapstore_stage stage = {.visit = take_turn, .context = t};
	enum status status;

	stage.search = (struct ldaplink_search){.base = buf_text(&w->store_dn),
	    .filter = "(objectClass=signpostStore)",
	    .scope = LDAPURL_BASE,
	    .attributes = ldapstore_attributes,
	    .entries_max = 1,
	    .base_varies = true};
	status = ldapstore_ask(w->own, w->link, &stage, 1, step_deadline(w), end, w->err);
	return status == ST_OK && !t->has_store ? ldapstore_no_store(w->own, w->err) : status;
}

static enum status
end_with_epoch(struct writer *w, struct ldaplink_end *end)
{
	enum status status = ST_DENIED;

	for (size_t tries = 0; tries < EPOCH_TRIES && status == ST_DENIED; tries++) {
		struct turn t = {.writer = w};

		status = read_turn(&t, end);
		if (status == ST_OK)
			status = raise_epoch(&t, end);
		turn_free(&t);
	}
	if (status != ST_OK)
		err_prefix(w->err, "the rows are written, and gateways that cache do not know yet");
	return status == ST_OK ? ST_OK : ST_UNAVAILABLE;
}

/* ---- one write ---- */

static enum status
write_mirror(struct writer *w, const struct ldapstore_step *step, struct ldaplink_end *end)
{
	struct ldapstore_entry *entry = mem_alloc(sizeof(*entry));
	struct buf name, record;
	enum status status;

	buf_init(&name, LDAPSTORE_TEXT_MAX);
	buf_init(&record, LDAPSTORE_TEXT_MAX * 2);
	ldapstore_dn_domain(&name, w->own->base, step->write->row.key.domain);
	ldapstore_entry_mirror(step, &record, entry);
	status = ldaplink_change(w->link, LDAPLINK_MODIFY_ENTRY, buf_text(&name), entry->changes,
	    entry->count, step_deadline(w), end, w->err);
	buf_free(&name);
	buf_free(&record);
	mem_free(entry);
	return status;
}

static enum status
write_step(struct writer *w, const struct ldapstore_step *step, struct ldaplink_end *end)
{
	struct ldapstore_entry *entry;
	enum status status;

	/* The key goes last, what shows it goes first. */
	if (step->unmirror) {
		status = write_mirror(w, step, end);
		if (status != ST_OK)
			return status;
	}
	if (step->write->how == WRITE_REMOVE)
		return ldaplink_change(w->link, LDAPLINK_DELETE_ENTRY, step->dn, NULL, 0,
		    step_deadline(w), end, w->err);
	entry = mem_alloc(sizeof(*entry));
	ldapstore_entry(step, entry);
	status = ldaplink_change(w->link, step->add ? LDAPLINK_ADD_ENTRY : LDAPLINK_MODIFY_ENTRY,
	    step->dn, entry->changes, entry->count, step_deadline(w), end, w->err);
	mem_free(entry);
	return status == ST_OK && step->mirror ? write_mirror(w, step, end) : status;
}

/* What was written stays written, so caches are told in any case. */
static enum status
write_all(struct writer *w, struct ldaplink_end *end)
{
	enum status status = say_what_comes(w, end), last;
	struct err ignored = ERR_NONE, *err = w->err;
	size_t done = 0;

	if (status == ST_ABSENT)
		return ldapstore_no_store(w->own, w->err);
	w->plan.at = w->plan.count;
	while (done < w->plan.count && status == ST_OK) {
		status = write_step(w, &w->plan.steps[done], end);
		if (status != ST_OK)
			w->plan.at = w->plan.steps[done].at;
		done++;
	}
	if (end->lost || end->silent)
		return ST_UNAVAILABLE;
	if (status != ST_OK && done == 0)
		return status;
	if (status != ST_OK)
		w->err = &ignored;
	if (status != ST_OK && done > 1)
		err_prefix(err, "%zu of %zu rows were written before", done - 1, w->plan.count);
	last = end_with_epoch(w, end);
	w->err = err;
	return status == ST_OK ? last : status;
}

static enum status
do_writes(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct writer *w = context;
	enum status status;

	w->link = link;
	w->err = err;
	w->plan.now_utc = clock_utc_s();
	buf_init(&w->store_dn, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&w->store_dn, w->own->base);
	status = ldapstore_check(&w->plan, link, deadline_ms, end, err);
	if (status == ST_OK)
		status = write_all(w, end);
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
		if (writes[*at_out].how == WRITE_REMOVE)
			continue;
		status = keystore_write_check(&writes[*at_out], err);
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

enum status
ldapstore_apply(struct keystore *store, const struct keystore_write *writes, size_t count,
    size_t *at_out, struct err *err)
{
	struct ldapstore *own = store->state;
	struct writer w = {.own = own, .plan = {.store = own, .writes = writes, .count = count}};
	enum status status;

	*at_out = count;
	if (count > KEYSTORE_BATCH_MAX || !own->write) {
		err_set(err, "%s: %s", store->where,
		    count > KEYSTORE_BATCH_MAX ? "too many changes at once" : "opened for reading");
		return count > KEYSTORE_BATCH_MAX ? ST_TOO_BIG : ST_DENIED;
	}
	status = check_rows(writes, count, at_out, err);
	if (status != ST_OK || count == 0)
		return status;
	w.plan.at = count;
	ldapstore_keep_names(own, NULL);
	/* Each write has its own time; the checks have one for all. */
	status = ldappool_run_once(&own->pool, do_writes, &w,
	    own->pool.config.timeout_ms * (int64_t)(2 + count / 10), err);
	*at_out =
	    status == ST_ABSENT || status == ST_DENIED || status == ST_INVALID ? w.plan.at : count;
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	ldapstore_plan_free(&w.plan);
	return status;
}

/* ---- the tree ---- */

struct tree {
	struct ldapstore *own;
	bool there;
};

static enum status
add_entry(struct tree *t, struct ldaplink *link, const char *rdn, const char *type,
    const char *name, const char *class, struct ldaplink_end *end, struct err *err)
{
	const struct span one = SPAN_LIT("1"), none = SPAN_LIT("0"), named = span_str(name);
	const struct span classes[2] = {SPAN_LIT("top"), span_str(class)};
	const struct ldaplink_change changes[] = {{LDAPLINK_ADD, "objectClass", classes, 2},
	    {LDAPLINK_ADD, type, &named, 1}, {LDAPLINK_ADD, "signpostEpoch", &one, 1},
	    {LDAPLINK_ADD, "signpostChangesFrom", &none, 1}};
	bool store = strcmp(type, "cn") == 0;
	struct buf dn;
	enum status status;

	buf_init(&dn, LDAPSTORE_TEXT_MAX);
	buf_add_str(&dn, rdn);
	buf_add_char(&dn, ',');
	buf_add_str(&dn, t->own->base);
	status = ldaplink_change(link, LDAPLINK_ADD_ENTRY, buf_text(&dn), changes, store ? 4 : 2,
	    clock_mono_ms() + t->own->pool.config.timeout_ms, end, err);
	buf_free(&dn);
	if (status == ST_DENIED) {
		t->there = t->there || store;
		return ST_OK;
	}
	return status;
}

/* cn=store comes first: servers look at entries in the order in which they were made, so its epoch
 * is read before the rows. */
static enum status
do_tree(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	static const char *const names[] = {"tenants", "domains", "bindings"};
	struct tree *t = context;
	enum status status =
	    add_entry(t, link, "cn=store", "cn", "store", "signpostStore", end, err);

	(void)deadline_ms;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && status == ST_OK; i++) {
		char rdn[16];

		(void)snprintf(rdn, sizeof(rdn), "ou=%s", names[i]);
		status = add_entry(t, link, rdn, "ou", names[i], "organizationalUnit", end, err);
	}
	return status;
}

/* The schema itself is the server's and loaded by its administrator (ldif/README); this makes the
 * entries that all others hang on, below a base that is there. */
enum status
ldapstore_migrate(struct keystore *store, int *from_out, int *to_out, struct err *err)
{
	struct ldapstore *own = store->state;
	struct tree tree = {.own = own};
	enum status status;

	*from_out = *to_out = 0;
	if (!own->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	status =
	    ldappool_run_once(&own->pool, do_tree, &tree, own->pool.config.timeout_ms * 4, err);
	if (status != ST_OK) {
		err_prefix(err, "%s", store->where);
		return status == ST_ABSENT ? ST_INVALID : status;
	}
	*from_out = tree.there ? 1 : 0;
	*to_out = 1;
	return ST_OK;
}
