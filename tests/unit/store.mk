# Unit tests of lib/store and the flat backends.
STORE_TEST_LDADD = $(LIBBACKENDS) $(LIBSTORE) $(LIBKEYS) $(LIBCRYPTO_ROOM) $(LIBBASE) $(BACKENDS_LIBS) \
	$(OPENSSL_LIBS) -lpthread
EXTRA_DIST += tests/unit/store_help.h tests/unit/keystore_help.h tests/unit/cache_world.h tests/unit/shared_help.h tests/unit/secret_scan.h \
	tests/unit/shared_world.h
check_LIBRARIES += tests/lib/libmemstore.a
tests_lib_libmemstore_a_SOURCES = tests/lib/memstore.c tests/lib/memstore.h tests/lib/memstore_admin.c \
	tests/lib/memstore_life.c tests/lib/memstore_private.h tests/lib/memstore_write.c \
	tests/lib/memshared.c tests/lib/memshared.h
LIBMEMSTORE = tests/lib/libmemstore.a
if CMOCKA
STORE_TESTS = tests/unit/test_store_tables tests/unit/test_store_refile tests/unit/test_store_signing \
	tests/unit/test_store_hostlist tests/unit/test_store_keyfile tests/unit/test_store_watch \
	tests/unit/test_store_ldap tests/unit/test_keystore_ldap tests/unit/test_store_dsn tests/unit/test_sealedkey tests/unit/test_sitekey \
	tests/unit/test_failure tests/unit/test_keystate tests/unit/test_memcached \
	tests/unit/test_cache tests/unit/test_cache_model tests/unit/test_cache_threads tests/unit/test_cached_table tests/unit/test_cached_keystore \
	tests/unit/test_together tests/unit/test_cached_table_shared tests/unit/test_sharedcache tests/unit/test_keystore_octets \
	tests/unit/test_shared_keystore tests/unit/test_shared_keystore_property tests/unit/test_lease tests/unit/test_adminrows
