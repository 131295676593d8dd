/*
 * authority_zone.c - finds the zone in which a domain is, by asking the servers of the zones above
 * from the top-level name downwards, and all servers of that zone: the names in the parent and in
 * the zone itself. authority_name.c waits for it. Recursive resolvers are asked for the servers of
 * the top-level name only, and for lower names only as long as they know nothing of those above:
 * a domain that does not exist yet shall not be known anywhere as one that does not exist.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

/* ---- zones ---- */

static void
add_host(struct authority_call *call, struct authority_zone *zone, const char *name)
{
	struct authority_host *host = authority_host_get(call, name);

	for (unsigned i = 0; i < zone->host_count; i++)
		if (zone->hosts[i] == host)
			return;
	if (zone->host_count == AUTHORITY_HOSTS_MAX)
		zone->too_many = true;
	else
		zone->hosts[zone->host_count++] = host;
	zone->ready = false;
}

/* Glue counts when it is of a name that the zone above may speak of (RFC 2181 section 5.4.1). */
static void
add_glue(struct authority_call *call, const struct authority_zone *zone,
    const struct authority_answer *answer)
{
	const char *bailiwick = zone->parent == NULL ? "" : zone->parent->name;

	for (unsigned i = 0; i < answer->glue_count; i++) {
		const struct authority_glue *glue = &answer->glue[i];

		if (!authority_name_in(glue->name, bailiwick))
			continue;
		for (unsigned j = 0; j < zone->host_count; j++)
			if (strcmp(zone->hosts[j]->name, glue->name) == 0)
				authority_host_add(
				    call, zone->hosts[j], glue->family, glue->octets);
	}
}

void
authority_zone_add_hosts(
    struct authority_call *call, struct authority_zone *zone, const struct authority_answer *answer)
{
	zone->too_many = zone->too_many || answer->ns_too_many;
	for (unsigned i = 0; i < answer->ns_count; i++)
		add_host(call, zone, answer->ns[i]);
	add_glue(call, zone, answer);
}

struct authority_zone *
authority_zone_get(struct authority_call *call, const char *name, struct authority_zone *parent,
    const struct authority_answer *answer)
{
	struct authority_zone *zone;

	for (size_t i = 0; i < call->zones.count; i++) {
		zone = call->zones.items[i];
		if (strcmp(zone->name, name) == 0) {
			authority_zone_add_hosts(call, zone, answer);
			return zone;
		}
	}
	zone = mem_zalloc(1, sizeof(*zone));
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	zone->parent = parent;
	authority_list_add(&call->zones, zone);
	authority_zone_add_hosts(call, zone, answer);
	return zone;
}

bool
authority_zone_is_signed(const struct authority_zone *zone)
{
	for (; zone != NULL; zone = zone->parent)
		if (zone->ds != DS_THERE)
			return false;
	return true;
}

/* ---- its servers ---- */

static unsigned
hosts_wanted(const struct authority_zone *zone)
{
	if (!zone->all && zone->host_count > AUTHORITY_WALK_HOSTS)
		return AUTHORITY_WALK_HOSTS;
	return zone->host_count;
}

static void
add_server(struct authority_zone *zone, struct authority_server *server)
{
	for (unsigned i = 0; i < zone->server_count; i++)
		if (zone->servers[i] == server)
			return;
	if (zone->server_count < AUTHORITY_SERVERS_MAX)
		zone->servers[zone->server_count++] = server;
}

/* The first address of each server, then the second ones, ...: when there are too many, each
 * server is asked. */
static void
gather(struct authority_zone *zone)
{
	for (unsigned j = 0; j < AUTHORITY_ADDRESSES_MAX; j++)
		for (unsigned i = 0; i < hosts_wanted(zone); i++)
			if (j < zone->hosts[i]->count)
				add_server(zone, zone->hosts[i]->servers[j]);
}

static void
on_zone_facts(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_zone *zone = exchange->owner;

	if (answer == NULL || !answer->authoritative || answer->rcode != RCODE_NOERROR)
		return; /* the question for the record will show it */
	if (answer->soa && answer->neg_s > zone->neg_s)
		zone->neg_s = answer->neg_s;
	if (exchange->type == TYPE_NS && strcmp(answer->ns_owner, zone->name) == 0)
		authority_zone_add_hosts(call, zone, answer);
}

static bool
ask_facts(struct authority_call *call, struct authority_zone *zone)
{
	bool under_way = false;

	for (unsigned i = 0; i < zone->server_count; i++) {
		if (zone->asked[i])
			continue;
		zone->asked[i] = under_way = true;
		authority_call_ask(call, zone->servers[i], zone->name, TYPE_NS, AUTHORITY_TRIES,
		    on_zone_facts, zone, 0);
		authority_call_ask(call, zone->servers[i], zone->name, TYPE_SOA, AUTHORITY_TRIES,
		    on_zone_facts, zone, 0);
	}
	return under_way;
}

/* ---- DS: in the zone above, RFC 4035 section 3.1.4.1 ---- */

static void
on_ds(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_zone *zone = exchange->owner;
	bool known = answer != NULL &&
		     (answer->rcode == RCODE_NOERROR || answer->rcode == RCODE_NXDOMAIN) &&
		     answer->authoritative;

	(void)call;
	if (known && answer->ds > 0)
		zone->ds = DS_THERE;
	else if (known && zone->ds == DS_UNKNOWN)
		zone->ds = DS_NONE;
	else if (answer != NULL)
		exchange->server->bad++;
}

