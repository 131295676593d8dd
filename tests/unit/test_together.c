/*
 * test_together.c - questions of several threads that are asked as one. make check.
 */
#include "tests/unit/store_help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/store/together.h"

#define S(literal) SPAN_LIT(literal)
#define LONG_MS 600000 /* nobody waits that long */
#define QUESTIONS_MAX 64

/* Every key that begins with 'k', in either case, has a row: itself. With "bad" in it a question
 * has no answer. */
struct world {
	struct table *table;
	struct together *together;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held;           /* questions stay out */
	unsigned out, count; /* questions that are there; that came */
	char asked[QUESTIONS_MAX][256];
};

static void
row_free(void *owner)
{
	mem_free(owner);
}

static enum status
answer(const struct span *keys, size_t count, struct table_value *out, size_t *at_out,
    size_t *count_out, struct err *err)
{
	*count_out = 0;
	for (size_t i = 0; i < count; i++)
		if (span_eq(keys[i], S("bad"))) {
			err_set(err, "a bad row");
			return ST_INVALID;
		}
	for (size_t i = 0; i < count; i++) {
		char *text;

		if (ascii_lower(keys[i].p[0]) != 'k')
			continue;
		text = mem_strndup(keys[i].p, keys[i].n);
		out[*count_out] = (struct table_value){
		    .text = span_of(text, keys[i].n), .release = row_free, .owner = text};
		at_out[(*count_out)++] = i;
	}
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

static enum status
ask_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct world *w = table->state;
	size_t n = 0;

	assert_true(max >= count);
	pthread_mutex_lock(&w->lock);
	if (w->count < QUESTIONS_MAX)
		for (size_t i = 0; i < count; i++)
			n += (size_t)snprintf(w->asked[w->count] + n, sizeof(w->asked[0]) - n,
			    "%s%.*s", i > 0 ? " " : "", SPAN_ARG(keys[i]));
	w->count++;
	w->out++;
	pthread_cond_broadcast(&w->changed);
	while (w->held)
		pthread_cond_wait(&w->changed, &w->lock);
	w->out--;
	pthread_mutex_unlock(&w->lock);
	return answer(keys, count, out, at_out, count_out, err);
}

static enum status
ask_one(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	size_t at, count;

	return ask_many(table, &key, 1, 1, out, &at, &count, err);
}

static const struct table_ops ops = {
    .type = "test", .lookup = ask_one, .lookup_many = ask_many, .distant = true};

static void
world_init(struct world *w, int64_t wait_ms)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	w->table = table_new(&ops, "KeyTable", 0);
	w->table->state = w;
	w->together = together_new(w->table, wait_ms);
}

static void
world_free(struct world *w)
{
	together_free(w->together);
	table_close(w->table);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}

