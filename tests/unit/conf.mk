# Unit tests of lib/conf.
if CMOCKA
check_PROGRAMS += tests/unit/test_conf tests/unit/test_conf_values tests/unit/test_conf_verifying
TESTS += tests/unit/test_conf tests/unit/test_conf_values tests/unit/test_conf_verifying
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_LDADD = $(LIBCONF) $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_conf_values_SOURCES = tests/unit/test_conf_values.c
tests_unit_test_conf_values_LDADD = $(LIBCONF) $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_conf_verifying_SOURCES = tests/unit/test_conf_verifying.c
tests_unit_test_conf_verifying_LDADD = $(LIBCONF) $(LIBBASE) $(UNIT_LDADD)
endif
EXTRA_DIST += tests/unit/conf
