/*
 * test_route_property.c - no input yields another tenant's key. Random small worlds, in which few
 * names make parents, aliases, rules of other tenants, disabled and malformed rows and lies of the
 * store meet all the time; each question is answered by lib/store and by naive_route.c, and both
 * must say the same. Apart from that, whatever the rows say, every key that is given out is of the
 * tenant that the session speaks for, of the signing domain, and may sign now.
 *
 * ROUTE_SEED repeats a run, ROUTE_ROUNDS is the number of questions.
 */
#include "tests/unit/route_world.h"

#include <time.h>

#include "tests/unit/naive_route.h"

#if defined(__SANITIZE_ADDRESS__)
#define ROUNDS 60000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROUNDS 60000
#endif
#endif
#ifndef ROUNDS
#define ROUNDS 1000000
#endif
#define QUESTIONS_OF_A_WORLD 8

static uint64_t
mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* Below n. */
static unsigned
roll(uint64_t *state, unsigned n)
{
	return (unsigned)((mix(state) >> 33) % n);
}

static bool
one_in(uint64_t *state, unsigned n)
{
	return roll(state, n) == 0;
}

#define PICK(state, list) (list)[roll(state, sizeof(list) / sizeof((list)[0]))]

/* What repeats the world that is asked about now: ROUTE_SEED for it, ROUTE_ROUNDS=8. */
static uint64_t world_seed;

static void
must(bool holds, const char *what)
{
	if (!holds)
		fail_msg("ROUTE_SEED=%llu: %s", (unsigned long long)world_seed, what);
}

/* ---- what worlds are made of ---- */

static const char *const tenant_pool[] = {"a", "b", "c", "a", "b", "intruder"};
static const char *const bad_pool[] = {"", "A", "a b"};
static const char *const user_pool[] = {"u", "v", "U"};
static const char *const label_pool[] = {"p", "q"};
static const char *const identity_pool[] = {
    "", "", "x@p", "@q.p", "x@p.q", "x@xp", "p", "x@q@p.q", "x\n@p"};
static const char *const pattern_pool[] = {
    "u@*", "*@p.*", "*", "u@p.q", "[uv]@q", "(", "v@*q", "u@p|v@q.q"};
static const char *const failure_pool[] = {
    "", "", "no-key=reject", "store=unsigned,lease=reject", "no words", "no-rule=tempfail"};
static const char *const binding_pool[] = {"login:u@p", "login:@p", "login:v@q", "login:u",
    "listener:in", "*", "client:192.0.2.1/32", "client:192.0.2.0/24", "client:0.0.0.0/0",
    "client:2001:db8::/32", "client:2001:db8::1/128", "client:h.p", "client:.p", "client:.q"};
static const char *const login_pool[] = {"u@p", "U@P", "v@q", "u", "x@p", "v@x@p", "@p", "p@"};
static const char *const host_pool[] = {"h.p", "x.h.p", "[192.0.2.1]", "", "p", "H.q"};

static bool
glob_ends(struct span address, const char *end)
{
	return address.n >= strlen(end) &&
	       memcmp(address.p + address.n - strlen(end), end, strlen(end)) == 0;
}

static int
pattern_of_pool(struct span pattern, struct span address)
{
	char text[128];

	snprintf(text, sizeof(text), "%.*s", (int)address.n, address.p);
	if (span_eq_str(pattern, "u@*"))
		return strncmp(text, "u@", 2) == 0;
	if (span_eq_str(pattern, "*@p.*"))
		return strstr(text, "@p.") != NULL;
	if (span_eq_str(pattern, "*"))
		return 1;
	if (span_eq_str(pattern, "[uv]@q"))
		return strcmp(text, "u@q") == 0 || strcmp(text, "v@q") == 0;
	if (span_eq_str(pattern, "("))
		return -1;
	if (span_eq_str(pattern, "v@*q"))
		return strncmp(text, "v@", 2) == 0 && glob_ends(address, "q");
	if (span_eq_str(pattern, "u@p|v@q.q"))
		return strcmp(text, "u@p") == 0 || strcmp(text, "v@q.q") == 0;
	return span_eq(pattern, address);
}

