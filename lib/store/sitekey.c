/*
 * sitekey.c - the site key file in use: read, read again when it changes, and the keys of tenants
 * that come of it.
 * The keeper has one open for the store's keys; the admin tools and daemons too. It must never
 * wait for the disk under its lock, nor take a file in use away for one that is worse.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/keyfile.h"
#include "lib/store/sitekey_private.h"

#define INFO_NAME "signpost tenant key v1"
#define INFO_MAX 2048U
#define LOOK_MS 1000
#define CREDENTIAL "credential:"

struct sitekey {
	char *name; /* for messages; the path where there is a file */
	bool is_file, require_safe;
	pthread_mutex_t lock; /* all below */
	struct sitekey_content *content;
	struct sitekey_tenants *tenants;
	struct keyfile_stamp stamp;
	int64_t looked_ms;
	bool looked;
};

/* The path of a credential, or a copy of path. NULL: there are no credentials. */
static char *
resolve(const char *path, struct err *err)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	const char *name = path + sizeof(CREDENTIAL) - 1;
	struct buf full;
	char *copy;

	if (strncmp(path, CREDENTIAL, sizeof(CREDENTIAL) - 1) != 0)
		return mem_strdup(path);
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
		err_set(err, "%s: is not the name of a credential", path);
		return NULL;
	}
	if (directory == NULL || directory[0] != '/') {
		err_set(err,
		    "%s: systemd passes no credentials to this process; add "
		    "LoadCredential=%s:/PATH/OF/THE/FILE to its unit, or give the path",
		    path, name);
		return NULL;
	}
	buf_init(&full, 8192);
	buf_add_fmt(&full, "%s/%s", directory, name);
	copy = mem_strdup(buf_text(&full));
	buf_free(&full);
	return copy;
}

static struct sitekey *
make(struct sitekey_content *content, char *name)
{
	struct sitekey *sitekey = mem_zalloc(1, sizeof(*sitekey));

	sitekey->content = content;
	sitekey->name = name;
	sitekey->tenants = sitekey_tenants_new();
	pthread_mutex_init(&sitekey->lock, NULL);
	return sitekey;
}

static enum status
read_file(const char *path, bool require_safe, struct sitekey_content **out,
    struct keyfile_stamp *stamp_out, struct err *err)
{
	struct err why = ERR_NONE;
	enum status status;
	char *text;
	size_t n;

	*out = NULL;
	status = keyfile_read(path, require_safe, &text, &n, stamp_out, err);
	if (status != ST_OK)
		return status;
	status = sitekey_content_parse(span_of(text, n), path, out, &why);
	secret_free(text);
	if (status != ST_OK)
		err_set(err, "%s", why.text);
	return status;
}

enum status
sitekey_open(const char *path, bool require_safe, struct sitekey **out, struct err *err)
{
	struct sitekey_content *content;
	struct keyfile_stamp stamp;
	enum status status;
	char *real = resolve(path, err);

	*out = NULL;
	if (real == NULL)
		return ST_INVALID;
	status = read_file(real, require_safe, &content, &stamp, err);
	if (status == ST_ABSENT)
		err_set(err,
		    "%s: there is no site key file; copy it from the host where keys are made "
		    "(or from its backup: without it no sealed key can be read), or make the first "
		    "one with: signpost store sitekey new %s",
		    real, real);
	if (status != ST_OK) {
		mem_free(real);
		return status;
	}
	*out = make(content, real);
	(*out)->is_file = true;
	(*out)->require_safe = require_safe;
	(*out)->stamp = stamp;
	return ST_OK;
}

enum status
sitekey_parse(struct span text, const char *name, struct sitekey **out, struct err *err)
{
	struct sitekey_content *content;
	enum status status = sitekey_content_parse(text, name, &content, err);

	*out = status == ST_OK ? make(content, mem_strdup(name)) : NULL;
	return status;
}

void
sitekey_close(struct sitekey *sitekey)
{
	if (sitekey == NULL)
		return;
	sitekey_tenants_free(sitekey->tenants);
	secret_free(sitekey->content);
	pthread_mutex_destroy(&sitekey->lock);
	mem_free(sitekey->name);
	mem_free(sitekey);
}

