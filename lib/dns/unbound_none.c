/*
 * unbound_none.c - in the place of unbound.c when configured --without-unbound. Whoever opens a
 * resolver is told so; answers from files (fake.c) are there. It must never pretend.
 */
#include "lib/dns/dns.h"

enum status
resolver_unbound(struct loop *loop, const struct resolver_config *config,
    struct resolver **resolver_out, struct err *err)
{
	(void)loop;
	(void)config;
	(void)resolver_out;
	err_set(err, "this build cannot ask DNS: it was configured --without-unbound; "
		     "TestPublicKeys works");
	return ST_FAILED;
}
