# Unit tests of what signpost(1) hears.
if CMOCKA
check_PROGRAMS += tests/unit/test_admin_sse
TESTS += tests/unit/test_admin_sse
tests_unit_test_admin_sse_SOURCES = tests/unit/test_admin_sse.c tools/admin_sse.c
tests_unit_test_admin_sse_LDADD = $(LIBBASE) -lpthread $(UNIT_LDADD)
endif
EXTRA_DIST += tests/unit/test_admin_sse.c
# Unit tests of admin-api.
if ADMIN
if CMOCKA
check_PROGRAMS += tests/unit/test_mirror_lines
TESTS += tests/unit/test_mirror_lines
tests_unit_test_mirror_lines_SOURCES = tests/unit/test_mirror_lines.c
tests_unit_test_mirror_lines_LDADD = $(MIRROR_TEST_LDADD) $(UNIT_LDADD)
if SQLITE
RECONCILER_LDADD = $(LIBRECONCILER) $(LIBOPERATIONS) $(LIBLIFE) $(STORE_TEST_LDADD) $(LIBDKIM) \
	$(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(IDN2_LIBS) $(JANSSON_LIBS) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_record tests/unit/test_reconciler_mirror tests/unit/test_reconciler_commit tests/unit/test_reconciler_lanes
TESTS += tests/unit/test_record tests/unit/test_reconciler_mirror tests/unit/test_reconciler_commit tests/unit/test_reconciler_lanes
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_record_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_mirror_SOURCES = tests/unit/test_reconciler_mirror.c
tests_unit_test_reconciler_mirror_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_mirror_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_commit_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_lanes_SOURCES = tests/unit/test_reconciler_lanes.c
tests_unit_test_reconciler_lanes_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_lanes_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_commit_SOURCES = tests/unit/test_reconciler_commit.c
tests_unit_test_reconciler_commit_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
check_PROGRAMS += tests/unit/test_reconciler tests/unit/test_reconciler_slots tests/unit/test_reconciler_canary tests/unit/test_reconciler_crash
TESTS += tests/unit/test_reconciler tests/unit/test_reconciler_slots tests/unit/test_reconciler_canary tests/unit/test_reconciler_crash
tests_unit_test_reconciler_SOURCES = tests/unit/test_reconciler.c tests/unit/reconciler_world.h
tests_unit_test_reconciler_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_slots_SOURCES = tests/unit/test_reconciler_slots.c
tests_unit_test_reconciler_slots_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_slots_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_canary_SOURCES = tests/unit/test_reconciler_canary.c tests/unit/reconciler_world.h
tests_unit_test_reconciler_canary_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_canary_LDADD = $(RECONCILER_LDADD)
tests_unit_test_reconciler_crash_SOURCES = tests/unit/test_reconciler_crash.c
tests_unit_test_reconciler_crash_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_crash_LDADD = $(RECONCILER_LDADD)
endif
endif
endif
EXTRA_DIST += tests/unit/test_mirror_lines.c tests/unit/test_record.c tests/unit/test_reconciler.c tests/unit/test_reconciler_mirror.c tests/unit/test_reconciler_commit.c tests/unit/test_reconciler_lanes.c tests/unit/test_reconciler_slots.c tests/unit/test_reconciler_canary.c tests/unit/test_reconciler_crash.c tests/unit/reconciler_world.h
