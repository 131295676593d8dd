/*
 * keystore.c - the front of every key store: chooses the backend and passes questions on.
 * Called by the keeper's threads through route.c and tenant.c, and by the tools.
 * It must never turn "could not ask" into "no rows", nor put a specification (it may hold a
 * password) into a message.
 */
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/keystore.h"

static const struct keystore_ops *
registry_find(const struct keystore_registry *registry, struct span scheme)
{
	for (size_t i = 0; i < registry->count; i++)
		if (span_ieq_str(scheme, registry->ops[i]->scheme))
			return registry->ops[i];
	return NULL;
}

/* Only what stands in front of ':' is shown. */
static enum status
refuse_scheme(struct span scheme, bool has_scheme, struct err *err)
{
	if (!has_scheme)
		err_set(err,
		    "KeyStore: no kind of store; write sqlite:/PATH, mysql://... or ldap://...");
	else
		err_set(err,
		    "KeyStore: \"%.*s\" is no kind of store of this build; it knows sqlite, mysql "
		    "and ldap, each when it is built with its library",
		    scheme.n > 32 ? 32 : (int)scheme.n, scheme.p);
	return ST_INVALID;
}

enum status
keystore_open(const struct keystore_registry *registry, const char *spec, bool write,
    struct keystore **out, struct err *err)
{
	struct span rest = span_trim(span_str(spec)), scheme;
	bool has_scheme = span_cut(&rest, ':', &scheme);
	const struct keystore_ops *ops = has_scheme ? registry_find(registry, scheme) : NULL;
	struct keystore *store;
	enum status status;

	*out = NULL;
	if (ops == NULL)
		return refuse_scheme(scheme, has_scheme, err);
	store = mem_zalloc(1, sizeof(*store));
	store->ops = ops;
	store->settings = registry->settings;
	status = ops->open(store, rest, write, err);
	store->settings = NULL;
	if (status != ST_OK) {
		err_prefix(err, "KeyStore");
		mem_free(store->where);
		mem_free(store->file);
		mem_free(store);
		return status;
	}
	if (store->where == NULL)
		store->where = mem_strdup(ops->scheme);
	*out = store;
	return ST_OK;
}

void
keystore_close(struct keystore *store)
{
	if (store == NULL)
		return;
	store->ops->close(store);
	mem_free(store->where);
	mem_free(store->file);
	mem_free(store);
}

/* ---- questions ---- */

static enum status
nothing(struct keystore_rows **out)
{
	*out = keystore_rows_new();
	return ST_OK;
}

static bool
may_be_subject(struct span text)
{
	return text.n > 0 && text.n <= KEYSTORE_SUBJECT_MAX && span_is_text(text);
}

/* How many rules have this subject? name: of a suffix without its '.'. */
static size_t
count_rules(const struct keystore_rows *rows, struct span name)
{
	size_t count = 0;

	for (size_t i = 0; i < rows->rule_count; i++) {
		const struct store_rule *rule = &rows->rules[i];
		bool suffix = rule->kind == STORE_RULE_SUFFIX && rule->subject.n > 0;

		count += span_eq(suffix ? span_from(rule->subject, 1) : rule->subject, name);
	}
	return count;
}

/* Each message reads all rules of its sender, so one tenant could slow another down with them. No
 * store takes so many by our writers. names: that were asked about, domains or an address. */
static enum status
check_rules(const struct keystore *store, enum status status, const struct span *names,
    size_t count, struct keystore_rows **out, struct err *err)
{
	if (status != ST_OK || (*out)->rule_count <= KEYSTORE_RULES_MAX)
		return status;
	for (size_t i = 0; i < count; i++) {
		if (count_rules(*out, names[i]) <= KEYSTORE_RULES_MAX)
			continue;
		keystore_rows_release(*out);
		*out = NULL;
		err_set(err,
		    "%s: there are more than %u rules with the subject %.*s, or below it; "
		    "remove some",
		    store->where, KEYSTORE_RULES_MAX, SPAN_ARG(names[i]));
		return ST_TOO_BIG;
	}
	return ST_OK;
}

enum status
keystore_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (count > KEYSTORE_NAMES_MAX) {
		err_set(err, "%s: more than %u names in one question", store->where,
		    KEYSTORE_NAMES_MAX);
		return ST_TOO_BIG;
	}
	for (size_t i = 0; i < count; i++)
		if (!keystore_domain_is_valid(names[i]))
			return nothing(out);
	if (count == 0)
		return nothing(out);
	return check_rules(
	    store, store->ops->senders(store, names, count, out, err), names, count, out, err);
}

enum status
keystore_address(
    struct keystore *store, struct span address, struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (!may_be_subject(address))
		return nothing(out);
	return check_rules(
	    store, store->ops->address(store, address, out, err), &address, 1, out, err);
}

enum status
keystore_patterns(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (!keystore_tenant_is_valid(tenant))
		return nothing(out);
	return store->ops->patterns(store, tenant, out, err);
}

enum status
keystore_keys(
    struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (!keystore_domain_is_valid(domain))
		return nothing(out);
	return store->ops->keys(store, domain, out, err);
}

enum status
keystore_keys_heard(struct keystore *store, struct span domain, struct keystore_rows **out,
    int64_t *silent_ms_out, struct err *err)
{
	*silent_ms_out = 0;
	if (store->ops->keys_heard == NULL || !keystore_domain_is_valid(domain))
		return keystore_keys(store, domain, out, err);
	*out = NULL;
	return store->ops->keys_heard(store, domain, out, silent_ms_out, err);
}

enum status
keystore_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct span asked[KEYSTORE_NAMES_MAX];
	size_t n = 0;

	*out = NULL;
	if (count > KEYSTORE_NAMES_MAX) {
		err_set(err, "%s: more than %u subjects in one question", store->where,
		    KEYSTORE_NAMES_MAX);
		return ST_TOO_BIG;
	}
	for (size_t i = 0; i < count; i++)
		if (may_be_subject(subjects[i]))
			asked[n++] = subjects[i];
	return n == 0 ? nothing(out) : store->ops->bindings(store, asked, n, out, err);
}

/* ---- who may sign ---- */

static bool
lease_ended(const struct store_key *key, int64_t silent_ms)
{
	return key->lease_s > 0 && silent_ms / 1000 >= key->lease_s;
}

bool
store_key_may_sign(const struct store_key *key, const struct store_moment *moment)
{
	return key_may_sign(&key->times, moment->now_utc) && !lease_ended(key, moment->silent_ms);
}

bool
store_key_lease_over(const struct store_key *key, const struct store_moment *moment)
{
	return key_lease_over(&key->times, moment->now_utc) ||
	       (key_may_sign(&key->times, moment->now_utc) && lease_ended(key, moment->silent_ms));
}

/* ---- changes ---- */

/* All goes on without one, as it did before there were any. */
static void
note_nameless(struct keystore *store)
{
	if (!atomic_exchange(&store->said_nameless, true))
		log_line(LOG_LEVEL_NOTICE,
		    "KeyStore %s has no identity, by which a backup that was put back is noticed; "
		    "run 'signpost store init' (in a directory after loading the new schema)",
		    store->where);
}

enum status
keystore_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	enum status status;

	*count_out = 0;
	*state_out = (struct store_state){.epoch = 0};
	status = store->ops->changes(store, since, max, out, count_out, state_out, err);
	if ((status == ST_OK || status == ST_TOO_BIG) && state_out->identity[0] == '\0')
		note_nameless(store);
	return status;
}
