/*
 * keystore_driver.c - one key store, driven by lines on stdin; the same for every backend.
 *
 *   keystore_driver [-w] [-c CA.PEM] [-o NAME=VALUE]... SPEC
 *
 * -w: for writing. -c: TLS, verified by this authority. -o: a setting of directories (user,
 * password, mechanism, ca, tls, verify, timeout). Words are separated by blanks, %XX is an octet,
 * and "-" is the empty word. Each command is answered by its rows, one a line ("domain name=a.test
 * tenant=t ..."; only what is neither empty nor 0), and a last line "= ok ..." or
 * "= STATUS: sentence".
 *
 *   init                                           = ok from=0 to=2
 *   renew                                          = ok epoch=2 schema=2 identity=...
 *   senders NAME...   address A   patterns T   keys D   bindings S...
 *   changes SINCE [MAX]   now   list KIND AFTER MAX   find KIND NAME...
 *   add|change|put|remove KIND FIELD=VALUE...      queued, no answer; of keys also mirror_pem=
 *   apply                                          = ok, or = denied at=0: ...
 *   load domains TENANT COUNT PREFIX               = ok rows_per_s=...
 *   time KEYS|SENDERS COUNT NAME...                = ok us=... (of one question)
 *   threads N COUNT NAME                           = ok; N threads ask COUNT times each
 *
 * Of the life cycle of keys ("life" is queued like "change"; loading=now is the epoch of its
 * transaction):
 *
 *   life key|domain FIELD=VALUE...   slot key FIELD=VALUE...  (the slot is used again)
 *   fenced NAME OWNER FENCE                        apply, under a lease
 *   due NOW MAX   lives D...   loading SINCE MAX   gateways   forget NODE
 *   report FIELD=VALUE...
 *   lease NAME OWNER TTL                           = ok owner=... fence=... expires=...
 *   race NAME OWNER COUNT DOMAIN                   = ok; takes it COUNT times, counts in DOMAIN's
 *                                                  life, gives it back; "held fence=..." each
 *
 * Of tokens, providers, quotas, kept answers and the audit (kinds token, provider, quota, reply,
 * audit are queued like others):
 *
 *   token id|secret X   provider TENANT NAME   reply SCOPE KEY   forget_replies MAX
 *   quota TENANT   count TENANT                    = ok domains=... keys=...
 *   audits SEQ MAX oldest|newest [TENANT [ACTOR [OBJECT]]]
 *   audit_head                                     = ok seq=... hash=...
 *   audit_load COUNT BATCH                         = ok rows_per_s=...
 *   verify [SEQ HASH]                              = ok seq=...; behind this row, of the whole
 * chain
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/registry.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "tests/conformance/keystore_driver_audit.h"

#define WORDS_MAX 200
#define QUEUE_MAX 1100

enum type { TEXT, FLAG, INT, I64, U64, KIND };

struct field {
	const char *name;
	enum type type;
	size_t at;
};

#define FIELD(row, member, type)                                                                   \
	{                                                                                          \
#member, type, offsetof(struct row, member)                                        \
	}
#define TIME(member)                                                                               \
	{                                                                                          \
#member, I64, offsetof(struct store_key, times.member)                             \
	}

static const struct field tenant_fields[] = {FIELD(store_tenant, name, TEXT),
    FIELD(store_tenant, failure, TEXT), FIELD(store_tenant, enabled, FLAG),
    FIELD(store_tenant, revision, U64), {NULL, TEXT, 0}};
static const struct field policy_fields[] = {FIELD(store_policy, tenant, TEXT),
    FIELD(store_policy, name, TEXT), FIELD(store_policy, failure, TEXT),
    FIELD(store_policy, signature_ttl_s, I64), FIELD(store_policy, plan, TEXT),
    FIELD(store_policy, revision, U64), {NULL, TEXT, 0}};
static const struct field domain_fields[] = {FIELD(store_domain, name, TEXT),
    FIELD(store_domain, tenant, TEXT), FIELD(store_domain, signs_as, TEXT),
    FIELD(store_domain, policy, TEXT), FIELD(store_domain, failure, TEXT),
    FIELD(store_domain, signature_ttl_s, I64), FIELD(store_domain, subdomains, FLAG),
    FIELD(store_domain, enabled, FLAG), FIELD(store_domain, revision, U64),
    FIELD(store_domain, life, TEXT), FIELD(store_domain, due, I64), {NULL, TEXT, 0}};
static const struct field rule_fields[] = {FIELD(store_rule, id, TEXT),
    FIELD(store_rule, tenant, TEXT), FIELD(store_rule, kind, KIND),
    FIELD(store_rule, subject, TEXT), FIELD(store_rule, domain, TEXT),
    FIELD(store_rule, identity, TEXT), FIELD(store_rule, priority, INT),
    FIELD(store_rule, enabled, FLAG), FIELD(store_rule, revision, U64), {NULL, TEXT, 0}};
static const struct field key_fields[] = {FIELD(store_key, id, TEXT),
    FIELD(store_key, tenant, TEXT), FIELD(store_key, domain, TEXT),
    FIELD(store_key, selector, TEXT), FIELD(store_key, algorithm, TEXT),
    FIELD(store_key, public_key, TEXT), FIELD(store_key, private_key, TEXT),
    FIELD(store_key, bits, INT), FIELD(store_key, revision, U64),
    FIELD(store_key, row_revision, U64), TIME(created), TIME(publishing), TIME(published),
    TIME(proven), TIME(loaded), TIME(active), TIME(retiring), TIME(revoking), TIME(revoked),
    TIME(removed), TIME(destroyed), TIME(held), TIME(compromised), TIME(failed), TIME(sign_until),
    FIELD(store_key, lease_s, I64), FIELD(store_key, life, TEXT), FIELD(store_key, loading, U64),
    {NULL, TEXT, 0}};
static const struct field binding_fields[] = {
    FIELD(store_binding, subject, TEXT), FIELD(store_binding, tenant, TEXT), {NULL, TEXT, 0}};
static const struct field gateway_fields[] = {FIELD(store_gateway, node, TEXT),
    FIELD(store_gateway, version, TEXT), FIELD(store_gateway, epoch, U64),
    FIELD(store_gateway, tested, U64), FIELD(store_gateway, failed, TEXT),
    FIELD(store_gateway, offset_ms, I64), FIELD(store_gateway, started, I64),
    FIELD(store_gateway, at, I64), {NULL, TEXT, 0}};

static const struct field token_fields[] = {FIELD(store_token, id, TEXT),
    FIELD(store_token, tenant, TEXT), FIELD(store_token, name, TEXT),
    FIELD(store_token, secret, TEXT), FIELD(store_token, scopes, TEXT),
    FIELD(store_token, domains, TEXT), FIELD(store_token, networks, TEXT),
    FIELD(store_token, maker, TEXT), FIELD(store_token, created, I64),
    FIELD(store_token, expires, I64), FIELD(store_token, revoked, I64),
    FIELD(store_token, revision, U64), {NULL, TEXT, 0}};
static const struct field provider_fields[] = {FIELD(store_provider, tenant, TEXT),
    FIELD(store_provider, name, TEXT), FIELD(store_provider, kind, TEXT),
    FIELD(store_provider, address, TEXT), FIELD(store_provider, secret, TEXT),
    FIELD(store_provider, allow_private, INT), FIELD(store_provider, revision, U64),
    {NULL, TEXT, 0}};
static const struct field quota_fields[] = {FIELD(store_quota, tenant, TEXT),
    FIELD(store_quota, domains, I64), FIELD(store_quota, keys, I64),
    FIELD(store_quota, rotations, I64), FIELD(store_quota, requests, I64),
    FIELD(store_quota, day, I64), FIELD(store_quota, rotated, I64),
    FIELD(store_quota, revision, U64), {NULL, TEXT, 0}};
static const struct field reply_fields[] = {FIELD(store_reply, scope, TEXT),
    FIELD(store_reply, key, TEXT), FIELD(store_reply, body, TEXT), FIELD(store_reply, status, INT),
    FIELD(store_reply, answer, TEXT), FIELD(store_reply, at, I64), {NULL, TEXT, 0}};
static const struct field audit_fields[] = {FIELD(store_audit, seq, U64),
    FIELD(store_audit, at, I64), FIELD(store_audit, actor, TEXT), FIELD(store_audit, method, TEXT),
    FIELD(store_audit, source, TEXT), FIELD(store_audit, tenant, TEXT),
    FIELD(store_audit, action, TEXT), FIELD(store_audit, object, TEXT),
    FIELD(store_audit, before, TEXT), FIELD(store_audit, after, TEXT),
    FIELD(store_audit, request, TEXT), FIELD(store_audit, key, TEXT),
    FIELD(store_audit, detail, TEXT), FIELD(store_audit, result, TEXT),
    FIELD(store_audit, prev, TEXT), FIELD(store_audit, hash, TEXT), {NULL, TEXT, 0}};

struct kind {
	const char *name;
	const struct field *fields;
};

static const struct kind gateway_kind = {"gateway", gateway_fields};
static const struct kind kinds[] = {
    [STORE_TENANT] = {"tenant", tenant_fields},
    [STORE_POLICY] = {"policy", policy_fields},
    [STORE_DOMAIN] = {"domain", domain_fields},
    [STORE_RULE] = {"rule", rule_fields},
    [STORE_KEY] = {"key", key_fields},
    [STORE_BINDING] = {"binding", binding_fields},
    [STORE_TOKEN] = {"token", token_fields},
    [STORE_PROVIDER] = {"provider", provider_fields},
    [STORE_QUOTA] = {"quota", quota_fields},
    [STORE_REPLY] = {"reply", reply_fields},
    [STORE_AUDIT] = {"audit", audit_fields},
};
static const char *const rule_kinds[] = {"address", "domain", "suffix", "pattern"};

static int
index_of(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	fprintf(stderr, "keystore_driver: no such word: %s\n", name);
	exit(2);
}

static enum store_what
kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return (enum store_what)i;
	fprintf(stderr, "keystore_driver: no such kind: %s\n", name);
	exit(2);
}

/* ---- words ---- */

