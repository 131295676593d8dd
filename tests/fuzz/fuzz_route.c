/*
 * fuzz_route.c - a world and questions as text: whatever the rows say, a key that is given out is
 * of the tenant that the session speaks for, of the signing domain, and may sign now.
 *
 * A line is a letter and fields between '|':
 *   T name|enabled|failure            D name|tenant|flags|signs_as     R
 * kind|id|tenant|subject|domain|identity K tenant|domain|selector|active|sign_until|algorithm B
 * subject|tenant L lies                            ? tenant|user|domain|required|login|host
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/pattern_cache.h"
#include "lib/store/route.h"
#include "lib/store/tenant.h"
#include "tests/lib/memstore.h"

#define NOW 1000
#define LINES_MAX 200
#define FIELDS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
flag(struct span field, char c)
{
	return span_find(field, c) != SIZE_MAX;
}

static int64_t
number(struct span field)
{
	uint64_t value;

	return span_number(field, 1000000, &value) ? (int64_t)value : 0;
}

static void
add_rule(struct keystore_rows *all, const struct span *f)
{
	struct store_rule row = {.kind = (enum store_rule_kind)(number(f[0]) % 4),
	    .id = f[1],
	    .tenant = f[2],
	    .subject = f[3],
	    .domain = f[4],
	    .identity = f[5],
	    .priority = (int)(number(f[0]) / 4),
	    .enabled = !flag(f[0], 'x')};

	keystore_rows_add_rule(all, &row);
}

static void
add_key(struct keystore_rows *all, const struct span *f)
{
	struct store_key row = {.id = f[2],
	    .tenant = f[0],
	    .domain = f[1],
	    .selector = f[2],
	    .algorithm = f[5].n == 0 ? SPAN_LIT("rsa-sha256") : f[5],
	    .times = {.active = number(f[3]), .sign_until = number(f[4])}};

	if (keystore_rows_add_key(all, &row, NULL) != ST_OK)
		abort();
}

static void
add_row(struct keystore *store, char kind, const struct span *f)
{
	struct memstore *m = memstore_of(store);

	switch (kind) {
	case 'T':
		keystore_rows_add_tenant(
		    m->all, &(struct store_tenant){
				.name = f[0], .enabled = !flag(f[1], 'x'), .failure = f[2]});
		break;
	case 'D':
		keystore_rows_add_domain(m->all, &(struct store_domain){.name = f[0],
						     .tenant = f[1],
						     .subdomains = flag(f[2], 's'),
						     .enabled = !flag(f[2], 'x'),
						     .signs_as = f[3],
						     .failure = f[4],
						     .signature_ttl_s = -1});
		break;
	case 'R':
		add_rule(m->all, f);
		break;
	case 'K':
		add_key(m->all, f);
		break;
	case 'B':
		keystore_rows_add_binding(
		    m->all, &(struct store_binding){.subject = f[0], .tenant = f[1]});
		break;
	case 'L':
		m->lies = (unsigned)number(f[0]) & 7U;
		break;
	default:
		break;
	}
}

/* The tenant of the nearest row of the sender's domain and its parents. */
static bool
owner_of(const struct keystore_rows *all, struct span domain, struct span *owner)
{
	while (domain.n > 0) {
		size_t dot = span_find(domain, '.');

		for (size_t i = 0; i < all->domain_count; i++)
			if (span_eq(all->domains[i].name, domain)) {
				*owner = all->domains[i].tenant;
				return true;
			}
		domain = dot == SIZE_MAX ? SPAN_EMPTY : span_from(domain, dot + 1);
	}
	return false;
}

static void
hold(bool fact)
{
	if (!fact)
		abort();
}

static void
check_signing(const struct memstore *m, const struct route_question *q, const struct route *route)
{
	struct span owner;
	size_t labels = 1;

	for (size_t i = 0; i < q->domain.n; i++)
		labels += q->domain.p[i] == '.';
	hold(route->key_count > 0 && route->key_count <= 2 && route->tenant.n > 0);
	hold(q->tenant.n == 0 ? !q->required : span_eq(route->tenant, q->tenant));
	if (labels <= ROUTE_PARENTS_MAX && owner_of(m->all, q->domain, &owner))
		hold(span_eq(owner, route->tenant));
	for (size_t i = 0; i < route->key_count; i++) {
		hold(span_eq(route->keys[i]->tenant, route->tenant));
		hold(span_eq(route->keys[i]->domain, route->domain));
		hold(key_may_sign(&route->keys[i]->times, NOW));
		hold(keystore_domain_is_valid(route->keys[i]->selector));
	}
	hold(route->identity.n == 0 || span_ends(route->identity, route->domain));
}

static void
ask_route(struct keystore *store, struct pattern_cache *cache, const struct span *f)
{
	struct route_question q = {.tenant = f[0],
	    .user = f[1],
	    .domain = f[2],
	    .required = f[3].n > 0,
	    .now_utc = NOW,
	    .patterns = cache};
	struct err err = ERR_NONE;
	struct route route;
	enum status status = route_find(store, &q, &route, &err);

	hold(status == ST_OK || status == ST_UNAVAILABLE || status == ST_INVALID);
	hold(status == ST_OK || err.text[0] != '\0');
	hold(status != ST_OK || route.why[0] != '\0');
	hold(memchr(route.why, '\0', sizeof(route.why)) != NULL);
	for (const char *p = route.why; *p != '\0'; p++)
		hold(*p >= ' ' && *p <= '~');
	if (status == ST_OK && route.answer == ROUTE_SIGN)
		check_signing(memstore_of(store), &q, &route);
	else
		hold(route.key_count == 0);
	route_release(&route);
}

static void
ask_tenant(struct keystore *store, const struct span *f)
{
	static const uint8_t address[4] = {192, 0, 2, 1};
	struct tenant_session session = {
	    .login = f[4], .host = f[5], .family = f[3].n > 0 ? 4 : 0, .address = address};
	char tenant[KEYSTORE_TENANT_MAX + 1];
	struct span subjects[TENANT_SUBJECTS_MAX];
	struct err err = ERR_NONE;
	struct buf room;
	size_t count;

	buf_init(&room, 16384);
	hold(tenant_subjects(&session, &room, subjects, &count) == ST_OK);
	hold(count > 0 && span_eq_str(subjects[count - 1], "*"));
	for (size_t i = 0; i + 1 < count; i++)
		hold(span_starts(subjects[i], SPAN_LIT("login:")) ||
		     (session.login.n == 0 && span_starts(subjects[i], SPAN_LIT("client:"))));
	buf_free(&room);
	if (tenant_of_session(NULL, store, &session, tenant, &err) == ST_OK)
		hold(keystore_tenant_is_valid(span_str(tenant)));
	else
		hold(tenant[0] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keystore *store = memstore_new();
	struct pattern_cache *cache = pattern_cache_new();
	struct span rest = span_of(data, size), line;

	for (unsigned i = 0; i < LINES_MAX && rest.n > 0; i++) {
		struct span fields[FIELDS] = {SPAN_EMPTY};
		char kind;

		(void)span_cut(&rest, '\n', &line);
		if (line.n < 2)
			continue;
		kind = line.p[0];
		line = span_from(line, 2);
		for (size_t k = 0; k < FIELDS; k++)
			(void)span_cut(&line, '|', &fields[k]);
		if (kind != '?') {
			add_row(store, kind, fields);
			continue;
		}
		ask_route(store, cache, fields);
		ask_tenant(store, fields);
	}
	pattern_cache_free(cache);
	keystore_close(store);
	return 0;
}