check_PROGRAMS += $(STORE_TESTS)
TESTS += $(STORE_TESTS)
tests_unit_test_memcached_SOURCES = tests/unit/test_memcached.c
tests_unit_test_memcached_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_tables_SOURCES = tests/unit/test_store_tables.c
tests_unit_test_store_tables_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_refile_SOURCES = tests/unit/test_store_refile.c
tests_unit_test_store_refile_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_signing_SOURCES = tests/unit/test_store_signing.c
tests_unit_test_store_signing_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_hostlist_SOURCES = tests/unit/test_store_hostlist.c
tests_unit_test_store_hostlist_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_keyfile_SOURCES = tests/unit/test_store_keyfile.c
tests_unit_test_store_keyfile_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_ldap_SOURCES = tests/unit/test_store_ldap.c
tests_unit_test_store_ldap_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_keystore_ldap_SOURCES = tests/unit/test_keystore_ldap.c
tests_unit_test_keystore_ldap_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_dsn_SOURCES = tests/unit/test_store_dsn.c
tests_unit_test_store_dsn_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_cache_SOURCES = tests/unit/test_cache.c
tests_unit_test_cache_LDADD = $(LIBSTORE) $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_cache_model_SOURCES = tests/unit/test_cache_model.c
tests_unit_test_cache_model_LDADD = $(LIBSTORE) $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_cache_threads_SOURCES = tests/unit/test_cache_threads.c
tests_unit_test_cache_threads_LDADD = $(LIBSTORE) $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_cached_table_SOURCES = tests/unit/test_cached_table.c
tests_unit_test_cached_table_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_cached_keystore_SOURCES = tests/unit/test_cached_keystore.c
tests_unit_test_cached_keystore_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_together_SOURCES = tests/unit/test_together.c
tests_unit_test_together_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_adminrows_SOURCES = tests/unit/test_adminrows.c
tests_unit_test_adminrows_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_lease_SOURCES = tests/unit/test_lease.c
tests_unit_test_lease_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_cached_table_shared_SOURCES = tests/unit/test_cached_table_shared.c
tests_unit_test_cached_table_shared_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_sharedcache_SOURCES = tests/unit/test_sharedcache.c
tests_unit_test_sharedcache_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_keystore_octets_SOURCES = tests/unit/test_keystore_octets.c
tests_unit_test_keystore_octets_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_shared_keystore_SOURCES = tests/unit/test_shared_keystore.c
tests_unit_test_shared_keystore_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_shared_keystore_property_SOURCES = tests/unit/test_shared_keystore_property.c
tests_unit_test_shared_keystore_property_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_store_watch_SOURCES = tests/unit/test_store_watch.c
tests_unit_test_store_watch_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_sealedkey_SOURCES = tests/unit/test_sealedkey.c
tests_unit_test_sealedkey_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_sitekey_SOURCES = tests/unit/test_sitekey.c
tests_unit_test_sitekey_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_failure_SOURCES = tests/unit/test_failure.c
tests_unit_test_failure_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_keystate_SOURCES = tests/unit/test_keystate.c
tests_unit_test_keystate_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
if SQLITE
check_PROGRAMS += tests/unit/test_keystore_sql
TESTS += tests/unit/test_keystore_sql
tests_unit_test_keystore_sql_SOURCES = tests/unit/test_keystore_sql.c
tests_unit_test_keystore_sql_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_keystore_sql_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_keystore_schema
TESTS += tests/unit/test_keystore_schema
tests_unit_test_keystore_schema_SOURCES = tests/unit/test_keystore_schema.c
tests_unit_test_keystore_schema_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_keystore_schema_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_keystore_slot
TESTS += tests/unit/test_keystore_slot
tests_unit_test_keystore_slot_SOURCES = tests/unit/test_keystore_slot.c
tests_unit_test_keystore_slot_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_keystore_slot_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)

check_PROGRAMS += tests/unit/test_keystore_life
TESTS += tests/unit/test_keystore_life
tests_unit_test_keystore_life_SOURCES = tests/unit/test_keystore_life.c
tests_unit_test_keystore_life_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_keystore_life_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD) $(UNIT_LDADD)
endif
check_PROGRAMS += tests/unit/test_export
TESTS += tests/unit/test_export
tests_unit_test_export_SOURCES = tests/unit/test_export.c tests/lib/scratch.c tests/lib/scratch.h \
	tools/export.h tools/export_rows.c tools/export_tables.c tools/store.h tools/store_key.c tools/store_walk.c \
	tools/cli.c tools/cli.h tools/newfile.c tools/newfile.h
tests_unit_test_export_CFLAGS = $(AM_CFLAGS)
tests_unit_test_export_LDADD = $(LIBMEMSTORE) $(MOVING_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_zimbra
TESTS += tests/unit/test_zimbra
tests_unit_test_zimbra_SOURCES = tests/unit/test_zimbra.c tools/zimbra_localconfig.c tools/zimbra_request.c
tests_unit_test_zimbra_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_keystore_url
TESTS += tests/unit/test_keystore_url
tests_unit_test_keystore_url_SOURCES = tests/unit/test_keystore_url.c
tests_unit_test_keystore_url_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
endif
include tests/conformance/local.mk
if ADMIN
if CMOCKA
check_PROGRAMS += tests/unit/test_moving
TESTS += tests/unit/test_moving
tests_unit_test_moving_SOURCES = tests/unit/test_moving.c tests/lib/scratch.c tests/lib/scratch.h $(MOVING_TEST_FILES)
tests_unit_test_moving_CFLAGS = $(AM_CFLAGS)
tests_unit_test_moving_LDADD = $(MOVING_TEST_LDADD) $(UNIT_LDADD)
endif
endif
EXTRA_DIST += tests/unit/test_moving.c