struct words {
	char *line; /* the words point into it */
	struct span word[WORDS_MAX];
	size_t count;
};

static struct span
decoded(char *text)
{
	char *to = text;
	unsigned value;

	for (char *from = text; *from != '\0';) {
		if (*from == '%' && sscanf(from + 1, "%2x", &value) == 1) {
			*to++ = (char)value;
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return to == text + 1 && text[0] == '-' ? span_of("", 0)
						: span_of(text, (size_t)(to - text));
}

/* A word with '=' in it is decoded when it is taken apart. */
static void
split(struct words *words)
{
	char *save = NULL, *word = strtok_r(words->line, " \n", &save);

	words->count = 0;
	for (; word != NULL && words->count < WORDS_MAX; word = strtok_r(NULL, " \n", &save))
		words->word[words->count++] =
		    strchr(word, '=') != NULL ? span_str(word) : decoded(word);
}

static long
number(const struct words *words, size_t at, long otherwise)
{
	return at < words->count ? strtol(words->word[at].p, NULL, 10) : otherwise;
}

/* ---- rows ---- */

static void
print_text(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= ' ' || c == '%' || c >= 0x7f)
			printf("%%%02x", c);
		else
			putchar(c);
	}
}

static void
print_field(const char *name, struct span text)
{
	printf(" %s=", name);
	print_text(text);
}

