/*
 * cached_keystore_shared.c - what other gateways have read of the same key store, and what this one
 * leaves for them. Called by the loads of cached_keystore.c: in front of the store, and in its
 * stead while it is away. It must never leave an answer under the identity of another store, nor
 * take one without asking cached_keystore_follow.c whether something changed since.
 *
 * What the store is called is left as well, for this gateway alone: restarted while the store is
 * away, it could not know otherwise whose answers it may use. Where another one runs a store may
 * have the same path, or be "localhost", and be another.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/cached_keystore_private.h"
#include "lib/store/keystore_octets.h"

#define SCOPE_MAX 2048U
#define KEEP_S 86400      /* what nothing changed about is right for longer than it may be stale */
#define GUESS_MS 1000     /* between two questions for the identity */
#define REMEMBER_MS 60000 /* between two times that it is left */
/* While the store is away: a server of the shared cache that was late, on a machine that has too
 * much to do, is asked again; one that is gone is not late. */
#define LATE_TRIES 10
#define LATE_PAUSE_MS 20

/* ---- whose names they are ---- */

static struct span
identity_name(void)
{
	return SPAN_LIT("identity");
}

/* This machine, by its name and by what systemd calls it: neither alone is always its own. */
static char *
describe_machine(const char *where)
{
	char host[HOST_NAME_MAX + 1] = "", id[64] = "";
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct buf text;
	char *machine;

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	if (fd >= 0) {
		ssize_t n = read(fd, id, sizeof(id) - 1);

		id[n > 0 ? n : 0] = '\0';
		id[strcspn(id, "\n")] = '\0';
		close(fd);
	}
	buf_init(&text, SCOPE_MAX / 2);
	buf_add_fmt(&text, "gateway %s %s %s", host, id, where);
	machine = mem_strdup(buf_text(&text));
	buf_free(&text);
	return machine;
}

void
shared_init(struct cached_keystore *cached)
{
	struct span prefix = cached->config.shared_prefix;

	if (cached->config.shared == NULL)
		return;
	cached->config.shared_prefix = span_of(span_dup(prefix), prefix.n);
	cached->machine = describe_machine(cached->inner->where);
}

void
shared_free(struct cached_keystore *cached)
{
	if (cached->config.shared == NULL)
		return;
	mem_free((void *)(uintptr_t)cached->config.shared_prefix.p);
	mem_free(cached->machine);
}

static bool
is_of_keys(struct span name)
{
	return name.n > 0 && name.p[0] == QUESTION_KEYS;
}

/* whose: an identity, or the machine. scope is to be freed. */
static void
begin_question(const struct cached_keystore *cached, struct span name, const char *whose,
    struct sharedcache_question *out, struct buf *scope)
{
	buf_init(scope, SCOPE_MAX);
	buf_add(scope, cached->config.shared_prefix);
	buf_add_char(scope, '\0');
	buf_add_str(scope, whose);
	out->purpose = is_of_keys(name) ? SHAREDCACHE_KEYS : SHAREDCACHE_RULES;
	out->secret = is_of_keys(name);
	out->scope = buf_span(scope);
}

/* ---- the tenant of an answer ---- */

struct owner {
	struct span tenant;
	bool several;
};

static void
add_owner(struct owner *owner, struct span tenant)
{
	if (owner->tenant.n == 0)
		owner->tenant = tenant;
	else if (!span_eq(owner->tenant, tenant))
		owner->several = true;
}

/* Of keys: the one tenant of all rows, or empty. Other answers are of the site's key: none of them
 * is secret, and some have rows of several. */
static struct span
owner_of(struct span name, const struct keystore_rows *rows)
{
	struct owner owner = {.tenant = SPAN_EMPTY};

	if (!is_of_keys(name))
		return SPAN_EMPTY;
	for (size_t i = 0; i < rows->tenant_count; i++)
		add_owner(&owner, rows->tenants[i].name);
	for (size_t i = 0; i < rows->domain_count; i++)
		add_owner(&owner, rows->domains[i].tenant);
	for (size_t i = 0; i < rows->rule_count; i++)
		add_owner(&owner, rows->rules[i].tenant);
	for (size_t i = 0; i < rows->key_count; i++)
		add_owner(&owner, rows->keys[i].tenant);
	for (size_t i = 0; i < rows->binding_count; i++)
		add_owner(&owner, rows->bindings[i].tenant);
	return owner.several ? SPAN_EMPTY : owner.tenant;
}

/* ---- an answer ---- */

static void
refuse(struct span name, enum metric_refused why)
{
	metrics_count(
	    METRIC_SHARED_REFUSED, is_of_keys(name) ? METRIC_CACHE_KEYS : METRIC_CACHE_RULES, why);
}

/* What was opened, as rows; NULL: it is not what shared_leave() leaves. */
static struct keystore_rows *
read_rows(const struct sharedcache_answer *answer, struct span name)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (keystore_octets_read(span_of(answer->plain, answer->n), &rows, &err) != ST_OK)
		return NULL;
	if (answer->epoch != 0 && rows->epoch == answer->epoch &&
	    span_eq(owner_of(name, rows), span_str(answer->tenant)))
		return rows;
	keystore_rows_release(rows);
	return NULL;
}

static void
judge(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct sharedcache_answer *answer, int64_t now_ms, struct found *out)
{
	struct keystore_rows *rows = read_rows(answer, name);
	struct err err = ERR_NONE;

	if (rows == NULL) {
		refuse(name, METRIC_REFUSED_FORM);
		return;
	}
	out->belief = follow_belief(cached, view, name, rows, answer->asked_ms, now_ms);
	if (out->belief != BELIEF_NONE &&
	    revisions_check(cached, view->history, rows, &err) != ST_OK)
		out->belief = BELIEF_NONE;
	if (out->belief == BELIEF_NONE) {
		refuse(name, METRIC_REFUSED_EPOCH);
		keystore_rows_release(rows);
		return;
	}
	out->rows = rows;
	out->asked_ms = answer->asked_ms;
}

