# One suite for every backend, and the micro benchmark of tables.
if CMOCKA
check_PROGRAMS += tests/conformance/test_backends
TESTS += tests/conformance/test_backends
tests_conformance_test_backends_SOURCES = tests/conformance/test_backends.c
tests_conformance_test_backends_LDADD = $(STORE_TEST_LDADD) $(UNIT_LDADD)
if SQLITE
tests_conformance_test_backends_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS) -DHAVE_SQLITE
endif
endif
check_PROGRAMS += tests/bench/bench_tables
tests_bench_bench_tables_SOURCES = tests/bench/bench_tables.c
tests_bench_bench_tables_LDADD = $(STORE_TEST_LDADD)
check_PROGRAMS += tests/bench/bench_cache
tests_bench_bench_cache_SOURCES = tests/bench/bench_cache.c
tests_bench_bench_cache_LDADD = $(STORE_TEST_LDADD)
# One key store, driven by lines; the integration tests of every kind of store use it.
check_PROGRAMS += tests/conformance/keystore_driver
tests_conformance_keystore_driver_SOURCES = tests/conformance/keystore_driver.c \
	tests/conformance/keystore_driver_audit.c tests/conformance/keystore_driver_audit.h
tests_conformance_keystore_driver_LDADD = $(STORE_TEST_LDADD)
# One data set, driven the same way.
check_PROGRAMS += tests/conformance/table_driver
tests_conformance_table_driver_SOURCES = tests/conformance/table_driver.c
tests_conformance_table_driver_LDADD = $(STORE_TEST_LDADD)
# What gateways share, driven the same way.
check_PROGRAMS += tests/conformance/shared_driver
tests_conformance_shared_driver_SOURCES = tests/conformance/shared_driver.c
tests_conformance_shared_driver_LDADD = $(STORE_TEST_LDADD)
