/*
 * test_keystore_life.c - what the life cycle of keys asks and writes: the same of a store in SQLite
 * and of the one in memory that other tests go by. make check.
 */
#include <pthread.h>

#include "tests/unit/keystore_help.h"

#include "tests/lib/memstore.h"

/* ---- both kinds of stores ---- */

struct kind {
	const char *name;
	struct keystore *(*make)(const char *name);
	/* All leases have expired. */
	void (*expire)(struct keystore *store, const char *name);
};

static void
expire_memory(struct keystore *store, const char *name)
{
	(void)name;
	memstore_of(store)->now_utc += 100000;
}

static void
expire_sqlite(struct keystore *store, const char *name)
{
	(void)store;
	run_sql(name, "UPDATE leases SET expires = 5");
}

static const struct kind kinds[] = {
    {"sqlite", make_store, expire_sqlite}, {"memory", memstore_make, expire_memory}};

#define EACH(kind) (const struct kind *kind = kinds; kind < kinds + 2; kind++)

/* acme has a.test with key k of selector s, which is active; b.test; policy std of a.test. */
static struct keystore *
populated(const struct kind *kind, const char *name)
{
	struct keystore *store = kind->make(name);
	struct keystore_write policy = {.what = STORE_POLICY,
	    .row.policy = {.tenant = S("acme"),
		.name = S("std"),
		.signature_ttl_s = 600,
		.plan = S("{\"lease\":\"7d\"}")}};
	struct keystore_write domain = a_domain(WRITE_ADD, "a.test", "acme"),
			      key = a_key(WRITE_ADD, "k", "acme", "a.test", "s");

	domain.row.domain.policy = S("std");
	key.row.key.times.active = 100;
	must(store, a_tenant(WRITE_ADD, "acme"));
	must(store, a_tenant(WRITE_ADD, "other"));
	must(store, policy);
	must(store, domain);
	must(store, a_domain(WRITE_ADD, "b.test", "acme"));
	must(store, key);
	return store;
}

static struct keystore_rows *
lives(struct keystore *store, const struct span *names, size_t count)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (store->ops->lives(store, names, count, &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	return rows;
}

static struct keystore_rows *
life_of(struct keystore *store, const char *domain)
{
	const struct span name = span_str(domain);

	return lives(store, &name, 1);
}

/* The domain as it is there, to be written. rows live as long as what is written. */
static struct keystore_write
domain_life(const struct keystore_rows *rows, const char *life, int64_t due)
{
	struct keystore_write write = {.what = STORE_DOMAIN,
	    .how = WRITE_CHANGE,
	    .life = true,
	    .row.domain = rows->domains[0]};

	write.row.domain.life = span_str(life);
	write.row.domain.due = due;
	return write;
}

static struct keystore_write
key_life(const struct keystore_rows *rows, const char *life)
{
	struct keystore_write write = {
	    .what = STORE_KEY, .how = WRITE_CHANGE, .life = true, .row.key = rows->keys[0]};

	write.row.key.life = span_str(life);
	return write;
}

/* ---- lives ---- */

static void
lives_are_written(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "written.db");
			struct keystore_rows *rows = life_of(store, "a.test"), *again;
			struct keystore_write writes[] = {
			    domain_life(rows, "{\"d\":1}", 77), key_life(rows, "{\"k\":1}")};
			uint64_t epoch = epoch_of(store);
			struct err err = ERR_NONE;
			size_t at;

			assert_int_equal(rows->domain_count, 1);
			assert_int_equal(rows->tenant_count, 1);
			is(rows->policies[0].plan, "{\"lease\":\"7d\"}");
			is(rows->policies[0].name, "std");
			assert_int_equal(rows->domains[0].signature_ttl_s, 600);
			assert_int_equal(rows->domains[0].life.n + rows->keys[0].life.n, 0);
			is(rows->keys[0].private_key, "spk1:1:AAAA");
			writes[1].row.key.times.retiring = 200;
			writes[1].row.key.times.sign_until = 300;
			writes[1].row.key.lease_s = 604800;
			writes[1].row.key.loading = KEYSTORE_LOADING_NOW;
			/* Nothing else of it is written. */
			writes[1].row.key.algorithm = S("ed25519-sha256");
			writes[1].row.key.private_key = S("spk1:1:OTHER");
			writes[1].row.key.revision = 0;
			writes[0].row.domain.subdomains = true;
			writes[0].row.domain.policy = SPAN_EMPTY;
			assert_int_equal(apply(store, writes, 2, &at, &err), ST_OK);
			assert_int_equal(epoch_of(store), epoch + 1);
			assert_string_equal(changed_since(store, epoch), "d:a.test");
			again = life_of(store, "a.test");
			is(again->domains[0].life, "{\"d\":1}");
			assert_int_equal(again->domains[0].due, 77);
			assert_int_equal(again->domains[0].revision, epoch + 1);
			assert_false(again->domains[0].subdomains);
			is(again->domains[0].policy, "std");
			is(again->keys[0].life, "{\"k\":1}");
			is(again->keys[0].algorithm, "rsa-sha256");
			is(again->keys[0].private_key, "spk1:1:AAAA");
			assert_int_equal(again->keys[0].revision, 1);
			assert_int_equal(again->keys[0].row_revision, epoch + 1);
			assert_int_equal(again->keys[0].loading, epoch + 1);
			assert_int_equal(again->keys[0].lease_s, 604800);
			assert_int_equal(again->keys[0].times.retiring, 200);
			assert_int_equal(again->keys[0].times.sign_until, 300);
			keystore_rows_release(rows);
			rows = keys_of(store, "a.test");
			assert_int_equal(rows->keys[0].lease_s, 604800);
			assert_int_equal(rows->keys[0].times.retiring, 200);
			keystore_rows_release(rows);
			/* A domain alone: an epoch, and nobody is told. */
			must(store, domain_life(again, "", 0));
			assert_string_equal(changed_since(store, epoch + 1), "");
			keystore_rows_release(again);
			keystore_close(store);
		}
}

