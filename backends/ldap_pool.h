/*
 * ldap_pool.h - the servers of one directory: connections that wait for the next question, which
 * server is asked, and when one that was away is tried again. For tables and key stores alike.
 */
#ifndef SIGNPOST_BACKENDS_LDAP_POOL_H
#define SIGNPOST_BACKENDS_LDAP_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backends/breaker.h"
#include "backends/ldap_link.h"

/* Any thread may ask. */
struct ldappool {
	struct ldapurl url; /* owned from ldappool_open() on */
	struct ldaplink_config config;
	const char *parameter, *where; /* for the log; borrowed */
	atomic_bool said_many, said_referred;
	/* Of all below; held for a few instructions. */
	pthread_mutex_t lock;
	struct ldaplink *idle; /* the last one used comes first */
	size_t idle_count;
	size_t current; /* the server that answered last */
	size_t silent;  /* servers that were left one after the other */
	struct breaker breaker;
	char reason[ERR_TEXT_MAX]; /* why the breaker is open */
};

/* Takes url over, which ldapurl_free() has to free only when this fails. parameter and where stay
 * the caller's until ldappool_close(). A server that is not there is ST_OK. ST_UNAVAILABLE: no
 * secret memory for the password. */
enum status ldappool_open(struct ldappool *pool, struct ldapurl *url,
    const struct table_settings *settings, const char *parameter, const char *where,
    struct err *err) MUST_USE;
void ldappool_close(struct ldappool *pool);

/* Questions over one connection, all before deadline_ms. *end says what became of the connection.
 * May be called a second time with a fresh connection when the first one was lost: it begins anew
 * then. */
typedef enum status ldappool_job(void *context, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err);

/* ST_UNAVAILABLE, at once while all servers are known to be away; what job said. Takes no longer
 * than LDAPTimeout. No lock is held while servers are asked. */
enum status ldappool_run(
    struct ldappool *pool, ldappool_job *job, void *context, struct err *err) MUST_USE;
/* The same for what must not be done twice: over a fresh connection, once, and for limit_ms. */
enum status ldappool_run_once(struct ldappool *pool, ldappool_job *job, void *context,
    int64_t limit_ms, struct err *err) MUST_USE;

/* Logs, once for each pool, that a part of an answer is on another server. */
void ldappool_note_referred(struct ldappool *pool);

#endif
