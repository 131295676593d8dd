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

struct reconciler;

/* Any number of threads may run operations on one. */
struct admin {
	struct keystore *store;  /* opened for writing */
	struct sitekey *sitekey; /* NULL: no key can be made or taken in */
	struct publisher *const *publishers;
	size_t publisher_count;
	struct authority_config authority;
	struct reconciler *reconciler; /* NULL: none runs here; changes wait for another one */
};

#endif