static void
print_row(const struct kind *kind, const void *row)
{
	printf("%s", kind->name);
	for (const struct field *field = kind->fields; field->name != NULL; field++) {
		const char *at = (const char *)row + field->at;
		int64_t value = 0;

		if (field->type == TEXT && ((const struct span *)at)->n > 0)
			print_field(field->name, *(const struct span *)at);
		else if (field->type == KIND)
			printf(" kind=%s", rule_kinds[*(const enum store_rule_kind *)at]);
		else if (field->type == FLAG)
			value = *(const bool *)at;
		else if (field->type == INT)
			value = *(const int *)at;
		else if (field->type == I64 || field->type == U64)
			value = *(const int64_t *)at;
		if (value != 0)
			printf(" %s=%" PRId64, field->name, value);
	}
	putchar('\n');
}

static void
print_rows(const struct keystore_rows *rows)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		print_row(&kinds[STORE_TENANT], &rows->tenants[i]);
	for (size_t i = 0; i < rows->policy_count; i++)
		print_row(&kinds[STORE_POLICY], &rows->policies[i]);
	for (size_t i = 0; i < rows->domain_count; i++)
		print_row(&kinds[STORE_DOMAIN], &rows->domains[i]);
	for (size_t i = 0; i < rows->rule_count; i++)
		print_row(&kinds[STORE_RULE], &rows->rules[i]);
	for (size_t i = 0; i < rows->key_count; i++)
		print_row(&kinds[STORE_KEY], &rows->keys[i]);
	for (size_t i = 0; i < rows->binding_count; i++)
		print_row(&kinds[STORE_BINDING], &rows->bindings[i]);
	for (size_t i = 0; i < rows->token_count; i++)
		print_row(&kinds[STORE_TOKEN], &rows->tokens[i]);
	for (size_t i = 0; i < rows->provider_count; i++)
		print_row(&kinds[STORE_PROVIDER], &rows->providers[i]);
	for (size_t i = 0; i < rows->quota_count; i++)
		print_row(&kinds[STORE_QUOTA], &rows->quotas[i]);
	for (size_t i = 0; i < rows->reply_count; i++)
		print_row(&kinds[STORE_REPLY], &rows->replies[i]);
	for (size_t i = 0; i < rows->audit_count; i++)
		print_row(&kinds[STORE_AUDIT], &rows->audits[i]);
	for (size_t i = 0; i < rows->gateway_count; i++)
		print_row(&gateway_kind, &rows->gateways[i]);
}

