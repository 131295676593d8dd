/*
 * keystore_ldap_loading.c - the keys that gateways are asked to try.
 * Called through keystore_ops.loading by gateways.
 * It must never answer an epoch up to which a key may still come: who has tried all of them says so
 * with that number, and a key is used because all gateways said so.
 *
 * Writers say in signpostPending, before they write such keys, which epoch they have seen; the keys
 * get a later one. So nothing beyond that is answered while they write. A replica that catches up
 * may show an epoch before the entries; who opened the store for reading only asks a replica
 * perhaps, and so believes an epoch when it has been seen for LDAPSTORE_SETTLE_MS.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define HALVES_MAX 64U /* an epoch has no more bits */
#define LOOK_MAX                                                                                   \
	(KEYSTORE_LOADING_MAX + KEYSTORE_BATCH_MAX) /* acl.ldif lets gateways have that            \
						     */

struct loading {
	struct ldapstore *store;
	uint64_t since, until; /* wanted: behind since, up to until */
	size_t max;
	/* what cn=store says */
	bool has_store;
	uint64_t epoch, mark;
	char identity[KEYSTORE_IDENTITY_BYTES];
	/* the answer */
	struct keystore_rows *rows;
	uint64_t *epochs; /* room for LOOK_MAX: of the keys in the range */
	size_t counted;
	bool more; /* than those */
};

static enum status
take_store(void *context, const struct ldapentry *entry, struct err *err)
{
	struct loading *l = context;
	const struct ldapentry_values *pending = &entry->values[LDAPSTORE_PENDING];
	enum status status;

	if (ldapstore_kind(entry) != LDAPSTORE_STORE)
		return ST_OK;
	l->has_store = true;
	status = ldapstore_epoch(entry, &l->epoch, err);
	ldapstore_store_identity(entry, l->identity);
	l->mark = l->epoch;
	for (size_t i = 0; i < pending->count && status == ST_OK; i++) {
		uint64_t mark;
		enum status marked = ldapstore_pending_mark(pending->items[i], &mark);

		if (marked == ST_OK && mark < l->mark)
			l->mark = mark;
		if (marked != ST_INVALID)
			continue;
		err_set(err, "%s: a value of signpostPending cannot be read", l->store->where);
		status = ST_INVALID;
	}
	return status;
}

static enum status
read_store(struct loading *l, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_stage stage = {.visit = take_store, .context = l};
	struct buf name;
	enum status status;

	l->has_store = false;
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&name, l->store->base);
	stage.search = (struct ldaplink_search){.base = buf_text(&name),
	    .filter = "(objectClass=signpostStore)",
	    .scope = LDAPURL_BASE,
	    .attributes = ldapstore_row_attributes,
	    .entries_max = 1,
	    .base_varies = true};
	status = ldapstore_ask(l->store, link, &stage, 1, deadline_ms, end, err);
	buf_free(&name);
	return status == ST_OK && !l->has_store ? ldapstore_no_store(l->store, err) : status;
}

/* The last epoch whose keys are all there for sure. */
static uint64_t
settled(struct loading *l, int64_t now_ms)
{
	struct ldapstore *own = l->store;
	uint64_t epoch = l->epoch, sure;

	if (own->write)
		return l->mark;
	pthread_mutex_lock(&own->lock);
	if (own->load_seen_ms == 0 || epoch < own->load_settled ||
	    strcmp(own->load_identity, l->identity) != 0) {
		own->load_settled = l->since < epoch ? l->since : epoch;
		own->load_seen = epoch;
		own->load_seen_ms = now_ms;
		memcpy(own->load_identity, l->identity, sizeof(own->load_identity));
	}
	if (now_ms - own->load_seen_ms >= LDAPSTORE_SETTLE_MS) {
		own->load_settled = own->load_seen;
		own->load_seen = epoch;
		own->load_seen_ms = now_ms;
	}
	sure = own->load_settled;
	pthread_mutex_unlock(&own->lock);
	return sure < l->mark ? sure : l->mark;
}

/* ---- the keys ---- */

static enum status
count_key(void *context, const struct ldapentry *entry, struct err *err)
{
	struct loading *l = context;
	int64_t epoch = 0;

	(void)err;
	if (entry->values[0].count == 1 && l->counted < LOOK_MAX &&
	    ldapstore_read_number(entry->values[0].items[0], 0, INT64_MAX - 1, &epoch) == ST_OK)
		l->epochs[l->counted++] = (uint64_t)epoch;
	return ST_OK;
}

