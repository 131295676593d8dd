/*
 * keystore_ldap.c - a key store in a directory: the questions of the daemon.
 * Called through keystore.c by the keeper's workers; ldap_pool.h has the connections.
 * It must never tell an answer that did not come, or a part of one, as "no rows": each answer has
 * the entry with the epoch in it, or it is none.
 */
#include "backends/keystore_ldap_admin_private.h"
#include "backends/registry.h"
#include "lib/base/mem.h"

#define SENDERS_MAX                                                                                \
	2000U         /* rules and domains of a sender: ldif/acl.ldif lets a gateway have that */
#define KEYS_MAX 512U /* that are read, to give the KEYSTORE_KEYS_MAX newest */

/* ---- the questions ---- */

/* Makes the question of filter, and of probe if that has a text. */
static enum status
ask(struct ldapstore_question *q, struct buf *filter, struct buf *probe, struct keystore_rows **out,
    struct err *err)
{
	enum status status = buf_status(filter);

	if (status != ST_OK) {
		err_set(err, "%s: the question is too long", q->store->where);
	} else {
		q->filter = buf_text(filter);
		q->probe = probe == NULL ? NULL : buf_text(probe);
		status = ldapstore_answer(q, out, err);
	}
	buf_free(filter);
	if (probe != NULL)
		buf_free(probe);
	return status;
}

static enum status
ask_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct ldapstore_question q = {.store = store->state,
	    .names = names,
	    .name_count = count,
	    .kind = STORE_RULE_DOMAIN,
	    .entries_max = SENDERS_MAX};
	struct buf filter, probe;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	buf_init(&probe, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_senders(&filter, names, count);
	ldapstore_filter_address_rules(&probe, names[0]);
	return ask(&q, &filter, &probe, out, err);
}

static enum status
ask_address(
    struct keystore *store, struct span address, struct keystore_rows **out, struct err *err)
{
	struct ldapstore_question q = {.store = store->state,
	    .names = &address,
	    .name_count = 1,
	    .kind = STORE_RULE_ADDRESS,
	    .entries_max = 1 + KEYSTORE_RULES_MAX};
	struct buf filter;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_address(&filter, address);
	return ask(&q, &filter, NULL, out, err);
}

static enum status
ask_patterns(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	struct ldapstore_question q = {.store = store->state,
	    .names = &tenant,
	    .name_count = 1,
	    .tenant = tenant,
	    .kind = STORE_RULE_PATTERN,
	    .entries_max = 1 + KEYSTORE_PATTERNS_MAX};
	struct buf filter;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_patterns(&filter, tenant);
	return ask(&q, &filter, NULL, out, err);
}

static enum status
ask_keys(struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	struct ldapstore_question q = {
	    .store = store->state, .names = &domain, .name_count = 1, .entries_max = 2 + KEYS_MAX};
	struct buf filter;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_keys(&filter, domain);
	return ask(&q, &filter, NULL, out, err);
}

static enum status
ask_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct ldapstore_question q = {.store = store->state,
	    .names = subjects,
	    .name_count = count,
	    .entries_max = 1 + count};
	struct buf filter;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_bindings(&filter, subjects, count);
	return ask(&q, &filter, NULL, out, err);
}

/* ---- opening ---- */

static void
close_store(struct keystore *store)
{
	struct ldapstore *own = store->state;

	ldappool_close(&own->pool);
	ldapstore_names_free(own->names);
	pthread_mutex_destroy(&own->lock);
	mem_free(own);
}

static char *
describe(const struct ldapurl *url)
{
	struct buf text;
	char *where;

	buf_init(&text, LDAPURL_BYTES_MAX * 2);
	buf_add_str(&text, url->servers[0].uri);
	buf_add_char(&text, '/');
	buf_add_str(&text, url->base);
	where = mem_strdup(buf_text(&text));
	buf_free(&text);
	return where;
}

static enum status
open_store(struct keystore *store, struct span value, bool write, struct err *err)
{
	struct ldapstore *own = mem_zalloc(1, sizeof(*own));
	struct ldapurl url;
	enum status status = ldapurl_parse_store(store->ops->scheme, value, &url, err);

	if (status == ST_OK) {
		store->where = describe(&url);
		status =
		    ldappool_open(&own->pool, &url, store->settings, "KeyStore", store->where, err);
	}
	if (status != ST_OK) {
		ldapurl_free(&url);
		mem_free(own);
		return status;
	}
	own->base = own->pool.url.base;
	own->where = store->where;
	own->write = write;
	pthread_mutex_init(&own->lock, NULL);
	store->state = own;
	return ST_OK;
}

#define LDAP_KEYSTORE_OPS(name)                                                                    \
	{                                                                                          \
		.scheme = (name), .open = open_store, .close = close_store,                        \
		.senders = ask_senders, .address = ask_address, .patterns = ask_patterns,          \
		.keys = ask_keys, .bindings = ask_bindings, .changes = ldapstore_changes,          \
		.now = ldapstore_now, .migrate = ldapstore_migrate, .apply = ldapstore_apply,      \
		.renew = ldapstore_renew, .list = ldapstore_list, .find = ldapstore_find,          \
		.domains_of = ldapstore_domains_of, .apply_fenced = ldapstore_apply_fenced,        \
		.due = ldapstore_due, .lives = ldapstore_lives, .loading = ldapstore_loading,      \
		.gateways = ldapstore_gateways, .forget = ldapstore_forget,                        \
		.report = ldapstore_report, .lease = ldapstore_lease, .mirrors = true,             \
		.catches_up = true, .token = ldapadmin_ask_token,                                  \
		.provider = ldapadmin_ask_provider, .quota = ldapadmin_ask_quota,                  \
		.count = ldapadmin_count, .reply = ldapadmin_ask_reply,                            \
		.forget_replies = ldapadmin_forget_replies, .audits = ldapadmin_ask_audits,        \
		.audit_head = ldapadmin_ask_head,                                                  \
	}

const struct keystore_ops ldap_keystore_ops = LDAP_KEYSTORE_OPS("ldap");
const struct keystore_ops ldaps_keystore_ops = LDAP_KEYSTORE_OPS("ldaps");
const struct keystore_ops ldapi_keystore_ops = LDAP_KEYSTORE_OPS("ldapi");