static void
end(enum status status, const struct err *err)
{
	printf(status == ST_OK ? "= ok\n" : "= %s: %s\n", status_name(status), err->text);
}

static void
answer(enum status status, struct keystore_rows *rows, const struct err *err)
{
	if (status != ST_OK) {
		end(status, err);
		return;
	}
	print_rows(rows);
	printf(
	    "= ok epoch=%" PRIu64 "%s\n", rows->epoch, rows->address_rules ? " address_rules" : "");
	keystore_rows_release(rows);
}

static void
set_field(const struct kind *kind, void *row, char *word)
{
	char *value = strchr(word, '=');
	const struct field *field = kind->fields;
	struct span text;
	char *at;

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	text = decoded(value);
	while (field->name != NULL && strcmp(field->name, word) != 0)
		field++;
	if (field->name == NULL) {
		fprintf(stderr, "keystore_driver: no such field: %s\n", word);
		exit(2);
	}
	at = (char *)row + field->at;
	if (field->type == TEXT)
		*(struct span *)at = text;
	else if (field->type == KIND)
		*(enum store_rule_kind *)at = (enum store_rule_kind)index_of(rule_kinds, 4, text.p);
	else if (field->type == FLAG)
		*(bool *)at = text.p[0] == '1';
	else if (field->type == INT)
		*(int *)at = (int)strtol(text.p, NULL, 10);
	else if (field->type == U64)
		*(uint64_t *)at =
		    span_eq_str(text, "now") ? KEYSTORE_LOADING_NOW : strtoull(text.p, NULL, 10);
	else
		*(int64_t *)at = strtoll(text.p, NULL, 10);
}

/* ---- commands ---- */

struct driver {
	struct keystore *store;
	struct keystore_write queue[QUEUE_MAX];
	char *lines[QUEUE_MAX]; /* what the queue points into */
	size_t queued;
};

static const char *const hows[] = {"add", "change", "put", "remove", "life", "slot"};

/* The words live on: the line is the queue's now. */
static void
queue(struct driver *driver, struct words *words)
{
	struct keystore_write *write = &driver->queue[driver->queued];

	if (driver->queued == QUEUE_MAX || words->count < 2)
		exit(2);
	memset(write, 0, sizeof(*write));
	write->how = (unsigned)index_of(hows, 6, words->word[0].p);
	write->life = (unsigned)write->how >= 4;
	if (write->life)
		write->how = (unsigned)write->how == 4 ? WRITE_CHANGE : WRITE_PUT;
	write->what = kind_of(words->word[1].p);
	if (write->what == STORE_TENANT)
		write->row.tenant.enabled = true;
	else if (write->what == STORE_DOMAIN)
		write->row.domain.enabled = true;
	else if (write->what == STORE_RULE)
		write->row.rule.enabled = true;
	else if (write->what == STORE_POLICY)
		write->row.policy.signature_ttl_s = -1;
	for (size_t i = 2; i < words->count; i++) {
		char *word = (char *)(uintptr_t)words->word[i].p;

		if (strncmp(word, "mirror_pem=", 11) == 0)
			write->mirror_pem = decoded(word + 11);
		else
			set_field(&kinds[write->what], &write->row, word);
	}
	driver->lines[driver->queued++] = words->line;
	words->line = NULL;
}

/* lease: NULL, or under this one. */
static void
apply(struct driver *driver, const struct store_lease *lease)
{
	const struct keystore_ops *ops = driver->store->ops;
	struct err err = ERR_NONE;
	size_t at;
	enum status status =
	    lease == NULL
		? ops->apply(driver->store, driver->queue, driver->queued, &at, &err)
		: ops->apply_fenced(driver->store, lease, driver->queue, driver->queued, &at, &err);

	if (status == ST_OK)
		printf("= ok\n");
	else
		printf("= %s at=%zu: %s\n", status_name(status), at, err.text);
	for (size_t i = 0; i < driver->queued; i++)
		mem_free(driver->lines[i]);
	driver->queued = 0;
}