static enum status
take_key(void *context, const struct ldapentry *entry, struct err *err)
{
	struct loading *l = context;
	struct store_key row;
	enum status status;

	if (ldapstore_kind(entry) != LDAPSTORE_KEY)
		return ST_OK;
	status = ldapstore_key(entry, &row, err);
	return status == ST_OK ? keystore_rows_add_key(l->rows, &row, err) : status;
}

static enum status
search(struct loading *l, struct ldaplink *link, bool count_only, uint64_t until,
    int64_t deadline_ms, struct ldaplink_end *end, struct err *err)
{
	static const char *const name_only[] = {"signpostLoading", NULL};
	struct ldapstore_stage stage = {.visit = count_only ? count_key : take_key, .context = l};
	struct buf filter;
	enum status status;

	l->counted = 0;
	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_loading(&filter, l->since, until);
	stage.search = (struct ldaplink_search){.base = l->store->base,
	    .filter = buf_text(&filter),
	    .scope = LDAPURL_SUB,
	    .attributes = count_only ? name_only : ldapstore_row_attributes,
	    .entries_max = LOOK_MAX,
	    .secret = !count_only};
	stage.any_number = count_only;
	status = ldapstore_ask(l->store, link, &stage, 1, deadline_ms, end, err);
	l->more = end->limited;
	buf_free(&filter);
	return status;
}

static int
by_number(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* A directory gives any of too many, and the lowest are wanted: the range is halved until all of it
 * is seen, or it is one epoch. */
static enum status
narrow(struct loading *l, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	uint64_t low = l->since, high = l->until;
	enum status status = search(l, link, true, high, deadline_ms, end, err);

	/* Up to low there is none, up to high there are too many. */
	for (size_t i = 0; i < HALVES_MAX && status == ST_OK && l->more && high - low > 1; i++) {
		uint64_t middle = low + (high - low) / 2;

		status = search(l, link, true, middle, deadline_ms, end, err);
		if (status == ST_OK && l->counted == 0 && !l->more) {
			low = middle;
			l->more = true;
		} else {
			high = middle;
		}
	}
	l->until = high;
	if (status != ST_OK || l->more || l->counted <= l->max)
		return status;
	qsort(l->epochs, l->counted, sizeof(l->epochs[0]), by_number);
	l->until = l->epochs[l->max - 1];
	return ST_OK;
}

static enum status
do_loading(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct loading *l = context;
	enum status status = ldapstore_need_life(l->store, link, deadline_ms, end, err);

	keystore_rows_release(l->rows);
	l->rows = keystore_rows_new();
	if (status == ST_OK)
		status = read_store(l, link, deadline_ms, end, err);
	if (status != ST_OK)
		return status;
	l->until = settled(l, clock_mono_ms());
	/* What somebody has tried before, he has tried. */
	l->rows->epoch = l->until < l->since && l->since <= l->epoch ? l->since : l->until;
	if (l->until <= l->since)
		return ST_OK;
	status = narrow(l, link, deadline_ms, end, err);
	if (status == ST_OK && (l->counted > 0 || l->more))
		status = search(l, link, false, l->until, deadline_ms, end, err);
	return status;
}

static int
lowest_first(const void *left, const void *right)
{
	const struct store_key *a = left, *b = right;
	size_t n = a->id.n < b->id.n ? a->id.n : b->id.n;
	int order = n == 0 ? 0 : memcmp(a->id.p, b->id.p, n);

	if (a->loading != b->loading)
		return a->loading < b->loading ? -1 : 1;
	return order != 0 ? order : (a->id.n > b->id.n) - (a->id.n < b->id.n);
}

enum status
ldapstore_loading(
    struct keystore *store, uint64_t since, size_t max, struct keystore_rows **out, struct err *err)
{
	struct loading l = {.store = store->state,
	    .since = since,
	    .max = max < KEYSTORE_LOADING_MAX ? max : KEYSTORE_LOADING_MAX};
	enum status status;

	*out = NULL;
	if (l.max == 0)
		l.max = 1;
	l.epochs = mem_zalloc(LOOK_MAX, sizeof(l.epochs[0]));
	status = ldappool_run(&l.store->pool, do_loading, &l, err);
	mem_free(l.epochs);
	if (status != ST_OK) {
		keystore_rows_release(l.rows);
		err_prefix(err, "%s", store->where);
		return status;
	}
	if (l.rows->key_count > 1)
		qsort(l.rows->keys, l.rows->key_count, sizeof(l.rows->keys[0]), lowest_first);
	*out = l.rows;
	return ST_OK;
}
