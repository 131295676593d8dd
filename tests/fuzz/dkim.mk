# fuzz targets of dkim
FUZZ_TARGETS += tests/fuzz/fuzz_address tests/fuzz/fuzz_canon tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_signature tests/fuzz/fuzz_tags
tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz_address.c $(FUZZ_MAIN)
tests_fuzz_fuzz_address_LDADD = $(DKIM_LDADD)
tests_fuzz_fuzz_address_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_canon_SOURCES = tests/fuzz/fuzz_canon.c tests/unit/naive_canon.h $(FUZZ_MAIN)
tests_fuzz_fuzz_canon_LDADD = $(DKIM_LDADD)
tests_fuzz_fuzz_canon_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(FUZZ_MAIN)
tests_fuzz_fuzz_header_LDADD = $(DKIM_LDADD)
tests_fuzz_fuzz_header_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_signature_SOURCES = tests/fuzz/fuzz_signature.c $(FUZZ_MAIN)
tests_fuzz_fuzz_signature_LDADD = $(DKIM_LDADD)
tests_fuzz_fuzz_signature_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_tags_SOURCES = tests/fuzz/fuzz_tags.c $(FUZZ_MAIN)
tests_fuzz_fuzz_tags_LDADD = $(DKIM_LDADD)
tests_fuzz_fuzz_tags_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