/* load domains TENANT COUNT PREFIX */
static void
load(struct driver *driver, const struct words *words)
{
	long count = number(words, 3, 0);
	static char names[KEYSTORE_BATCH_MAX][64];
	static struct keystore_write writes[KEYSTORE_BATCH_MAX];
	int64_t began = clock_mono_ms(), took;
	enum status status = ST_OK;
	struct err err = ERR_NONE;

	for (long done = 0; done < count && status == ST_OK;) {
		size_t n = 0, at;

		for (; n < KEYSTORE_BATCH_MAX && done < count; n++, done++) {
			snprintf(
			    names[n], sizeof(names[n]), "%.20s%ld.example", words->word[4].p, done);
			writes[n] = (struct keystore_write){.what = STORE_DOMAIN,
			    .how = WRITE_ADD,
			    .row.domain = {.name = span_str(names[n]),
				.tenant = words->word[2],
				.enabled = true}};
		}
		status = driver->store->ops->apply(driver->store, writes, n, &at, &err);
	}
	took = clock_mono_ms() - began;
	if (status != ST_OK)
		end(status, &err);
	else
		printf("= ok rows_per_s=%.0f\n",
		    (double)count * 1000 / (double)(took == 0 ? 1 : took));
}

static enum status
ask_names(struct keystore *store, const char *what, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	if (strcmp(what, "senders") == 0)
		return keystore_senders(store, names, count, out, err);
	if (strcmp(what, "bindings") == 0)
		return keystore_bindings(store, names, count, out, err);
	if (strcmp(what, "address") == 0)
		return keystore_address(store, names[0], out, err);
	if (strcmp(what, "patterns") == 0)
		return keystore_patterns(store, names[0], out, err);
	return keystore_keys(store, names[0], out, err);
}

/* time WHAT COUNT NAME... */
static void
measure(struct driver *driver, const struct words *words)
{
	long count = number(words, 2, 1);
	int64_t began = clock_mono_us();
	enum status status = ST_OK;
	struct err err = ERR_NONE;

	for (long i = 0; i < count && status == ST_OK; i++) {
		struct keystore_rows *rows = NULL;

		status = ask_names(driver->store, words->word[1].p, &words->word[3],
		    words->count - 3, &rows, &err);
		keystore_rows_release(rows);
	}
	if (status != ST_OK)
		end(status, &err);
	else
		printf("= ok us=%.1f\n", (double)(clock_mono_us() - began) / (double)count);
}

struct crowd {
	struct keystore *store;
	struct span name;
	long count;
	atomic_long answered, unavailable;
};

static void *
ask_often(void *context)
{
	struct crowd *crowd = context;

	for (long i = 0; i < crowd->count; i++) {
		struct keystore_rows *rows = NULL;
		struct err err = ERR_NONE;
		enum status status =
		    i % 2 == 0 ? keystore_keys(crowd->store, crowd->name, &rows, &err)
			       : keystore_senders(crowd->store, &crowd->name, 1, &rows, &err);

		if (status == ST_OK && rows->domain_count == 1)
			atomic_fetch_add(&crowd->answered, 1);
		else if (status == ST_UNAVAILABLE)
			atomic_fetch_add(&crowd->unavailable, 1);
		keystore_rows_release(rows);
	}
	return NULL;
}

/* threads N COUNT NAME */
static void
threads(struct driver *driver, const struct words *words)
{
	struct crowd crowd = {
	    .store = driver->store, .name = words->word[3], .count = number(words, 2, 1)};
	pthread_t ids[64];
	long n = number(words, 1, 1);
	int64_t began = clock_mono_us();

	for (long i = 0; i < n && i < 64; i++)
		if (pthread_create(&ids[i], NULL, ask_often, &crowd) != 0)
			exit(2);
	for (long i = 0; i < n && i < 64; i++)
		pthread_join(ids[i], NULL);
	printf("= ok answered=%ld unavailable=%ld per_s=%.0f\n", atomic_load(&crowd.answered),
	    atomic_load(&crowd.unavailable),
	    (double)(n * crowd.count) * 1e6 / (double)(clock_mono_us() - began + 1));
}

static void
changes(struct driver *driver, const struct words *words)
{
	static struct store_change list[KEYSTORE_CHANGES_MAX];
	struct err err = ERR_NONE;
	struct store_state state = {.epoch = 0};
	size_t count = 0;
	enum status status = keystore_changes(driver->store, (uint64_t)number(words, 1, 0),
	    (size_t)number(words, 2, KEYSTORE_CHANGES_MAX), list, &count, &state, &err);

	for (size_t i = 0; i < count; i++)
		printf("change epoch=%" PRIu64 " subject=%s\n", list[i].epoch, list[i].subject);
	if (status == ST_OK || status == ST_TOO_BIG)
		printf("= %s epoch=%" PRIu64 " schema=%d identity=%s\n", status_name(status),
		    state.epoch, state.schema, state.identity);
	else
		end(status, &err);
}

