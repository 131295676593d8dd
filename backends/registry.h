/*
 * registry.h - the backends that this build has. To add one: its ops in backends/NAME.c, one line
 * here, one in registry.c, one driver in tests/conformance.
 */
#ifndef SIGNPOST_BACKENDS_REGISTRY_H
#define SIGNPOST_BACKENDS_REGISTRY_H

#include "lib/store/table.h"

extern const struct table_ops csl_table_ops;
extern const struct table_ops file_table_ops;
extern const struct table_ops refile_table_ops;
extern const struct table_ops ldap_table_ops;
extern const struct table_ops ldaps_table_ops;
extern const struct table_ops ldapi_table_ops;

/* Static; give it to table_open(). Servers are asked with the defaults of all parameters. */
const struct table_registry *backend_registry(void);
/* The same with what conf says of servers; conf is borrowed, for calls of table_open() only. */
struct table_registry backend_registry_with(const struct conf *conf);

#endif
