/*
 * verifying.c - what the parameters of verification mean: how much a signature must cover, what
 * DNSSEC does to a key, whom to ask and for how long. The checks and the daemon call it. Pure: it
 * must never resolve a name or open a file.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/conf/values.h"

/* Longest text of an address, with the NUL. */
#define ADDRESS_TEXT_MAX 64

enum status
conf_minimum(
    const char *text, enum conf_minimum_kind *kind_out, uint64_t *number_out, struct err *err)
{
	struct span number = span_str(text);
	enum conf_minimum_kind kind = CONF_MINIMUM_BYTES;
	uint64_t value;

	if (span_ends(number, SPAN_LIT("%")))
		kind = CONF_MINIMUM_PERCENT;
	else if (span_ends(number, SPAN_LIT("+")))
		kind = CONF_MINIMUM_ALL_BUT;
	if (kind != CONF_MINIMUM_BYTES)
		number.n--;
	if (!span_number(number, kind == CONF_MINIMUM_PERCENT ? 100 : INT64_MAX, &value)) {
		err_set(err, "octets (1000), a part of the body (50%%), or what may be uncovered "
			     "(100+) is needed");
		return ST_INVALID;
	}
	*kind_out = kind;
	*number_out = value;
	return ST_OK;
}

enum status
conf_key_rule(const char *text, enum conf_key_rule *rule_out, struct err *err)
{
	static const char *const names[] = {"none", "neutral", "fail"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!span_ieq_str(span_str(text), names[i]))
			continue;
		*rule_out = (enum conf_key_rule)i;
		return ST_OK;
	}
	err_set(err, "neutral, none or fail is needed");
	return ST_INVALID;
}

static bool
is_address(int family, struct span text)
{
	char copy[ADDRESS_TEXT_MAX];
	struct in6_addr address; /* the larger one */

	if (text.n == 0 || text.n >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return inet_pton(family, copy, &address) == 1;
}

static bool
is_port(struct span text)
{
	uint64_t port;

	return span_number(text, 65535, &port) && port > 0;
}

static bool
is_nameserver(struct span text)
{
	size_t close = span_find(text, ']'), at = span_find(text, '@');
	size_t colon = span_find(text, ':');

	if (span_starts(text, SPAN_LIT("["))) {
		struct span rest;

		if (close == SIZE_MAX || !is_address(AF_INET6, span_sub(text, 1, close - 1)))
			return false;
		rest = span_from(text, close + 1);
		return rest.n == 0 ||
		       ((rest.p[0] == ':' || rest.p[0] == '@') && is_port(span_from(rest, 1)));
	}
	if (at != SIZE_MAX) {
		struct span host = span_sub(text, 0, at);

		return (is_address(AF_INET, host) || is_address(AF_INET6, host)) &&
		       is_port(span_from(text, at + 1));
	}
	if (is_address(AF_INET, text) || is_address(AF_INET6, text))
		return true;
	return colon != SIZE_MAX && is_address(AF_INET, span_sub(text, 0, colon)) &&
	       is_port(span_from(text, colon + 1));
}

enum status
conf_nameservers(const char *text, struct err *err)
{
	struct span rest = span_str(text), item, word;
	size_t count = 0;

	while (conf_list_next(&rest, &item)) {
		while (span_word(&item, &word)) {
			if (is_nameserver(word) && ++count <= CONF_NAMESERVERS_MAX)
				continue;
			err_set(err,
			    "addresses are needed, at most %d, each with a port if wanted "
			    "(192.0.2.1, 192.0.2.1@53, [2001:db8::1]:53); look at \"%.*s\"",
			    CONF_NAMESERVERS_MAX, word.n > 60 ? 60 : (int)word.n, word.p);
			return ST_INVALID;
		}
	}
	if (count > 0)
		return ST_OK;
	err_set(err, "an address is needed");
	return ST_INVALID;
}

int64_t
conf_dns_timeout_ms(int64_t seconds)
{
	if (seconds <= 0 || seconds > CONF_DNS_TIMEOUT_MAX_S)
		seconds = CONF_DNS_TIMEOUT_MAX_S;
	return seconds * 1000;
}

int64_t
conf_clock_drift_s(int64_t seconds)
{
	return seconds <= 0 ? CONF_CLOCK_DRIFT_DEFAULT_S : seconds;
}

enum status
conf_authserv_id(const char *text, struct err *err)
{
	size_t n = strlen(text);

	if (n > 0 && n <= CONF_AUTHSERV_ID_MAX)
		return ST_OK;
	err_set(err, "a name of 1 to %d octets is needed", CONF_AUTHSERV_ID_MAX);
	return ST_INVALID;
}