static void
init(struct driver *driver)
{
	struct err err = ERR_NONE;
	int from, to;
	enum status status = driver->store->ops->migrate(driver->store, &from, &to, &err);

	if (status == ST_OK)
		printf("= ok from=%d to=%d\n", from, to);
	else
		end(status, &err);
}

static void
renew(struct driver *driver)
{
	struct err err = ERR_NONE;
	struct store_state state = {.epoch = 0};
	enum status status = driver->store->ops->renew(driver->store, &state, &err);

	if (status == ST_OK)
		printf("= ok epoch=%" PRIu64 " schema=%d identity=%s\n", state.epoch, state.schema,
		    state.identity);
	else
		end(status, &err);
}

static void
now(struct driver *driver)
{
	struct err err = ERR_NONE;
	int64_t utc_s = 0;
	enum status status = driver->store->ops->now(driver->store, &utc_s, &err);

	if (status == ST_OK)
		printf("= ok now=%" PRId64 "\n", utc_s);
	else
		end(status, &err);
}

static void
list(struct driver *driver, const struct words *words)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = driver->store->ops->list(driver->store, kind_of(words->word[1].p),
	    words->word[2], (size_t)number(words, 3, 100), &rows, &err);

	answer(status, rows, &err);
}

static void
domains_of(struct driver *driver, const struct words *words)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = ST_ABSENT;

	if (driver->store->ops->domains_of == NULL)
		err_set(&err, "the backend lists the domains of all tenants only");
	else
		status = driver->store->ops->domains_of(driver->store, words->word[1],
		    words->word[2], (size_t)number(words, 3, 100), &rows, &err);
	answer(status, rows, &err);
}

static void
find(struct driver *driver, const struct words *words)
{
	const struct keystore_ops *ops = driver->store->ops;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = ST_ABSENT;

	if (ops->find == NULL)
		err_set(&err, "the backend finds no rows by their names");
	else
		status = ops->find(driver->store, kind_of(words->word[1].p), words->word + 2,
		    words->count - 2, &rows, &err);
	answer(status, rows, &err);
}

/* ---- the life cycle of keys ---- */

static struct store_lease
lease_of(const struct words *words)
{
	struct store_lease lease = {.fence = 0};

	if (words->count < 4)
		exit(2);
	snprintf(lease.name, sizeof(lease.name), "%s", words->word[1].p);
	snprintf(lease.owner, sizeof(lease.owner), "%s", words->word[2].p);
	return lease;
}

static void
fenced(struct driver *driver, const struct words *words)
{
	struct store_lease lease = lease_of(words);

	lease.fence = (uint64_t)number(words, 3, 0);
	apply(driver, &lease);
}

static void
take_lease(struct driver *driver, const struct words *words)
{
	struct store_lease wanted = lease_of(words), got;
	struct err err = ERR_NONE;
	enum status status =
	    driver->store->ops->lease(driver->store, &wanted, number(words, 3, 0), &got, &err);

	if (status != ST_OK && status != ST_DENIED)
		end(status, &err);
	else
		printf("= %s owner=%s fence=%" PRIu64 " expires=%" PRId64 "\n", status_name(status),
		    got.owner, got.fence, got.expires);
}

static void
report(struct driver *driver, const struct words *words)
{
	struct store_gateway row = {.epoch = 0};
	struct err err = ERR_NONE;

	for (size_t i = 1; i < words->count; i++)
		set_field(&gateway_kind, &row, (char *)(uintptr_t)words->word[i].p);
	end(driver->store->ops->report(driver->store, &row, &err), &err);
}

static void
forget(struct driver *driver, const struct words *words)
{
	struct err err = ERR_NONE;

	end(driver->store->ops->forget(driver->store, words->word[1], &err), &err);
}

static enum status
ask_life(
    struct keystore *store, const struct words *words, struct keystore_rows **out, struct err *err)
{
	const char *command = words->word[0].p;
	const struct keystore_ops *ops = store->ops;

