/*
 * unsealer.c - the site key file in the keeper.
 * Called by the key cache when a key of the KeyStore is needed for the first time. It must never
 * log a part of a key, nor give out what did not open.
 */
#include <pthread.h>
#include <string.h>

#include "daemon/unsealer.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

struct unsealer {
	char *path;
	bool require_safe;
	pthread_mutex_t lock;    /* of what follows */
	struct sitekey *sitekey; /* set once, and never changed again */
	int64_t next_try_ms;
	struct err why;
};

/* With the lock. */
static void
try_file(struct unsealer *unsealer, int64_t now_ms)
{
	struct err err = ERR_NONE;
	enum status status =
	    sitekey_open(unsealer->path, unsealer->require_safe, &unsealer->sitekey, &err);

	unsealer->next_try_ms = now_ms + UNSEALER_RETRY_MS;
	if (status == ST_OK) {
		if (err.text[0] != '\0')
			log_line(LOG_LEVEL_WARNING, "SiteKeyFile: %s", err.text);
		return;
	}
	unsealer->sitekey = NULL;
	if (strcmp(err.text, unsealer->why.text) != 0)
		log_line(LOG_LEVEL_ERROR,
		    "SiteKeyFile: %s; until it can be read no sealed key opens", err.text);
	unsealer->why = err;
}

struct unsealer *
unsealer_new(const char *path, bool require_safe)
{
	struct unsealer *unsealer = mem_zalloc(1, sizeof(*unsealer));

	pthread_mutex_init(&unsealer->lock, NULL);
	unsealer->require_safe = require_safe;
	if (path == NULL)
		return unsealer;
	unsealer->path = mem_strdup(path);
	try_file(unsealer, clock_mono_ms());
	return unsealer;
}

void
unsealer_free(struct unsealer *unsealer)
{
	if (unsealer == NULL)
		return;
	sitekey_close(unsealer->sitekey);
	pthread_mutex_destroy(&unsealer->lock);
	mem_free(unsealer->path);
	mem_free(unsealer);
}

/* NULL with a sentence: there is none. */
static struct sitekey *
sitekey_of(struct unsealer *unsealer, int64_t now_ms, struct err *err)
{
	struct sitekey *sitekey;

	if (unsealer->path == NULL) {
		err_set(err, "it is sealed, and there is no SiteKeyFile: add the one of the site");
		return NULL;
	}
	pthread_mutex_lock(&unsealer->lock);
	if (unsealer->sitekey == NULL && now_ms >= unsealer->next_try_ms)
		try_file(unsealer, now_ms);
	sitekey = unsealer->sitekey;
	if (sitekey == NULL)
		err_set(
		    err, "it is sealed, and SiteKeyFile cannot be used: %s", unsealer->why.text);
	pthread_mutex_unlock(&unsealer->lock);
	return sitekey;
}

struct sitekey *
unsealer_sitekey(struct unsealer *unsealer)
{
	struct err err = ERR_NONE;

	return sitekey_of(unsealer, clock_mono_ms(), &err);
}

static enum status
copy_plain(struct span text, char **key_out, size_t *n_out, struct err *err)
{
	*key_out = secret_malloc(text.n + 1);
	if (*key_out == NULL) {
		err_set(err, "no secret memory left for a key");
		return ST_UNAVAILABLE;
	}
	memcpy(*key_out, text.p, text.n);
	(*key_out)[text.n] = '\0';
	*n_out = text.n;
	return ST_OK;
}

enum status
unsealer_open(struct unsealer *unsealer, const struct sealedkey_owner *owner, struct span text,
    int64_t now_ms, char **key_out, size_t *n_out, struct err *err)
{
	struct sitekey *sitekey;

	switch (sealedkey_form(text)) {
	case SEALEDKEY_SEALED:
		sitekey = sitekey_of(unsealer, now_ms, err);
		return sitekey == NULL ? ST_ABSENT
				       : sealedkey_open(sitekey, owner, text, key_out, n_out, err);
	case SEALEDKEY_PLAIN:
		return copy_plain(text, key_out, n_out, err);
	case SEALEDKEY_EMPTY:
		err_set(err, "there is no private key in its row");
		return ST_INVALID;
	case SEALEDKEY_UNKNOWN:
		break;
	}
	err_set(err, "what is in its row is neither a sealed key nor PEM");
	return ST_INVALID;
}
