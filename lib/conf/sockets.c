/*
 * sockets.c - the Socket parameter in all its spellings, and the addresses to bind.
 * The checks parse it, the parent resolves it at the start. Parsing is pure; it must never ask DNS.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "lib/conf/values.h"

static enum status
socket_unix(struct span path, struct conf_socket *socket_out, struct err *err)
{
	struct conf_socket result = {.kind = CONF_SOCKET_UNIX};

	if (path.n == 0) {
		err_set(err, "the path of the socket is missing");
		return ST_INVALID;
	}
	if (path.n >= sizeof(result.path)) {
		err_set(
		    err, "the path of a socket has at most %zu octets", sizeof(result.path) - 1);
		return ST_INVALID;
	}
	memcpy(result.path, path.p, path.n);
	*socket_out = result;
	return ST_OK;
}

/* Letters, digits, '-' and '_', and not digits alone: that is a port. */
static bool
service_is_name(struct span name)
{
	bool letter = false;

	for (size_t i = 0; i < name.n; i++) {
		char c = ascii_lower(name.p[i]);

		letter = letter || (c >= 'a' && c <= 'z');
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return letter;
}

static enum status
socket_service(struct span text, struct conf_socket *result, struct err *err)
{
	uint64_t port;
	bool digits = span_number(text, 65535, &port);

	if (text.n == 0) {
		err_set(err, "the port is missing: inet:PORT[@HOST] is needed");
		return ST_INVALID;
	}
	if (text.n >= sizeof(result->service) || (!digits && !service_is_name(text))) {
		err_set(err, "the port must be 0 to 65535 or the name of a service");
		return ST_INVALID;
	}
	memcpy(result->service, text.p, text.n);
	result->port_known = digits;
	result->port = digits ? (unsigned int)port : 0;
	return ST_OK;
}

/* A literal address of the other family can never be bound. */
static enum status
host_fits(const struct conf_socket *result, bool brackets, struct err *err)
{
	unsigned char address[sizeof(struct in6_addr)];
	bool v4 = inet_pton(AF_INET, result->host, address) == 1;
	bool v6 = strchr(result->host, ':') != NULL;

	if (result->kind == CONF_SOCKET_INET && v6) {
		err_set(err, "%s is an IPv6 address: write inet6:", result->host);
		return ST_INVALID;
	}
	if (result->kind == CONF_SOCKET_INET6 && v4) {
		err_set(err, "%s is an IPv4 address: write inet:", result->host);
		return ST_INVALID;
	}
	if (brackets && !v4 && !v6) {
		err_set(err, "brackets need an address between them");
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
socket_host(struct span host, struct conf_socket *result, struct err *err)
{
	bool brackets = span_starts(host, SPAN_LIT("[")) && span_ends(host, SPAN_LIT("]"));

	if (brackets && host.n >= 2)
		host = span_sub(host, 1, host.n - 2);
	if (host.n == 0) {
		err_set(err, "the host after '@' is missing");
		return ST_INVALID;
	}
	if (host.n >= sizeof(result->host)) {
		err_set(err, "the host name is too long");
		return ST_INVALID;
	}
	for (size_t i = 0; i < host.n; i++) {
		if ((unsigned char)host.p[i] <= 0x20 || host.p[i] == '@' || host.p[i] == '[' ||
		    host.p[i] == ']' || host.p[i] == ',') {
			err_set(err, "the host after '@' must be one name or address");
			return ST_INVALID;
		}
	}
	memcpy(result->host, host.p, host.n);
	return host_fits(result, brackets, err);
}

static enum status
socket_inet(
    struct span rest, enum conf_socket_kind kind, struct conf_socket *socket_out, struct err *err)
{
	struct conf_socket result = {.kind = kind};
	struct span service;
	bool host = span_cut(&rest, '@', &service);
	enum status status = socket_service(span_trim(service), &result, err);

	if (status == ST_OK && host)
		status = socket_host(span_trim(rest), &result, err);
	if (status == ST_OK)
		*socket_out = result;
	return status;
}

enum status
conf_socket(const char *text, struct conf_socket *socket_out, struct err *err)
{
	struct span all = span_trim(span_str(text)), rest = all, kind;

	if (span_starts(all, SPAN_LIT("/")) || span_find(all, ':') == SIZE_MAX) {
		if (span_find(all, '/') != SIZE_MAX)
			return socket_unix(all, socket_out, err);
		err_set(err, "local:PATH or inet:PORT[@HOST] is needed");
		return ST_INVALID;
	}
	(void)span_cut(&rest, ':', &kind);
	if (span_ieq_str(kind, "local") || span_ieq_str(kind, "unix"))
		return socket_unix(rest, socket_out, err);
	if (span_ieq_str(kind, "inet"))
		return socket_inet(rest, CONF_SOCKET_INET, socket_out, err);
	if (span_ieq_str(kind, "inet6"))
		return socket_inet(rest, CONF_SOCKET_INET6, socket_out, err);
	err_set(err, "local:, unix:, inet: or inet6: is needed in front");
	return ST_INVALID;
}

static enum status
resolve_error(const struct conf_socket *socket, int code, struct err *err)
{
	err_set(err, "%s port %s: %s", socket->host[0] == '\0' ? "*" : socket->host,
	    socket->service, gai_strerror(code));
	return code == EAI_AGAIN || code == EAI_SYSTEM || code == EAI_MEMORY ? ST_UNAVAILABLE
									     : ST_ABSENT;
}

/* With "127.0.0.1 localhost" and "::1 localhost" in /etc/hosts, as Debian has them, the C library
 * gives 127.0.0.1 for each of the two lines. */
static bool
is_known(const struct conf_address *addresses, size_t count, const struct addrinfo *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (addresses[i].length == wanted->ai_addrlen &&
		    memcmp(&addresses[i].address, wanted->ai_addr, wanted->ai_addrlen) == 0)
			return true;
	return false;
}

static enum status
resolve_inet(const struct conf_socket *socket, struct conf_address *addresses_out,
    size_t *count_out, struct err *err)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	size_t count = 0;
	int code;

	hints.ai_family = socket->kind == CONF_SOCKET_INET ? AF_INET : AF_INET6;
	code = getaddrinfo(
	    socket->host[0] == '\0' ? NULL : socket->host, socket->service, &hints, &list);
	if (code != 0)
		return resolve_error(socket, code, err);
	for (struct addrinfo *a = list; a != NULL && count < CONF_SOCKET_ADDRESSES_MAX;
	     a = a->ai_next) {
		if (is_known(addresses_out, count, a))
			continue;
		memcpy(&addresses_out[count].address, a->ai_addr, a->ai_addrlen);
		addresses_out[count++].length = a->ai_addrlen;
	}
	freeaddrinfo(list);
	*count_out = count;
	return ST_OK;
}

enum status
conf_socket_resolve(const struct conf_socket *socket,
    struct conf_address addresses_out[CONF_SOCKET_ADDRESSES_MAX], size_t *count_out,
    struct err *err)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};

	if (socket->kind != CONF_SOCKET_UNIX)
		return resolve_inet(socket, addresses_out, count_out, err);
	memcpy(local.sun_path, socket->path, sizeof(local.sun_path));
	memcpy(&addresses_out[0].address, &local, sizeof(local));
	addresses_out[0].length = sizeof(local);
	*count_out = 1;
	return ST_OK;
}