static void
ordinary_writes_leave_lives(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "ordinary.db");
			struct keystore_rows *rows = life_of(store, "a.test");
			struct keystore_write key = key_life(rows, "{\"k\":2}"),
					      change =
						  a_key(WRITE_CHANGE, "k", "acme", "a.test", "s");
			struct err err = ERR_NONE;

			key.row.key.lease_s = 60;
			key.row.key.loading = 4;
			must(store, key);
			must(store, domain_life(rows, "{\"d\":2}", 5));
			keystore_rows_release(rows);
			change.row.key.life = S("no");
			change.row.key.lease_s = 5;
			must(store, change);
			must(store, a_domain(WRITE_PUT, "a.test", "acme"));
			rows = life_of(store, "a.test");
			is(rows->keys[0].life, "{\"k\":2}");
			assert_int_equal(rows->keys[0].lease_s, 60);
			assert_int_equal(rows->keys[0].loading, 4);
			is(rows->domains[0].life, "{\"d\":2}");
			assert_int_equal(rows->domains[0].due, 5);
			keystore_rows_release(rows);
			assert_int_equal(
			    store->ops->list(store, STORE_KEY, SPAN_EMPTY, 9, &rows, &err), ST_OK);
			is(rows->keys[0].life, "{\"k\":2}");
			assert_int_equal(rows->keys[0].loading, 4);
			keystore_rows_release(rows);
			assert_int_equal(
			    store->ops->list(store, STORE_DOMAIN, SPAN_EMPTY, 9, &rows, &err),
			    ST_OK);
			is(rows->domains[0].life, "{\"d\":2}");
			assert_int_equal(rows->domains[0].due, 5);
			assert_int_equal(rows->domains[1].life.n, 0);
			keystore_rows_release(rows);
			keystore_close(store);
		}
}

static void
old_revisions(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "old.db");
			struct keystore_rows *rows = life_of(store, "a.test"), *again;
			struct keystore_write writes[] = {
			    domain_life(rows, "first", 1), key_life(rows, "first")};
			struct err err = ERR_NONE;
			uint64_t epoch;
			size_t at;

			/* Somebody else was faster with the key: the domain is not written either.
			 */
			must(store, key_life(rows, "other"));
			epoch = epoch_of(store);
			assert_int_equal(apply(store, writes, 2, &at, &err), ST_DENIED);
			assert_int_equal(at, 1);
			assert_non_null(strstr(err.text, "changed meanwhile"));
			assert_int_equal(epoch_of(store), epoch);
			again = life_of(store, "a.test");
			assert_int_equal(again->domains[0].due, 0);
			assert_int_equal(again->domains[0].revision, rows->domains[0].revision);
			is(again->keys[0].life, "other");
			keystore_rows_release(again);
			/* What cannot be. */
			writes[0].row.domain.revision = 0;
			must_not(store, writes[0], ST_INVALID, "revision");
			writes[1].row.key.row_revision = 0;
			must_not(store, writes[1], ST_INVALID, "revision");
			writes[0] = domain_life(rows, "x", -1);
			must_not(store, writes[0], ST_INVALID, "1970");
			writes[1] = key_life(rows, "x");
			writes[1].row.key.times.revoked = -1;
			must_not(store, writes[1], ST_INVALID, "below zero");
			writes[1] = key_life(rows, "x");
			writes[1].row.key.lease_s = INT64_MAX;
			must_not(store, writes[1], ST_INVALID, "lease");
			writes[1] = key_life(rows, "x\x80");
			must_not(store, writes[1], ST_INVALID, "life");
			writes[1] = a_tenant(WRITE_CHANGE, "acme");
			writes[1].life = true;
			must_not(store, writes[1], ST_INVALID, "life cycle");
			writes[1] = key_life(rows, "x");
			writes[1].how = WRITE_ADD;
			must_not(store, writes[1], ST_INVALID, "life cycle");
			writes[0] = domain_life(rows, "x", 1);
			writes[0].how = WRITE_PUT;
			must_not(store, writes[0], ST_INVALID, "life cycle");
			writes[0] = domain_life(rows, "x", 1);
			writes[0].row.domain.tenant = S("other");
			must_not(store, writes[0], ST_DENIED, "another tenant");
			writes[0].row.domain.name = S("nothing.test");
			must_not(store, writes[0], ST_ABSENT, "none");
			assert_int_equal(epoch_of(store), epoch);
			keystore_rows_release(rows);
			keystore_close(store);
		}
}