static enum failure_action
failure_of_pool(struct span text, enum failure_cause cause)
{
	if (span_eq_str(text, "no-key=reject") && cause == FAILURE_NO_KEY)
		return FAILURE_ACTION_REJECT;
	if (span_eq_str(text, "no-rule=tempfail") && cause == FAILURE_NO_RULE)
		return FAILURE_ACTION_TEMPFAIL;
	if (span_eq_str(text, "store=unsigned,lease=reject") && cause == FAILURE_STORE)
		return FAILURE_ACTION_UNSIGNED;
	if (span_eq_str(text, "store=unsigned,lease=reject") && cause == FAILURE_LEASE)
		return FAILURE_ACTION_REJECT;
	return FAILURE_ACTION_UNSET;
}

/* Of one to max labels. */
static const char *
random_domain(uint64_t *r, unsigned max, char text[32])
{
	unsigned labels = 1 + roll(r, max);

	text[0] = '\0';
	for (unsigned i = 0; i < labels; i++) {
		strcat(text, i == 0 ? "" : ".");
		strcat(text, PICK(r, label_pool));
	}
	return text;
}

static struct span
random_tenant(uint64_t *r)
{
	return span_str(one_in(r, 100) ? PICK(r, bad_pool) : PICK(r, tenant_pool));
}

/* A domain, rarely what cannot be one. */
static struct span
random_name(uint64_t *r, char text[32])
{
	return span_str(one_in(r, 150) ? PICK(r, bad_pool) : random_domain(r, 3, text));
}

static void
add_domain(uint64_t *r, struct keystore_rows *rows)
{
	char name[32], alias[32];
	struct store_domain row = {.name = span_str(random_domain(r, 3, name)),
	    .tenant = random_tenant(r),
	    .signs_as = one_in(r, 4) ? random_name(r, alias) : SPAN_EMPTY,
	    .failure = span_str(PICK(r, failure_pool)),
	    .signature_ttl_s = (int64_t)roll(r, 3) - 1,
	    .subdomains = one_in(r, 2),
	    .enabled = !one_in(r, 8)};

	keystore_rows_add_domain(rows, &row);
}

static void
add_rule(uint64_t *r, struct keystore_rows *rows)
{
	char subject[64], domain[32], name[32], id[8];
	struct store_rule row = {.kind = (enum store_rule_kind)roll(r, 4),
	    .tenant = random_tenant(r),
	    .domain = random_name(r, name),
	    .identity = span_str(PICK(r, identity_pool)),
	    .priority = (int)roll(r, 3) - 1,
	    .enabled = !one_in(r, 6)};

	random_domain(r, 3, domain);
	if (row.kind == STORE_RULE_PATTERN)
		snprintf(subject, sizeof(subject), "%s", PICK(r, pattern_pool));
	else if (row.kind == STORE_RULE_ADDRESS)
		snprintf(subject, sizeof(subject), "%s@%s", one_in(r, 2) ? "u" : "v", domain);
	else
		snprintf(subject, sizeof(subject), "%s%s", row.kind == STORE_RULE_SUFFIX ? "." : "",
		    domain);
	row.subject = span_str(subject);
	snprintf(id, sizeof(id), "%s%zu", one_in(r, 2) ? "x" : "", rows->rule_count);
	row.id = span_str(id);
	keystore_rows_add_rule(rows, &row);
}

static void
add_key(uint64_t *r, struct keystore_rows *rows)
{
	static const char *const algorithms[] = {
	    "rsa-sha256", "rsa-sha256", "ed25519-sha256", "rsa-sha1"};
	char domain[32], id[8];
	struct store_key row = {.tenant = random_tenant(r),
	    .domain = span_str(random_domain(r, 3, domain)),
	    .algorithm = span_str(PICK(r, algorithms)),
	    .times = {.active = one_in(r, 8) ? 0 : NOW - 3 + (int64_t)roll(r, 5)}};

	snprintf(id, sizeof(id), "k%zu", rows->key_count);
	row.id = span_str(id);
	row.selector = one_in(r, 60) ? span_str(PICK(r, bad_pool)) : row.id;
	row.times.sign_until = one_in(r, 4) ? NOW - 1 + (int64_t)roll(r, 3) : 0;
	row.times.retiring = one_in(r, 12) ? NOW - 1 : 0;
	row.times.held = one_in(r, 20) ? NOW - 1 : 0;
	row.times.revoking = one_in(r, 20) ? NOW - 1 : 0;
	row.times.revoked = one_in(r, 20) ? NOW - 1 : 0;
	row.times.compromised = one_in(r, 20) ? NOW - 1 : 0;
	if (keystore_rows_add_key(rows, &row, NULL) != ST_OK)
		abort();
}

