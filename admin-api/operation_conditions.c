/*
 * operation_conditions.c - what holds of a key and what does not, each by its name and with what is
 * known of it: for who waits for one of them. ADMIN-API, the key object.
 * Called by operation_key.c. It must never say that something holds which the life cycle would not
 * go by: it says what that has written down.
 */
#include "config.h"

#include "admin-api/operation_lives.h"

/* since: 0: not known. */
static json_t *
condition(const char *type, bool holds, int64_t since)
{
	return json_pack("{s:s, s:b, s:o}", "type", type, "status", holds, "since",
	    json_time(holds ? since : 0));
}

/* All authoritative servers have its record. */
static json_t *
published(const struct life_key *key)
{
	const struct key_life *life = &key->life;
	json_t *out = condition("PublishedAuthoritative",
	    life->auth_first > 0 && !life->drifted && key->times.removed == 0, life->auth_first);

	json_object_set_new(out, "at", json_time(life->auth_last));
	return out;
}

/* The recursive resolvers had it, and a message of ours verified by it. */
static json_t *
seen(const struct life_key *key)
{
	json_t *out = condition("SeenByResolvers",
	    key->times.proven > 0 && !key->life.drifted && key->times.removed == 0,
	    key->times.proven);

	json_object_set_new(out, "proofs", json_integer(key->life.proofs));
	return out;
}

json_t *
conditions_of(const struct lives *lives, size_t key, json_t *gateways)
{
	const struct life_key *k = &lives->life.keys[key];
	bool stuck = k->life.trouble[0] != '\0';
	json_t *out = json_array(),
	       *ready = condition("NodesReady", k->times.loaded > 0, k->times.loaded);
	json_t *in_the_way = condition("Stuck", stuck, 0);

	json_object_set(ready, "acked", json_object_get(gateways, "tested"));
	json_object_set(ready, "of", json_object_get(gateways, "live"));
	json_object_set(ready, "missing", json_object_get(gateways, "missing"));
	json_object_set_new(in_the_way, "why", json_span(span_str(k->life.trouble)));
	json_array_append_new(out, published(k));
	json_array_append_new(out, seen(k));
	json_array_append_new(out, ready);
	json_array_append_new(out, condition("Drifted", k->life.drifted, k->life.looked));
	json_array_append_new(out, condition("Suspect", k->life.suspect, k->life.checked));
	json_array_append_new(out, in_the_way);
	return out;
}