	if (strcmp(command, "due") == 0)
		return ops->due(
		    store, number(words, 1, 0), (size_t)number(words, 2, 100), out, err);
	if (strcmp(command, "lives") == 0)
		return ops->lives(store, words->word + 1, words->count - 1, out, err);
	if (strcmp(command, "loading") == 0)
		return ops->loading(store, (uint64_t)number(words, 1, 0),
		    (size_t)number(words, 2, KEYSTORE_LOADING_MAX), out, err);
	return ops->gateways(store, out, err);
}

/* One more in the domain's life; whoever holds the lease alone is never refused. */
static enum status
count_in(
    struct keystore *store, struct span domain, const struct store_lease *held, struct err *err)
{
	struct keystore_rows *rows = NULL;
	struct keystore_write write = {.what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true};
	enum status status = store->ops->lives(store, &domain, 1, &rows, err);
	char text[32];
	size_t at;

	if (status != ST_OK)
		return status;
	write.row.domain = rows->domains[0];
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(write.row.domain.life));
	snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);
	write.row.domain.life = span_str(text);
	status = store->ops->apply_fenced(store, held, &write, 1, &at, err);
	keystore_rows_release(rows);
	return status;
}

/* race NAME OWNER COUNT DOMAIN */
static void
race(struct driver *driver, const struct words *words)
{
	struct store_lease wanted = lease_of(words), got;
	struct timespec pause = {.tv_nsec = 1000000};
	enum status status = ST_OK;
	struct err err = ERR_NONE;

	for (long held = 0; held < number(words, 3, 1);) {
		status = driver->store->ops->lease(driver->store, &wanted, 600, &got, &err);
		if (status == ST_DENIED) {
			nanosleep(&pause, NULL);
			continue;
		}
		if (status == ST_OK)
			status = count_in(driver->store, words->word[4], &got, &err);
		if (status != ST_OK)
			break;
		printf("held fence=%" PRIu64 "\n", got.fence);
		status = driver->store->ops->lease(driver->store, &wanted, 0, &got, &err);
		if (status != ST_OK)
			break;
		held++;
	}
	end(status, &err);
}

static bool
obey_life(struct driver *driver, struct words *words)
{
	static const char *const questions[] = {"due", "lives", "loading", "gateways"};
	const char *command = words->word[0].p;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(command, questions[i]) != 0)
			continue;
		status = ask_life(driver->store, words, &rows, &err);
		answer(status, rows, &err);
		return true;
	}
	if (strcmp(command, "life") == 0 || strcmp(command, "slot") == 0)
		queue(driver, words);
	else if (strcmp(command, "fenced") == 0)
		fenced(driver, words);
	else if (strcmp(command, "lease") == 0)
		take_lease(driver, words);
	else if (strcmp(command, "report") == 0)
		report(driver, words);
	else if (strcmp(command, "forget") == 0)
		forget(driver, words);
	else if (strcmp(command, "race") == 0)
		race(driver, words);
	else
		return false;
	return true;
}

/* ---- tokens, answers, audit ---- */

static struct span
word_at(const struct words *words, size_t at)
{
	return at < words->count ? words->word[at] : SPAN_EMPTY;
}

static void
audit_head(struct driver *driver)
{
	struct audit_head head;
	struct err err = ERR_NONE;
	enum status status = keystore_audit_head(driver->store, &head, &err);

	if (status != ST_OK)
		end(status, &err);
	else
		printf("= ok seq=%" PRIu64 " hash=%s\n", head.seq, head.hash);
}

static enum status
ask_admin(
    struct keystore *store, const struct words *words, struct keystore_rows **out, struct err *err)
{
	const char *command = words->word[0].p;
	struct audit_question question = {.seq = (uint64_t)number(words, 1, 0),
	    .max = (size_t)number(words, 2, ADMINROW_AUDIT_PAGE),
	    .newest_first = span_eq_str(word_at(words, 3), "newest"),
	    .tenant = word_at(words, 4),
	    .actor = word_at(words, 5),
	    .object = word_at(words, 6)};

	if (strcmp(command, "audits") == 0)
		return keystore_audits(store, &question, out, err);
	if (strcmp(command, "provider") == 0)
		return keystore_provider(store, word_at(words, 1), word_at(words, 2), out, err);
	if (strcmp(command, "quota") == 0)
		return keystore_quota(store, word_at(words, 1), out, err);
	if (strcmp(command, "reply") == 0)
		return keystore_reply(store, word_at(words, 1), word_at(words, 2), out, err);
	return keystore_token(store,
	    span_eq_str(word_at(words, 1), "id") ? STORE_TOKEN_BY_ID : STORE_TOKEN_BY_SECRET,
	    word_at(words, 2), out, err);
}