static void
destroyed_keys(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "destroyed.db");
			struct keystore_rows *rows = life_of(store, "a.test");
			struct keystore_write write = key_life(rows, "gone");
			struct err err = ERR_NONE;

			write.row.key.times.removed = 400;
			write.row.key.times.destroyed = 500;
			write.row.key.loading = KEYSTORE_LOADING_NOW;
			must(store, write);
			keystore_rows_release(rows);
			rows = life_of(store, "a.test");
			assert_int_equal(rows->domain_count, 1);
			assert_int_equal(rows->key_count, 0);
			keystore_rows_release(rows);
			assert_int_equal(store->ops->loading(store, 0, 10, &rows, &err), ST_OK);
			assert_int_equal(rows->key_count, 0);
			keystore_rows_release(rows);
			assert_int_equal(
			    store->ops->list(store, STORE_KEY, SPAN_EMPTY, 9, &rows, &err), ST_OK);
			assert_int_equal(rows->key_count, 1);
			assert_int_equal(rows->keys[0].private_key.n, 0);
			assert_int_equal(rows->keys[0].times.destroyed, 500);
			keystore_rows_release(rows);
			/* The selector does not come back. */
			must_not(
			    store, a_key(WRITE_ADD, "k2", "acme", "a.test", "s"), ST_DENIED, "");
			keystore_close(store);
		}
}

static void
a_hundred_domains(void **state)
{
	static char texts[KEYSTORE_LIVES_MAX + 1][24];
	struct span names[KEYSTORE_LIVES_MAX + 1];
	struct keystore_write writes[2 * KEYSTORE_LIVES_MAX];

	(void)state;
	for (size_t i = 0; i <= KEYSTORE_LIVES_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "n%zu.test", i);
		names[i] = span_str(texts[i]);
	}
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "hundred.db");
			struct keystore_rows *rows = NULL;
			struct err err = ERR_NONE;
			size_t at;

			for (size_t i = 0; i < KEYSTORE_LIVES_MAX; i++) {
				writes[2 * i] = a_domain(WRITE_ADD, texts[i], "acme");
				writes[2 * i].row.domain.policy = S("std");
				writes[2 * i + 1] =
				    a_key(WRITE_ADD, texts[i], "acme", texts[i], "s");
				writes[2 * i + 1].row.key.id =
				    span_sub(names[i], 0, names[i].n - 5);
			}
			assert_int_equal(
			    apply(store, writes, 2 * KEYSTORE_LIVES_MAX, &at, &err), ST_OK);
			rows = lives(store, names, KEYSTORE_LIVES_MAX);
			assert_int_equal(rows->domain_count, KEYSTORE_LIVES_MAX);
			assert_int_equal(rows->key_count, KEYSTORE_LIVES_MAX);
			assert_int_equal(rows->tenant_count, 1);
			assert_int_equal(rows->policy_count, 1);
			keystore_rows_release(rows);
			/* What is not there, twice, or no name at all, is left out. */
			names[98] = names[0];
			names[99] = S("NOT A NAME");
			rows = lives(store, names, KEYSTORE_LIVES_MAX);
			assert_int_equal(rows->domain_count, KEYSTORE_LIVES_MAX - 2);
			keystore_rows_release(rows);
			names[98] = span_str(texts[98]);
			names[99] = span_str(texts[99]);
			assert_int_equal(
			    store->ops->lives(store, names, KEYSTORE_LIVES_MAX + 1, &rows, &err),
			    ST_TOO_BIG);
			assert_null(rows);
			rows = lives(store, names, 0);
			assert_int_equal(rows->domain_count, 0);
			assert_true(rows->epoch > 0);
			keystore_rows_release(rows);
			keystore_close(store);
		}
}

