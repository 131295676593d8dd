/*
 * naive_route.c - see naive_route.h. Slow and plain on purpose.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/naive_route.h"

#define LEVELS 8
#define CANDIDATES 4096

struct candidate {
	int level;  /* 0: the domain, 1: its parent, ... */
	int within; /* what comes first in a level */
	int priority;
	struct span id;
	struct span domain, identity;
	bool bad;     /* cannot be used */
	bool matches; /* false: a pattern that is none */
};

struct naive {
	const struct naive_question *q;
	struct naive_answer *out;
	char address[128];
	const char *level[LEVELS];
	int levels;
	struct keystore_rows *rows[4]; /* senders, addresses, patterns, keys */
	char tenant[64];
	const struct store_domain *cover, *target;
	struct candidate candidates[CANDIDATES];
	size_t count;
};

static bool
is(struct span s, const char *text)
{
	return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}

static void
copy(char *to, struct span from)
{
	snprintf(to, 64, "%.*s", (int)from.n, from.n == 0 ? "" : from.p);
}

/* The names that the tests make are either plain or empty, in upper case or with a blank. */
static bool
plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!islower((unsigned char)s.p[i]) && !isdigit((unsigned char)s.p[i]) &&
		    s.p[i] != '.')
			return false;
	return s.n > 0;
}

static bool
domain_is_bad(const struct store_domain *row)
{
	char name[64];

	copy(name, row->name);
	return !plain(row->name) || !plain(row->tenant) ||
	       (row->signs_as.n > 0 && (!plain(row->signs_as) || is(row->signs_as, name)));
}

static bool
rule_is_bad(const struct store_rule *row)
{
	return !plain(row->tenant) || !plain(row->id) || !plain(row->domain);
}

static bool
off(const struct keystore_rows *rows, const char *tenant)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		if (is(rows->tenants[i].name, tenant) && !rows->tenants[i].enabled)
			return true;
	return false;
}

/* The level that a rule covers, -1: it is not about this sender. */
static int
level_of(const struct naive *n, const struct store_rule *rule)
{
	char text[64];

	copy(text, rule->subject);
	for (int i = 0; i < n->levels; i++) {
		if (i == 0 && rule->kind == STORE_RULE_DOMAIN && strcmp(text, n->level[0]) == 0)
			return 0;
		if (i > 0 && rule->kind == STORE_RULE_SUFFIX && text[0] == '.' &&
		    strcmp(text + 1, n->level[i]) == 0)
			return i;
	}
	return -1;
}

static bool
is_mine(const struct naive *n, const struct store_rule *rule)
{
	return rule->enabled && is(rule->tenant, n->tenant);
}

static struct candidate *
add(struct naive *n, int level, int within)
{
	struct candidate *c = &n->candidates[n->count++];

	if (n->count == CANDIDATES)
		abort();
	memset(c, 0, sizeof(*c));
	c->level = level;
	c->within = within;
	c->matches = true;
	return c;
}

static void
add_rule(struct naive *n, const struct store_rule *rule, int level)
{
	struct candidate *c = add(n, level, 0);

	c->priority = rule->priority;
	c->id = rule->id;
	c->domain = rule->domain;
	c->identity = rule->identity;
	c->bad = rule_is_bad(rule);
}

static int
order(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	char x[64], y[64];

	if (a->level != b->level)
		return a->level - b->level;
	if (a->within != b->within)
		return a->within - b->within;
	if (a->priority != b->priority)
		return a->priority - b->priority;
	copy(x, a->id);
	copy(y, b->id);
	return strcmp(x, y);
}

static bool
ends_within(struct span identity, struct span domain)
{
	char text[64], want[64], *at;
	size_t n, m;

	copy(text, identity);
	copy(want, domain);
	at = strrchr(text, '@');
	if (at == NULL || !plain(span_str(at + 1)) || strchr(text, '\n') != NULL)
		return false;
	if (strcmp(at + 1, want) == 0)
		return true;
	n = strlen(at + 1);
	m = strlen(want);
	return n > m + 1 && strcmp(at + 1 + n - m, want) == 0 && at[1 + n - m - 1] == '.';
}

static bool
may_sign(const struct store_key *key, int64_t now, bool *but_for_lease)
{
	const struct key_times *t = &key->times;
	bool active = t->active != 0 && t->active <= now && t->retiring == 0 && t->held == 0 &&
		      t->compromised == 0 && t->revoked == 0 && t->revoking == 0;
	bool lease = t->sign_until != 0 && t->sign_until <= now;

	*but_for_lease = active && lease;
	return active && !lease;
}