/* Locked. Is there a version that both have, with another key? */
static bool
contradicts(
    const struct sitekey_content *now, const struct sitekey_content *next, uint32_t *version_out)
{
	for (size_t i = 0; i < next->count; i++) {
		const struct sitekey_version *old =
		    sitekey_content_find(now, next->versions[i].number);

		*version_out = next->versions[i].number;
		if (old != NULL && !secret_equal(old->key, next->versions[i].key, SEAL_KEY_BYTES))
			return true;
	}
	return false;
}

/* Takes next over. */
static enum status
swap(struct sitekey *sitekey, struct sitekey_content *next, const struct keyfile_stamp *stamp,
    struct err *err)
{
	struct sitekey_content *unused = next;
	uint32_t version = 0;
	bool refused;

	pthread_mutex_lock(&sitekey->lock);
	refused = contradicts(sitekey->content, next, &version);
	if (!refused) {
		unused = sitekey->content;
		sitekey->content = next;
		sitekey->stamp = *stamp;
		sitekey_tenants_clear(sitekey->tenants);
	}
	pthread_mutex_unlock(&sitekey->lock);
	secret_free(unused);
	if (!refused)
		return ST_OK;
	err_set(err,
	    "%s: version %u is another key than before: this is the file of another site; what was "
	    "read before stays in use until the right file is there or this process starts anew",
	    sitekey->name, version);
	return ST_DENIED;
}

/* Reads the file if it is another edition than the one in use. */
static enum status
look_again(struct sitekey *sitekey, struct err *err)
{
	struct sitekey_content *next;
	struct keyfile_stamp stamp;
	enum status status;

	if (!sitekey->is_file)
		return ST_ABSENT;
	pthread_mutex_lock(&sitekey->lock);
	stamp = sitekey->stamp;
	pthread_mutex_unlock(&sitekey->lock);
	if (!keyfile_changed(sitekey->name, &stamp))
		return ST_ABSENT;
	status = read_file(sitekey->name, sitekey->require_safe, &next, &stamp, err);
	if (status == ST_OK)
		return swap(sitekey, next, &stamp, err);
	if (status == ST_ABSENT)
		err_set(err,
		    "%s: the site key file is gone; what was read before stays in use until this "
		    "process ends: put the file back",
		    sitekey->name);
	return status == ST_ABSENT ? ST_UNAVAILABLE : status;
}

enum status
sitekey_refresh(struct sitekey *sitekey, int64_t now_mono_ms, struct err *err)
{
	bool due;

	pthread_mutex_lock(&sitekey->lock);
	due = !sitekey->looked || now_mono_ms - sitekey->looked_ms >= LOOK_MS;
	if (due) {
		sitekey->looked = true;
		sitekey->looked_ms = now_mono_ms;
	}
	pthread_mutex_unlock(&sitekey->lock);
	return due ? look_again(sitekey, err) : ST_ABSENT;
}

uint32_t
sitekey_current(struct sitekey *sitekey)
{
	uint32_t current;

	pthread_mutex_lock(&sitekey->lock);
	current = sitekey->content->current;
	pthread_mutex_unlock(&sitekey->lock);
	return current;
}

bool
sitekey_has(struct sitekey *sitekey, uint32_t version)
{
	bool has;

	pthread_mutex_lock(&sitekey->lock);
	has = sitekey_content_find(sitekey->content, version) != NULL;
	pthread_mutex_unlock(&sitekey->lock);
	return has;
}

size_t
sitekey_versions(struct sitekey *sitekey, uint32_t versions_out[SITEKEY_VERSIONS_MAX])
{
	size_t count;

	pthread_mutex_lock(&sitekey->lock);
	count = sitekey->content->count;
	for (size_t i = 0; i < count; i++)
		versions_out[i] = sitekey->content->versions[i].number;
	pthread_mutex_unlock(&sitekey->lock);
	return count;
}

const char *
sitekey_name(const struct sitekey *sitekey)
{
	return sitekey->name;
}

/* Locked. name: the version, then the info. ST_ABSENT without a sentence. */
static enum status
find_or_derive(
    struct sitekey *sitekey, uint32_t number, struct span name, struct seal **out, struct err *err)
{
	const struct sitekey_version *version = sitekey_content_find(sitekey->content, number);
	enum status status;

	if (version == NULL)
		return ST_ABSENT;
	*out = sitekey_tenants_find(sitekey->tenants, name);
	if (*out != NULL)
		return ST_OK;
	status = seal_derive(version->key, SPAN_EMPTY, span_from(name, sizeof(number)), out, err);
	if (status == ST_OK)
		sitekey_tenants_add(sitekey->tenants, name, *out);
	return status;
}

