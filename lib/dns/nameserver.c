/*
 * nameserver.c - reads one server of the Nameservers parameter after the other.
 * unbound.c calls it when a resolver is opened. It must never ask DNS for the name of a server.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/dns/nameserver.h"

#define PORT_DEFAULT 53
#define PORT_MAX 65535

static bool
is_separator(char c)
{
	return ascii_blank(c) || c == ',';
}

static struct span
next_word(struct span *rest)
{
	size_t from = 0, to;
	struct span word;

	while (from < rest->n && is_separator(rest->p[from]))
		from++;
	for (to = from; to < rest->n && !is_separator(rest->p[to]);)
		to++;
	word = span_sub(*rest, from, to - from);
	*rest = span_from(*rest, to);
	return word;
}

static bool
is_address(struct span address, char text[INET6_ADDRSTRLEN], bool *six_out)
{
	struct in6_addr unused;

	if (address.n == 0 || address.n >= INET6_ADDRSTRLEN)
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	*six_out = inet_pton(AF_INET6, text, &unused) == 1;
	return *six_out || inet_pton(AF_INET, text, &unused) == 1;
}

/* Splits "[A]:P", "A@P", "A4:P", or none of them; an address of IPv6 alone has colons of its own.
 */
static bool
split(struct span word, struct span *address, struct span *port)
{
	size_t at = span_find(word, '@');
	bool bracket = word.n > 0 && word.p[0] == '[';

	*port = SPAN_EMPTY;
	if (at == SIZE_MAX && !bracket && span_find(word, ':') == span_rfind(word, ':'))
		at = span_find(word, ':');
	if (bracket && span_find(word, ']') != SIZE_MAX) {
		size_t close = span_find(word, ']');
		struct span tail = span_from(word, close + 1);

		*address = span_sub(word, 1, close - 1);
		if (tail.n == 0)
			return true;
		*port = span_from(tail, 1);
		return port->n > 0 && (tail.p[0] == ':' || tail.p[0] == '@');
	}
	*address = at == SIZE_MAX ? word : span_sub(word, 0, at);
	if (at != SIZE_MAX)
		*port = span_from(word, at + 1);
	return at == SIZE_MAX || port->n > 0;
}

enum status
nameserver_next(struct span *rest, char text_out[NAMESERVER_TEXT_MAX], struct err *err)
{
	struct span word = next_word(rest), address, port;
	char plain[INET6_ADDRSTRLEN];
	uint64_t number = PORT_DEFAULT;
	bool six = false;

	if (word.n == 0)
		return ST_ABSENT;
	if (!split(word, &address, &port) || !is_address(address, plain, &six) ||
	    (port.n > 0 && (!span_number(port, PORT_MAX, &number) || number == 0)) ||
	    (word.p[0] == '[' && !six)) {
		err_set(err,
		    "\"%.*s\" is not the address of a server; write 192.0.2.1, "
		    "192.0.2.1:53 or [2001:db8::1]:53",
		    SPAN_ARG(word));
		return ST_INVALID;
	}
	snprintf(text_out, NAMESERVER_TEXT_MAX, "%s@%u", plain, (unsigned int)number);
	return ST_OK;
}