static void
add_binding(uint64_t *r, struct keystore_rows *rows)
{
	struct store_binding row = {
	    .subject = span_str(PICK(r, binding_pool)), .tenant = random_tenant(r)};

	keystore_rows_add_binding(rows, &row);
}

static void
add_tenant(uint64_t *r, struct keystore_rows *rows)
{
	struct store_tenant row = {.name = random_tenant(r),
	    .failure = span_str(PICK(r, failure_pool)),
	    .enabled = !one_in(r, 6)};

	keystore_rows_add_tenant(rows, &row);
}

/* One row of each domain, as a store has it; the tampering brings two of them. */
static bool
has_domain(const struct keystore_rows *rows, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (span_eq(rows->domains[k].name, rows->domains[i].name))
			return true;
	return false;
}

static void
make_world(uint64_t *r, struct keystore *store)
{
	struct keystore_rows *all;
	static const char *const tenants[] = {"a", "b", "c", "intruder"};

	memstore_clear(store);
	all = memstore_of(store)->all;
	for (size_t i = 0; i < 4; i++) {
		struct store_tenant *row = memstore_tenant(store, tenants[i]);

		row->enabled = !one_in(r, 12);
		row->failure = span_str(PICK(r, failure_pool));
	}
	for (unsigned i = 2 + roll(r, 6); i > 0; i--) {
		add_domain(r, all);
		if (has_domain(all, all->domain_count - 1))
			all->domain_count--;
	}
	for (unsigned i = roll(r, 8); i > 0; i--)
		add_rule(r, all);
	for (unsigned i = 2 + roll(r, 12); i > 0; i--)
		add_key(r, all);
	/* Most keys belong where they say. */
	for (size_t i = 0; i < all->key_count; i++)
		if (all->domain_count > 0 && !one_in(r, 6)) {
			size_t at = roll(r, (unsigned)all->domain_count);

			all->keys[i].domain = all->domains[at].name;
			all->keys[i].tenant = all->domains[at].tenant;
		}
	for (unsigned i = roll(r, 6); i > 0; i--)
		add_binding(r, all);
}

/* ---- a store that is broken or taken over ---- */

struct liar {
	uint64_t seed;
	bool on;
};

/* The same lie whenever the same is asked. */
static void
lie(void *context, enum memstore_question question, struct keystore_rows *rows)
{
	const struct liar *liar = context;
	uint64_t r = liar->seed + question * 1000003U + rows->domain_count * 101 +
		     rows->rule_count * 31 + rows->key_count;

	if (!liar->on)
		return;
	if (one_in(&r, 3))
		add_domain(&r, rows);
	if (one_in(&r, 3))
		add_rule(&r, rows);
	if (one_in(&r, 3))
		add_key(&r, rows);
	if (one_in(&r, 3))
		add_tenant(&r, rows);
	if (rows->domain_count > 0 && one_in(&r, 4))
		rows->domains[roll(&r, (unsigned)rows->domain_count)].tenant = random_tenant(&r);
	if (rows->rule_count > 0 && one_in(&r, 4))
		rows->rules[roll(&r, (unsigned)rows->rule_count)].tenant = random_tenant(&r);
	if (rows->rule_count > 0 && one_in(&r, 4))
		rows->rules[roll(&r, (unsigned)rows->rule_count)].kind =
		    (enum store_rule_kind)roll(&r, 4);
	if (rows->key_count > 0 && one_in(&r, 4))
		rows->keys[roll(&r, (unsigned)rows->key_count)].tenant = random_tenant(&r);
	if (rows->tenant_count > 0 && one_in(&r, 4))
		rows->tenant_count--;
	if (one_in(&r, 4))
		rows->address_rules = !rows->address_rules;
}