static void
too_many_keys(void **state)
{
	static char ids[KEYSTORE_KEYS_MAX + 1][8];

	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "keys.db");
			const struct span names[] = {S("b.test"), S("a.test")};
			struct keystore_rows *rows = NULL;
			struct err err = ERR_NONE;

			for (size_t i = 0; i <= KEYSTORE_KEYS_MAX; i++) {
				snprintf(ids[i], sizeof(ids[i]), "x%zu", i);
				if (i == KEYSTORE_KEYS_MAX) {
					rows = lives(store, names, 2);
					assert_int_equal(rows->key_count, KEYSTORE_KEYS_MAX + 1);
					keystore_rows_release(rows);
				}
				must(store, a_key(WRITE_ADD, ids[i], "acme", "b.test", ids[i]));
			}
			assert_int_equal(
			    store->ops->lives(store, names, 2, &rows, &err), ST_TOO_BIG);
			assert_null(rows);
			keystore_close(store);
		}
}

/* ---- due ---- */

static void
due_in_their_order(void **state)
{
	static const struct {
		const char *name;
		int64_t due;
	} domains[] = {
	    {"c.test", 30}, {"d.test", 10}, {"e.test", 20}, {"f.test", 0}, {"g.test", 31}};

	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "due.db");
			struct keystore_rows *rows = NULL;
			struct err err = ERR_NONE;

			for (size_t i = 0; i < 5; i++) {
				must(store, a_domain(WRITE_ADD, domains[i].name, "acme"));
				rows = life_of(store, domains[i].name);
				must(store, domain_life(rows, "", domains[i].due));
				keystore_rows_release(rows);
			}
			assert_int_equal(store->ops->due(store, 30, 100, &rows, &err), ST_OK);
			assert_int_equal(rows->domain_count, 3);
			is(rows->domains[0].name, "d.test");
			is(rows->domains[1].name, "e.test");
			is(rows->domains[2].name, "c.test");
			is(rows->domains[2].tenant, "acme");
			assert_int_equal(rows->domains[2].due, 30);
			assert_true(rows->domains[2].revision > 0);
			assert_int_equal(rows->epoch, epoch_of(store));
			keystore_rows_release(rows);
			assert_int_equal(store->ops->due(store, 30, 2, &rows, &err), ST_OK);
			assert_int_equal(rows->domain_count, 2);
			keystore_rows_release(rows);
			assert_int_equal(store->ops->due(store, 9, 2, &rows, &err), ST_OK);
			assert_int_equal(rows->domain_count, 0);
			keystore_rows_release(rows);
			keystore_close(store);
		}
}

/* ---- loading ---- */

static void
loading_by_epochs(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "loading.db");
			struct keystore_write writes[9];
			struct keystore_rows *lists[3], *rows;
			uint64_t first = epoch_of(store);
			struct err err = ERR_NONE;
			static char ids[9][8];
			size_t at;

			for (size_t i = 0; i < 9; i++) {
				snprintf(ids[i], sizeof(ids[i]), "l%zu", i);
				must(store, a_key(WRITE_ADD, ids[i], "acme", "b.test", ids[i]));
			}
			/* Three epochs with three keys each. */
			for (size_t e = 0; e < 3; e++) {
				lists[e] = life_of(store, "b.test");
				for (size_t i = 0; i < 3; i++) {
					writes[i] = (struct keystore_write){.what = STORE_KEY,
					    .how = WRITE_CHANGE,
					    .life = true,
					    .row.key = lists[e]->keys[3 * e + i]};
					writes[i].row.key.loading = KEYSTORE_LOADING_NOW;
				}
				assert_int_equal(apply(store, writes, 3, &at, &err), ST_OK);
			}
			for (size_t max = 1; max <= 10; max++) {
				assert_int_equal(
				    store->ops->loading(store, 0, max, &rows, &err), ST_OK);
				assert_int_equal(rows->key_count, max >= 9 ? 9 : (max + 2) / 3 * 3);
				assert_int_equal(rows->epoch, first + 12);
				for (size_t i = 0; i < rows->key_count; i++)
					assert_int_equal(rows->keys[i].loading, first + 10 + i / 3);
				is(rows->keys[0].private_key, "spk1:1:AAAA");
				keystore_rows_release(rows);
			}
			assert_int_equal(
			    store->ops->loading(store, first + 11, 5, &rows, &err), ST_OK);
			assert_int_equal(rows->key_count, 3);
			keystore_rows_release(rows);
			assert_int_equal(
			    store->ops->loading(store, first + 12, 5, &rows, &err), ST_OK);
			assert_int_equal(rows->key_count, 0);
			assert_int_equal(rows->epoch, first + 12);
			keystore_rows_release(rows);
			for (size_t e = 0; e < 3; e++)
				keystore_rows_release(lists[e]);
			keystore_close(store);
		}
}

