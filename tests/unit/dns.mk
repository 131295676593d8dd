# Unit tests of lib/dns, and the program with which the integration tests ask.
DNS_LDADD = $(LIBDNS) $(LIBBASE) $(UNBOUND_LIBS)
check_PROGRAMS += tests/tools/dns_probe
tests_tools_dns_probe_SOURCES = tests/tools/dns_probe.c
tests_tools_dns_probe_LDADD = $(DAEMON_LDADD) $(DNS_LDADD)
if CMOCKA
check_PROGRAMS += tests/unit/test_dns_answer tests/unit/test_dns_cached tests/unit/test_dns_fake tests/unit/test_dns_kept
TESTS += tests/unit/test_dns_answer tests/unit/test_dns_cached tests/unit/test_dns_fake tests/unit/test_dns_kept
tests_unit_test_dns_answer_SOURCES = tests/unit/test_dns_answer.c
tests_unit_test_dns_answer_LDADD = $(DNS_LDADD) $(UNIT_LDADD)
tests_unit_test_dns_cached_SOURCES = tests/unit/test_dns_cached.c
tests_unit_test_dns_cached_LDADD = $(DNS_LDADD) $(UNIT_LDADD)
tests_unit_test_dns_fake_SOURCES = tests/unit/test_dns_fake.c
tests_unit_test_dns_fake_LDADD = $(DNS_LDADD) $(UNIT_LDADD)
tests_unit_test_dns_kept_SOURCES = tests/unit/test_dns_kept.c
tests_unit_test_dns_kept_LDADD = $(DNS_LDADD) $(UNIT_LDADD)
endif
