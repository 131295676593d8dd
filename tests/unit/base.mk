# Unit tests of lib/base and lib/crypto.
if CMOCKA
check_PROGRAMS += tests/unit/test_base tests/unit/test_crypto tests/unit/test_metrics
TESTS += tests/unit/test_base tests/unit/test_crypto tests/unit/test_metrics
tests_unit_test_base_SOURCES = tests/unit/test_base.c
tests_unit_test_base_LDADD = $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_crypto_SOURCES = tests/unit/test_crypto.c
tests_unit_test_crypto_LDADD = $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(UNIT_LDADD)
tests_unit_test_metrics_SOURCES = tests/unit/test_metrics.c
tests_unit_test_metrics_LDADD = $(LIBBASE) $(UNIT_LDADD)
endif