static enum status
answer(struct naive *n, enum route_answer what)
{
	n->out->answer = what;
	return ST_OK;
}

/* The newest of this algorithm that may sign goes into *out. ST_INVALID: it cannot be. */
static enum status
choose_key(struct naive *n, const char *algorithm, struct span domain, bool *lease)
{
	const struct store_key *best = NULL;
	char name[64], best_id[64], id[64];
	bool but_for_lease;

	copy(name, domain);
	for (size_t i = 0; i < n->rows[3]->key_count; i++) {
		const struct store_key *key = &n->rows[3]->keys[i];

		if (!is(key->domain, name) || !is(key->tenant, n->tenant) ||
		    !is(key->algorithm, algorithm))
			continue;
		copy(id, key->id);
		if (may_sign(key, n->q->now_utc, &but_for_lease) &&
		    (best == NULL || key->times.active > best->times.active ||
			(key->times.active == best->times.active && strcmp(id, best_id) < 0))) {
			best = key;
			copy(best_id, key->id);
		}
		*lease = *lease || but_for_lease;
	}
	if (best == NULL)
		return ST_OK;
	if (!plain(best->selector) || !plain(best->id))
		return ST_INVALID;
	copy(n->out->selectors[n->out->key_count++], best->selector);
	return ST_OK;
}

static enum status
sign_as(struct naive *n, const struct candidate *c)
{
	const struct store_domain *row = NULL;
	char name[64];
	bool lease = false, tenant_row = false;
	enum status status;

	if (!plain(c->domain)) /* the front answers such a name without asking */
		return ST_INVALID;
	status = n->q->store->ops->keys(n->q->store, c->domain, &n->rows[3], NULL);
	if (status != ST_OK)
		return status;
	copy(name, c->domain);
	for (size_t i = 0; i < n->rows[3]->domain_count; i++) {
		if (!is(n->rows[3]->domains[i].name, name))
			continue;
		if (row != NULL)
			return ST_INVALID;
		row = &n->rows[3]->domains[i];
	}
	copy(n->out->domain, c->domain);
	if (row == NULL || !is(row->tenant, n->tenant))
		return answer(n, ROUTE_NO_KEY);
	if (domain_is_bad(row))
		return ST_INVALID;
	n->target = row;
	for (size_t i = 0; i < n->rows[3]->tenant_count; i++)
		tenant_row = tenant_row || is(n->rows[3]->tenants[i].name, n->tenant);
	if (!tenant_row)
		return ST_INVALID;
	if (off(n->rows[3], n->tenant)) {
		n->out->domain[0] = '\0';
		return answer(n, ROUTE_NO_RULE);
	}
	if (!row->enabled)
		return answer(n, ROUTE_NO_KEY);
	status = choose_key(n, "rsa-sha256", row->name, &lease);
	if (status == ST_OK)
		status = choose_key(n, "ed25519-sha256", row->name, &lease);
	if (status != ST_OK) {
		n->out->key_count = 0;
		return status;
	}
	if (n->out->key_count == 0)
		return answer(n, lease ? ROUTE_LEASE : ROUTE_NO_KEY);
	if (ends_within(c->identity, row->name))
		copy(n->out->identity, c->identity);
	n->out->signature_ttl_s = row->signature_ttl_s;
	return answer(n, ROUTE_SIGN);
}

/* The first of the list. */
static enum status
decide(struct naive *n)
{
	if (n->count == 0)
		return answer(n, ROUTE_NO_RULE);
	qsort(n->candidates, n->count, sizeof(n->candidates[0]), order);
	if (!n->candidates[0].matches || n->candidates[0].bad)
		return ST_INVALID;
	return sign_as(n, &n->candidates[0]);
}

static enum status
by_pattern(struct naive *n)
{
	enum status status;

	if (!plain(span_str(n->tenant)))
		return answer(n, ROUTE_NO_RULE);
	status = n->q->store->ops->patterns(n->q->store, span_str(n->tenant), &n->rows[2], NULL);
	if (status != ST_OK)
		return status;
	if (off(n->rows[2], n->tenant))
		return answer(n, ROUTE_NO_RULE);
	for (size_t i = 0; i < n->rows[2]->rule_count; i++) {
		const struct store_rule *rule = &n->rows[2]->rules[i];
		int matches;

		if (rule->kind != STORE_RULE_PATTERN || !is_mine(n, rule))
			continue;
		matches = n->q->pattern(rule->subject, span_str(n->address));
		if (matches == 0)
			continue;
		add_rule(n, rule, 0);
		n->candidates[n->count - 1].matches = matches > 0;
	}
	return decide(n);
}

