/*
 * mirror_tenants.c - whose policies may name a mirror.
 * Called when a policy is written, and by the reconciler before a key leaves the store. It must
 * never take a list that it does not understand for "all".
 */
#include <string.h>

#include "admin-api/mirror.h"
#include "lib/store/keystore.h"

struct mirror *
mirror_find(struct mirror *const *mirrors, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(mirrors[i]->name, name) == 0)
			return mirrors[i];
	return NULL;
}

bool
mirror_tenants_good(struct span list)
{
	struct span name;
	bool more = true, good = true;

	if (span_eq_str(list, "*"))
		return true;
	while (more && good) {
		more = span_cut(&list, ',', &name);
		good = keystore_tenant_is_valid(name);
	}
	return good;
}

bool
mirror_serves(const struct mirror *mirror, struct span tenant)
{
	struct span list = span_str(mirror->tenants), name;
	bool more = true, found = false;

	if (mirror->tenants == NULL || span_eq_str(list, "*"))
		return true;
	while (more && !found) {
		more = span_cut(&list, ',', &name);
		found = tenant.n > 0 && span_eq(name, tenant);
	}
	return found;
}
