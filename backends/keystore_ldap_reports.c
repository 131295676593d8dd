/*
 * keystore_ldap_reports.c - entries of gateways, and what cn=store says of leases and of writers
 * that ask gateways to try keys.
 * Called for each such entry of an answer, and by who takes a lease.
 * It must never guess: what cannot be read is invalid, and its name is told.
 */
#include <stdio.h>

#include "backends/keystore_ldap.h"

const char *const ldapstore_gateway_attributes[LDAPGATEWAY_ATTRIBUTES + 1] = {"objectClass",
    "signpostNode", "signpostVersion", "signpostEpoch", "signpostTested", "signpostFailedKeys",
    "signpostClockOffset", "signpostStartedAt", "modifyTimestamp", NULL};

static enum status
wrong(const struct ldapentry *entry, const char *attribute, struct err *err)
{
	err_set(err, "%.*s: %s is missing, or cannot be read",
	    entry->dn.n > 200 ? 200 : (int)entry->dn.n, entry->dn.n == 0 ? "" : entry->dn.p,
	    attribute);
	return ST_INVALID;
}

static struct span
first(const struct ldapentry *entry, size_t attribute)
{
	return entry->values[attribute].count == 0 ? SPAN_EMPTY : entry->values[attribute].items[0];
}

static bool
read_number(struct span text, int64_t least, int64_t *out)
{
	*out = 0;
	return text.n == 0 || ldapstore_read_number(text, least, INT64_MAX - 1, out) == ST_OK;
}

static bool
read_time(struct span text, int64_t *out)
{
	*out = 0;
	return text.n == 0 || ldapstore_read_time(text, out) == ST_OK;
}

enum status
ldapstore_gateway(const struct ldapentry *entry, struct store_gateway *out, struct err *err)
{
	int64_t epoch = 0, tested = 0;
	size_t bad = LDAPGATEWAY_ATTRIBUTES;

	*out = (struct store_gateway){.node = first(entry, LDAPGATEWAY_NODE),
	    .version = first(entry, LDAPGATEWAY_VERSION),
	    .failed = first(entry, LDAPGATEWAY_FAILED)};
	if (!read_number(first(entry, LDAPGATEWAY_EPOCH), 0, &epoch))
		bad = LDAPGATEWAY_EPOCH;
	if (!read_number(first(entry, LDAPGATEWAY_TESTED), 0, &tested))
		bad = LDAPGATEWAY_TESTED;
	if (!read_number(first(entry, LDAPGATEWAY_OFFSET), -INT64_MAX, &out->offset_ms))
		bad = LDAPGATEWAY_OFFSET;
	if (!read_time(first(entry, LDAPGATEWAY_STARTED), &out->started))
		bad = LDAPGATEWAY_STARTED;
	if (!read_time(first(entry, LDAPGATEWAY_MODIFIED), &out->at) || out->at == 0)
		bad = LDAPGATEWAY_MODIFIED;
	out->epoch = (uint64_t)epoch;
	out->tested = (uint64_t)tested;
	if (bad == LDAPGATEWAY_ATTRIBUTES && keystore_gateway_check(out, err) != ST_OK) {
		err_prefix(err, "%.*s", entry->dn.n > 200 ? 200 : (int)entry->dn.n,
		    entry->dn.n == 0 ? "" : entry->dn.p);
		return ST_INVALID;
	}
	return bad == LDAPGATEWAY_ATTRIBUTES ? ST_OK
					     : wrong(entry, ldapstore_gateway_attributes[bad], err);
}

/* ---- leases ---- */

/* What follows "NAME " in the value that begins so. *count_out: how many do. */
static struct span
behind_name(const struct ldapentry_values *values, struct span name, size_t *count_out)
{
	struct span found = SPAN_EMPTY, first_word;

	*count_out = 0;
	for (size_t i = 0; i < values->count; i++) {
		struct span rest = values->items[i];

		if (!span_cut(&rest, ' ', &first_word) || !span_eq(first_word, name))
			continue;
		found = rest;
		++*count_out;
	}
	return found;
}

static bool
take_holder(struct span text, struct store_lease *out)
{
	struct span fence = text, owner = SPAN_EMPTY;

	if (span_find(text, ' ') != SIZE_MAX) {
		owner = text;
		(void)span_cut(&owner, ' ', &fence);
	}
	if (!span_number(fence, INT64_MAX - 1, &out->fence) || owner.n > KEYSTORE_LEASE_MAX)
		return false;
	if (owner.n > 0)
		memcpy(out->owner, owner.p, owner.n);
	return span_find(owner, '\0') == SIZE_MAX;
}

bool
ldapstore_lease_read(struct span value, struct store_lease *out)
{
	struct span name;

	memset(out, 0, sizeof(*out));
	if (!span_cut(&value, ' ', &name) || name.n > KEYSTORE_LEASE_MAX)
		return false;
	memcpy(out->name, name.p, name.n);
	return take_holder(value, out);
}

enum status
ldapstore_lease_of(
    const struct ldapentry *entry, const char *name, struct store_lease *out, struct err *err)
{
	struct span text;
	size_t count;

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	text = behind_name(&entry->values[LDAPSTORE_LEASE_HOLDER], span_str(name), &count);
	if (count > 1 || (count == 1 && !take_holder(text, out)))
		return wrong(entry, "signpostLeaseHolder", err);
	text = behind_name(&entry->values[LDAPSTORE_LEASE_UNTIL], span_str(name), &count);
	if (count > 1 || (count == 1 && ldapstore_read_time(text, &out->expires) != ST_OK))
		return wrong(entry, "signpostLeaseUntil", err);
	return ST_OK;
}

void
ldapstore_lease_holder(const struct store_lease *lease, char text[LDAPSTORE_LEASE_BYTES])
{
	(void)snprintf(text, LDAPSTORE_LEASE_BYTES, "%s %llu%s%s", lease->name,
	    (unsigned long long)lease->fence, lease->owner[0] == '\0' ? "" : " ", lease->owner);
}

void
ldapstore_lease_until(const struct store_lease *lease, char text[LDAPSTORE_LEASE_BYTES])
{
	char time[16];

	ldapstore_write_time(lease->expires, time);
	(void)snprintf(text, LDAPSTORE_LEASE_BYTES, "%s %s", lease->name, time);
}

/* ---- what writers say ---- */

/* "WHEN NONCE/EPOCH/FENCE/LEASE SUBJECT": parts is EPOCH, FENCE, LEASE; empty: there is none. */
static void
take_parts(struct span value, struct span parts[3])
{
	struct span when, nonce, word;

	parts[0] = parts[1] = parts[2] = SPAN_EMPTY;
	if (!span_cut(&value, ' ', &when) || !span_cut(&value, ' ', &nonce) ||
	    !span_cut(&nonce, '/', &word))
		return;
	for (size_t i = 0; i < 3; i++)
		(void)span_cut(&nonce, '/', &parts[i]);
}

enum status
ldapstore_pending_mark(struct span value, uint64_t *epoch_out)
{
	struct span parts[3];

	*epoch_out = 0;
	take_parts(value, parts);
	if (parts[0].n == 0)
		return ST_ABSENT;
	return span_number(parts[0], INT64_MAX - 1, epoch_out) ? ST_OK : ST_INVALID;
}

bool
ldapstore_pending_deposed(struct span value, const struct store_lease *lease)
{
	struct span parts[3];
	uint64_t fence;

	take_parts(value, parts);
	return lease != NULL && span_eq_str(parts[2], lease->name) &&
	       span_number(parts[1], INT64_MAX - 1, &fence) && fence < lease->fence;
}
