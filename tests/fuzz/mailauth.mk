# fuzz targets of mailauth
FUZZ_TARGETS += tests/fuzz/fuzz_compose tests/fuzz/fuzz_dmarc tests/fuzz/fuzz_key_audit tests/fuzz/fuzz_spf
tests_fuzz_fuzz_compose_SOURCES = tests/fuzz/fuzz_compose.c $(FUZZ_MAIN)
tests_fuzz_fuzz_compose_LDADD = $(MAILAUTH_LDADD)
tests_fuzz_fuzz_compose_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dmarc_SOURCES = tests/fuzz/fuzz_dmarc.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dmarc_LDADD = $(MAILAUTH_LDADD)
tests_fuzz_fuzz_dmarc_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_key_audit_SOURCES = tests/fuzz/fuzz_key_audit.c $(FUZZ_MAIN)
tests_fuzz_fuzz_key_audit_LDADD = $(MAILAUTH_LDADD)
tests_fuzz_fuzz_key_audit_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_spf_SOURCES = tests/fuzz/fuzz_spf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_spf_LDADD = $(MAILAUTH_LDADD)
tests_fuzz_fuzz_spf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