static void
set_faults(uint64_t *r, struct keystore *store, struct liar *liar)
{
	struct memstore *m = memstore_of(store);

	*liar = (struct liar){.seed = mix(r), .on = one_in(r, 4)};
	m->rules_without_tenants = one_in(r, 4);
	m->tamper = lie;
	m->tamper_context = liar;
	m->lies = one_in(r, 12) ? 1 + roll(r, 7) : 0;
	if (one_in(r, 12))
		m->status[roll(r, MEMSTORE_CHANGES)] = one_in(r, 2) ? ST_UNAVAILABLE : ST_INVALID;
}

/* ---- TenantMap: a table of a few lines ---- */

struct map_line {
	const char *subject;
	struct span tenant;
};

struct map_lines {
	struct map_line line[4];
	size_t count;
	enum status down; /* ST_OK: it answers */
};

static enum status
map_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	const struct map_lines *lines = table->state;

	(void)err;
	if (lines->down != ST_OK)
		return lines->down;
	for (size_t i = 0; i < lines->count; i++)
		if (span_eq_str(key, lines->line[i].subject)) {
			*out = (struct table_value){.text = lines->line[i].tenant};
			return ST_OK;
		}
	return ST_ABSENT;
}

static enum status
map_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	for (size_t i = 0; i < count && *count_out < max; i++) {
		enum status status = map_lookup(table, keys[i], &out[*count_out], err);

		if (status == ST_OK)
			at_out[(*count_out)++] = i;
		else if (status != ST_ABSENT)
			return status;
	}
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

static const struct table_ops map_ops = {.type = "test", .lookup = map_lookup};
static const struct table_ops map_ops_many = {
    .type = "test", .lookup = map_lookup, .lookup_many = map_lookup_many};

static void
make_map(uint64_t *r, struct map_lines *lines)
{
	memset(lines, 0, sizeof(*lines));
	lines->down = one_in(r, 40) ? ST_UNAVAILABLE : ST_OK;
	for (unsigned i = roll(r, 4); i > 0; i--)
		lines->line[lines->count++] =
		    (struct map_line){PICK(r, binding_pool), random_tenant(r)};
}

/* ---- one question ---- */

/* Often a domain of the world, or one below it. */
static void
random_sender(uint64_t *r, const struct keystore_rows *all, char domain[32])
{
	struct span name;

	if (all->domain_count == 0 || one_in(r, 3)) {
		random_domain(r, 4, domain);
		return;
	}
	name = all->domains[roll(r, (unsigned)all->domain_count)].name;
	snprintf(domain, 32, "%s%.*s", one_in(r, 3) ? "p." : "", SPAN_ARG(name));
}

static const uint8_t addresses[][16] = {{192, 0, 2, 1}, {192, 0, 2, 9}, {10, 1, 2, 3}};
static const uint8_t addresses6[][16] = {{0x20, 1, 0x0d, 0xb8, [15] = 1}, {0xfe, 0x80, [15] = 7}};

static void
make_session(uint64_t *r, struct tenant_session *s)
{
	memset(s, 0, sizeof(*s));
	s->listener = one_in(r, 3) ? SPAN_LIT("In") : SPAN_EMPTY;
	s->host = span_str(PICK(r, host_pool));
	if (!one_in(r, 3)) {
		s->login = span_str(PICK(r, login_pool));
	} else if (one_in(r, 8)) {
		s->family = one_in(r, 2) ? 4 : 6;
		s->address = s->family == 4 ? PICK(r, addresses) : PICK(r, addresses6);
	}
}

static bool
name_is_fine(struct span name)
{
	return name.n > 0 && span_find(name, ' ') == SIZE_MAX && span_find(name, 'A') == SIZE_MAX;
}

