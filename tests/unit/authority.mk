# Unit tests of the asking of authoritative servers, and the program with which the integration tests ask.
AUTHORITY_LDADD = $(LIBAUTHORITY) $(DNS_LDADD)
if ADMIN
check_PROGRAMS += tests/tools/authority_probe
tests_tools_authority_probe_SOURCES = tests/tools/authority_probe.c
tests_tools_authority_probe_LDADD = $(AUTHORITY_LDADD)
if CMOCKA
check_PROGRAMS += tests/unit/test_authority
TESTS += tests/unit/test_authority
tests_unit_test_authority_SOURCES = tests/unit/test_authority.c
tests_unit_test_authority_LDADD = $(AUTHORITY_LDADD) $(UNIT_LDADD)
endif
endif
