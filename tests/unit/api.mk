# Tests of the HTTP API, and the table of it that others are held against.
if ADMIN
if SQLITE
check_PROGRAMS += tests/tools/api_table
tests_tools_api_table_SOURCES = tests/tools/api_table.c
tests_tools_api_table_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_api_table_LDADD = $(LIBAPI) $(OPERATIONS_TEST_LDADD)
INTEGRATION_ADMIN = tests/tools/api_table$(EXEEXT)
endif
endif
EXTRA_DIST += tests/tools/api_table.c
if ADMIN
if SQLITE
if CMOCKA
check_PROGRAMS += tests/unit/test_api_route tests/unit/test_principal
TESTS += tests/unit/test_api_route tests/unit/test_principal
tests_unit_test_api_route_SOURCES = tests/unit/test_api_route.c
tests_unit_test_api_route_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_api_route_LDADD = $(LIBAPI) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_events
TESTS += tests/unit/test_events
tests_unit_test_events_SOURCES = tests/unit/test_events.c
tests_unit_test_events_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_events_LDADD = $(LIBAPI) $(LIBHTTP) $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(HTTP_LIBS) $(UNIT_LDADD)
tests_unit_test_principal_SOURCES = tests/unit/test_principal.c
tests_unit_test_principal_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_principal_LDADD = $(LIBAPI) $(LIBHTTP) $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(HTTP_LIBS) $(UNIT_LDADD)
endif
FUZZ_TARGETS += tests/fuzz/fuzz_api_route
tests_fuzz_fuzz_api_route_SOURCES = tests/fuzz/fuzz_api_route.c $(FUZZ_MAIN)
tests_fuzz_fuzz_api_route_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_api_route_LDADD = $(LIBAPI) $(OPERATIONS_TEST_LDADD)
tests_fuzz_fuzz_api_route_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
FUZZ_TARGETS += tests/fuzz/fuzz_events
tests_fuzz_fuzz_events_SOURCES = tests/fuzz/fuzz_events.c $(FUZZ_MAIN)
tests_fuzz_fuzz_events_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_events_LDADD = $(LIBAPI) $(LIBHTTP) $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(HTTP_LIBS)
tests_fuzz_fuzz_events_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
endif
EXTRA_DIST += tests/unit/test_events.c tests/fuzz/fuzz_events.c
EXTRA_DIST += tests/unit/test_api_route.c tests/unit/test_principal.c tests/fuzz/fuzz_api_route.c