static bool
ask_ds(struct authority_call *call, struct authority_zone *zone)
{
	struct authority_server *server;

	if (zone->parent == NULL || zone->ds != DS_UNKNOWN ||
	    zone->ds_tries >= AUTHORITY_WALK_TRIES)
		return false;
	zone->ds_tries++;
	server = authority_server_choose(zone->parent->servers, zone->parent->server_count);
	if (server == NULL)
		return false;
	authority_call_ask(call, server, zone->name, TYPE_DS, 1, on_ds, zone, 0);
	return true;
}

void
authority_zone_step(struct authority_call *call, struct authority_zone *zone)
{
	bool under_way = false;

	if (zone->ready && zone->ready_all == zone->all)
		return;
	for (unsigned i = 0; i < hosts_wanted(zone); i++)
		under_way = authority_host_step(call, zone->hosts[i]) || under_way;
	if (under_way)
		return;
	gather(zone);
	zone->walkable = true;
	under_way = zone->all && ask_facts(call, zone);
	under_way = ask_ds(call, zone) || under_way;
	zone->ready = !under_way;
	zone->ready_all = zone->all;
	call->moved = true;
}

/* ---- cuts ---- */

struct authority_cut *
authority_cut_get(struct authority_call *call, const char *name)
{
	struct authority_cut *first = NULL, *below = NULL;

	for (; *name != '\0'; name = authority_name_up(name)) {
		struct authority_cut *cut = NULL;

		for (size_t i = 0; i < call->cuts.count && cut == NULL; i++)
			if (strcmp(((struct authority_cut *)call->cuts.items[i])->name, name) == 0)
				cut = call->cuts.items[i];
		if (below != NULL && cut != NULL)
			below->up = cut;
		first = first == NULL ? cut : first;
		if (cut != NULL)
			break; /* those above are there too */
		cut = mem_zalloc(1, sizeof(*cut));
		snprintf(cut->name, sizeof(cut->name), "%s", name);
		authority_list_add(&call->cuts, cut);
		if (below != NULL)
			below->up = cut;
		first = first == NULL ? cut : first;
		below = cut;
	}
	return first;
}

static void
close_cut(struct authority_call *call, struct authority_cut *cut, struct authority_zone *zone)
{
	cut->zone = zone;
	cut->done = true;
	call->moved = true;
}

static void
on_cut(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_cut *cut = exchange->owner;
	bool shown = answer != NULL && answer->rcode == RCODE_NOERROR && answer->ns_count > 0 &&
		     answer->authoritative == answer->ns_answered &&
		     strcmp(answer->ns_owner, cut->name) == 0;
	bool absent = answer != NULL && answer->authoritative &&
		      (answer->rcode == RCODE_NOERROR || answer->rcode == RCODE_NXDOMAIN);

	if (shown)
		close_cut(call, cut, authority_zone_get(call, cut->name, cut->up->zone, answer));
	else if (absent)
		close_cut(call, cut, cut->up->zone);
	else if (answer != NULL)
		exchange->server->bad++;
}

/* At the servers of the zone above. */
static void
ask_above(struct authority_call *call, struct authority_cut *cut)
{
	struct authority_zone *above = cut->up->zone;
	struct authority_server *server;

	if (!above->walkable)
		return;
	server = authority_server_choose(above->servers, above->server_count);
	if (server != NULL && cut->tries < AUTHORITY_WALK_TRIES) {
		cut->tries++;
		authority_call_ask(call, server, cut->name, TYPE_NS, 1, on_cut, cut, 0);
		return;
	}
	if (server == NULL)
		authority_say(cut->why, "no server of %s has an address", above->name);
	else
		authority_say(cut->why,
		    "no server of %s says where %s is: the last one asked was %s (%s)", above->name,
		    cut->name, server->name, server->text);
	cut->failed = true;
	close_cut(call, cut, NULL);
}

static void
on_top(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_cut *cut = exchange->owner;
	struct authority_zone *zone;

	if (answer == NULL || (answer->rcode != RCODE_NOERROR && answer->rcode != RCODE_NXDOMAIN)) {
		exchange->server->bad += answer != NULL;
		return;
	}
	if (answer->ns_count == 0 || strcmp(answer->ns_owner, cut->name) != 0) {
		authority_say(cut->why, "the recursive resolver %s knows no servers of %s",
		    exchange->server->text, cut->name);
		close_cut(call, cut, NULL);
		return;
	}
	zone = authority_zone_get(call, cut->name, NULL, answer);
	zone->ds = answer->validated || call->authority->trust_anchors != NULL ? DS_THERE : DS_NONE;
	close_cut(call, cut, zone);
}

static void
ask_resolvers(struct authority_call *call, struct authority_cut *cut)
{
	if (cut->tries >= authority_resolver_tries(call)) {
		authority_say(
		    cut->why, "no recursive resolver says which the servers of %s are", cut->name);
		close_cut(call, cut, NULL);
		return;
	}
	cut->tries++;
	authority_call_recurse(call, cut->name, TYPE_NS, on_top, cut, 0);
}

void
authority_cut_step(struct authority_call *call, struct authority_cut *cut)
{
	if (cut->done || (cut->up != NULL && !cut->up->done))
		return;
	if (cut->up != NULL && cut->up->failed) {
		memcpy(cut->why, cut->up->why, sizeof(cut->why));
		cut->failed = true;
		close_cut(call, cut, NULL);
	} else if (cut->up != NULL && cut->up->zone != NULL) {
		ask_above(call, cut);
	} else {
		ask_resolvers(call, cut);
	}
}
