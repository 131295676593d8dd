noinst_LIBRARIES += lib/crypto/libcrypto_room.a
lib_crypto_libcrypto_room_a_SOURCES = \
	lib/crypto/digest.c lib/crypto/digest.h \
	lib/crypto/der.c lib/crypto/der.h \
	lib/crypto/hmac.c lib/crypto/hmac.h \
	lib/crypto/mac.c lib/crypto/mac.h \
	lib/crypto/key.c lib/crypto/key.h lib/crypto/key_der.c lib/crypto/key_der.h \
	lib/crypto/rsa_signer.c lib/crypto/rsa_signer.h \
	lib/crypto/rsa_blinding.c lib/crypto/rsa_blinding.h \
	lib/crypto/masked_inverse.c lib/crypto/masked_inverse.h \
	lib/crypto/public_key.c lib/crypto/public_key.h lib/crypto/public_key_private.h \
	lib/crypto/public_key_cache.c lib/crypto/public_key_cache.h \
	lib/crypto/seal.c lib/crypto/seal.h
lib_crypto_libcrypto_room_a_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
LIBCRYPTO_ROOM = lib/crypto/libcrypto_room.a
