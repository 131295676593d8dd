/*
 * provider.h - the DNS providers of tenants: rows of the store, opened as publishers.
 */
#ifndef SIGNPOST_ADMIN_API_PROVIDER_H
#define SIGNPOST_ADMIN_API_PROVIDER_H

#include "admin-api/publish.h"
#include "lib/store/keystore.h"
#include "lib/store/sitekey.h"

/* The row with its secret opened. ST_OK: publisher_close(*out). Else err says why: ST_ABSENT,
 * ST_DENIED, ST_FAILED (the secret cannot be opened, or there is no site key), ST_INVALID (nothing
 * that a publisher can be made of). Any thread. */
enum status provider_open(struct sitekey *sitekey, const struct store_provider *row,
    struct publisher **out, struct err *err) MUST_USE;
/* The same of the row of this tenant and name. ST_ABSENT: there is no such row; all else that is
 * not ST_OK: there is one, or nobody knows, and no other publisher is to be taken in its place. */
enum status provider_find(struct keystore *store, struct sitekey *sitekey, struct span tenant,
    struct span name, struct publisher **out, struct err *err) MUST_USE;

#endif
