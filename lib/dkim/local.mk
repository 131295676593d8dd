# The mail half of signing: bytes in, bytes out. Programs that link it need $(IDN2_LIBS).
noinst_LIBRARIES += lib/dkim/libdkim.a
lib_dkim_libdkim_a_SOURCES = \
	lib/dkim/address.c lib/dkim/address.h \
	lib/dkim/authres.c lib/dkim/authres.h lib/dkim/authres_read.c \
	lib/dkim/authres_forged.c lib/dkim/authres_private.h \
	lib/dkim/canon.h lib/dkim/canon_body.c lib/dkim/canon_header.c \
	lib/dkim/canon_scan.c lib/dkim/canon_scan.h \
	lib/dkim/domain.c \
	lib/dkim/diagnose.c lib/dkim/diagnose.h lib/dkim/diagnose_body.c lib/dkim/diagnose_header.c \
	lib/dkim/diagnose_private.h lib/dkim/diagnose_trial.c \
	lib/dkim/header.c lib/dkim/header_block.c lib/dkim/header.h \
	lib/dkim/keyrecord.c lib/dkim/keyrecord.h \
	lib/dkim/select.c lib/dkim/select.h lib/dkim/select_policy.c lib/dkim/select_private.h \
	lib/dkim/signature.c lib/dkim/signature_check.c lib/dkim/signature.h lib/dkim/signature_private.h \
	lib/dkim/sigfield.c lib/dkim/sigfield.h lib/dkim/sigfield_names.c lib/dkim/sigfield_private.h \
	lib/dkim/tags.c lib/dkim/tags.h \
	lib/dkim/verify.c lib/dkim/verify.h lib/dkim/verify_body.c lib/dkim/verify_header.c \
	lib/dkim/verify_key.c lib/dkim/verify_private.h lib/dkim/verify_text.c
lib_dkim_libdkim_a_CFLAGS = $(AM_CFLAGS) $(IDN2_CFLAGS)
LIBDKIM = lib/dkim/libdkim.a