/* The rows of this name; the last one in *row. */
static size_t
rows_named(const struct naive *n, const char *name, const struct store_domain **row)
{
	size_t count = 0;

	for (size_t i = 0; i < n->rows[0]->domain_count; i++)
		if (is(n->rows[0]->domains[i].name, name)) {
			*row = &n->rows[0]->domains[i];
			count++;
		}
	return count;
}

static enum status
add_cover(struct naive *n)
{
	for (int level = 0; level < n->levels; level++) {
		const struct store_domain *row = NULL;
		size_t count = rows_named(n, n->level[level], &row);
		struct candidate *c;

		if (count > 1)
			return ST_INVALID;
		if (count == 0 || !row->enabled || !is(row->tenant, n->tenant) ||
		    (level > 0 && !row->subdomains))
			continue;
		if (domain_is_bad(row))
			return ST_INVALID;
		n->cover = row;
		c = add(n, level, 1);
		c->domain = row->signs_as.n > 0 ? row->signs_as : row->name;
		return ST_OK;
	}
	return ST_OK;
}

static enum status
ask_addresses(struct naive *n)
{
	if (n->rows[1] != NULL || !n->rows[0]->address_rules)
		return ST_OK;
	return n->q->store->ops->address(n->q->store, span_str(n->address), &n->rows[1], NULL);
}

static enum status
inside(struct naive *n, const char *tenant)
{
	enum status status;

	snprintf(n->tenant, sizeof(n->tenant), "%s", tenant);
	snprintf(n->out->tenant, sizeof(n->out->tenant), "%s", tenant);
	snprintf(n->out->whose, sizeof(n->out->whose), "%s", tenant);
	if (off(n->rows[0], tenant))
		return answer(n, ROUTE_NO_RULE);
	status = add_cover(n);
	if (status == ST_OK)
		status = ask_addresses(n);
	if (status != ST_OK)
		return status;
	if (n->rows[1] != NULL && off(n->rows[1], tenant))
		return answer(n, ROUTE_NO_RULE);
	for (size_t i = 0; i < n->rows[0]->rule_count; i++) {
		const struct store_rule *rule = &n->rows[0]->rules[i];

		if (is_mine(n, rule) && level_of(n, rule) >= 0)
			add_rule(n, rule, level_of(n, rule));
	}
	for (size_t i = 0; n->rows[1] != NULL && i < n->rows[1]->rule_count; i++) {
		const struct store_rule *rule = &n->rows[1]->rules[i];

		if (is_mine(n, rule) && rule->kind == STORE_RULE_ADDRESS &&
		    is(rule->subject, n->address))
			add_rule(n, rule, -1);
	}
	return n->count == 0 ? by_pattern(n) : decide(n);
}

/* Nobody owns the sender and the session speaks for nobody. */
static enum status
whoever_has_rules(struct naive *n)
{
	enum status status = ask_addresses(n);
	char found[64] = "";
	bool any = false;

	if (status != ST_OK)
		return status;
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; n->rows[k] != NULL && i < n->rows[k]->rule_count; i++) {
			const struct store_rule *rule = &n->rows[k]->rules[i];
			char tenant[64];

			if (k == 0 ? level_of(n, rule) < 0
				   : rule->kind != STORE_RULE_ADDRESS ||
					 !is(rule->subject, n->address))
				continue;
			copy(tenant, rule->tenant);
			if (!rule->enabled || off(n->rows[0], tenant) ||
			    (n->rows[1] != NULL && off(n->rows[1], tenant)))
				continue;
			if (any && strcmp(found, tenant) != 0)
				return answer(n, ROUTE_TENANT);
			any = true;
			strcpy(found, tenant);
		}
	if (!any)
		return answer(n, ROUTE_NO_RULE);
	return n->q->required ? answer(n, ROUTE_TENANT) : inside(n, found);
}