static void
hold(struct world *w, bool held)
{
	pthread_mutex_lock(&w->lock);
	w->held = held;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void
await_out(struct world *w, unsigned out)
{
	pthread_mutex_lock(&w->lock);
	while (w->out != out)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static void
await_waiting(struct world *w, size_t keys)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	while (together_waiting(w->together) != keys)
		nanosleep(&moment, NULL);
}

/* One caller, in a thread of its own. */
struct caller {
	struct world *world;
	struct span keys[TABLE_KEYS_MAX];
	size_t count, at[TABLE_KEYS_MAX], found;
	struct table_value values[TABLE_KEYS_MAX];
	enum status status;
	struct err err;
	pthread_t thread;
};

static void *
call(void *arg)
{
	struct caller *c = arg;

	c->err = (struct err)ERR_NONE;
	c->status = together_lookup(
	    c->world->together, c->keys, c->count, c->values, c->at, &c->found, &c->err);
	return NULL;
}

static void
begin(struct world *w, struct caller *c)
{
	c->world = w;
	while (c->count < TABLE_KEYS_MAX && c->keys[c->count].n > 0)
		c->count++;
	assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

/* Nobody is answered before hold(w, false). */
static void
begin_with_one_out(struct world *w, struct caller *first)
{
	world_init(w, LONG_MS);
	hold(w, true);
	begin(w, first);
	await_out(w, 1);
}

/* keys: of all that wait then. */
static void
queue(struct world *w, struct caller *c, size_t keys)
{
	begin(w, c);
	await_waiting(w, keys);
}

/* Each found value is that of its own key. */
static void
check(struct caller *c, enum status status, size_t found)
{
	assert_int_equal(c->status, status);
	if (status != ST_OK)
		return;
	assert_int_equal(c->found, found);
	for (size_t i = 0; i < found; i++) {
		assert_true(i == 0 || c->at[i] > c->at[i - 1]);
		assert_true(span_eq(c->values[i].text, c->keys[c->at[i]]));
		table_value_release(&c->values[i]);
	}
}

static void
end(struct caller *c, enum status status, size_t found)
{
	assert_int_equal(pthread_join(c->thread, NULL), 0);
	check(c, status, found);
}

static void
test_who_comes_meanwhile_is_asked_for_at_once(void **state)
{
	struct caller first = {.keys = {S("k0")}}, two = {.keys = {S("k1"), S("x1"), S("k2")}},
		      none = {.keys = {S("x2")}}, one = {.keys = {S("x3"), S("k3")}};
	struct world w;

	(void)state;
	begin_with_one_out(&w, &first);
	queue(&w, &two, 3);
	queue(&w, &none, 4);
	queue(&w, &one, 6);
	hold(&w, false);
	end(&first, ST_OK, 1);
	end(&two, ST_OK, 2);
	end(&none, ST_ABSENT, 0);
	end(&one, ST_OK, 1);
	assert_int_equal(w.count, 2);
	assert_string_equal(w.asked[0], "k0");
	assert_string_equal(w.asked[1], "k1 x1 k2 x2 x3 k3");
	world_free(&w);
}

/* A full question waits for nobody, and one with more keys than fit is asked as it is. */
static void
test_full(void **state)
{
	struct caller first = {.keys = {S("k0")}},
		      full = {.keys = {S("k1"), S("k2"), S("k3"), S("k4"), S("k5"), S("k6"),
				  S("k7"), S("k8")}},
		      more = {.keys = {S("k1"), S("k2"), S("k3"), S("k4"), S("k5"), S("k6"),
				  S("k7"), S("k8"), S("k9")}};
	struct world w;

	(void)state;
	begin_with_one_out(&w, &first);
	begin(&w, &full);
	await_out(&w, 2);
	begin(&w, &more);
	await_out(&w, 3);
	hold(&w, false);
	end(&first, ST_OK, 1);
	end(&full, ST_OK, 8);
	end(&more, ST_OK, 9);
	world_free(&w);
}

/* Rows are told apart without regard to case. */
static void
test_names_that_differ_by_case_only(void **state)
{
	struct caller first = {.keys = {S("k0")}}, lower = {.keys = {S("ka")}},
		      upper = {.keys = {S("Ka")}}, other = {.keys = {S("kb")}};
	struct world w;

	(void)state;
	begin_with_one_out(&w, &first);
	queue(&w, &lower, 1);
	queue(&w, &upper, 2);
	queue(&w, &other, 3);
	hold(&w, false);
	end(&first, ST_OK, 1);
	end(&lower, ST_OK, 1);
	end(&upper, ST_OK, 1);
	end(&other, ST_OK, 1);
	assert_int_equal(w.count, 3);
	assert_string_equal(w.asked[1], "ka kb");
	assert_string_equal(w.asked[2], "Ka");
	world_free(&w);
}

static void
test_nobody_spoils_the_answer_of_another(void **state)
{
	struct caller first = {.keys = {S("k0")}}, good = {.keys = {S("k1")}},
		      bad = {.keys = {S("bad")}}, none = {.keys = {S("x")}};
	struct world w;

	(void)state;
	begin_with_one_out(&w, &first);
	queue(&w, &good, 1);
	queue(&w, &bad, 2);
	queue(&w, &none, 3);
	hold(&w, false);
	end(&first, ST_OK, 1);
	end(&good, ST_OK, 1);
	end(&bad, ST_INVALID, 0);
	end(&none, ST_ABSENT, 0);
	assert_string_equal(bad.err.text, "a bad row");
	assert_string_equal(w.asked[1], "k1 bad x");
	assert_int_equal(w.count, 5);
	world_free(&w);
}

/* The first question is out until the end: everybody else has an answer all the same. */
static void
test_nobody_waits_for_a_slow_server(void **state)
{
	struct caller first = {.keys = {S("k0")}}, second = {.keys = {S("k1")}};
	struct world w;

	(void)state;
	world_init(&w, 1);
	hold(&w, true);
	begin(&w, &first);
	await_out(&w, 1);
	begin(&w, &second);
	await_out(&w, 2);
	hold(&w, false);
	end(&first, ST_OK, 1);
	end(&second, ST_OK, 1);
	assert_int_equal(w.count, 2);
	world_free(&w);
}

#define CALLERS 8
#define ROUNDS 300

static void *
storm(void *arg)
{
	struct world *w = arg;
	static atomic_uint seeds;
	unsigned seed = atomic_fetch_add(&seeds, 1) * 7919U + 1;

	for (unsigned round = 0; round < ROUNDS; round++) {
		char texts[3][16];
		struct caller c = {.world = w};
		size_t found = 0;

		for (c.count = 0; c.count < 1 + round % 3; c.count++) {
			seed = seed * 1103515245U + 12345U;
			snprintf(texts[c.count], sizeof(texts[0]), "%c%u.%zu",
			    (seed >> 20) % 3 == 0   ? 'x'
			    : (seed >> 20) % 3 == 1 ? 'k'
						    : 'K',
			    (seed >> 8) % 20, c.count);
			found += texts[c.count][0] != 'x' ? 1 : 0;
			c.keys[c.count] = span_str(texts[c.count]);
		}
		if (round % 50 == 0)
			c.keys[0] = S("bad");
		call(&c);
		check(&c, round % 50 == 0 ? ST_INVALID : found > 0 ? ST_OK : ST_ABSENT, found);
	}
	return NULL;
}

static void
test_many_at_once(void **state)
{
	pthread_t threads[CALLERS];
	struct world w;

	(void)state;
	world_init(&w, TOGETHER_WAIT_MS);
	for (size_t i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm, &w), 0);
	for (size_t i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(together_waiting(w.together), 0);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_comes_meanwhile_is_asked_for_at_once),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_names_that_differ_by_case_only),
	    cmocka_unit_test(test_nobody_spoils_the_answer_of_another),
	    cmocka_unit_test(test_nobody_waits_for_a_slow_server),
	    cmocka_unit_test(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
