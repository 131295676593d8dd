/*
 * keytrial.c - opens, parses and tries the keys that wait to be used.
 * Called by a thread of the keeper (gateway.c) when the store has changed. It must never keep a
 * key, call one good that was not tried, nor put a part of one into a sentence.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "daemon/keytrial.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/base/secret.h"
#include "lib/crypto/public_key.h"

#define WHY_MAX 240U /* octets of a reason */
#define SAID_MAX 20U /* keys of one round that are named in the log */

struct failure {
	char id[KEYSTORE_ID_MAX + 1];
	uint64_t loading;
	char why[WHY_MAX + 1];
	bool seen; /* in this round */
};

struct keytrial {
	struct unsealer *unsealer;
	int64_t due_ms;  /* of failures */
	uint64_t told;   /* epoch of the store's last answer of a whole round */
	unsigned unsaid; /* failures of this round that were not named in the log */
	unsigned said;
	uint64_t omitted;     /* loading of the first failure of a round that found no room */
	pthread_mutex_t lock; /* of what follows, which only the thread of the rounds writes */
	uint64_t tested;
	struct failure *failures;
	size_t failure_count;
};

struct keytrial *
keytrial_new(struct unsealer *unsealer)
{
	struct keytrial *trial = mem_zalloc(1, sizeof(*trial));

	trial->unsealer = unsealer;
	trial->due_ms = INT64_MAX;
	trial->omitted = UINT64_MAX;
	trial->failures = mem_zalloc(KEYTRIAL_FAILED_MAX, sizeof(*trial->failures));
	pthread_mutex_init(&trial->lock, NULL);
	return trial;
}

void
keytrial_free(struct keytrial *trial)
{
	if (trial == NULL)
		return;
	pthread_mutex_destroy(&trial->lock);
	mem_free(trial->failures);
	mem_free(trial);
}

/* ---- one key ---- */

/* With the public key that is, or will be, in DNS. */
static enum status
verify_with_row(const struct store_key *row, enum key_algorithm algorithm,
    const uint8_t digest[SHA256_BYTES], struct span signature, struct err *err)
{
	struct span text = span_trim(row->public_key);
	struct public_key *key = NULL;
	enum status status;
	char *octets;
	size_t n = 0;

	if (text.n > PUBLIC_KEY_BYTES_MAX * 2) {
		err_set(err, "its public key is too long");
		return ST_INVALID;
	}
	octets = mem_alloc(text.n / 4 * 3 + 3);
	status = base64_decode(text, octets, &n);
	if (status == ST_OK)
		status = public_key_parse(algorithm, span_of(octets, n), &key, NULL);
	if (status != ST_OK)
		err_set(err, "its public key is none: it cannot be published");
	else if (public_key_verify(key, digest, signature) != ST_OK) {
		err_set(err, "its private key is not that of its public key: with what is "
			     "published nobody could verify its signatures");
		status = ST_INVALID;
	}
	public_key_free(key);
	mem_free(octets);
	return status;
}

static enum status
sign_and_verify(struct key *key, const struct store_key *row, struct err *err)
{
	uint8_t digest[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	struct digest *hash = digest_new();
	size_t n = 0;
	enum status status;

	digest_start(hash);
	digest_add(hash, SPAN_LIT("signpost tries this key: "));
	digest_add(hash, row->id);
	digest_finish(hash, digest);
	digest_free(hash);
	status = key_sign(key, digest, signature, &n, err);
	if (status != ST_OK)
		return status;
	if (row->public_key.n > 0)
		return verify_with_row(row, key_algorithm(key), digest, span_of(signature, n), err);
	status = key_verify(key, digest, span_of(signature, n));
	if (status != ST_OK)
		err_set(err, "its signature does not verify");
	return status;
}

/* Without what keyload_row() says in front: who reads this knows which key it is. */
static enum status
open_key(struct unsealer *unsealer, const struct sealedkey_owner *owner, struct span text,
    int64_t now_ms, struct key **key_out, struct err *err)
{
	char *opened = NULL;
	size_t n = 0;
	enum status status;

	if (unsealer == NULL) {
		err_set(err, "there is nothing to open it with");
		return ST_ABSENT;
	}
	status = unsealer_open(unsealer, owner, text, now_ms, &opened, &n, err);
	if (status == ST_OK)
		status = key_parse(span_of(opened, n), key_out, err);
	secret_free(opened);
	return status;
}

enum status
keytrial_key(
    struct unsealer *unsealer, const struct store_key *row, int64_t now_ms, struct err *err)
{
	const struct sealedkey_owner owner = {.tenant = row->tenant,
	    .domain = row->domain,
	    .selector = row->selector,
	    .id = row->id,
	    .revision = row->revision};
	struct key *key = NULL;
	enum status status = open_key(unsealer, &owner, row->private_key, now_ms, &key, err);

	if (status == ST_OK &&
	    !span_ieq_str(row->algorithm, key_algorithm_name(key_algorithm(key)))) {
		err_set(err, "it is a key for %s, and its row says %.*s",
		    key_algorithm_name(key_algorithm(key)),
		    SPAN_ARG(span_sub(row->algorithm, 0, 32)));
		status = ST_INVALID;
	}
	if (status == ST_OK)
		status = sign_and_verify(key, row, err);
	key_free(key);
	return status;
}

/* ---- those that failed ---- */

static struct failure *
failure_of(const struct keytrial *trial, struct span id)
{
	for (size_t i = 0; i < trial->failure_count; i++)
		if (span_eq_str(id, trial->failures[i].id))
			return &trial->failures[i];
	return NULL;
}

/* For a line of text: what is not printable becomes '?'. */
static void
copy_line(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; n + 1 < room && text[n] != '\0'; n++)
		out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = '\0';
}

