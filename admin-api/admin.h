/*
 * admin.h - what the operations of signpost-admind work on. Made by its main, and by the drivers of
 * tests; everything in it is borrowed and outlives every operation.
 */
#ifndef SIGNPOST_ADMIN_API_ADMIN_H
#define SIGNPOST_ADMIN_API_ADMIN_H

#include <stddef.h>

#include "admin-api/publish.h"
#include "lib/dns/authority.h"
#include "lib/store/keystore.h"
#include "lib/store/sitekey.h"

struct conf;
struct mirror;
struct quotas;
struct reconciler;

/* Any number of threads may run operations on one. */
struct admin {
	struct keystore *store;  /* opened for writing */
	struct sitekey *sitekey; /* NULL: no key can be made or taken in */
	struct publisher *const *publishers;
	size_t publisher_count;
	struct mirror *const *mirrors; /* KeyMirrors */
	size_t mirror_count;
	struct authority_config authority;
	/* What gateways do by their own configuration, as that of this daemon has it: for
	 * explanations. NULL: unknown. */
	const char *canonicalization;
	bool require_tenant;
	/* Nameservers and the like, for verifying what somebody shows; NULL: the defaults. */
	const struct conf *conf;
	struct quotas *quotas; /* NULL: no tenant is held to one */
	bool records;   /* the store has room for the audit, for tokens and for kept answers */
	bool providers; /* and for DNS providers of tenants */
	struct reconciler *reconciler; /* NULL: none runs here; changes wait for another one */
};

#endif
