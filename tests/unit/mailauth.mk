# Unit tests and fuzz targets of lib/mailauth.
MAILAUTH_LDADD = $(LIBMAILAUTH) $(LIBDKIM) $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(IDN2_LIBS)
if CMOCKA
check_PROGRAMS += tests/unit/test_mailauth
TESTS += tests/unit/test_mailauth
tests_unit_test_mailauth_SOURCES = tests/unit/test_mailauth.c
tests_unit_test_mailauth_LDADD = $(MAILAUTH_LDADD) $(UNIT_LDADD)
endif
