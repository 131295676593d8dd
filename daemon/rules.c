/*
 * rules.c - opening the data sets of a configuration.
 * Called by the keeper when it starts and by -n; the decision (decision.c) reads what is opened
 * here. It must never be called where hostile mail is parsed: a KeyTable may hold keys.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "backends/settings.h"
#include "daemon/keycache.h"
#include "daemon/rules.h"
#include "daemon/settings.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/cached_keystore.h"
#include "lib/store/cached_table.h"
#include "lib/store/keytable.h"
#include "lib/store/pattern_cache.h"

#define SCOPE_MAX 8192U /* octets of a table's scope */

/* Is what was known used while its source is away? */
static bool
wants_stale(const struct failure_policy *failure)
{
	unsigned action = failure->action[FAILURE_STORE];

	return action == FAILURE_ACTION_UNSET || action == FAILURE_ACTION_STALE;
}

/* What tables and the KeyStore are opened with. */
struct open {
	const struct conf *conf;
	struct rules_sharing sharing;
	const struct failure_policy *failure; /* for a table that is asked for messages */
};

/* Whose rows they are in the cache that gateways share: of this site, parameter and table. */
static void
table_scope(const struct conf *conf, enum conf_parameter parameter, struct buf *scope)
{
	const char *prefix = conf_string(conf, CONF_MEMCACHED_PREFIX);

	buf_init(scope, SCOPE_MAX);
	buf_add_str(scope, prefix == NULL ? "" : prefix);
	buf_add_char(scope, '\0');
	buf_add_str(scope, conf_name(parameter));
	buf_add_char(scope, '\0');
	buf_add_str(scope, conf_string(conf, parameter));
}

/* What is read from a server is kept for a while, unless CacheTTL is 0. */
static struct table *
behind_cache(const struct open *open, enum conf_parameter parameter, struct table *table)
{
	const struct conf *conf = open->conf;
	int64_t stale_ms = conf_int(conf, CONF_CACHE_STALE_TTL) * 1000;
	/* Rows of tables are small, and soon read again. */
	struct cached_table_config config = {
	    .bytes_max = (size_t)conf_int(conf, CONF_CACHE_SIZE) / 4,
	    .fresh_ms = conf_int(conf, CONF_CACHE_TTL) * 1000,
	    .absent_ms = conf_int(conf, CONF_CACHE_NEGATIVE_TTL) * 1000,
	    .stale_ms = wants_stale(open->failure) ? stale_ms : 0,
	    .shared = open->sharing.cache,
	    .shared_anew = open->sharing.anew};
	struct buf scope;

	if (config.fresh_ms == 0)
		return table;
	table_scope(conf, parameter, &scope);
	/* What is in memcached need not be there twice, and a scope that is cut off is none. */
	if (strcmp(table->ops->type, "memcache") == 0 || buf_status(&scope) != ST_OK)
		config.shared = NULL;
	config.shared_scope = buf_span(&scope);
	table = cached_table_new(table, &config);
	buf_free(&scope);
	return table;
}

/* open->failure NULL: it is listed now. */
static enum status
open_table(const struct open *open, enum conf_parameter parameter, unsigned flags,
    struct table **out, struct err *err)
{
	const struct conf *conf = open->conf;
	const char *spec = conf_string(conf, parameter);
	struct backend_settings settings;
	enum status status;

	if (spec == NULL)
		return ST_OK;
	status = table_open(
	    backend_registry_for(conf, &settings), conf_name(parameter), spec, flags, out, err);
	if (status != ST_OK)
		return status;
	table_report_log(*out);
	if (open->failure != NULL)
		*out = behind_cache(open, parameter, *out);
	return ST_OK;
}

static enum status
open_hosts(const struct open *open, enum conf_parameter parameter, struct table **table,
    struct hostlist **out, struct err *err)
{
	enum status status = open_table(open, parameter, TABLE_ICASE, table, err);

	if (status != ST_OK || *table == NULL)
		return status;
	return hostlist_open(conf_name(parameter), *table, out, err);
}

static enum status
open_macros(const struct conf *conf, struct rules *rules, struct err *err)
{
	const struct open open = {.conf = conf};
	struct table *table = NULL;
	enum status status = open_table(&open, CONF_MACRO_LIST, TABLE_VALUE_LIST, &table, err);

	if (status != ST_OK || table == NULL)
		return status;
	status = list_read(table, &rules->macros, err);
	rules->has_macros = status == ST_OK;
	table_close(table);
	return status;
}

