/*
 * memcached_spec.c - reads a list of memcached servers.
 * Called when the keeper opens what is shared, and when a memcache: data set is opened; the text
 * was written by the operator. It must never look a name up: that may take seconds.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "backends/memcached_spec.h"
#include "lib/base/mem.h"

void
mcserver_free(struct mcserver *server)
{
	mem_free(server->host);
	mem_free(server->text);
	*server = (struct mcserver){.port = 0};
}

struct mcserver
mcserver_copy(const struct mcserver *server)
{
	return (struct mcserver){mem_strdup(server->host), server->port, mem_strdup(server->text)};
}

void
mcspec_free(struct mcspec *spec)
{
	for (size_t i = 0; i < spec->count; i++)
		mcserver_free(&spec->servers[i]);
	spec->count = 0;
}

static enum status
refuse(struct span entry, const char *why, struct err *err)
{
	err_set(
	    err, "memcached server \"%.*s\": %s", entry.n > 300 ? 300 : (int)entry.n, entry.p, why);
	return ST_INVALID;
}

static bool
is_separator(char c)
{
	return c == ',' || ascii_blank(c);
}

static bool
next_entry(struct span *rest, struct span *entry_out)
{
	size_t at = 0, n = 0;

	while (at < rest->n && is_separator(rest->p[at]))
		at++;
	while (at + n < rest->n && !is_separator(rest->p[at + n]))
		n++;
	*entry_out = span_sub(*rest, at, n);
	*rest = span_from(*rest, at + n);
	return n > 0;
}

static bool
is_host(struct span host)
{
	if (host.n == 0 || host.n > MCSPEC_HOST_MAX || host.p[0] == '-')
		return false;
	for (size_t i = 0; i < host.n; i++) {
		char c = ascii_lower(host.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-' &&
		    c != '_')
			return false;
	}
	return true;
}

static bool
is_v6(struct span host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (host.n == 0 || host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return strlen(text) == host.n && inet_pton(AF_INET6, text, &address) == 1;
}

static enum status
read_path(struct span entry, struct span path, struct mcserver *out, struct err *err)
{
	if (path.n == 0 || path.p[0] != '/')
		return refuse(entry, "the path of a socket begins with '/'", err);
	if (path.n > MCSPEC_PATH_MAX)
		return refuse(entry, "the path of a socket has more than 107 octets", err);
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
			return refuse(entry, "there is a control character in the path", err);
	*out = (struct mcserver){span_dup(path), 0, span_dup(path)};
	return ST_OK;
}

/* port: what is behind the host, from its ':' on. */
static enum status
read_port(struct span entry, struct span port, uint16_t *out, struct err *err)
{
	uint64_t number = MCSPEC_PORT;

	if (port.n > 0 &&
	    (port.p[0] != ':' || !span_number(span_from(port, 1), UINT16_MAX, &number)))
		return refuse(
		    entry, "behind the host there may be ':' and a port, 1 to 65535", err);
	if (number == 0)
		return refuse(entry, "0 is no port", err);
	*out = (uint16_t)number;
	return ST_OK;
}

static void
set_host(struct mcserver *out, struct span host, uint16_t port, bool v6)
{
	char text[MCSPEC_HOST_MAX + sizeof("[]:65535")];

	snprintf(text, sizeof(text), v6 ? "[%.*s]:%u" : "%.*s:%u", SPAN_ARG(host), (unsigned)port);
	*out = (struct mcserver){span_dup_lower(host), port, mem_strdup(text)};
}

static enum status
read_v6(struct span entry, struct mcserver *out, struct err *err)
{
	size_t end = span_find(entry, ']');
	struct span host = span_sub(entry, 1, end == SIZE_MAX ? 0 : end - 1);
	enum status status;
	uint16_t port;

	if (!is_v6(host))
		return refuse(entry, "between '[' and ']' there has to be an IPv6 address", err);
	status = read_port(entry, span_from(entry, end + 1), &port, err);
	if (status == ST_OK)
		set_host(out, host, port, true);
	return status;
}

static enum status
read_entry(struct span entry, struct mcserver *out, struct err *err)
{
	size_t colon = span_find(entry, ':');
	struct span host = span_sub(entry, 0, colon == SIZE_MAX ? entry.n : colon);
	enum status status;
	uint16_t port;

	if (entry.p[0] == '/')
		return read_path(entry, entry, out, err);
	if (span_find(entry, '@') != SIZE_MAX) {
		/* Not shown: what is in front of it may be a password. */
		err_set(err, "a memcached server is host:port or /path, without a user and a '@'");
		return ST_INVALID;
	}
	if (span_ieq(entry, SPAN_LIT("unix")))
		return refuse(entry, "a socket is written as unix:/path", err);
	if (span_istarts(entry, SPAN_LIT("unix:")))
		return read_path(entry, span_from(entry, 5), out, err);
	if (entry.p[0] == '[')
		return read_v6(entry, out, err);
	if (is_v6(entry))
		return refuse(entry, "write an IPv6 address as [address] or [address]:port", err);
	if (!is_host(host))
		return refuse(entry, "no host name, address or path of a socket", err);
	status = read_port(entry, span_from(entry, host.n), &port, err);
	if (status == ST_OK)
		set_host(out, host, port, false);
	return status;
}

/* Twice in the list it would be given twice its share. */
static bool
is_there(const struct mcspec *spec, const struct mcserver *server)
{
	for (size_t i = 0; i < spec->count; i++)
		if (spec->servers[i].port == server->port &&
		    strcmp(spec->servers[i].host, server->host) == 0)
			return true;
	return false;
}

static enum status
add_entry(struct mcspec *spec, struct span entry, struct err *err)
{
	struct mcserver server;
	enum status status;

	if (spec->count == MCSPEC_SERVERS_MAX)
		return refuse(entry, "more than 64 servers", err);
	status = read_entry(entry, &server, err);
	if (status != ST_OK)
		return status;
	if (is_there(spec, &server)) {
		mcserver_free(&server);
		return refuse(entry, "it is in the list already", err);
	}
	spec->servers[spec->count++] = server;
	return ST_OK;
}

enum status
mcspec_read(struct span text, struct mcspec *out, struct err *err)
{
	enum status status = ST_OK;
	struct span rest = text, entry;

	memset(out, 0, sizeof(*out));
	while (status == ST_OK && next_entry(&rest, &entry))
		status = add_entry(out, entry, err);
	if (status == ST_OK && out->count == 0) {
		err_set(err, "there is no memcached server in the list");
		status = ST_INVALID;
	}
	if (status != ST_OK)
		mcspec_free(out);
	return status;
}
