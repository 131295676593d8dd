# Unit tests and fuzz targets of lib/mailauth.
MAILAUTH_LDADD = $(LIBMAILAUTH) $(LIBSTORE) $(LIBKEYS) $(LIBCONF) $(LIBDNS) $(LIBDKIM) $(LIBCRYPTO_ROOM) $(LIBBASE) \
	$(OPENSSL_LIBS) $(IDN2_LIBS) $(UNBOUND_LIBS) -lpthread
if CMOCKA
MAILAUTH_TESTS = tests/unit/test_compose tests/unit/test_mailauth tests/unit/test_message_check
check_PROGRAMS += $(MAILAUTH_TESTS)
TESTS += $(MAILAUTH_TESTS)
tests_unit_test_compose_SOURCES = tests/unit/test_compose.c
tests_unit_test_compose_LDADD = $(MAILAUTH_LDADD) $(UNIT_LDADD)
tests_unit_test_mailauth_SOURCES = tests/unit/test_mailauth.c
tests_unit_test_mailauth_LDADD = $(MAILAUTH_LDADD) $(UNIT_LDADD)
tests_unit_test_message_check_SOURCES = tests/unit/test_message_check.c
tests_unit_test_message_check_LDADD = $(MAILAUTH_LDADD) $(UNIT_LDADD)
endif