void
shared_find(struct cached_keystore *cached, const struct view *view, struct span name,
    int64_t now_ms, struct found *out)
{
	struct sharedcache_question question;
	struct sharedcache_answer answer;
	struct buf scope;

	if (view->identity[0] == '\0')
		return;
	begin_question(cached, name, view->identity, &question, &scope);
	sharedcache_get(cached->config.shared, &question, &name, 1, now_ms, &answer);
	out->late = answer.late;
	if (answer.status == ST_OK)
		judge(cached, view, name, &answer, now_ms, out);
	sharedcache_answer_release(&answer);
	buf_free(&scope);
}

bool
shared_wait(struct cached_keystore *cached, unsigned tries)
{
	if (tries >= LATE_TRIES)
		return false;
	cached->config.pause(LATE_PAUSE_MS);
	return true;
}

static int64_t
life_s(const struct cached_keystore *cached)
{
	int64_t stale_s = cached->config.stale_ms / 1000;

	return stale_s > KEEP_S ? stale_s : KEEP_S;
}

void
shared_leave(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct keystore_rows *rows, int64_t asked_ms)
{
	struct sharedcache_entry entry = {.name = name,
	    .tenant = owner_of(name, rows),
	    .epoch = rows->epoch,
	    .asked_ms = asked_ms,
	    .ttl_s = life_s(cached)};
	struct sharedcache_question question;
	struct buf scope;
	char *octets;
	size_t n;

	if (view->identity[0] == '\0' || !follow_may_share(cached, view, name, rows, asked_ms))
		return;
	n = keystore_octets_bytes(rows); /* 0: this cannot be shared */
	octets = n == 0 || n > SHAREDCACHE_PLAIN_MAX ? NULL
		 : is_of_keys(name)                  ? secret_malloc(n)
						     : mem_alloc(n);
	if (octets == NULL)
		return;
	keystore_octets_write(rows, octets);
	entry.plain = span_of(octets, n);
	begin_question(cached, name, view->identity, &question, &scope);
	sharedcache_put(cached->config.shared, &question, &entry, cached->config.now_ms());
	buf_free(&scope);
	if (is_of_keys(name))
		secret_free(octets);
	else
		mem_free(octets);
}

/* ---- the identity ---- */

/* Is it one, and not from too long ago? */
static bool
take_identity(const struct cached_keystore *cached, const struct sharedcache_answer *answer,
    int64_t now_ms, char out[KEYSTORE_IDENTITY_BYTES])
{
	out[0] = '\0';
	return answer->status == ST_OK && now_ms - answer->asked_ms < cached->config.stale_ms &&
	       keystore_identity_take(span_of(answer->plain, answer->n), out);
}

/* false: the answer is late. */
static bool
ask_identity(struct cached_keystore *cached, int64_t now_ms, char out[KEYSTORE_IDENTITY_BYTES])
{
	struct sharedcache_question question;
	struct sharedcache_answer answer;
	struct span name = identity_name();
	struct buf scope;
	bool told;

	begin_question(cached, name, cached->machine, &question, &scope);
	sharedcache_get(cached->config.shared, &question, &name, 1, now_ms, &answer);
	if (!take_identity(cached, &answer, now_ms, out))
		out[0] = '\0';
	told = !answer.late;
	if (told)
		atomic_store(&cached->guessed_ms, now_ms);
	sharedcache_answer_release(&answer);
	buf_free(&scope);
	return told;
}

/* An answer counts for a while, also that there is none. */
static bool
may_ask(const struct cached_keystore *cached, int64_t now_ms)
{
	int64_t last_ms = atomic_load(&cached->guessed_ms);

	return last_ms == 0 || now_ms - last_ms >= GUESS_MS;
}

bool
shared_guess(struct cached_keystore *cached, struct view *view, int64_t now_ms)
{
	char guess[KEYSTORE_IDENTITY_BYTES] = "";
	bool known, told = true;

	pthread_rwlock_rdlock(&cached->changed_lock);
	known = cached->polled || cached->guess[0] != '\0';
	pthread_rwlock_unlock(&cached->changed_lock);
	if (!known && may_ask(cached, now_ms))
		told = ask_identity(cached, now_ms, guess);
	pthread_rwlock_wrlock(&cached->changed_lock);
	if (!cached->polled && cached->guess[0] == '\0')
		memcpy(cached->guess, guess, sizeof(cached->guess));
	if (!cached->polled)
		memcpy(view->identity, cached->guess, sizeof(view->identity));
	pthread_rwlock_unlock(&cached->changed_lock);
	return told;
}

void
shared_remember(struct cached_keystore *cached, uint64_t epoch, int64_t asked_ms)
{
	struct sharedcache_entry entry = {.name = identity_name(),
	    .plain = span_str(cached->identity),
	    .epoch = epoch,
	    .asked_ms = asked_ms,
	    .ttl_s = life_s(cached)};
	struct sharedcache_question question;
	struct buf scope;

	if (cached->remembered_ms != 0 && asked_ms - cached->remembered_ms < REMEMBER_MS)
		return;
	begin_question(cached, entry.name, cached->machine, &question, &scope);
	sharedcache_put(cached->config.shared, &question, &entry, cached->config.now_ms());
	buf_free(&scope);
	cached->remembered_ms = asked_ms;
}
