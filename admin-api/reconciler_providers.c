/*
 * reconciler_providers.c - which publisher a record goes to: the tenant's own of that name, else
 * that of the operator's file.
 * Called in each turn for what has to be changed in DNS. A row is read in the turn that uses it, so
 * that a new secret counts at once. It must never give one tenant's records to another one's
 * provider, nor to the operator's because the store did not answer.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/provider.h"
#include "admin-api/reconciler_private.h"
#include "lib/base/mem.h"

struct turn_provider {
	struct turn_provider *next;
	struct publisher *publisher; /* NULL: why; owned if it is the tenant's */
	bool owned;
	enum life_effect effect; /* without one */
	struct span tenant;      /* in the turn's rows */
	char name[PUBLISH_NAME_MAX + 1];
	char why[PUBLISH_WHY_BYTES];
};

static void
look_up(struct turn *turn, struct turn_provider *one)
{
	const struct reconciler_config *config = &turn->reconciler->config;
	struct span name = span_str(one->name);
	struct err err = ERR_NONE;
	enum status status =
	    provider_find(config->store, config->sitekey, one->tenant, name, &one->publisher, &err);

	/* A schema without room for them; of one that has it this says that nobody knows. */
	if (status == ST_UNAVAILABLE && !config->providers)
		status = ST_ABSENT;
	one->owned = status == ST_OK;
	if (status == ST_ABSENT) {
		one->publisher = publisher_find(config->publishers, config->publisher_count, name);
		one->effect = LIFE_REFUSED;
		snprintf(one->why, sizeof(one->why),
		    "there is no publisher \"%s\", neither of the tenant nor in DNSPublishers",
		    one->name);
	} else if (status != ST_OK) {
		one->effect = status == ST_UNAVAILABLE ? LIFE_UNAVAILABLE : LIFE_REFUSED;
		snprintf(one->why, sizeof(one->why), "DNS provider %s: %.*s", one->name,
		    (int)(sizeof(one->why) - sizeof(one->name) - 20), err.text);
	}
}

static struct turn_provider *
find(struct turn *turn, struct span tenant, const char *name)
{
	struct turn_provider *one = turn->providers;

	while (one != NULL && (strcmp(one->name, name) != 0 || !span_eq(one->tenant, tenant)))
		one = one->next;
	if (one != NULL)
		return one;
	one = mem_zalloc(1, sizeof(*one));
	one->tenant = tenant;
	snprintf(one->name, sizeof(one->name), "%s", name);
	look_up(turn, one);
	one->next = turn->providers;
	turn->providers = one;
	return one;
}

bool
errand_find_publisher(struct turn *turn, struct errand *errand)
{
	const struct turn_provider *one = find(
	    turn, errand->work->row->tenant, errand->work->life.keys[errand->key].life.publisher);

	errand->publisher = one->publisher;
	if (one->publisher != NULL)
		return true;
	errand->effect = one->effect;
	memcpy(errand->why, one->why, sizeof(errand->why));
	return false;
}

void
providers_close(struct turn *turn)
{
	while (turn->providers != NULL) {
		struct turn_provider *one = turn->providers;

		turn->providers = one->next;
		if (one->owned)
			publisher_close(one->publisher);
		mem_free(one);
	}
}
