# Unit tests of admin-api.
if ADMIN
if CMOCKA
if SQLITE
check_PROGRAMS += tests/unit/test_reconciler
TESTS += tests/unit/test_reconciler
tests_unit_test_reconciler_SOURCES = tests/unit/test_reconciler.c
tests_unit_test_reconciler_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_reconciler_LDADD = $(LIBRECONCILER) $(LIBOPERATIONS) $(LIBLIFE) $(STORE_TEST_LDADD) $(LIBDKIM) \
	$(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(IDN2_LIBS) $(JANSSON_LIBS) $(UNIT_LDADD)
endif
endif
endif
EXTRA_DIST += tests/unit/test_reconciler.c
