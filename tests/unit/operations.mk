# Unit tests of the operations of signpost-admind.
if ADMIN
if SQLITE
if CMOCKA
check_PROGRAMS += tests/unit/test_operations
TESTS += tests/unit/test_operations
tests_unit_test_operations_SOURCES = tests/unit/test_operations.c
tests_unit_test_operations_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operations_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
endif
endif
endif
EXTRA_DIST += tests/unit/test_operations.c
