/*
 * signature_check.c - what may be written into a DKIM-Signature. Called by signature_build before
 * the first octet is written: whatever a store or a front-end handed over, the field that leaves
 * must be one that every verifier reads the same way. Must never write.
 */
#include "lib/dkim/signature_private.h"

#include "lib/dkim/address.h"
#include "lib/dkim/select.h"

#define TIME_UTC_MAX 999999999999 /* twelve digits, RFC 6376 3.5 */

static enum status
check_identity(const struct signature_params *p, struct err *err)
{
	size_t at_sign = span_rfind(p->identity, '@');
	struct span domain;

	if (p->identity.n == 0)
		return ST_OK;
	if (at_sign == SIZE_MAX || p->identity.n > SIGNATURE_IDENTITY_MAX) {
		err_set(err, "i= needs an @ and at most %u octets", SIGNATURE_IDENTITY_MAX);
		return ST_INVALID;
	}
	for (size_t i = 0; i < at_sign; i++)
		if ((unsigned char)p->identity.p[i] < ' ' || p->identity.p[i] == 0x7f) {
			err_set(err, "a control character in i=");
			return ST_INVALID;
		}
	domain = span_from(p->identity, at_sign + 1);
	if (!domain_is_valid(domain) || !domain_is_within(domain, p->domain)) {
		err_set(err, "the domain of i= is neither d= nor below it");
		return ST_INVALID;
	}
	return ST_OK;
}

static bool
name_usable(struct span name)
{
	if (name.n == 0 || name.n > HEADER_POLICY_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == ';')
			return false;
	return true;
}

static enum status
check_names(struct span names, struct err *err)
{
	bool from = false;
	bool more = true;
	struct span name;

	if (names.n > SIGNATURE_NAMES_MAX) {
		err_set(err, "h= is longer than %u octets", SIGNATURE_NAMES_MAX);
		return ST_TOO_BIG;
	}
	while (more) {
		more = span_cut(&names, ':', &name);
		if (!name_usable(name)) {
			err_set(err, "h= holds something that is no header name");
			return ST_INVALID;
		}
		from = from || span_ieq_str(name, "from");
	}
	if (!from)
		err_set(err, "From is not among the signed headers");
	return from ? ST_OK : ST_INVALID;
}

static enum status
check_times(const struct signature_params *p, struct err *err)
{
	if (p->time_utc > TIME_UTC_MAX || p->expires_utc > TIME_UTC_MAX ||
	    (p->expires_utc >= 0 && p->expires_utc <= p->time_utc)) {
		err_set(err, "x= must be behind t=, and both have at most twelve digits");
		return ST_INVALID;
	}
	return ST_OK;
}

/* Already encoded: printable and without what ends a tag. */
static enum status
check_copied(struct span copied, struct err *err)
{
	if (copied.n > SIGNATURE_COPIED_MAX)
		return ST_TOO_BIG;
	for (size_t i = 0; i < copied.n; i++)
		if (copied.p[i] <= ' ' || copied.p[i] >= 0x7f || copied.p[i] == ';') {
			err_set(err, "z= is not encoded");
			return ST_INVALID;
		}
	return ST_OK;
}

enum status
signature_check(const struct signature_params *p, struct err *err)
{
	enum status st;

	if (!domain_is_valid(p->domain)) {
		err_set(err, "d= is no domain name");
		return ST_INVALID;
	}
	if (!selector_is_valid(p->selector)) {
		err_set(err, "s= is no selector");
		return ST_INVALID;
	}
	if (p->body_hash.n != SHA256_BYTES) {
		err_set(err, "the body hash has not %d octets", SHA256_BYTES);
		return ST_INVALID;
	}
	st = check_identity(p, err);
	if (st == ST_OK)
		st = check_names(p->header_names, err);
	if (st == ST_OK)
		st = check_times(p, err);
	return st == ST_OK ? check_copied(p->copied_headers, err) : st;
}
