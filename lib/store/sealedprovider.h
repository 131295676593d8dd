/*
 * sealedprovider.h - the secret of a tenant's DNS provider at rest: as a private key is
 * (sealedkey.h), under the tenant's key, bound to tenant and name, kind and address. A row that was
 * copied to another tenant, or whose address somebody changed in the store, does not open: the
 * secret goes nowhere else than where it was given for.
 *
 * Of the owner of sealedkey.h: no domain, the selector "dns-provider", the id NAME ":" and the
 * SHA-256 of F(kind) F(address) in hexadecimal, revision 0. No private key has an owner without a
 * domain.
 */
#ifndef SIGNPOST_STORE_SEALEDPROVIDER_H
#define SIGNPOST_STORE_SEALEDPROVIDER_H

#include "lib/store/adminrows.h"
#include "lib/store/sealedkey.h"

#define SEALEDPROVIDER_PLAIN_MAX 4096U /* octets of a secret */

/* Of row only tenant, name, kind and address are looked at. As sealedkey_close(). */
enum status sealedprovider_close(struct sitekey *sitekey, const struct store_provider *row,
    struct span plain, struct buf *out, struct err *err) MUST_USE;
/* Of row.secret, which is not empty. As sealedkey_open(); *plain_out: secret_free(). */
enum status sealedprovider_open(struct sitekey *sitekey, const struct store_provider *row,
    char **plain_out, size_t *n_out, struct err *err) MUST_USE;

#endif