struct opening {
	enum conf_parameter parameter;
	unsigned flags;
	size_t at; /* offset of the struct table * in struct rules */
};

static const struct opening openings[] = {
    {CONF_SIGNING_TABLE, TABLE_ICASE | TABLE_ASCII_ONLY | TABLE_VALUE_NEEDED,
	offsetof(struct rules, signing)},
    {CONF_KEY_TABLE, TABLE_SECRET | TABLE_VALUE_NEEDED, offsetof(struct rules, keys)},
    {CONF_EXEMPT_DOMAINS, TABLE_ICASE, offsetof(struct rules, exempt)},
    {CONF_MTA, 0, offsetof(struct rules, mta)},
    {CONF_DONT_SIGN_MAIL_TO, TABLE_ICASE, offsetof(struct rules, dont_sign)},
    {CONF_TRUST_SIGNATURES_FROM, TABLE_ICASE, offsetof(struct rules, trusted)},
    {CONF_SHADOW_SIGNER, TABLE_ICASE, offsetof(struct rules, shadow)},
    {CONF_TENANT_MAP, TABLE_ICASE | TABLE_VALUE_NEEDED, offsetof(struct rules, tenant_map)},
};

/* The KeyStore, and the cache in front of it. */
static enum status
open_store(const struct open *open, struct rules *rules, struct err *err)
{
	const struct conf *conf = open->conf;
	const char *prefix = conf_string(conf, CONF_MEMCACHED_PREFIX);
	const char *spec = conf_string(conf, CONF_KEY_STORE);
	const struct cached_keystore_config config = {
	    .bytes_max = (size_t)conf_int(conf, CONF_CACHE_SIZE),
	    .poll_ms = conf_int(conf, CONF_KEY_STORE_POLL_INTERVAL) * 1000,
	    .absent_ms = conf_int(conf, CONF_CACHE_NEGATIVE_TTL) * 1000,
	    .stale_ms = conf_int(conf, CONF_CACHE_STALE_TTL) * 1000,
	    .shared = open->sharing.cache,
	    .shared_prefix = span_str(prefix == NULL ? "" : prefix)};
	struct backend_settings settings;
	struct keystore *store = NULL;
	enum status status;

	if (spec == NULL)
		return ST_OK;
	rules->patterns = pattern_cache_new();
	status = keystore_open(backend_keystores_for(conf, &settings), spec, false, &store, err);
	if (status == ST_OK && config.bytes_max > 0)
		return cached_keystore_new(store, &config, &rules->store, err);
	rules->store = store;
	return status;
}

/* What FailurePolicy leaves open. */
static enum status
read_failures(const struct conf *conf, struct rules *rules, struct err *err)
{
	const char *text = conf_string(conf, CONF_FAILURE_POLICY);
	enum conf_action action;
	enum status status = failure_parse(span_str(text), &rules->failure, err);

	if (status != ST_OK) {
		err_prefix(err, "FailurePolicy");
		return status;
	}
	for (size_t i = 0; i < FAILURE_CAUSES; i++)
		rules->failure_else[i] = VERDICT_TEMPFAIL;
	rules->failure_else[FAILURE_NO_RULE] = VERDICT_PASS;
	rules->failure_else[FAILURE_TENANT] = VERDICT_PASS;
	status = settings_action(conf, CONF_ON_INTERNAL_ERROR, &action, err);
	if (status != ST_OK)
		return status;
	rules->failure_else[FAILURE_UNREADABLE] = settings_verdict(action);
	status = settings_action(conf, CONF_ON_SIGNATURE_ERROR, &action, err);
	if (status == ST_OK)
		rules->failure_else[FAILURE_CRYPTO] = settings_verdict(action);
	return status;
}

static enum status
open_all(const struct open *open, struct rules *rules, struct err *err)
{
	enum status status = read_failures(open->conf, rules, err);

	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]) && status == ST_OK; i++)
		status = open_table(open, openings[i].parameter, openings[i].flags,
		    (struct table **)(void *)((char *)rules + openings[i].at), err);
	if (status == ST_OK && rules->keys == NULL)
		status = open_table(open, CONF_DOMAIN, TABLE_ICASE, &rules->domains, err);
	if (status == ST_OK)
		status =
		    open_hosts(open, CONF_PEER_LIST, &rules->host_tables[0], &rules->peers, err);
	if (status == ST_OK)
		status = open_hosts(
		    open, CONF_INTERNAL_HOSTS, &rules->host_tables[1], &rules->internal, err);
	if (status == ST_OK)
		status = open_hosts(
		    open, CONF_EXTERNAL_IGNORE_LIST, &rules->host_tables[2], &rules->ignored, err);
	if (status == ST_OK)
		status = open_macros(open->conf, rules, err);
	if (status == ST_OK)
		status = open_store(open, rules, err);
	return status;
}

