/*
 * memcached_spec.h - a list of memcached servers as an operator writes it.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_SPEC_H
#define SIGNPOST_BACKENDS_MEMCACHED_SPEC_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define MCSPEC_SERVERS_MAX 64U
#define MCSPEC_HOST_MAX 253U /* octets of a host name, RFC 1035 2.3.4 */
#define MCSPEC_PATH_MAX 107U /* octets of the path of a socket, unix(7) */
#define MCSPEC_PORT 11211U

struct mcserver {
	char *host;    /* name, address without brackets, or the path of a socket ("/...") */
	uint16_t port; /* 0: host is a path */
	char *text;    /* "host:port", "[v6]:port" or the path, for messages */
};

/* All of it owned. */
struct mcspec {
	struct mcserver servers[MCSPEC_SERVERS_MAX];
	size_t count; /* >= 1 */
};

/* text: servers separated by commas or blanks: "host", "host:port", "[v6]", "[v6]:port", "/path",
 * "unix:/path". ST_INVALID: err names the entry; nothing is left behind. Names are not looked up.
 */
enum status mcspec_read(struct span text, struct mcspec *out, struct err *err) MUST_USE;
void mcspec_free(struct mcspec *spec);

/* A copy, to be freed with mcserver_free(). */
struct mcserver mcserver_copy(const struct mcserver *server);
void mcserver_free(struct mcserver *server);

#endif