static void
say_failed(struct keytrial *trial, const struct store_key *row, const struct failure *failure)
{
	if (trial->said++ >= SAID_MAX) {
		trial->unsaid++;
		return;
	}
	log_line(LOG_LEVEL_ERROR,
	    "the key %s (%.*s of %.*s) waits to be used, and cannot be: %s; it is tried again "
	    "every %d s",
	    failure->id, SPAN_ARG(row->selector), SPAN_ARG(row->domain), failure->why,
	    KEYTRIAL_AGAIN_MS / 1000);
}

static void
note_failed(struct keytrial *trial, struct failure *failure, const struct store_key *row,
    const struct err *why)
{
	struct failure now = {.loading = row->loading, .seen = true};

	(void)snprintf(now.id, sizeof(now.id), "%.*s", SPAN_ARG(row->id));
	copy_line(now.why, sizeof(now.why), why->text);
	if (failure == NULL || strcmp(failure->why, now.why) != 0)
		say_failed(trial, row, &now);
	pthread_mutex_lock(&trial->lock);
	if (failure == NULL && trial->failure_count < KEYTRIAL_FAILED_MAX)
		failure = &trial->failures[trial->failure_count++];
	if (failure != NULL)
		*failure = now;
	else if (row->loading < trial->omitted)
		trial->omitted = row->loading;
	pthread_mutex_unlock(&trial->lock);
}

static void
forget(struct keytrial *trial, struct failure *failure)
{
	pthread_mutex_lock(&trial->lock);
	*failure = trial->failures[--trial->failure_count];
	pthread_mutex_unlock(&trial->lock);
}

/* They are destroyed, or nobody waits for them any more. */
static void
forget_unseen(struct keytrial *trial)
{
	for (size_t i = trial->failure_count; i > 0; i--)
		if (!trial->failures[i - 1].seen)
			forget(trial, &trial->failures[i - 1]);
}

static void
try_row(struct keytrial *trial, const struct store_key *row, int64_t now_ms)
{
	struct failure *failure = failure_of(trial, row->id);
	struct err why = ERR_NONE;

	if (failure == NULL && row->loading <= trial->tested)
		return; /* another one failed, and this one did not */
	if (keytrial_key(trial->unsealer, row, now_ms, &why) != ST_OK) {
		metrics_count(METRIC_KEYS_TRIED, METRIC_TRIED_FAILED, METRIC_NONE);
		note_failed(trial, failure, row, &why);
		return;
	}
	metrics_count(METRIC_KEYS_TRIED, METRIC_TRIED_OK, METRIC_NONE);
	if (failure == NULL)
		return;
	if (trial->said++ < SAID_MAX)
		log_line(LOG_LEVEL_NOTICE, "the key %.*s (%.*s of %.*s) can be used now",
		    SPAN_ARG(row->id), SPAN_ARG(row->selector), SPAN_ARG(row->domain));
	forget(trial, failure);
}

/* ---- a round ---- */