/* InternalHosts that somebody wrote, with this machine in it: what a content filter sends back is
 * signed then, whoever sent it. The default is left alone: most gateways have no such filter. */
static enum status
warn_of_loop_back(const struct conf *conf, const struct rules *rules, struct err *err)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	enum status status;

	if (!conf_is_set(conf, CONF_INTERNAL_HOSTS) || !rules->sign ||
	    (rules->origins & 1U << CONF_ORIGIN_INTERNAL) == 0)
		return ST_OK;
	status = hostlist_match(
	    rules->internal, SPAN_EMPTY, (const struct sockaddr *)(const void *)&address, err);
	if (status == ST_OK)
		log_line(LOG_LEVEL_WARNING,
		    "InternalHosts has 127.0.0.1 in it: if a content filter on this machine sends "
		    "mail back to an MTA that asks this milter, anybody outside can have mail "
		    "signed as your domains; see SignOnly in signpostd.conf(5)");
	/* A table that does not answer now is asked again for each message. */
	*err = (struct err)ERR_NONE;
	return ST_OK;
}

static char *
copy_of(const char *text)
{
	return text == NULL ? NULL : mem_strdup(text);
}

/* KeyFile is always a path, also "mail.private"; the key cache tells paths by their beginning. */
static char *
path_of(const char *text)
{
	struct buf path;
	char *copy;

	if (text == NULL || keytable_key_is_path(span_str(text)))
		return copy_of(text);
	buf_init(&path, strlen(text) + 2);
	buf_add_str(&path, "./");
	buf_add_str(&path, text);
	copy = mem_strdup(buf_text(&path));
	buf_free(&path);
	return copy;
}

enum status
rules_open(const struct conf *conf, const struct rules_sharing *sharing, struct rules **rules_out,
    struct err *err)
{
	struct rules *rules = mem_zalloc(1, sizeof(*rules));
	struct open open = {.conf = conf, .failure = &rules->failure};
	enum status status =
	    conf_mode(conf_string(conf, CONF_MODE), &rules->sign, &rules->verify, err);

	if (status == ST_OK)
		status = conf_sender_match(
		    conf_string(conf, CONF_REQUIRE_SENDER_MATCH), &rules->sender_match, err);

	if (sharing != NULL)
		open.sharing = *sharing;
	if (status == ST_OK)
		status = conf_origins(conf_string(conf, CONF_SIGN_ONLY), &rules->origins, err);
	rules->shadowing = conf_is_set(conf, CONF_SHADOW_REPORT);
	if (rules->shadowing)
		rules->verify = false;
	rules->key_file = path_of(conf_string(conf, CONF_KEY_FILE));
	rules->selector = copy_of(conf_string(conf, CONF_SELECTOR));
	rules->subdomains = conf_bool(conf, CONF_SUB_DOMAINS);
	rules->multiple = conf_bool(conf, CONF_MULTIPLE_SIGNATURES);
	rules->log_why = conf_bool(conf, CONF_LOG_WHY);
	rules->require_tenant = conf_bool(conf, CONF_REQUIRE_TENANT);
	rules->require_safe = conf_bool(conf, CONF_REQUIRE_SAFE_KEYS);
	rules->request_reports = conf_bool(conf, CONF_REQUEST_REPORTS);
	rules->signature_ttl_s = conf_int(conf, CONF_SIGNATURE_TTL);
	rules->fixed_time_utc = -1;
	if (status == ST_OK)
		status = open_all(&open, rules, err);
	if (status == ST_OK)
		status = warn_of_loop_back(conf, rules, err);
	if (status != ST_OK) {
		rules_close(rules);
		return status;
	}
	*rules_out = rules;
	return ST_OK;
}

void
rules_close(struct rules *rules)
{
	if (rules == NULL)
		return;
	watcher_stop(rules->watcher);
	hostlist_close(rules->peers);
	hostlist_close(rules->internal);
	hostlist_close(rules->ignored);
	for (size_t i = 0; i < 3; i++)
		table_close(rules->host_tables[i]);
	table_close(rules->signing);
	table_close(rules->keys);
	table_close(rules->domains);
	table_close(rules->exempt);
	table_close(rules->mta);
	table_close(rules->dont_sign);
	table_close(rules->trusted);
	table_close(rules->shadow);
	table_close(rules->tenant_map);
	keystore_close(rules->store);
	pattern_cache_free(rules->patterns);
	list_free(&rules->macros);
	mem_free(rules->key_file);
	mem_free(rules->selector);
	mem_free(rules);
}

