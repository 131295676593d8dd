# Unit tests of routes and of the tenants of sessions.
ROUTE_TEST_LDADD = $(LIBMEMSTORE) $(STORE_TEST_LDADD)
EXTRA_DIST += tests/unit/route_world.h
if CMOCKA
ROUTE_TESTS = tests/unit/test_route tests/unit/test_route_hostile tests/unit/test_route_property \
	tests/unit/test_tenant tests/unit/test_pattern_cache
check_PROGRAMS += $(ROUTE_TESTS)
TESTS += $(ROUTE_TESTS)
tests_unit_test_route_SOURCES = tests/unit/test_route.c
tests_unit_test_route_LDADD = $(ROUTE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_route_hostile_SOURCES = tests/unit/test_route_hostile.c
tests_unit_test_route_hostile_LDADD = $(ROUTE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_route_property_SOURCES = tests/unit/test_route_property.c \
	tests/unit/naive_route.c tests/unit/naive_route.h
tests_unit_test_route_property_LDADD = $(ROUTE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_tenant_SOURCES = tests/unit/test_tenant.c
tests_unit_test_tenant_LDADD = $(ROUTE_TEST_LDADD) $(UNIT_LDADD)
tests_unit_test_pattern_cache_SOURCES = tests/unit/test_pattern_cache.c
tests_unit_test_pattern_cache_LDADD = $(LIBSTORE) $(LIBBASE) $(PCRE2_LIBS) -lpthread $(UNIT_LDADD)
endif
