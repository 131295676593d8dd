/*
 * registry.c - the list of backends in this build.
 * Given to table_open() and keystore_open() by the programs, so that lib/ need not know what
 * backends there are. It must never hold anything but pointers to what the backends' own files
 * define.
 */
#include "backends/registry.h"

static const struct table_ops *const built_in[] = {
    &csl_table_ops,
    &file_table_ops,
    &refile_table_ops,
    &ldap_table_ops,
    &ldaps_table_ops,
    &ldapi_table_ops,
    &dsn_table_ops,
    &memcache_table_ops,
};

static const struct keystore_ops *const keystores_built_in[] = {
    &sqlite_keystore_ops,
    &mysql_keystore_ops,
    &ldap_keystore_ops,
    &ldaps_keystore_ops,
    &ldapi_keystore_ops,
};

static const struct table_registry registry = {
    built_in, sizeof(built_in) / sizeof(built_in[0]), NULL};

const struct table_registry *
backend_registry(void)
{
	return &registry;
}

static const struct keystore_registry keystores = {
    keystores_built_in, sizeof(keystores_built_in) / sizeof(keystores_built_in[0]), NULL};

const struct keystore_registry *
backend_keystores(void)
{
	return &keystores;
}
