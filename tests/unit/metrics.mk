# Metrics of signpost-admind, and what it says of its health.
if ADMIN
API_TEST_LDADD = $(LIBAPI) $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(HTTP_LIBS)
check_PROGRAMS += tests/tools/metrics_driver
tests_tools_metrics_driver_SOURCES = tests/tools/metrics_driver.c
tests_tools_metrics_driver_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_metrics_driver_LDADD = $(LIBAPI) $(OPERATIONS_TEST_LDADD) $(HTTP_LIBS)
TESTS += tests/tools/test_metrics_text.py
if SQLITE
if CMOCKA
check_PROGRAMS += tests/unit/test_admin_metrics
TESTS += tests/unit/test_admin_metrics
tests_unit_test_admin_metrics_SOURCES = tests/unit/test_admin_metrics.c
tests_unit_test_admin_metrics_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_admin_metrics_LDADD = $(API_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_reconciler_census
TESTS += tests/unit/test_reconciler_census
tests_unit_test_reconciler_census_SOURCES = tests/unit/test_reconciler_census.c tests/unit/reconciler_world.h
tests_unit_test_reconciler_census_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_census_LDADD = $(RECONCILER_LDADD)
endif
endif
endif
dist_check_SCRIPTS += tests/tools/test_metrics_text.py
EXTRA_DIST += tests/tools/metrics_driver.c tests/unit/test_admin_metrics.c tests/unit/test_reconciler_census.c