static enum status
ask(struct sitekey *sitekey, uint32_t version, struct span name, struct seal **out, struct err *err)
{
	enum status status;

	pthread_mutex_lock(&sitekey->lock);
	status = find_or_derive(sitekey, version, name, out, err);
	pthread_mutex_unlock(&sitekey->lock);
	return status;
}

/* "versions 1, 2" */
static void
say_absent(struct sitekey *sitekey, uint32_t version, const char *also, struct err *err)
{
	uint32_t numbers[SITEKEY_VERSIONS_MAX];
	size_t count = sitekey_versions(sitekey, numbers);
	struct buf list;

	buf_init(&list, 1024);
	for (size_t i = 0; i < count; i++)
		buf_add_fmt(&list, "%s%u", i == 0 ? "" : ", ", numbers[i]);
	err_set(err,
	    "%s has the version%s %s, and version %u sealed the key: copy the newer file from the "
	    "host where keys are made%s%s",
	    sitekey->name, count == 1 ? "" : "s", buf_text(&list), version,
	    also[0] == '\0' ? "" : "; it could not be read again: ", also);
	buf_free(&list);
}

enum status
sitekey_tenant(struct sitekey *sitekey, uint32_t version, const char *purpose, struct span tenant,
    struct seal **out, struct err *err)
{
	struct err again = ERR_NONE;
	enum status status = ST_OK;
	struct buf name;

	*out = NULL;
	buf_init(&name, INFO_MAX);
	buf_add(&name, span_of(&version, sizeof(version)));
	seal_add_field(&name, SPAN_LIT(INFO_NAME));
	seal_add_field(&name, span_str(purpose));
	seal_add_field(&name, tenant);
	if (buf_status(&name) != ST_OK) {
		err_set(err, "the name of the tenant is too long");
		status = ST_FAILED;
	}
	if (status == ST_OK)
		status = ask(sitekey, version, buf_span(&name), out, err);
	if (status == ST_ABSENT && look_again(sitekey, &again) == ST_OK) {
		memset(&again, 0, sizeof(again));
		status = ask(sitekey, version, buf_span(&name), out, err);
	}
	if (status == ST_ABSENT)
		say_absent(sitekey, version, again.text, err);
	buf_free(&name);
	return status;
}

void
sitekey_release(struct sitekey *sitekey, struct seal *seal)
{
	(void)sitekey;
	seal_free(seal);
}

static enum status
add_version(struct sitekey_content *content, struct err *err)
{
	uint32_t highest = 0;
	struct sitekey_version *fresh = &content->versions[content->count];

	for (size_t i = 0; i < content->count; i++)
		if (content->versions[i].number > highest)
			highest = content->versions[i].number;
	if (content->count == SITEKEY_VERSIONS_MAX || highest == SITEKEY_VERSION_MAX) {
		err_set(err,
		    "there are %zu versions, the highest is %u: no other can be; remove "
		    "those that sealed no key any more",
		    content->count, highest);
		return ST_INVALID;
	}
	fresh->number = highest + 1;
	random_bytes(fresh->key, sizeof(fresh->key));
	if (content->count++ == 0)
		content->current = fresh->number;
	return ST_OK;
}

static enum status
activate_highest(struct sitekey_content *content, struct err *err)
{
	uint32_t before = content->current;

	for (size_t i = 0; i < content->count; i++)
		if (content->versions[i].number > content->current)
			content->current = content->versions[i].number;
	if (content->current != before)
		return ST_OK;
	err_set(err, "version %u is the highest and seals already; add another one first", before);
	return ST_ABSENT;
}

enum status
sitekey_rotate_text(
    struct sitekey *old, bool activate, char **text_out, size_t *n_out, struct err *err)
{
	struct sitekey_content *content = secret_malloc(sizeof(*content));
	enum status status;

	*text_out = NULL;
	*n_out = 0;
	if (content == NULL) {
		err_set(err, "no secret memory left for the site key file");
		return ST_FAILED;
	}
	memset(content, 0, sizeof(*content));
	if (old != NULL) {
		pthread_mutex_lock(&old->lock);
		*content = *old->content;
		pthread_mutex_unlock(&old->lock);
	}
	status = activate ? activate_highest(content, err) : add_version(content, err);
	if (status == ST_OK)
		status = sitekey_content_text(content, text_out, n_out, err);
	secret_free(content);
	return status;
}