/* ---- gateways ---- */

static void
reports(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "reports.db");
			struct store_gateway row = {.node = S("gw-1.example"),
			    .version = S("0.1"),
			    .epoch = 7,
			    .tested = 6,
			    .failed = S("k cannot be opened\n"),
			    .offset_ms = -12,
			    .started = 1000,
			    .at = 5};
			uint64_t epoch = epoch_of(store);
			struct keystore_rows *rows = NULL;
			struct err err = ERR_NONE;

			assert_int_equal(store->ops->gateways(store, &rows, &err), ST_OK);
			assert_int_equal(rows->gateway_count, 0);
			keystore_rows_release(rows);
			assert_int_equal(store->ops->report(store, &row, &err), ST_OK);
			row.node = S("gw-2.example:8891");
			assert_int_equal(store->ops->report(store, &row, &err), ST_OK);
			row.failed = SPAN_EMPTY;
			row.tested = 7;
			assert_int_equal(store->ops->report(store, &row, &err), ST_OK);
			assert_int_equal(store->ops->gateways(store, &rows, &err), ST_OK);
			assert_int_equal(rows->gateway_count, 2);
			is(rows->gateways[0].node, "gw-1.example");
			is(rows->gateways[0].version, "0.1");
			is(rows->gateways[0].failed, "k cannot be opened\n");
			assert_int_equal(rows->gateways[0].epoch, 7);
			assert_int_equal(rows->gateways[0].tested, 6);
			assert_int_equal(rows->gateways[0].offset_ms, -12);
			assert_int_equal(rows->gateways[0].started, 1000);
			assert_true(rows->gateways[0].at > 1700000000);
			assert_int_equal(rows->gateways[1].failed.n, 0);
			assert_int_equal(rows->gateways[1].tested, 7);
			assert_int_equal(rows->epoch, epoch);
			keystore_rows_release(rows);
			assert_int_equal(store->ops->forget(store, S("gw-1.example"), &err), ST_OK);
			assert_int_equal(
			    store->ops->forget(store, S("gw-1.example"), &err), ST_ABSENT);
			row.node = S("no name");
			assert_int_equal(store->ops->report(store, &row, &err), ST_INVALID);
			assert_int_equal(store->ops->gateways(store, &rows, &err), ST_OK);
			assert_int_equal(rows->gateway_count, 1);
			keystore_rows_release(rows);
			assert_int_equal(epoch_of(store), epoch);
			keystore_close(store);
		}
}

/* ---- leases ---- */

static struct store_lease
a_lease(const char *owner, uint64_t fence)
{
	struct store_lease lease = {.name = "reconciler", .fence = fence};

	snprintf(lease.owner, sizeof(lease.owner), "%s", owner);
	return lease;
}

static struct store_lease
take(struct keystore *store, const char *owner, int64_t ttl_s, enum status want)
{
	struct store_lease wanted = a_lease(owner, 99), got;
	struct err err = ERR_NONE;
	enum status status = store->ops->lease(store, &wanted, ttl_s, &got, &err);

	if (status != want)
		fail_msg("%s: \"%s\"", status_name(status), err.text);
	return got;
}

static void
leases(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "leases.db");
			uint64_t epoch = epoch_of(store);
			struct store_lease got = take(store, "one", 60, ST_OK), wrong = got, out;
			struct err err = ERR_NONE;
			int64_t now;

			assert_int_equal(store->ops->now(store, &now, &err), ST_OK);
			assert_string_equal(got.owner, "one");
			assert_string_equal(got.name, "reconciler");
			assert_int_equal(got.fence, 1);
			assert_in_range(got.expires, now + 55, now + 60);
			got = take(store, "two", 60, ST_DENIED);
			assert_string_equal(got.owner, "one");
			assert_int_equal(got.fence, 1);
			assert_int_equal(take(store, "one", 600, ST_OK).fence, 1);
			/* Not somebody else's to give back. */
			assert_string_equal(take(store, "two", 0, ST_DENIED).owner, "one");
			assert_int_equal(take(store, "one", 0, ST_OK).expires, 0);
			assert_int_equal(take(store, "two", 60, ST_OK).fence, 2);
			assert_int_equal(take(store, "one", 60, ST_DENIED).fence, 2);
			/* Too late to renew: a new fence, for its last owner, too. */
			kind->expire(store, "leases.db");
			assert_int_equal(take(store, "two", 60, ST_OK).fence, 3);
			kind->expire(store, "leases.db");
			assert_int_equal(take(store, "one", 0, ST_OK).fence, 3);
			assert_int_equal(take(store, "one", 60, ST_OK).fence, 4);
			assert_int_equal(epoch_of(store), epoch);
			snprintf(wrong.owner, sizeof(wrong.owner), "with blank");
			assert_int_equal(
			    store->ops->lease(store, &wrong, 60, &out, &err), ST_INVALID);
			assert_int_equal(
			    store->ops->lease(store, &got, -1, &out, &err), ST_INVALID);
			memset(wrong.owner, 'x', sizeof(wrong.owner));
			assert_int_equal(
			    store->ops->lease(store, &wrong, 60, &out, &err), ST_INVALID);
			keystore_close(store);
		}
}

