# Fuzz targets of admin-api.
if ADMIN
if SQLITE
FUZZ_TARGETS += tests/fuzz/fuzz_operation
tests_fuzz_fuzz_operation_SOURCES = tests/fuzz/fuzz_operation.c $(FUZZ_MAIN)
tests_fuzz_fuzz_operation_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_operation_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD)
tests_fuzz_fuzz_operation_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
endif
EXTRA_DIST += tests/fuzz/fuzz_operation.c
