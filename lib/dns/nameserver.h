/*
 * nameserver.h - the list of servers of the Nameservers parameter. Pure.
 */
#ifndef SIGNPOST_DNS_NAMESERVER_H
#define SIGNPOST_DNS_NAMESERVER_H

#include "lib/base/span.h"
#include "lib/base/status.h"

#define NAMESERVER_TEXT_MAX 64u /* "ADDRESS@PORT" with its NUL */

/* The next of a list separated by blanks or commas, as "ADDRESS@PORT", the form of libunbound.
 * "192.0.2.1", "192.0.2.1:53", "192.0.2.1@53", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53",
 * "2001:db8::1@53". ST_ABSENT: no more. ST_INVALID: not an address; err has a sentence. */
enum status nameserver_next(
    struct span *rest, char text_out[NAMESERVER_TEXT_MAX], struct err *err) MUST_USE;

#endif