static enum status
find(struct naive *n)
{
	const struct store_domain *owner = NULL;
	struct span names[LEVELS];
	enum status status;

	for (int i = 0; i < n->levels; i++)
		names[i] = span_str(n->level[i]);
	status =
	    n->q->store->ops->senders(n->q->store, names, (size_t)n->levels, &n->rows[0], NULL);
	if (status != ST_OK)
		return status;
	for (int i = 0; i < n->levels && owner == NULL; i++)
		if (rows_named(n, n->level[i], &owner) > 1)
			return ST_INVALID;
	if (owner == NULL)
		return n->q->tenant[0] != '\0' ? inside(n, n->q->tenant) : whoever_has_rules(n);
	if (domain_is_bad(owner))
		return ST_INVALID;
	copy(n->out->owner, owner->tenant);
	if (n->q->tenant[0] == '\0' ? n->q->required : !is(owner->tenant, n->q->tenant))
		return answer(n, ROUTE_TENANT);
	status = inside(n, n->out->owner);
	n->out->owner[0] = '\0';
	return status;
}

static void
set_actions(struct naive *n)
{
	for (int cause = 0; cause < FAILURE_CAUSES; cause++) {
		enum failure_action *action = &n->out->action[cause];

		if (n->cover != NULL)
			*action = n->q->failure(n->cover->failure, (enum failure_cause)cause);
		if (*action == FAILURE_ACTION_UNSET && n->target != NULL && n->target->enabled)
			*action = n->q->failure(n->target->failure, (enum failure_cause)cause);
		for (int k = 0; k < 4 && *action == FAILURE_ACTION_UNSET; k++)
			for (size_t i = 0; n->rows[k] != NULL && i < n->rows[k]->tenant_count; i++)
				if (n->out->tenant[0] != '\0' &&
				    is(n->rows[k]->tenants[i].name, n->out->tenant)) {
					*action = n->q->failure(n->rows[k]->tenants[i].failure,
					    (enum failure_cause)cause);
					k = 4;
					break;
				}
	}
}

void
naive_route(const struct naive_question *question, struct naive_answer *out)
{
	static struct naive n;

	memset(out, 0, sizeof(*out));
	memset(&n, 0, offsetof(struct naive, candidates));
	n.count = 0;
	n.q = question;
	n.out = out;
	out->signature_ttl_s = -1;
	snprintf(out->tenant, sizeof(out->tenant), "%s", question->tenant);
	snprintf(out->whose, sizeof(out->whose), "%s", question->tenant);
	snprintf(n.address, sizeof(n.address), "%s@%s", question->user, question->domain);
	for (char *p = n.address; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	for (const char *p = question->domain; p != NULL && n.levels < LEVELS; n.levels++) {
		n.level[n.levels] = p;
		p = strchr(p, '.');
		p = p == NULL ? NULL : p + 1;
	}
	out->status = find(&n);
	set_actions(&n);
	for (int i = 0; i < 4; i++)
		keystore_rows_release(n.rows[i]);
}

/* ---- sessions ---- */

static void
add_line(char *text, size_t text_bytes, const char *kind, const char *what)
{
	size_t n = strlen(text);

	snprintf(text + n, text_bytes - n, "%s%s\n", kind, what);
}

static void
add_networks(const struct tenant_session *session, char *text, size_t text_bytes)
{
	for (int bits = session->family == 4 ? 32 : 128; bits >= 0; bits--) {
		int all = session->family == 4 ? 32 : 128;
		uint8_t octets[16] = {0};
		char address[64], line[80];

		if (session->family == 6 && bits % 4 != 0)
			continue;
		for (int bit = 0; bit < bits && bit < all; bit++)
			octets[bit / 8] |=
			    (uint8_t)(session->address[bit / 8] & (0x80 >> (bit % 8)));
		inet_ntop(
		    session->family == 4 ? AF_INET : AF_INET6, octets, address, sizeof(address));
		snprintf(line, sizeof(line), "%s/%d", address, bits);
		add_line(text, text_bytes, "client:", line);
	}
}

void
naive_subjects(const struct tenant_session *session, char *text, size_t text_bytes)
{
	char login[64], name[64], host[64];

	copy(login, session->login);
	copy(name, session->listener);
	copy(host, session->host);
	text[0] = '\0';
	if (login[0] != '\0') {
		add_line(text, text_bytes, "login:", login);
		if (strrchr(login, '@') != NULL)
			add_line(text, text_bytes, "login:", strrchr(login, '@'));
	}
	if (name[0] != '\0')
		add_line(text, text_bytes, "listener:", name);
	if (login[0] == '\0') {
		if (session->family == 4 || session->family == 6)
			add_networks(session, text, text_bytes);
		if (host[0] != '\0' && host[0] != '[') {
			add_line(text, text_bytes, "client:", host);
			for (char *dot = strchr(host, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
				add_line(text, text_bytes, "client:", dot);
		}
	}
	add_line(text, text_bytes, "*", "");
	for (char *p = text; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
}
