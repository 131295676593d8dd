# Unit tests of the operations of signpost-admind.
if ADMIN
if SQLITE
if CMOCKA
check_PROGRAMS += tests/unit/test_operations
TESTS += tests/unit/test_operations
tests_unit_test_operations_SOURCES = tests/unit/test_operations.c
tests_unit_test_operations_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operations_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_operation_slots
TESTS += tests/unit/test_operation_slots
tests_unit_test_operation_slots_SOURCES = tests/unit/test_operation_slots.c
tests_unit_test_operation_slots_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operation_slots_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_bulk
TESTS += tests/unit/test_bulk
tests_unit_test_bulk_SOURCES = tests/unit/test_bulk.c
tests_unit_test_bulk_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_bulk_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_caller
TESTS += tests/unit/test_caller
tests_unit_test_caller_SOURCES = tests/unit/test_caller.c
tests_unit_test_caller_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_caller_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_operation_rotation
TESTS += tests/unit/test_operation_rotation
tests_unit_test_operation_rotation_SOURCES = tests/unit/test_operation_rotation.c
tests_unit_test_operation_rotation_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operation_rotation_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_operation_records
TESTS += tests/unit/test_operation_records
tests_unit_test_operation_records_SOURCES = tests/unit/test_operation_records.c
tests_unit_test_operation_records_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operation_records_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_operation_resolve
TESTS += tests/unit/test_operation_resolve
tests_unit_test_operation_resolve_SOURCES = tests/unit/test_operation_resolve.c
tests_unit_test_operation_resolve_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operation_resolve_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_operation_rules
TESTS += tests/unit/test_operation_rules
tests_unit_test_operation_rules_SOURCES = tests/unit/test_operation_rules.c
tests_unit_test_operation_rules_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_operation_rules_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_quota
TESTS += tests/unit/test_quota
tests_unit_test_quota_SOURCES = tests/unit/test_quota.c
tests_unit_test_quota_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_quota_LDADD = $(LIBMEMSTORE) $(OPERATIONS_TEST_LDADD) $(UNIT_LDADD)
endif
endif
endif
EXTRA_DIST += tests/unit/test_quota.c tests/unit/test_bulk.c tests/unit/test_operations.c tests/unit/test_caller.c tests/unit/test_operation_slots.c tests/unit/test_operation_records.c tests/unit/test_operation_resolve.c tests/unit/test_operation_rotation.c tests/unit/test_operation_rules.c
