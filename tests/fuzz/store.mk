# Fuzz targets of lib/store and the flat backends.
FUZZ_TARGETS += tests/fuzz/fuzz_ldap_url
FUZZ_TARGETS += tests/fuzz/fuzz_refile tests/fuzz/fuzz_file tests/fuzz/fuzz_csl \
	tests/fuzz/fuzz_hostlist tests/fuzz/fuzz_keytable tests/fuzz/fuzz_dsn
EXTRA_DIST += tests/fuzz/store_fuzz.h
tests_fuzz_fuzz_refile_SOURCES = tests/fuzz/fuzz_refile.c $(FUZZ_MAIN)
tests_fuzz_fuzz_refile_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_refile_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_file_SOURCES = tests/fuzz/fuzz_file.c $(FUZZ_MAIN)
tests_fuzz_fuzz_file_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_file_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_csl_SOURCES = tests/fuzz/fuzz_csl.c $(FUZZ_MAIN)
tests_fuzz_fuzz_csl_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_csl_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_hostlist_SOURCES = tests/fuzz/fuzz_hostlist.c $(FUZZ_MAIN)
tests_fuzz_fuzz_hostlist_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_hostlist_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_keytable_SOURCES = tests/fuzz/fuzz_keytable.c $(FUZZ_MAIN)
tests_fuzz_fuzz_keytable_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_keytable_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dsn_SOURCES = tests/fuzz/fuzz_dsn.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dsn_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_dsn_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_ldap_url_SOURCES = tests/fuzz/fuzz_ldap_url.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ldap_url_LDADD = $(STORE_TEST_LDADD)
tests_fuzz_fuzz_ldap_url_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
