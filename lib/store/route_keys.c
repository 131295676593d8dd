/*
 * route_keys.c - the keys of a signing domain: which may sign, and why none does.
 * Called by route.c with the last of its answers; asks nobody.
 * It must never use a key of another domain or tenant, whatever else is in the answer.
 */
#include <string.h>

#include "lib/store/route_choose.h"

static enum status
check_key(const struct store_key *key, struct err *err)
{
	struct keystore_write write;
	enum status status;

	write.life = false;
	write.what = STORE_KEY;
	write.row.key = *key;
	/* Whoever opens them reads all of their octets. */
	write.row.key.private_key = write.row.key.public_key = SPAN_EMPTY;
	status = keystore_write_check(&write, err);
	if (status != ST_OK)
		err_prefix(err, "the row of a key of domain %.*s", SPAN_ARG(key->domain));
	return status;
}

static bool
is_newer(const struct store_key *a, const struct store_key *b)
{
	if (b == NULL || a->times.active != b->times.active)
		return b == NULL || a->times.active > b->times.active;
	return span_compare(a->id, b->id) < 0;
}

static bool
belongs(const struct store_key *key, struct span domain, struct span tenant)
{
	return span_eq(key->domain, domain) && span_eq(key->tenant, tenant);
}

/* The newest key of an algorithm (NULL: of any) for which test says yes (NULL: any). */
static const struct store_key *
newest(const struct keystore_rows *rows, const struct store_domain *row, const char *algorithm,
    bool (*test)(const struct store_key *key, const struct store_moment *moment),
    const struct store_moment *moment)
{
	const struct store_key *best = NULL;

	for (size_t i = 0; i < rows->key_count; i++) {
		const struct store_key *key = &rows->keys[i];

		if (belongs(key, row->name, row->tenant) &&
		    (algorithm == NULL || span_eq_str(key->algorithm, algorithm)) &&
		    (test == NULL || test(key, moment)) && is_newer(key, best))
			best = key;
	}
	return best;
}

static enum status
choose_keys(const struct keystore_rows *rows, const struct store_moment *moment,
    struct route_keys *out, struct err *err)
{
	static const char *const algorithms[] = {"rsa-sha256", "ed25519-sha256"};
	bool lease = false;

	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		const struct store_key *key =
		    newest(rows, out->row, algorithms[i], store_key_may_sign, moment);

		lease = lease ||
			newest(rows, out->row, algorithms[i], store_key_lease_over, moment) != NULL;
		if (key == NULL)
			continue;
		if (check_key(key, err) != ST_OK)
			return ST_INVALID;
		out->keys[out->count++] = key;
	}
	out->target = out->count > 0 ? TARGET_KEYS : lease ? TARGET_LEASE : TARGET_NO_KEY;
	if (out->count == 0)
		out->nearly =
		    newest(rows, out->row, NULL, lease ? store_key_lease_over : NULL, moment);
	return ST_OK;
}

/* The row of the signing domain and of its tenant, before its keys are looked at. */
static enum status
check_target(const struct keystore_rows *rows, struct span domain, struct span tenant,
    struct route_keys *out, struct err *err)
{
	enum status status = route_row_of(rows, domain, &out->row, err);

	out->target = TARGET_NONE;
	if (status != ST_OK)
		return status == ST_ABSENT ? ST_OK : status;
	out->target = TARGET_FOREIGN;
	if (!span_eq(out->row->tenant, tenant))
		return ST_OK;
	if (route_check_domain(out->row, err) != ST_OK) {
		out->row = NULL;
		return ST_INVALID;
	}
	if (route_tenant_row(rows, tenant) == NULL) {
		err_set(err, "domain %.*s is of tenant %.*s, who has no row in the store",
		    SPAN_ARG(domain), SPAN_ARG(tenant));
		return ST_INVALID;
	}
	out->target = route_tenant_off(rows, tenant) ? TARGET_CLOSED
		      : out->row->enabled            ? TARGET_KEYS
						     : TARGET_DISABLED;
	return ST_OK;
}

enum status
route_choose_keys(const struct keystore_rows *rows, struct span domain, struct span tenant,
    const struct store_moment *moment, struct route_keys *out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	out->silent_ms = moment->silent_ms;
	status = check_target(rows, domain, tenant, out, err);
	if (status != ST_OK || out->target != TARGET_KEYS)
		return status;
	return choose_keys(rows, moment, out, err);
}
