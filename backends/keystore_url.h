/*
 * keystore_url.h - where a key store in MySQL or MariaDB is:
 *
 *   mysql://[user[:password]@][host[:port]]/database[?option=value[&option=value]]
 *
 * Options: socket=/path, and passwordfile=/path, from which the password is read at each log-in.
 * Without a host and a socket it is "localhost", by the usual socket. An IPv6 address stands in
 * [...]. %XX is an octet, in every part.
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_URL_H
#define SIGNPOST_BACKENDS_KEYSTORE_URL_H

#include "backends/dsn.h"

#define KEYSTORE_URL_MAX 4096U /* octets */

/* text: what stands behind "mysql:". ST_OK: out->backend, host (or a path), database, and what else
 * was given; dsn_free() it. *password_file_out: owned, or NULL. ST_INVALID: *err says which part is
 * wrong and shows none of it. ST_UNAVAILABLE: no secret memory. Any thread. */
enum status keystore_url_parse(
    struct span text, struct dsn *out, char **password_file_out, struct err *err) MUST_USE;
/* Appends "mysql://host:port/database": neither user nor password. */
void keystore_url_describe(const struct dsn *dsn, struct buf *out);

#endif
