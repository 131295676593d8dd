/*
 * address.c - a milter socket as OpenDKIM writes it. miltergen.c connects to one, bare.c listens on
 * one. IPv4 and UNIX only: benchmarks stay on this machine. It must never ask a name server.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "lib/base/span.h"
#include "tests/bench/address.h"

static bool
parse_unix(const char *path, struct sockaddr_storage *address_out, socklen_t *bytes_out,
    const char **why_out)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	*why_out = "too long for a socket";
	if (strlen(path) >= sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path, path, strlen(path) + 1);
	memcpy(address_out, &un, sizeof(un));
	*bytes_out = sizeof(un);
	return true;
}

static bool
parse_inet(const char *text, struct sockaddr_storage *address_out, socklen_t *bytes_out,
    const char **why_out)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct span rest = span_str(text);
	struct span port;
	uint64_t number;

	*why_out = "must be inet:PORT@ADDRESS";
	if (!span_cut(&rest, '@', &port) || !span_number(port, 65535, &number) || number == 0)
		return false;
	*why_out = "not an IPv4 address";
	if (inet_pton(AF_INET, rest.p, &in.sin_addr) != 1)
		return false;
	in.sin_port = htons((uint16_t)number);
	memcpy(address_out, &in, sizeof(in));
	*bytes_out = sizeof(in);
	return true;
}

bool
address_of_socket(const char *text, struct sockaddr_storage *address_out,
    socklen_t *address_bytes_out, const char **why_out)
{
	memset(address_out, 0, sizeof(*address_out));
	if (strncmp(text, "inet:", 5) == 0)
		return parse_inet(text + 5, address_out, address_bytes_out, why_out);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, address_out, address_bytes_out, why_out);
	if (strncmp(text, "local:", 6) == 0)
		return parse_unix(text + 6, address_out, address_bytes_out, why_out);
	*why_out = "neither inet: nor unix:";
	return false;
}
