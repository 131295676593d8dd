/*
 * store_binding.c - the subject of a binding, in the one way in which sessions ask for it.
 * Called by store_line.c. It must never let a subject pass that no session can have (tenant.h):
 * such a binding would be there and bind nobody.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tools/store_line.h"

#define CLIENT "client:"
#define IPV6_STEP 4U /* sessions ask for every fourth length of an IPv6 network */

static enum status
refuse(struct err *err, struct span word, const char *why)
{
	err_set(err, "subject \"%.*s\" %s", word.n > 80 ? 80 : (int)word.n,
	    word.n == 0 ? "" : word.p, why);
	return ST_INVALID;
}

/* Zero behind the first prefix bits. */
static void
mask(uint8_t *octets, unsigned bytes, unsigned prefix)
{
	for (unsigned i = 0; i < bytes; i++) {
		unsigned keep = prefix > i * 8 ? prefix - i * 8 : 0;

		octets[i] = keep >= 8 ? octets[i] : (uint8_t)(octets[i] & (0xff00U >> keep));
	}
}

/* ST_ABSENT: it is no address. */
static enum status
network(struct span word, struct span value, struct arena *arena, struct span *out, struct err *err)
{
	char text[INET6_ADDRSTRLEN] = "", shown[INET6_ADDRSTRLEN + sizeof(CLIENT) + 8];
	struct span bits = value, address;
	bool has_bits = span_cut(&bits, '/', &address);
	uint8_t octets[16];
	unsigned bytes = 4;
	uint64_t prefix;

	if (address.n >= sizeof(text))
		return ST_ABSENT;
	memcpy(text, address.p, address.n);
	if (inet_pton(AF_INET, text, octets) != 1) {
		bytes = 16;
		if (inet_pton(AF_INET6, text, octets) != 1)
			return has_bits ? refuse(err, word, "is no network") : ST_ABSENT;
	}
	prefix = bytes * 8;
	if (has_bits && !span_number(bits, bytes * 8, &prefix))
		return refuse(err, word, "has no number of bits, or too many");
	if (bytes == 16 && prefix % IPV6_STEP != 0)
		return refuse(err, word,
		    "is an IPv6 network whose length is no multiple of 4; write the longer ones");
	mask(octets, bytes, (unsigned)prefix);
	if (inet_ntop(bytes == 4 ? AF_INET : AF_INET6, octets, text, sizeof(text)) == NULL)
		return refuse(err, word, "is no network");
	snprintf(shown, sizeof(shown), CLIENT "%s/%u", text, (unsigned)prefix);
	*out = arena_copy(arena, span_str(shown));
	return out->p == NULL ? ST_TOO_BIG : ST_OK;
}

static enum status
client(struct span word, struct arena *arena, struct span *out, struct err *err)
{
	struct span value = span_from(word, sizeof(CLIENT) - 1);
	enum status status = network(word, value, arena, out, err);

	if (status != ST_ABSENT)
		return status;
	if (value.p[0] == '.')
		value = span_from(value, 1);
	if (!keystore_domain_is_valid(value))
		return refuse(err, word, "is neither a network nor the name of a host");
	*out = word;
	return ST_OK;
}

enum status
store_binding_subject(struct arena *arena, struct span word, struct span *out, struct err *err)
{
	*out = word;
	if (span_eq_str(word, "*") || (word.n > 6 && span_starts(word, SPAN_LIT("login:"))) ||
	    (word.n > 9 && span_starts(word, SPAN_LIT("listener:"))))
		return ST_OK;
	if (word.n > sizeof(CLIENT) - 1 && span_starts(word, SPAN_LIT(CLIENT)))
		return client(word, arena, out, err);
	return refuse(err, word,
	    "is not login:USER@DOMAIN, login:@DOMAIN, listener:NAME, client:ADDRESS/BITS, "
	    "client:HOST, client:.DOMAIN or *");
}