/* The first line of subjects that is bound says. */
static enum status
naive_tenant(const struct map_lines *map, struct keystore *store, char *subjects, char tenant[64])
{
	struct memstore *m = memstore_of(store);
	char copy[4096], *rest = copy;
	struct keystore_rows *rows = NULL;
	struct span asked[TENANT_SUBJECTS_MAX];
	size_t count = 0;
	enum status status;

	tenant[0] = '\0';
	snprintf(copy, sizeof(copy), "%s", subjects);
	for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0';
	     line = strsep(&rest, "\n")) {
		asked[count++] = span_str(line);
		if (map == NULL)
			continue;
		if (map->down != ST_OK)
			return map->down;
		for (size_t i = 0; i < map->count; i++)
			if (strcmp(map->line[i].subject, line) == 0) {
				struct span name = span_trim(map->line[i].tenant);

				snprintf(tenant, 64, "%.*s", SPAN_ARG(name));
				if (!name_is_fine(name))
					tenant[0] = '\0';
				return name_is_fine(name) ? ST_OK : ST_INVALID;
			}
	}
	if (count > KEYSTORE_NAMES_MAX)
		return ST_FAILED; /* not in these worlds */
	status = m->status[MEMSTORE_BINDINGS];
	if (status != ST_OK ||
	    (status = store->ops->bindings(store, asked, count, &rows, NULL)) != ST_OK)
		return status;
	status = ST_ABSENT;
	for (size_t k = 0; k < count && status == ST_ABSENT; k++)
		for (size_t i = 0; i < rows->binding_count; i++) {
			struct span name = rows->bindings[i].tenant;

			if (!span_eq(rows->bindings[i].subject, asked[k]))
				continue;
			if (status == ST_INVALID || (status == ST_OK && !span_eq_str(name, tenant)))
				status = ST_INVALID;
			else
				status = ST_OK;
			snprintf(tenant, 64, "%.*s", SPAN_ARG(name));
		}
	if (status == ST_OK && !name_is_fine(span_str(tenant)))
		status = ST_INVALID;
	if (status != ST_OK)
		tenant[0] = '\0';
	keystore_rows_release(rows);
	return status;
}

struct outcome {
	size_t signs, answers[5], statuses[7], bound;
};

static enum status
speak_for(uint64_t *r, struct keystore *store, char tenant[64])
{
	struct tenant_session session;
	struct map_lines lines;
	struct table map = {.ops = one_in(r, 2) ? &map_ops : &map_ops_many,
	    .parameter = (char *)(uintptr_t) "TenantMap",
	    .where = (char *)(uintptr_t) "(test)",
	    .state = &lines};
	bool with_map = one_in(r, 2);
	char subjects[4096], naive[64];
	struct err err = ERR_NONE;
	enum status status, expected;

	make_session(r, &session);
	make_map(r, &lines);
	naive_subjects(&session, subjects, sizeof(subjects));
	expected = naive_tenant(with_map ? &lines : NULL, store, subjects, naive);
	status = tenant_of_session(with_map ? &map : NULL, store, &session, tenant, &err);
	if (status != expected || strcmp(tenant, naive) != 0)
		fail_msg("ROUTE_SEED=%llu: the session of \"%.*s\" speaks for \"%s\" (%s), "
			 "expected \"%s\" (%s)",
		    (unsigned long long)world_seed, SPAN_ARG(session.login), tenant,
		    status_name(status), naive, status_name(expected));
	return status;
}

/* Whatever the rows say. */
static void
hold_invariant(const struct naive_question *q, enum status status, const struct route *route,
    const struct naive_answer *naive)
{
	if (status != ST_OK || route->answer != ROUTE_SIGN) {
		must(route->key_count == 0 && route->keys[0] == NULL, "keys without ROUTE_SIGN");
		return;
	}
	must(route->key_count == 1 || route->key_count == 2, "one key for each algorithm");
	must(q->tenant[0] != '\0' || !q->required, "no tenant, and it needs one");
	must(q->tenant[0] == '\0' || span_eq_str(route->tenant, q->tenant), "not the session's");
	must(naive->whose[0] != '\0', "nobody's sender is signed");
	must(span_eq_str(route->tenant, naive->whose), "another tenant's");
	for (size_t i = 0; i < route->key_count; i++) {
		const struct store_key *key = route->keys[i];

		must(span_eq(key->tenant, route->tenant), "another tenant's key");
		must(span_eq(key->domain, route->domain), "another domain's key");
		must(key_may_sign(&key->times, q->now_utc), "a key that may not sign");
	}
}