/* A backup was put back, or it is another store: all keys that wait are tried. */
static void
begin_anew(struct keytrial *trial)
{
	pthread_mutex_lock(&trial->lock);
	trial->tested = 0;
	trial->failure_count = 0;
	pthread_mutex_unlock(&trial->lock);
}

static uint64_t
lowest_failed(const struct keytrial *trial)
{
	uint64_t lowest = UINT64_MAX;

	for (size_t i = 0; i < trial->failure_count; i++)
		if (trial->failures[i].loading < lowest)
			lowest = trial->failures[i].loading;
	return lowest;
}

/* Where the round begins. */
static uint64_t
begin_round(struct keytrial *trial, bool again)
{
	uint64_t lowest = again ? lowest_failed(trial) : UINT64_MAX;

	trial->omitted = UINT64_MAX;
	trial->said = trial->unsaid = 0;
	for (size_t i = 0; i < trial->failure_count; i++)
		trial->failures[i].seen = !again;
	return lowest <= trial->tested && lowest > 0 ? lowest - 1 : trial->tested;
}

/* What was tried and cannot be told of counts as not tried: nobody is to take it for good. */
static void
mark_tested(struct keytrial *trial, uint64_t epoch)
{
	if (trial->omitted <= epoch)
		epoch = trial->omitted - 1;
	pthread_mutex_lock(&trial->lock);
	if (epoch > trial->tested)
		trial->tested = epoch;
	pthread_mutex_unlock(&trial->lock);
}

/* One question and its keys; *since moves on. ST_ABSENT: there are no more. */
static enum status
try_page(struct keytrial *trial, struct keystore *store, uint64_t *since, int64_t now_ms,
    struct err *err)
{
	struct keystore_rows *rows = NULL;
	enum status status = store->ops->loading(store, *since, KEYSTORE_LOADING_MAX, &rows, err);

	if (status != ST_OK)
		return status == ST_ABSENT ? ST_FAILED : status;
	if (rows->epoch != 0 && rows->epoch < trial->tested) {
		begin_anew(trial);
		*since = 0;
	} else {
		for (size_t i = 0; i < rows->key_count; i++)
			try_row(trial, &rows->keys[i], now_ms);
		status = rows->key_count == 0 ? ST_ABSENT : ST_OK;
		if (rows->key_count > 0)
			*since = rows->keys[rows->key_count - 1].loading;
		mark_tested(trial, rows->key_count > 0 ? *since : rows->epoch);
		trial->told = rows->epoch;
	}
	keystore_rows_release(rows);
	return status;
}

enum status
keytrial_round(struct keytrial *trial, struct keystore *store, int64_t now_ms, struct err *err)
{
	bool again = now_ms >= trial->due_ms;
	uint64_t since = begin_round(trial, again), before;
	enum status status;

	if (store->ops->loading == NULL) {
		err_set(err, "%s names no keys that wait", store->where);
		return ST_UNAVAILABLE;
	}
	do {
		before = since;
		status = try_page(trial, store, &since, now_ms, err);
	} while (status == ST_OK && since != before);
	if (status == ST_ABSENT)
		forget_unseen(trial);
	if (trial->unsaid > 0)
		log_line(
		    LOG_LEVEL_ERROR, "%u more keys that wait to be used cannot be", trial->unsaid);
	if (trial->failure_count == 0)
		trial->due_ms = INT64_MAX;
	else if (again || trial->due_ms == INT64_MAX)
		trial->due_ms = now_ms + KEYTRIAL_AGAIN_MS;
	return status == ST_ABSENT ? ST_OK : status;
}

bool
keytrial_is_behind(const struct keytrial *trial, uint64_t epoch)
{
	return trial->told < epoch;
}

int64_t
keytrial_due_ms(const struct keytrial *trial)
{
	return trial->due_ms;
}

uint64_t
keytrial_tested(struct keytrial *trial, struct buf *failed)
{
	uint64_t tested;

	pthread_mutex_lock(&trial->lock);
	tested = trial->tested;
	for (size_t i = 0; i < trial->failure_count; i++) {
		const struct failure *f = &trial->failures[i];

		if (failed->n + strlen(f->id) + strlen(f->why) + 2 <= failed->max)
			buf_add_fmt(failed, "%s %s\n", f->id, f->why);
		else if (f->loading <= tested)
			tested = f->loading - 1;
	}
	pthread_mutex_unlock(&trial->lock);
	return tested;
}