static bool
obey_admin(struct driver *driver, const struct words *words)
{
	static const char *const questions[] = {"audits", "provider", "quota", "reply", "token"};
	const char *command = words->word[0].p;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status;
	size_t count;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(command, questions[i]) != 0)
			continue;
		status = ask_admin(driver->store, words, &rows, &err);
		answer(status, rows, &err);
		return true;
	}
	if (strcmp(command, "audit_head") == 0)
		audit_head(driver);
	else if (strcmp(command, "count") == 0)
		driver_count(driver->store, word_at(words, 1));
	else if (strcmp(command, "audit_load") == 0)
		driver_audit_load(
		    driver->store, number(words, 1, 0), number(words, 2, KEYSTORE_BATCH_MAX));
	else if (strcmp(command, "verify") == 0)
		driver_verify(driver->store, (uint64_t)number(words, 1, 0), word_at(words, 2));
	else if (strcmp(command, "forget_replies") == 0) {
		status = keystore_forget_replies(
		    driver->store, (size_t)number(words, 1, 1), &count, &err);
		if (status == ST_OK)
			printf("= ok count=%zu\n", count);
		else
			end(status, &err);
	} else
		return false;
	return true;
}

static void
obey(struct driver *driver, struct words *words)
{
	const char *command = words->word[0].p;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status;

	if (obey_life(driver, words) || obey_admin(driver, words))
		return;
	if (strcmp(command, "init") == 0)
		init(driver);
	else if (strcmp(command, "apply") == 0)
		apply(driver, NULL);
	else if (strcmp(command, "changes") == 0)
		changes(driver, words);
	else if (strcmp(command, "renew") == 0)
		renew(driver);
	else if (strcmp(command, "now") == 0)
		now(driver);
	else if (words->count < 2)
		exit(2);
	else if (strcmp(command, "list") == 0)
		list(driver, words);
	else if (strcmp(command, "domains_of") == 0)
		domains_of(driver, words);
	else if (strcmp(command, "find") == 0)
		find(driver, words);
	else if (strcmp(command, "load") == 0)
		load(driver, words);
	else if (strcmp(command, "time") == 0)
		measure(driver, words);
	else if (strcmp(command, "threads") == 0)
		threads(driver, words);
	else if (strchr("acpr", command[0]) != NULL && strcmp(command, "address") != 0 &&
		 strcmp(command, "patterns") != 0)
		queue(driver, words);
	else {
		status = ask_names(
		    driver->store, command, words->word + 1, words->count - 1, &rows, &err);
		answer(status, rows, &err);
	}
}

static void
set_option(struct table_settings *out, char *word)
{
	char *value = strchr(word, '=');
	const struct {
		const char *name;
		const char **text;
	} texts[] = {{"user", &out->ldap_bind_user}, {"password", &out->ldap_bind_password},
	    {"mechanism", &out->ldap_mechanism}, {"ca", &out->ldap_tls_ca_file}};

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].name, word) == 0)
			*texts[i].text = value;
	if (strcmp(word, "tls") == 0)
		out->ldap_start_tls = value[0] == '1';
	else if (strcmp(word, "verify") == 0)
		out->ldap_tls_verify = value[0] == '1';
	else if (strcmp(word, "timeout") == 0)
		out->ldap_timeout_s = strtol(value, NULL, 10);
}

int
main(int argc, char **argv)
{
	struct table_settings settings = {.ldap_mechanism = "simple", .ldap_tls_verify = true};
	struct keystore_registry registry = *backend_keystores();
	static struct driver driver;
	struct words words = {.line = NULL};
	struct err err = ERR_NONE;
	bool write = false;
	size_t room = 0;
	int at = 1;

	for (; at < argc - 1 && argv[at][0] == '-'; at++) {
		write |= argv[at][1] == 'w';
		if (argv[at][1] == 'c') {
			settings.sql_tls = settings.sql_tls_verify = true;
			settings.sql_tls_ca_file = argv[++at];
		}
		if (argv[at][1] == 'o')
			set_option(&settings, argv[++at]);
	}
	registry.settings = &settings;
	if (at >= argc || keystore_open(&registry, argv[at], write, &driver.store, &err) != ST_OK) {
		printf("= %s\n", err.text);
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* as the daemons do */
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&words.line, &room, stdin) > 0) {
		split(&words);
		if (words.count > 0)
			obey(&driver, &words);
		if (words.line == NULL)
			room = 0;
	}
	mem_free(words.line);
	for (size_t i = 0; i < driver.queued; i++)
		mem_free(driver.lines[i]);
	keystore_close(driver.store);
	return 0;
}