static void
fenced(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "fenced.db");
			struct keystore_rows *rows = life_of(store, "a.test"), *again;
			struct keystore_write write = domain_life(rows, "leader", 1);
			struct store_lease one = take(store, "one", 60, ST_OK),
					   none = a_lease("no", 1), two;
			uint64_t epoch = epoch_of(store);
			struct err err = ERR_NONE;
			size_t at;

			snprintf(none.name, sizeof(none.name), "nothing");
			assert_int_equal(
			    store->ops->apply_fenced(store, &none, &write, 1, &at, &err),
			    ST_DENIED);
			kind->expire(store, "fenced.db");
			assert_int_equal(
			    store->ops->apply_fenced(store, &one, &write, 1, &at, &err), ST_DENIED);
			assert_int_equal(at, 1);
			assert_non_null(strstr(err.text, "not held any more"));
			two = take(store, "two", 60, ST_OK);
			/* A deposed leader, and one that thinks of a fence that it has not. */
			assert_int_equal(
			    store->ops->apply_fenced(store, &one, &write, 1, &at, &err), ST_DENIED);
			one.fence = two.fence;
			assert_int_equal(
			    store->ops->apply_fenced(store, &one, &write, 1, &at, &err), ST_DENIED);
			assert_int_equal(epoch_of(store), epoch);
			again = life_of(store, "a.test");
			assert_int_equal(again->domains[0].life.n, 0);
			keystore_rows_release(again);
			assert_int_equal(
			    store->ops->apply_fenced(store, &two, &write, 1, &at, &err), ST_OK);
			/* A row that is refused is told from the lease. */
			assert_int_equal(
			    store->ops->apply_fenced(store, &two, &write, 1, &at, &err), ST_DENIED);
			assert_int_equal(at, 0);
			/* Nothing to be written: is it held? */
			assert_int_equal(
			    store->ops->apply_fenced(store, &two, NULL, 0, &at, &err), ST_OK);
			assert_int_equal(
			    store->ops->apply_fenced(store, &one, NULL, 0, &at, &err), ST_DENIED);
			assert_int_equal(epoch_of(store), epoch + 1);
			keystore_rows_release(rows);
			keystore_close(store);
		}
}

/* A backup was put back: it knows nothing of the leases that were taken since. */
static void
renewed(void **state)
{
	(void)state;
	for
		EACH(kind)
		{
			struct keystore *store = populated(kind, "renewed.db");
			struct keystore_rows *rows = life_of(store, "a.test");
			struct keystore_write write = domain_life(rows, "leader", 1);
			struct store_lease old, got;
			struct store_state now;
			struct err err = ERR_NONE;
			size_t at;

			if (store->ops->renew == NULL) {
				keystore_rows_release(rows);
				keystore_close(store);
				continue;
			}
			old = take(store, "one", 600, ST_OK);
			assert_int_equal(old.fence, 1);
			assert_int_equal(store->ops->renew(store, &now, &err), ST_OK);
			assert_int_equal(
			    store->ops->apply_fenced(store, &old, &write, 1, &at, &err), ST_DENIED);
			/* It is nobody's; the same one may take it anew, and is another leader. */
			got = take(store, "one", 600, ST_OK);
			assert_int_equal(got.fence, 2 + KEYSTORE_RENEW_STEP);
			for (old.fence = 1; old.fence < 9; old.fence++)
				assert_int_equal(
				    store->ops->apply_fenced(store, &old, &write, 1, &at, &err),
				    ST_DENIED);
			/* The backup is older than this lease. */
			assert_int_equal(store->ops->renew(store, &now, &err), ST_OK);
			old = a_lease("one", 1);
			snprintf(old.name, sizeof(old.name), "another");
			assert_int_equal(store->ops->lease(store, &old, 600, &got, &err), ST_OK);
			assert_int_equal(got.fence, 1 + 2 * (uint64_t)KEYSTORE_RENEW_STEP);
			keystore_rows_release(rows);
			keystore_close(store);
		}
}

