# Unit tests of public keys; the rest of lib/crypto is in base.mk.
if CMOCKA
check_PROGRAMS += tests/unit/test_public_key
TESTS += tests/unit/test_public_key
tests_unit_test_public_key_SOURCES = tests/unit/test_public_key.c
tests_unit_test_public_key_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_public_key_LDADD = $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_key_der
TESTS += tests/unit/test_key_der
tests_unit_test_key_der_SOURCES = tests/unit/test_key_der.c
tests_unit_test_key_der_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_key_der_LDADD = $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(UNIT_LDADD)
check_PROGRAMS += tests/unit/test_rsa_signer
TESTS += tests/unit/test_rsa_signer
tests_unit_test_rsa_signer_SOURCES = tests/unit/test_rsa_signer.c
tests_unit_test_rsa_signer_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_rsa_signer_LDADD = $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(UNIT_LDADD)
endif
