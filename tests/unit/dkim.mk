# Unit tests of lib/dkim.
DKIM_LDADD = $(LIBDKIM) $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(IDN2_LIBS)
SIGNED_MAIL = tests/lib/signed_mail.c tests/lib/signed_mail.h
VERIFY_HELP = tests/unit/verify_help.c tests/unit/verify_help.h $(SIGNED_MAIL)
EXTRA_DIST += tests/vectors/rfc6376-a.eml tests/vectors/rfc8463-a.eml
if CMOCKA
DKIM_TESTS = tests/unit/test_address tests/unit/test_authres tests/unit/test_canon \
	tests/unit/test_select tests/unit/test_signature tests/unit/test_keyrecord \
	tests/unit/test_sigfield tests/unit/test_verify tests/unit/test_verify_changed tests/unit/test_diagnose
check_PROGRAMS += $(DKIM_TESTS)
TESTS += $(DKIM_TESTS)
tests_unit_test_address_SOURCES = tests/unit/test_address.c
tests_unit_test_address_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_authres_SOURCES = tests/unit/test_authres.c
tests_unit_test_authres_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_canon_SOURCES = tests/unit/test_canon.c tests/unit/naive_canon.h
tests_unit_test_canon_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_select_SOURCES = tests/unit/test_select.c
tests_unit_test_select_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_signature_SOURCES = tests/unit/test_signature.c
tests_unit_test_signature_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR='"$(top_srcdir)"'
tests_unit_test_signature_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_signature_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_keyrecord_SOURCES = tests/unit/test_keyrecord.c
tests_unit_test_keyrecord_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_sigfield_SOURCES = tests/unit/test_sigfield.c
tests_unit_test_sigfield_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_verify_SOURCES = tests/unit/test_verify.c $(VERIFY_HELP)
tests_unit_test_verify_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR='"$(top_srcdir)"'
tests_unit_test_verify_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_verify_changed_SOURCES = tests/unit/test_verify_changed.c $(VERIFY_HELP)
tests_unit_test_verify_changed_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
tests_unit_test_diagnose_SOURCES = tests/unit/test_diagnose.c $(VERIFY_HELP)
tests_unit_test_diagnose_LDADD = $(DKIM_LDADD) $(UNIT_LDADD)
endif
