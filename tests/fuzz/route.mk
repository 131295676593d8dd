# Fuzz target of routes and of the tenants of sessions.
FUZZ_TARGETS += tests/fuzz/fuzz_route
tests_fuzz_fuzz_route_SOURCES = tests/fuzz/fuzz_route.c $(FUZZ_MAIN)
tests_fuzz_fuzz_route_LDADD = $(ROUTE_TEST_LDADD)
tests_fuzz_fuzz_route_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