static bool
same(enum status status, const struct route *route, const struct naive_answer *naive)
{
	if (status != naive->status || !span_eq_str(route->tenant, naive->tenant))
		return false;
	for (int i = 0; i < FAILURE_CAUSES; i++)
		if (route->failure.action[i] != naive->action[i])
			return false;
	if (status != ST_OK)
		return true;
	if (route->answer != naive->answer || !span_eq_str(route->domain, naive->domain) ||
	    !span_eq_str(route->owner, naive->owner) ||
	    !span_eq_str(route->identity, naive->identity) ||
	    route->signature_ttl_s != naive->signature_ttl_s ||
	    route->key_count != naive->key_count)
		return false;
	for (size_t i = 0; i < naive->key_count; i++)
		if (!span_eq_str(route->keys[i]->selector, naive->selectors[i]))
			return false;
	return true;
}

static void
ask_once(
    uint64_t *r, struct keystore *store, struct pattern_cache *patterns, struct outcome *outcome)
{
	char domain[32], tenant[64] = "";
	struct naive_question q = {.store = store,
	    .user = PICK(r, user_pool),
	    .domain = domain,
	    .tenant = tenant,
	    .required = one_in(r, 4),
	    .now_utc = NOW,
	    .pattern = pattern_of_pool,
	    .failure = failure_of_pool};
	struct route_question question = {
	    .user = span_str(q.user), .required = q.required, .now_utc = NOW, .patterns = patterns};
	struct naive_answer naive;
	struct err err = ERR_NONE;
	struct route route;
	enum status status;

	random_sender(r, memstore_of(store)->all, domain);
	if (one_in(r, 4))
		outcome->bound += speak_for(r, store, tenant) == ST_OK;
	else if (!one_in(r, 3))
		snprintf(tenant, sizeof(tenant), "%s", PICK(r, tenant_pool));
	question.tenant = span_str(tenant);
	question.domain = span_str(domain);
	naive_route(&q, &naive);
	if (naive.status == ST_OK && naive.answer != ROUTE_TENANT)
		naive.owner[0] = '\0';
	status = route_find(store, &question, &route, &err);
	hold_invariant(&q, status, &route, &naive);
	if (!same(status, &route, &naive))
		fail_msg(
		    "ROUTE_SEED=%llu: %s@%s as \"%s\"%s: \"%s\" (%s), expected %s %d %s %s (%s)",
		    (unsigned long long)world_seed, q.user, domain, tenant,
		    q.required ? ", required" : "", world_text(status, &route),
		    status == ST_OK ? route.why : err.text, status_name(naive.status),
		    (int)naive.answer, naive.domain, naive.selectors[0], naive.tenant);
	outcome->statuses[status]++;
	if (status == ST_OK)
		outcome->answers[route.answer]++;
	route_release(&route);
}

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static void
no_input_yields_another_tenants_key(void **state)
{
	uint64_t seed = number_from("ROUTE_SEED", (uint64_t)time(NULL) * 1000003U), rounds;
	struct keystore *store = memstore_new();
	struct pattern_cache *patterns = pattern_cache_new();
	struct outcome o = {0};
	struct liar liar;

	(void)state;
	print_message("# ROUTE_SEED=%llu\n", (unsigned long long)seed);
	rounds = number_from("ROUTE_ROUNDS", ROUNDS) / QUESTIONS_OF_A_WORLD;
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t r = seed + i;

		world_seed = r;
		make_world(&r, store);
		set_faults(&r, store, &liar);
		for (int k = 0; k < QUESTIONS_OF_A_WORLD; k++)
			ask_once(&r, store, one_in(&r, 2) ? patterns : NULL, &o);
	}
	print_message("# %llu worlds: %zu sign, %zu no rule, %zu another tenant's, %zu no key, "
		      "%zu lease; %zu unavailable, %zu invalid; %zu sessions bound\n",
	    (unsigned long long)rounds, o.answers[ROUTE_SIGN], o.answers[ROUTE_NO_RULE],
	    o.answers[ROUTE_TENANT], o.answers[ROUTE_NO_KEY], o.answers[ROUTE_LEASE],
	    o.statuses[ST_UNAVAILABLE], o.statuses[ST_INVALID], o.bound);
	/* A test that never gets there shows nothing. */
	if (rounds >= 1000)
		for (int i = 0; i < 5; i++)
			assert_true(o.answers[i] > rounds / 200);
	pattern_cache_free(patterns);
	keystore_close(store);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(no_input_yields_another_tenants_key),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
