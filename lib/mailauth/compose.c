/*
 * compose.c - DMARC and ADSP records out of options, and networks for SPF.
 * Called by signpost zone. It must never write a text that the readers of this room would not take.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/dkim/address.h"
#include "lib/mailauth/compose.h"
#include "lib/mailauth/dmarc_syntax.h"

/* ---- networks ---- */

/* Sets the bits behind the first prefix ones to 0. true: some were not. */
static bool
clear_host_bits(uint8_t *octets, size_t n, unsigned prefix)
{
	bool changed = false;

	for (size_t i = 0; i < n; i++) {
		unsigned kept = prefix > i * 8 ? prefix - (unsigned)i * 8 : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00U >> kept);

		changed = changed || (octets[i] & ~mask) != 0;
		octets[i] &= mask;
	}
	return changed;
}

enum status
spf_network(struct span text, struct buf *out, struct err *err)
{
	char word[INET6_ADDRSTRLEN + 1] = "", shown[INET6_ADDRSTRLEN] = "";
	struct span rest = text, address;
	bool network = span_cut(&rest, '/', &address);
	int family = span_find(address, ':') == SIZE_MAX ? AF_INET : AF_INET6;
	uint64_t most = family == AF_INET ? 32 : 128, prefix = most;
	uint8_t octets[16];
	bool behind;

	if (address.n < sizeof(word))
		memcpy(word, address.p == NULL ? "" : address.p, address.n);
	if (inet_pton(family, word, octets) != 1 ||
	    (network && !span_number(rest, most, &prefix))) {
		err_set(
		    err, "\"%.*s\" is no address and no network (192.0.2.0/24)", SPAN_ARG(text));
		return ST_INVALID;
	}
	behind = clear_host_bits(octets, (size_t)most / 8, (unsigned)prefix);
	(void)inet_ntop(family, octets, shown, sizeof(shown));
	if (behind) {
		err_set(err, "\"%.*s\" has bits set behind its length; the network is %s/%u",
		    SPAN_ARG(text), shown, (unsigned)prefix);
		return ST_INVALID;
	}
	if (prefix == 0) {
		err_set(err, "\"%.*s\" is every address there is", SPAN_ARG(text));
		return ST_INVALID;
	}
	buf_add_fmt(out, "ip%c:%s", family == AF_INET ? '4' : '6', shown);
	if (prefix != most)
		buf_add_fmt(out, "/%u", (unsigned)prefix);
	return buf_status(out);
}

/* ---- DMARC ---- */

bool
dmarc_wanted_is_empty(const struct dmarc_wanted *wanted)
{
	return wanted->policy == NULL && wanted->subdomain_policy == NULL && wanted->rua == NULL &&
	       wanted->ruf == NULL && wanted->adkim == NULL && wanted->aspf == NULL;
}

static enum status
check_word(const char *option, const char *value, const char *const *words, struct err *err)
{
	for (size_t i = 0; value != NULL && words[i] != NULL; i++)
		if (strcmp(value, words[i]) == 0)
			return ST_OK;
	if (value == NULL)
		return ST_OK;
	err_set(err, "--%s: \"%s\" is not one of %s, %s%s%s", option, value, words[0], words[1],
	    words[2] == NULL ? "" : ", ", words[2] == NULL ? "" : words[2]);
	return ST_INVALID;
}

/* Addresses become URIs. */
static enum status
add_uris(const char *option, const char *tag, const char *list, struct buf *out, struct err *err)
{
	struct span rest = span_str(list), one;
	struct dmarc_uri uri;
	struct buf text;
	bool more = true, first = true;
	enum status status = ST_OK;

	buf_add_fmt(out, "; %s=", tag);
	while (more && status == ST_OK) {
		struct span left;

		more = span_cut(&rest, ',', &one);
		one = span_trim(one);
		buf_init(&text, COMPOSE_TEXT_MAX);
		if (span_find(one, ':') == SIZE_MAX)
			buf_add_str(&text, "mailto:");
		buf_add(&text, one);
		left = buf_span(&text);
		if (one.n == 0 || buf_status(&text) != ST_OK || !dmarc_uri_next(&left, &uri) ||
		    uri.fault != NULL || uri.domain.n == 0 || !domain_is_valid(uri.domain) ||
		    span_find(one, '@') != span_rfind(one, '@') ||
		    span_find(one, ';') != SIZE_MAX) {
			err_set(err, "--%s: \"%.*s\" is no address to send reports to%s%s", option,
			    SHOWN(one), one.n > 0 && uri.fault != NULL ? ": " : "",
			    one.n > 0 && uri.fault != NULL ? uri.fault : "");
			status = ST_INVALID;
		} else {
			buf_add_str(out, first ? "" : ",");
			buf_add(out, buf_span(&text));
		}
		first = false;
		buf_free(&text);
	}
	return status;
}

static enum status
check_dmarc_words(const struct dmarc_wanted *wanted, struct err *err)
{
	static const char *const policies[] = {"none", "quarantine", "reject", NULL};
	static const char *const modes[] = {"r", "s", NULL};
	enum status status = check_word("dmarc-policy", wanted->policy, policies, err);

	if (status == ST_OK)
		status = check_word("dmarc-sp", wanted->subdomain_policy, policies, err);
	if (status == ST_OK)
		status = check_word("dmarc-adkim", wanted->adkim, modes, err);
	if (status == ST_OK)
		status = check_word("dmarc-aspf", wanted->aspf, modes, err);
	return status;
}

enum status
dmarc_compose(const struct dmarc_wanted *wanted, struct buf *out, struct err *err)
{
	enum status status = check_dmarc_words(wanted, err);

	if (status != ST_OK)
		return status;
	buf_add_fmt(out, "v=DMARC1; p=%s", wanted->policy == NULL ? "none" : wanted->policy);
	if (wanted->subdomain_policy != NULL)
		buf_add_fmt(out, "; sp=%s", wanted->subdomain_policy);
	if (wanted->adkim != NULL)
		buf_add_fmt(out, "; adkim=%s", wanted->adkim);
	if (wanted->aspf != NULL)
		buf_add_fmt(out, "; aspf=%s", wanted->aspf);
	if (wanted->rua != NULL)
		status = add_uris("dmarc-rua", "rua", wanted->rua, out, err);
	if (status == ST_OK && wanted->ruf != NULL)
		status = add_uris("dmarc-ruf", "ruf", wanted->ruf, out, err);
	return status == ST_OK ? buf_status(out) : status;
}

enum status
adsp_compose(const char *practice, struct buf *out, struct err *err)
{
	static const char *const practices[] = {"unknown", "all", "discardable", NULL};
	enum status status = check_word("adsp", practice, practices, err);

	if (status == ST_OK)
		buf_add_fmt(out, "dkim=%s", practice);
	return status == ST_OK ? buf_status(out) : status;
}
