/*
 * sitekey_private.h - between the files of sitekey.h: what a site key file says, and the derived
 * keys that are kept.
 */
#ifndef SIGNPOST_STORE_SITEKEY_PRIVATE_H
#define SIGNPOST_STORE_SITEKEY_PRIVATE_H

#include "lib/store/sitekey.h"

struct sitekey_version {
	uint32_t number;
	uint8_t key[SEAL_KEY_BYTES];
};

/* In secret memory: secret_free(). */
struct sitekey_content {
	struct sitekey_version versions[SITEKEY_VERSIONS_MAX];
	size_t count;
	uint32_t current;
};

/* ST_INVALID: the line at fault. ST_UNAVAILABLE: no secret memory. */
enum status sitekey_content_parse(
    struct span text, const char *name, struct sitekey_content **out, struct err *err) MUST_USE;
/* NULL when there is none. */
const struct sitekey_version *sitekey_content_find(
    const struct sitekey_content *content, uint32_t number);
/* The text that sitekey_content_parse() reads; secret_free(). ST_FAILED: no secret memory. */
enum status sitekey_content_text(const struct sitekey_content *content, char **text_out,
    size_t *n_out, struct err *err) MUST_USE;

/* Derived keys by name, the most recently used first. One thread at a time. */
struct sitekey_tenants;

struct sitekey_tenants *sitekey_tenants_new(void);
void sitekey_tenants_free(struct sitekey_tenants *tenants);
/* One reference for the caller, or NULL. */
struct seal *sitekey_tenants_find(struct sitekey_tenants *tenants, struct span name);
/* Takes a reference of its own; the least recently used one goes when there are too many. */
void sitekey_tenants_add(struct sitekey_tenants *tenants, struct span name, struct seal *seal);
void sitekey_tenants_clear(struct sitekey_tenants *tenants);

#endif
