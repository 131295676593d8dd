/*
 * hostlist.h - PeerList, InternalHosts, ExternalIgnoreList: is this client in the list? OpenDKIM's
 * order of probes: the host name, then its parents as ".parent"; and, unless that says yes, the
 * address from the whole of it to /0; at equal precision '!' wins. The most specific entry decides
 * each of the two questions: a "!name" does not take an address out of the list.
 */
#ifndef SIGNPOST_STORE_HOSTLIST_H
#define SIGNPOST_STORE_HOSTLIST_H

#include <sys/socket.h>

#include "lib/store/table.h"

struct hostlist;

/* Builds the index of a table that can be walked (csl, file) and follows its refreshes; other
 * tables are asked for each probe. The table is borrowed and must outlive the list; give it
 * TABLE_ICASE. Entries that can never match, and the traps of patterns, are logged as warnings
 * with what to write instead. parameter: for messages, copied. */
enum status hostlist_open(
    const char *parameter, struct table *table, struct hostlist **out, struct err *err) MUST_USE;
void hostlist_close(struct hostlist *list); /* NULL is fine */

/* host: the client's name as the MTA gave it, "[1.2.3.4]" or empty among them. address: NULL or of
 * another family than IPv4 and IPv6 is treated as 127.0.0.1, as opendkim does (TRAP: mail without
 * a client address is internal). IPv4-mapped IPv6 stays IPv6. Any thread. ST_OK: in the list.
 * ST_ABSENT: not in it; list NULL. ST_UNAVAILABLE, ST_INVALID: the table could not answer a probe
 * on the way, so nobody knows; *err says why. */
enum status hostlist_match(struct hostlist *list, struct span host, const struct sockaddr *address,
    struct err *err) MUST_USE;

#endif
