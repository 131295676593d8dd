/*
 * publish_tenant.c - opens the publisher that a row of a tenant describes.
 * Called by the reconciler and by what sets and tries such rows. A tenant is not the operator: it
 * must never make this machine run a program, touch a file, or speak to a host inside.
 */
#include <string.h>

#include "admin-api/publish_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keystore.h"

static const struct publisher_ops *
find_kind(struct span kind, struct err *err)
{
	static const struct publisher_ops *const kinds[] = {
	    &publish_rfc2136, &publish_powerdns, &publish_manual};
	static const char *const operators[] = {"exec", "zonefile"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_eq_str(kind, kinds[i]->kind))
			return kinds[i];
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (span_eq_str(kind, operators[i])) {
			err_set(err,
			    "kind: %s runs programs or writes files of the machine of the "
			    "administration, so only its operator has them: in the file that "
			    "DNSPublishers names",
			    operators[i]);
			return NULL;
		}
	err_set(err, "kind: rfc2136, powerdns or manual");
	return NULL;
}

static enum status
take_secret(struct publisher *publisher, struct span secret, struct err *err)
{
	secret = span_trim(secret);
	if (secret.n == 0)
		return ST_OK;
	if (secret.n > PUBLISH_SECRET_MAX || !publish_value_good(secret)) {
		err_set(err, "the secret is not one line of at most %u octets of printable ASCII",
		    PUBLISH_SECRET_MAX);
		return ST_INVALID;
	}
	publisher->secret = secret_malloc(secret.n + 1);
	if (publisher->secret == NULL) {
		err_set(err, "no secret memory left");
		return ST_FAILED;
	}
	memcpy(publisher->secret, secret.p, secret.n);
	publisher->secret[secret.n] = '\0';
	publisher->secret_bytes = secret.n;
	return ST_OK;
}

static enum status
open_kind(struct publisher *publisher, const struct publisher_given *given, struct err *err)
{
	if (publisher->ops == &publish_manual && publisher->secret != NULL) {
		err_set(err, "secret: of manual there is none");
		return ST_INVALID;
	}
	return publisher->ops->open(publisher, given->address, err);
}

enum status
publisher_open_of_tenant(
    const struct publisher_given *given, struct publisher **out, struct err *err)
{
	const struct publisher_ops *ops = find_kind(given->kind, err);
	struct publisher *publisher;
	enum status status;

	*out = NULL;
	if (ops == NULL)
		return ST_INVALID;
	if (!keystore_provider_is_valid(given->name)) {
		err_set(err, "name: 1 to %u of A-Z a-z 0-9 . _ -", PUBLISH_NAME_MAX);
		return ST_INVALID;
	}
	publisher = mem_zalloc(1, sizeof(*publisher));
	publisher->ops = ops;
	publisher->timeout_ms = PUBLISH_TIMEOUT_MS;
	publisher->of_tenant = true;
	publisher->allow_private = given->allow_private;
	memcpy(publisher->name, given->name.p, given->name.n);
	status = take_secret(publisher, given->secret, err);
	if (status == ST_OK)
		status = open_kind(publisher, given, err);
	if (status == ST_OK)
		*out = publisher;
	else
		publisher_close(publisher);
	return status;
}
