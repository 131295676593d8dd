/*
 * record.c - the name and the text of a key's TXT record.
 * Called by the reconciler before it publishes or looks, and by the operations that show a record.
 * It must never write a text that depends on anything but the row: what is compared with DNS years
 * later has to come out the same.
 */
#include "admin-api/record.h"

void
record_name(struct span selector, struct span domain, struct buf *out)
{
	buf_add(out, selector);
	buf_add_str(out, "._domainkey.");
	buf_add(out, domain);
}

void
record_value(struct span algorithm, struct span public_key, struct buf *out)
{
	bool ed25519 = span_eq_str(algorithm, "ed25519-sha256");

	buf_add_fmt(out, "v=DKIM1; k=%s; p=", ed25519 ? "ed25519" : "rsa");
	buf_add(out, public_key);
}
