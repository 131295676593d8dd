# Unit tests of lib/dkim, the signing half.
DKIM_LDADD = $(LIBDKIM) $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(IDN2_LIBS)
EXTRA_DIST += tests/vectors/rfc6376-a.eml tests/vectors/rfc8463-a.eml
if CMOCKA
check_PROGRAMS += tests/unit/test_canon
TESTS += tests/unit/test_canon
tests_unit_test_canon_SOURCES = tests/unit/test_canon.c tests/unit/naive_canon.h
tests_unit_test_canon_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
endif
