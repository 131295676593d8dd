# Unit tests of lib/base and lib/crypto.
if CMOCKA
BASE_TESTS = tests/unit/test_base tests/unit/test_crypto tests/unit/test_loop tests/unit/test_metrics
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)
tests_unit_test_base_SOURCES = tests/unit/test_base.c
tests_unit_test_base_LDADD = $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c
tests_unit_test_loop_LDADD = $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_crypto_SOURCES = tests/unit/test_crypto.c
tests_unit_test_crypto_LDADD = $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(UNIT_LDADD)
tests_unit_test_metrics_SOURCES = tests/unit/test_metrics.c
tests_unit_test_metrics_LDADD = $(LIBBASE) $(UNIT_LDADD)
endif