enum status
rules_watch(struct rules *rules, struct err *err)
{
	struct table *const tables[] = {rules->signing, rules->keys, rules->domains, rules->exempt,
	    rules->mta, rules->dont_sign, rules->trusted, rules->tenant_map, rules->host_tables[0],
	    rules->host_tables[1], rules->host_tables[2], rules->shadow};
	enum status status = watcher_start(&rules->watcher, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i] != NULL)
			watcher_add(rules->watcher, tables[i]);
	return ST_OK;
}

struct check {
	struct rules *rules;
	struct keycache *cache; /* NULL: do not read keys */
	struct digest *digest;
	size_t faults;
};

/* where: who names the key. */
static void
check_key(struct check *check, struct span text, const char *where)
{
	const struct keycache_name name = {.text = text};
	struct cached_key *cached = NULL;
	struct err err = ERR_NONE;

	if (check->cache == NULL || span_find(text, '%') != SIZE_MAX)
		return;
	if (keycache_get(check->cache, &name, check->digest, clock_mono_ms(), &cached, &err) !=
	    ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s: %s", where, err.text);
		check->faults++;
	}
	cached_key_release(cached);
}

/* One rule: "keyname[:signer]". Names with '%' depend on the message and are left alone. */
static bool
check_rule(void *context, struct span key, struct span value, unsigned line)
{
	struct check *check = context;
	struct keytable_entry entry = {.line = 0};
	struct span keyname, rest = value;
	struct err err = ERR_NONE;
	enum status status;
	char where[512];

	(void)key;
	span_cut(&rest, ':', &keyname);
	if (value.n == 0)
		return true; /* reported when the table was read */
	if (span_find(keyname, '%') != SIZE_MAX)
		return true;
	status = keytable_lookup(
	    check->rules->keys, keyname, SPAN_LIT("signpost.invalid"), &entry, &err);
	if (status != ST_OK) {
		log_line(LOG_LEVEL_WARNING, "SigningTable %s line %u: %s",
		    check->rules->signing->where, line, err.text);
		check->faults++;
		return true;
	}
	snprintf(where, sizeof(where), "SigningTable %s line %u, KeyTable %s line %u",
	    check->rules->signing->where, line, check->rules->keys->where, entry.line);
	check_key(check, entry.key, where);
	keytable_entry_release(&entry);
	return true;
}

/* Lines of a table that are not used. */
static size_t
bad_lines(struct table *table)
{
	struct table_report report;

	if (table == NULL)
		return 0;
	table_report(table, &report);
	return report.problem_count;
}

size_t
rules_check(struct rules *rules, bool deep)
{
	struct check check = {.rules = rules};
	struct table *signing = rules->signing;

	if (deep) {
		check.cache = keycache_new(KEYCACHE_BYTES_MIN, rules->require_safe, NULL);
		check.digest = digest_new();
		check.faults = bad_lines(rules->signing) + bad_lines(rules->keys);
	}
	if (rules->key_file != NULL && rules->keys == NULL)
		check_key(&check, span_str(rules->key_file), conf_name(CONF_KEY_FILE));
	if (signing != NULL && rules->keys != NULL) {
		if (signing->ops->walk_patterns != NULL)
			(void)!signing->ops->walk_patterns(signing, check_rule, &check);
		else if (signing->ops->walk != NULL)
			(void)!table_walk(signing, check_rule, &check, NULL);
	}
	keycache_free(check.cache);
	digest_free(check.digest);
	return check.faults;
}

enum status
rules_list(
    const struct conf *conf, enum conf_parameter parameter, char ***items_out, struct err *err)
{
	const struct open open = {.conf = conf};
	struct table *table = NULL;
	struct list list = {.count = 0};
	enum status status = open_table(&open, parameter, TABLE_ICASE, &table, err);

	*items_out = NULL;
	if (status != ST_OK || table == NULL)
		return status;
	status = list_read(table, &list, err);
	table_close(table);
	if (status != ST_OK)
		return status;
	*items_out = mem_zalloc(list.count + 1, sizeof(char *));
	for (size_t i = 0; i < list.count; i++)
		(*items_out)[i] = mem_strdup(list.items[i]);
	list_free(&list);
	return ST_OK;
}

void
rules_list_free(char **items)
{
	for (size_t i = 0; items != NULL && items[i] != NULL; i++)
		mem_free(items[i]);
	mem_free(items);
}
