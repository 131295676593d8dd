/*
 * unbound_conf.h - an unbound.conf in which no trust anchor is to be written.
 */
#ifndef SIGNPOST_DNS_UNBOUND_CONF_H
#define SIGNPOST_DNS_UNBOUND_CONF_H

#include "lib/base/buf.h"

#define UNBOUND_CONF_BYTES_MAX (1u << 20)
#define UNBOUND_CONF_DEPTH_MAX 8u

/* The text of the file path with what it includes, each auto-trust-anchor-file made a
 * trust-anchor-file: libunbound ends the process when it cannot write the former, and the file is
 * somebody else's. ST_UNAVAILABLE: a file cannot be read. ST_INVALID: includes are nested too deep.
 * ST_TOO_BIG. err has the sentence. */
enum status unbound_conf_copy(const char *path, struct buf *out, struct err *err) MUST_USE;

#endif
