/*
 * publish_rfc2136.c - the publisher that sends DNS UPDATE to the servers of a zone: its line, its
 * key. What is done with a batch of changes is in publish_batch.c.
 * It must never keep the secret of the key: the file is read for each batch.
 */
#include <stdio.h>

#include "admin-api/publish_batch.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"

struct rfc2136 {
	char *key, *secretfile, *algorithm, *zone; /* options */
	enum mac_digest digest;
	struct link link;
};

static enum status
check_key(const struct publisher *publisher, struct rfc2136 *rfc2136, struct err *err)
{
	const char *algorithm = rfc2136->algorithm == NULL ? "hmac-sha256" : rfc2136->algorithm;

	if (!tsig_digest_by_name(span_str(algorithm), &rfc2136->digest)) {
		err_set(err, "algorithm: hmac-sha256, hmac-sha384 or hmac-sha512");
		return ST_INVALID;
	}
	if (rfc2136->key == NULL && rfc2136->secretfile == NULL && rfc2136->algorithm == NULL)
		return publish_secret_check(publisher, "secretfile", NULL, false, err);
	if (rfc2136->key == NULL || !publish_name_good(span_str(rfc2136->key))) {
		err_set(
		    err, "key: the name of the key, as the server knows it, without a final dot");
		return ST_INVALID;
	}
	return publish_secret_check(publisher, "secretfile", rfc2136->secretfile, true, err);
}

/* Of a tenant: none of them is a host inside. */
static enum status
check_servers(const struct link *link, struct err *err)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < link->count && status == ST_OK; i++)
		status = publish_host_check(span_str(link->servers[i].host), err);
	return status;
}

static enum status
rfc2136_open(struct publisher *publisher, struct span value, struct err *err)
{
	struct rfc2136 *rfc2136 = mem_zalloc(1, sizeof(*rfc2136));
	struct publish_option options[] = {{"key", &rfc2136->key},
	    {"secretfile", &rfc2136->secretfile}, {"algorithm", &rfc2136->algorithm},
	    {"zone", &rfc2136->zone}, {NULL, NULL}};
	enum status status;
	struct span servers;

	publisher->state = rfc2136;
	rfc2136->link.fd = -1;
	status = publish_options_read(publisher, value, &servers, options, err);
	if (status == ST_OK)
		status = link_read_servers(&rfc2136->link, servers, err);
	if (status == ST_OK)
		status = check_key(publisher, rfc2136, err);
	rfc2136->link.guarded = publisher->of_tenant && !publisher->allow_private;
	if (status == ST_OK && rfc2136->link.guarded)
		status = check_servers(&rfc2136->link, err);
	if (status == ST_OK && rfc2136->zone != NULL &&
	    !publish_name_good(span_str(rfc2136->zone))) {
		err_set(err, "zone: the name of a zone, without a final dot");
		status = ST_INVALID;
	}
	if (status != ST_OK)
		return status;
	rfc2136->link.timeout_ms = publisher->timeout_ms;
	publisher->where = span_dup(servers);
	return ST_OK;
}

static void
rfc2136_close(struct publisher *publisher)
{
	struct rfc2136 *rfc2136 = publisher->state;

	if (rfc2136 == NULL)
		return;
	link_free(&rfc2136->link);
	mem_free(rfc2136->key);
	mem_free(rfc2136->secretfile);
	mem_free(rfc2136->algorithm);
	mem_free(rfc2136->zone);
	mem_free(rfc2136);
}

/* The secret, decoded, in secret memory: secret_free(). NULL: err says why. */
static char *
read_secret(const struct publisher *publisher, size_t *n_out, struct err *err)
{
	const struct rfc2136 *rfc2136 = publisher->state;
	const char *from = publisher->secret != NULL ? "the secret" : rfc2136->secretfile;
	char *room, *secret = NULL;
	struct span text;

	if (publish_secret_of(publisher, rfc2136->secretfile, &room, &text, err) != ST_OK)
		return NULL;
	secret = secret_malloc(text.n / 4 * 3 + 3);
	if (secret == NULL)
		err_set(err, "no secret memory left for %s", from);
	else if (base64_decode(text, secret, n_out) != ST_OK || *n_out == 0) {
		err_set(err, "%s: is not base64", from);
		secret_free(secret);
		secret = NULL;
	}
	secret_free(room);
	return secret;
}

/* With zone= it is that zone which is updated, whatever is above the names. */
static struct span
zone_of(const struct rfc2136 *rfc2136, struct span zone)
{
	return rfc2136->zone == NULL ? zone : span_str(rfc2136->zone);
}

static void
rfc2136_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	struct rfc2136 *rfc2136 = publisher->state;
	struct tsig_key key = {.digest = rfc2136->digest, .name = span_str(rfc2136->key)};
	struct talk talk = {.link = &rfc2136->link};
	struct err err = ERR_NONE;
	char *secret = NULL;

	if (rfc2136->key != NULL) {
		secret = read_secret(publisher, &key.secret.n, &err);
		key.secret.p = secret;
		talk.key = &key;
	}
	if (talk.key != NULL && secret == NULL)
		publish_effect_all(changes, count, LIFE_REFUSED, "%s", err.text);
	else
		publish_batch_apply(&talk, zone_of(rfc2136, zone), changes, count);
	link_close(&rfc2136->link);
	secret_free(secret);
}

const struct publisher_ops publish_rfc2136 = {
    .kind = "rfc2136",
    .open = rfc2136_open,
    .close = rfc2136_close,
    .apply = rfc2136_apply,
};
