/*
 * test_keystore_slot.c - the row of a destroyed key becomes that of another one: the same of a
 * store in SQLite and of the one in memory that other tests go by. make check.
 */
#include <pthread.h>

#include "tests/unit/keystore_help.h"

#include "tests/lib/memstore.h"

static struct keystore *(*const makers[])(const char *name) = {make_store, memstore_make};

#define MAKERS 2

/* The key of a row, of all states. Release *rows. */
static const struct store_key *
row_of(struct keystore *store, const char *selector, struct keystore_rows **rows)
{
	struct err err = ERR_NONE;

	if (store->ops->list(store, STORE_KEY, SPAN_EMPTY, 9, rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < (*rows)->key_count; i++)
		if (span_eq_str((*rows)->keys[i].selector, selector))
			return &(*rows)->keys[i];
	fail_msg("no key %s", selector);
	return NULL;
}

static uint64_t
row_revision_of(struct keystore *store, const char *selector)
{
	struct keystore_rows *rows;
	uint64_t revision = row_of(store, selector, &rows)->row_revision;

	keystore_rows_release(rows);
	return revision;
}

/* What the life cycle notes of the key in s1. */
static void
note(struct keystore *store, const char *id, int64_t destroyed)
{
	struct keystore_write write = a_key(WRITE_CHANGE, id, "acme", "a.test", "s1");

	write.life = true;
	write.row.key.row_revision = row_revision_of(store, "s1");
	write.row.key.times.destroyed = destroyed;
	write.row.key.times.active = 100;
	write.row.key.life = S("the former");
	write.row.key.lease_s = 60;
	write.row.key.loading = KEYSTORE_LOADING_NOW;
	must(store, write);
}

/* acme has a.test with the keys k1 of s1, which is destroyed, and k2 of s2, which signs. */
static struct keystore *
populated(size_t maker, const char *name)
{
	struct keystore *store = makers[maker](name);
	struct keystore_write second = a_key(WRITE_ADD, "k2", "acme", "a.test", "s2");

	second.row.key.times.active = 100;
	must(store, a_tenant(WRITE_ADD, "acme"));
	must(store, a_tenant(WRITE_ADD, "other"));
	must(store, a_domain(WRITE_ADD, "a.test", "acme"));
	must(store, a_domain(WRITE_ADD, "o.test", "other"));
	must(store, a_key(WRITE_ADD, "k1", "acme", "a.test", "s1"));
	must(store, second);
	note(store, "k1", 500);
	return store;
}

/* k3 in s1, as it may be. */
static struct keystore_write
a_slot(struct keystore *store)
{
	struct keystore_write write = a_key(WRITE_PUT, "k3", "acme", "a.test", "s1");
	struct store_key *row = &write.row.key;

	write.life = true;
	row->algorithm = S("ed25519-sha256");
	row->private_key = S("spk1:1:NEWKEY");
	row->public_key = S("NEWPUBLIC");
	row->bits = 256;
	row->revision = 2;
	row->row_revision = row_revision_of(store, "s1");
	row->times = (struct key_times){.created = 700};
	return write;
}

static void
used_again(void **state)
{
	(void)state;
	for (size_t maker = 0; maker < MAKERS; maker++) {
		struct keystore *store = populated(maker, "again.db");
		struct keystore_write write = a_slot(store);
		uint64_t epoch = epoch_of(store);
		struct keystore_rows *rows;
		const struct store_key *row;

		must(store, write);
		assert_int_equal(epoch_of(store), epoch + 1);
		assert_string_equal(changed_since(store, epoch), "d:a.test");
		row = row_of(store, "s1", &rows);
		assert_int_equal(rows->key_count, 2);
		is(row->id, "k3");
		is(row->algorithm, "ed25519-sha256");
		is(row->private_key, "spk1:1:NEWKEY");
		is(row->public_key, "NEWPUBLIC");
		assert_int_equal(row->bits, 256);
		assert_int_equal(row->revision, 2);
		assert_int_equal(row->row_revision, epoch + 1);
		/* Nothing of the former one stays. */
		assert_int_equal(row->life.n, 0);
		assert_int_equal(row->lease_s, 0);
		assert_int_equal(row->loading, 0);
		assert_memory_equal(&row->times, &write.row.key.times, sizeof(row->times));
		keystore_rows_release(rows);
		/* It is one that the life cycle goes on with; the other one signs. */
		rows = keys_of(store, "a.test");
		assert_int_equal(rows->key_count, 1);
		is(rows->keys[0].id, "k2");
		keystore_rows_release(rows);
		must_not(store, write, ST_DENIED, "changed meanwhile");
		note(store, "k3", 0);
		rows = keys_of(store, "a.test");
		assert_int_equal(rows->key_count, 2);
		keystore_rows_release(rows);
		/* And once more, with what the life cycle has to say at once. */
		note(store, "k3", 900);
		write = a_slot(store);
		write.row.key.id = S("k4");
		write.row.key.revision = 3;
		write.row.key.life = S("new");
		write.row.key.lease_s = 9;
		write.row.key.loading = KEYSTORE_LOADING_NOW;
		must(store, write);
		row = row_of(store, "s1", &rows);
		is(row->life, "new");
		assert_int_equal(row->lease_s, 9);
		assert_int_equal(row->loading, epoch_of(store));
		keystore_rows_release(rows);
		keystore_close(store);
	}
}

static void
refused(void **state)
{
	(void)state;
	for (size_t maker = 0; maker < MAKERS; maker++) {
		struct keystore *store = populated(maker, "refused.db");
		struct keystore_write good = a_slot(store), write = good;
		uint64_t epoch = epoch_of(store);

		write.row.key.row_revision++;
		must_not(store, write, ST_DENIED, "changed meanwhile");
		write = good;
		write.row.key.selector = S("s2");
		write.row.key.row_revision = row_revision_of(store, "s2");
		must_not(store, write, ST_DENIED, "not destroyed");
		write.row.key.selector = S("s3");
		must_not(store, write, ST_ABSENT, "none");
		write = good;
		write.row.key.domain = S("no.test");
		must_not(store, write, ST_ABSENT, "none");
		write = good;
		write.row.key.tenant = S("other");
		must_not(store, write, ST_DENIED, "another tenant");
		/* The former key, or a seal that may be another key's. */
		write = good;
		write.row.key.id = S("k1");
		must_not(store, write, ST_DENIED, "");
		write.row.key.id = S("k2");
		must_not(store, write, ST_DENIED, "there already");
		write = good;
		write.row.key.revision = 1;
		must_not(store, write, ST_DENIED, "higher revision");
		/* What cannot be. */
		write.row.key.revision = 0;
		must_not(store, write, ST_INVALID, "revision");
		write.row.key.revision = UINT64_MAX;
		must_not(store, write, ST_INVALID, "revision");
		write = good;
		write.row.key.row_revision = 0;
		must_not(store, write, ST_INVALID, "revision");
		write = good;
		write.row.key.times.destroyed = 900;
		must_not(store, write, ST_INVALID, "destroyed");
		write = good;
		write.row.key.loading = 4;
		must_not(store, write, ST_INVALID, "asked for before");
		write = good;
		write.row.key.times = (struct key_times){.created = -1};
		must_not(store, write, ST_INVALID, "below zero");
		write = good;
		write.row.key.algorithm = SPAN_EMPTY;
		must_not(store, write, ST_INVALID, "algorithm");
		write = good;
		write.row.key.private_key = S("\x80");
		must_not(store, write, ST_INVALID, "private_key");
		write = good;
		write.row.key.id = S("k 3");
		must_not(store, write, ST_INVALID, "id");
		/* An ordinary write takes no slot over. */
		for (int how = WRITE_ADD; how <= WRITE_REMOVE; how++) {
			write = good;
			write.life = false;
			write.how = (unsigned)how;
			must_not(store, write,
			    how == WRITE_CHANGE || how == WRITE_REMOVE
				? maker == 0 ? ST_ABSENT : ST_DENIED
				: ST_DENIED,
			    "");
			assert_int_equal(epoch_of(store), epoch);
		}
		must(store, good);
		keystore_close(store);
	}
}

static void
all_or_nothing(void **state)
{
	(void)state;
	for (size_t maker = 0; maker < MAKERS; maker++) {
		struct keystore *store = populated(maker, "nothing.db");
		struct keystore_write writes[] = {
		    a_slot(store), a_domain(WRITE_ADD, "a.test", "acme")};
		uint64_t epoch = epoch_of(store);
		struct keystore_rows *rows;
		const struct store_key *row;
		struct err err = ERR_NONE;
		size_t at;

		assert_int_equal(apply(store, writes, 2, &at, &err), ST_DENIED);
		assert_int_equal(at, 1);
		assert_int_equal(epoch_of(store), epoch);
		row = row_of(store, "s1", &rows);
		is(row->id, "k1");
		is(row->life, "the former");
		assert_int_equal(row->times.destroyed, 500);
		keystore_rows_release(rows);
		must(store, writes[0]);
		keystore_close(store);
	}
}

static struct store_lease
take(struct keystore *store, const char *owner, int64_t ttl_s)
{
	struct store_lease wanted = {.name = "reconciler"}, got;
	struct err err = ERR_NONE;

	snprintf(wanted.owner, sizeof(wanted.owner), "%s", owner);
	if (store->ops->lease(store, &wanted, ttl_s, &got, &err) != ST_OK)
		fail_msg("%s", err.text);
	return got;
}

static void
fenced(void **state)
{
	(void)state;
	for (size_t maker = 0; maker < MAKERS; maker++) {
		struct keystore *store = populated(maker, "fenced.db");
		struct keystore_write write = a_slot(store);
		struct store_lease one = take(store, "one", 60), two;
		struct keystore_rows *rows;
		struct err err = ERR_NONE;
		size_t at;

		(void)take(store, "one", 0);
		two = take(store, "two", 60);
		assert_int_equal(
		    store->ops->apply_fenced(store, &one, &write, 1, &at, &err), ST_DENIED);
		assert_int_equal(at, 1);
		is(row_of(store, "s1", &rows)->id, "k1");
		keystore_rows_release(rows);
		assert_int_equal(
		    store->ops->apply_fenced(store, &two, &write, 1, &at, &err), ST_OK);
		is(row_of(store, "s1", &rows)->id, "k3");
		keystore_rows_release(rows);
		keystore_close(store);
	}
}

/* ---- two at once, of SQLite ---- */

struct racer {
	char id[8];
	struct keystore_write write;
	pthread_barrier_t *start;
	enum status status;
};

static void *
run_race(void *context)
{
	struct racer *racer = context;
	struct keystore *store = open_store("race.db", true);
	struct err err = ERR_NONE;
	size_t at;

	(void)pthread_barrier_wait(racer->start);
	racer->status = apply(store, &racer->write, 1, &at, &err);
	keystore_close(store);
	return NULL;
}

#define RACERS 4U

static void
one_wins(void **state)
{
	struct keystore *store = populated(0, "race.db");
	struct racer racers[RACERS];
	pthread_t threads[RACERS];
	pthread_barrier_t start;
	struct keystore_rows *rows;
	size_t winner = RACERS;

	(void)state;
	assert_int_equal(pthread_barrier_init(&start, NULL, RACERS), 0);
	for (size_t i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){.write = a_slot(store), .start = &start};
		snprintf(racers[i].id, sizeof(racers[i].id), "n%zu", i);
		racers[i].write.row.key.id = span_str(racers[i].id);
	}
	for (size_t i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_race, &racers[i]), 0);
	for (size_t i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		if (racers[i].status == ST_OK) {
			assert_int_equal(winner, RACERS);
			winner = i;
		} else {
			assert_int_equal(racers[i].status, ST_DENIED);
		}
	}
	assert_in_range(winner, 0, RACERS - 1);
	is(row_of(store, "s1", &rows)->id, racers[winner].id);
	keystore_rows_release(rows);
	pthread_barrier_destroy(&start);
	keystore_close(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(used_again),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(all_or_nothing),
	    cmocka_unit_test(fenced),
	    cmocka_unit_test(one_wins),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