/* ---- only SQLite ---- */

struct racer {
	char owner[16];
	atomic_uint *holders; /* of all: who believes to have it */
	atomic_bool *broken;
	uint64_t last;
	long held;
};

/* Each takes it, looks whether it is alone, and gives it back. */
static void *
run_race(void *context)
{
	struct racer *racer = context;
	struct keystore *store = open_store("race.db", true);
	struct store_lease wanted = a_lease(racer->owner, 0), got;
	struct err err = ERR_NONE;

	while (racer->held < 20) {
		enum status status = store->ops->lease(store, &wanted, 600, &got, &err);

		if (status == ST_DENIED)
			continue;
		if (status != ST_OK || got.fence <= racer->last ||
		    atomic_fetch_add(racer->holders, 1) != 0)
			atomic_store(racer->broken, true);
		racer->last = got.fence;
		racer->held++;
		atomic_fetch_sub(racer->holders, 1);
		if (status != ST_OK || store->ops->lease(store, &wanted, 0, &got, &err) != ST_OK) {
			fprintf(stderr, "# %s\n", err.text);
			atomic_store(racer->broken, true);
			break;
		}
	}
	keystore_close(store);
	return NULL;
}

static void
never_two_at_once(void **state)
{
	struct keystore *store = populated(&kinds[0], "race.db");
	atomic_uint holders = 0;
	atomic_bool broken = false;
	struct racer racers[4];
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		racers[i] = (struct racer){.holders = &holders, .broken = &broken};
		snprintf(racers[i].owner, sizeof(racers[i].owner), "owner%zu", i);
		assert_int_equal(pthread_create(&threads[i], NULL, run_race, &racers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_false(atomic_load(&broken));
	/* Each time another fence, and none left out. */
	assert_int_equal(take(store, "last", 60, ST_OK).fence, 81);
	keystore_close(store);
}

static void
opened_for_reading(void **state)
{
	struct keystore *store = populated(&kinds[0], "reading.db"),
			*reader = open_store("reading.db", false);
	const struct store_gateway row = {.node = S("gw")};
	struct store_lease wanted = a_lease("one", 0), got;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	size_t at;

	(void)state;
	assert_int_equal(reader->ops->report(reader, &row, &err), ST_DENIED);
	assert_int_equal(reader->ops->forget(reader, S("gw"), &err), ST_DENIED);
	assert_int_equal(reader->ops->lease(reader, &wanted, 60, &got, &err), ST_UNAVAILABLE);
	assert_int_equal(reader->ops->apply_fenced(reader, &wanted, NULL, 0, &at, &err), ST_DENIED);
	/* What gateways ask. */
	assert_int_equal(reader->ops->loading(reader, 0, 10, &rows, &err), ST_OK);
	keystore_rows_release(rows);
	keystore_close(reader);
	keystore_close(store);
}

/* A file that nobody may write: said as what it is. */
static void
no_right_to_report(void **state)
{
	struct keystore *store = populated(&kinds[0], "right.db");
	const struct store_gateway row = {.node = S("gw")};
	struct err err = ERR_NONE;

	(void)state;
	run_sql("right.db",
	    "CREATE TRIGGER no BEFORE INSERT ON gateways BEGIN SELECT RAISE(ABORT, 'no'); END");
	assert_int_equal(store->ops->report(store, &row, &err), ST_UNAVAILABLE);
	run_sql("right.db", "DROP TRIGGER no");
	assert_int_equal(store->ops->report(store, &row, &err), ST_OK);
	keystore_close(store);
	assert_int_equal(chmod(help_path("right.db"), 0440), 0);
	if (access(help_path("right.db"), W_OK) == 0)
		return; /* root writes everything */
	store = open_store("right.db", true);
	assert_int_equal(store->ops->report(store, &row, &err), ST_DENIED);
	assert_non_null(strstr(err.text, "gateway"));
	keystore_close(store);
}

/* As the first two scripts made it. */
#define SCHEMA_2                                                                                   \
	"BEGIN; DROP TABLE quotas; DROP TABLE providers; DROP TABLE tokens; DROP TABLE replies; "  \
	"DROP TABLE audit; DROP TABLE audit_head; "                                                \
	"DROP TABLE gateways; DROP TABLE leases; DROP INDEX domains_due; "                         \
	"DROP INDEX keys_loading; ALTER TABLE domains DROP COLUMN life; "                          \
	"ALTER TABLE domains DROP COLUMN due; ALTER TABLE keys DROP COLUMN life; "                 \
	"ALTER TABLE keys DROP COLUMN loading; DELETE FROM migrations WHERE version < -2; COMMIT"

static void
must_say_init(enum status status, const struct err *err)
{
	assert_int_equal(status, ST_UNAVAILABLE);
	if (strstr(err->text, "signpost store init") == NULL)
		fail_msg("%s", err->text);
}

static void
must_wait_for_init(struct keystore *store, const struct keystore_rows *life)
{
	struct keystore_write write = domain_life(life, "x", 1), key = key_life(life, "x");
	const struct store_gateway row = {.node = S("gw")};
	struct store_lease wanted = a_lease("one", 0), got;
	const struct span name = S("a.test");
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t at;

	must_say_init(apply(store, &write, 1, &at, &err), &err);
	must_say_init(apply(store, &key, 1, &at, &err), &err);
	must_say_init(store->ops->due(store, 1, 1, &rows, &err), &err);
	must_say_init(store->ops->lives(store, &name, 1, &rows, &err), &err);
	must_say_init(store->ops->gateways(store, &rows, &err), &err);
	must_say_init(store->ops->forget(store, S("gw"), &err), &err);
	must_say_init(store->ops->report(store, &row, &err), &err);
	must_say_init(store->ops->lease(store, &wanted, 9, &got, &err), &err);
	must_say_init(store->ops->apply_fenced(store, &wanted, &write, 1, &at, &err), &err);
}

static void
goes_on_as_before(struct keystore *store, struct keystore *reader)
{
	struct keystore_write key = a_key(WRITE_CHANGE, "k", "acme", "a.test", "s");
	struct keystore_rows *rows = keys_of(reader, "a.test");
	struct err err = ERR_NONE;

	assert_int_equal(rows->key_count, 1);
	assert_int_equal(rows->keys[0].lease_s, 0);
	keystore_rows_release(rows);
	key.row.key.times.active = 100;
	must(store, key);
	must(store, a_domain(WRITE_PUT, "a.test", "acme"));
	assert_int_equal(store->ops->list(store, STORE_DOMAIN, SPAN_EMPTY, 9, &rows, &err), ST_OK);
	assert_int_equal(rows->domain_count, 2);
	assert_int_equal(rows->domains[0].due, 0);
	keystore_rows_release(rows);
	assert_int_equal(store->ops->list(store, STORE_KEY, SPAN_EMPTY, 9, &rows, &err), ST_OK);
	assert_int_equal(rows->key_count, 1);
	assert_int_equal(rows->keys[0].loading, 0);
	keystore_rows_release(rows);
}

/* It signs and is written as before; only the life cycle has to wait. */
static void
a_schema_of_before(void **state)
{
	struct keystore *store = populated(&kinds[0], "before.db"), *reader;
	struct keystore_rows *life = life_of(store, "a.test"), *rows;
	struct err err = ERR_NONE;
	int from, to;

	(void)state;
	keystore_close(store);
	run_sql("before.db", SCHEMA_2);
	store = open_store("before.db", true);
	reader = open_store("before.db", false);
	for (int turn = 0; turn < 2; turn++) {
		goes_on_as_before(store, reader);
		must_wait_for_init(store, life);
		must_say_init(reader->ops->loading(reader, 0, 1, &rows, &err), &err);
	}
	keystore_rows_release(life);
	assert_int_equal(store->ops->migrate(store, &from, &to, &err), ST_OK);
	assert_int_equal(from, 2);
	assert_int_equal(to, 6);
	/* On the same connections, with what was there. */
	goes_on_as_before(store, reader);
	life = life_of(store, "a.test");
	must(store, key_life(life, "x"));
	must(store, domain_life(life, "x", 1));
	keystore_rows_release(life);
	life = life_of(store, "a.test");
	is(life->keys[0].life, "x");
	keystore_rows_release(life);
	assert_int_equal(take(store, "one", 60, ST_OK).fence, 1);
	assert_int_equal(reader->ops->loading(reader, 0, 1, &rows, &err), ST_OK);
	keystore_rows_release(rows);
	keystore_close(reader);
	keystore_close(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lives_are_written),
	    cmocka_unit_test(ordinary_writes_leave_lives),
	    cmocka_unit_test(old_revisions),
	    cmocka_unit_test(destroyed_keys),
	    cmocka_unit_test(a_hundred_domains),
	    cmocka_unit_test(too_many_keys),
	    cmocka_unit_test(due_in_their_order),
	    cmocka_unit_test(loading_by_epochs),
	    cmocka_unit_test(reports),
	    cmocka_unit_test(leases),
	    cmocka_unit_test(fenced),
	    cmocka_unit_test(renewed),
	    cmocka_unit_test(never_two_at_once),
	    cmocka_unit_test(opened_for_reading),
	    cmocka_unit_test(no_right_to_report),
	    cmocka_unit_test(a_schema_of_before),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
