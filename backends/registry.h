/*
 * registry.h - the backends that this build has. To add one: its ops in backends/NAME.c, one line
 * here, one in registry.c, one driver in tests/conformance.
 */
#ifndef SIGNPOST_BACKENDS_REGISTRY_H
#define SIGNPOST_BACKENDS_REGISTRY_H

#include "lib/store/keystore.h"
#include "lib/store/table.h"

extern const struct table_ops csl_table_ops;
extern const struct table_ops file_table_ops;
extern const struct table_ops refile_table_ops;
extern const struct table_ops ldap_table_ops;
extern const struct table_ops ldaps_table_ops;
extern const struct table_ops ldapi_table_ops;
extern const struct table_ops dsn_table_ops;
extern const struct table_ops memcache_table_ops;

extern const struct keystore_ops sqlite_keystore_ops;
extern const struct keystore_ops mysql_keystore_ops;
extern const struct keystore_ops ldap_keystore_ops;
extern const struct keystore_ops ldaps_keystore_ops;
extern const struct keystore_ops ldapi_keystore_ops;

/* Static; give it to table_open(). */
const struct table_registry *backend_registry(void);
/* Static; give it to keystore_open(). */
const struct keystore_registry *backend_keystores(void);

#endif
