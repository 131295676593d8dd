/*
 * token.c - secrets of tokens, their hashes, and the networks from which they may be used.
 * Called where tokens are made and where they are shown. It must never leave a secret behind, nor
 * take what it cannot read for a network that fits.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/token.h"
#include "lib/base/buf.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/keystore.h"

#define NETWORK_TEXT_MAX 80U

void
token_make(char out[TOKEN_BYTES + 1])
{
	uint8_t random[33];
	char text[44];

	/* 33 octets are 44 letters; the last one is left out, which leaves 258 bits. */
	random_bytes(random, sizeof(random));
	base64_encode(random, sizeof(random), text);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	snprintf(out, TOKEN_BYTES + 1, TOKEN_PREFIX "%.43s", text);
	secret_wipe(random, sizeof(random));
	secret_wipe(text, sizeof(text));
}

void
token_hash(struct span token, char out[ADMINROW_HASH_BYTES])
{
	keystore_digest(token, out);
}

void
certificate_hash(struct span name, char out[ADMINROW_HASH_BYTES])
{
	struct buf text;

	buf_init(&text, 512);
	buf_add_fmt(&text, "certificate:%.*s", SPAN_ARG(name));
	keystore_digest(buf_span(&text), out);
	buf_free(&text);
}

/* ---- networks ---- */

struct network {
	uint8_t octets[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned prefix;    /* of 128 */
};

static bool
parse_address(struct span text, uint8_t out[16], bool *v4)
{
	char copy[NETWORK_TEXT_MAX];
	struct in_addr four;

	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	*v4 = inet_pton(AF_INET, copy, &four) == 1;
	if (!*v4)
		return inet_pton(AF_INET6, copy, out) == 1;
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, &four, 4);
	return true;
}

static bool
parse_network(struct span text, struct network *out)
{
	struct span address;
	uint64_t bits;
	bool v4, prefixed = span_cut(&text, '/', &address);

	if (!parse_address(address, out->octets, &v4))
		return false;
	bits = v4 ? 32 : 128;
	if (prefixed && !span_number(text, bits, &bits))
		return false;
	out->prefix = (unsigned)bits + (v4 ? 96 : 0);
	return true;
}

static bool
is_in(const struct network *network, const uint8_t address[16])
{
	for (unsigned bit = 0; bit < network->prefix; bit += 8) {
		unsigned left = network->prefix - bit;
		uint8_t mask = left >= 8 ? 0xff : (uint8_t)(0xff << (8 - left));

		if (((network->octets[bit / 8] ^ address[bit / 8]) & mask) != 0)
			return false;
	}
	return true;
}

bool
networks_fit(struct span networks, const char *address)
{
	struct network network;
	uint8_t octets[16];
	struct span word;
	bool v4, any = false;

	while (span_word(&networks, &word)) {
		any = true;
		if (parse_network(word, &network) &&
		    parse_address(span_str(address), octets, &v4) && is_in(&network, octets))
			return true;
	}
	return !any;
}

bool
network_within(struct span networks, struct span network)
{
	struct network outer, inner;
	struct span word;

	if (span_trim(networks).n == 0)
		return true;
	while (span_word(&networks, &word))
		if (parse_network(word, &outer) && parse_network(network, &inner) &&
		    outer.prefix <= inner.prefix && is_in(&outer, inner.octets))
			return true;
	return false;
}

enum status
networks_check(struct span networks, struct err *err)
{
	struct network network;
	struct span word;

	while (span_word(&networks, &word)) {
		if (parse_network(word, &network))
			continue;
		err_set(err, "\"%.*s\" is no network: 192.0.2.0/24, 2001:db8::/32, or an address",
		    SPAN_ARG(word));
		return ST_INVALID;
	}
	return ST_OK;
}
