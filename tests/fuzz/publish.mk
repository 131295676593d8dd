# fuzz targets of admin-api/publish
if ADMIN
FUZZ_TARGETS += tests/fuzz/fuzz_publish_dns tests/fuzz/fuzz_publish_fragment tests/fuzz/fuzz_publish_hook \
	tests/fuzz/fuzz_publish_powerdns tests/fuzz/fuzz_publishers
tests_fuzz_fuzz_publish_dns_SOURCES = tests/fuzz/fuzz_publish_dns.c $(FUZZ_MAIN)
tests_fuzz_fuzz_publish_dns_LDADD = $(PUBLISH_LIBS)
tests_fuzz_fuzz_publish_dns_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_publish_fragment_SOURCES = tests/fuzz/fuzz_publish_fragment.c $(FUZZ_MAIN)
tests_fuzz_fuzz_publish_fragment_LDADD = $(PUBLISH_LIBS)
tests_fuzz_fuzz_publish_fragment_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_publish_hook_SOURCES = tests/fuzz/fuzz_publish_hook.c $(FUZZ_MAIN)
tests_fuzz_fuzz_publish_hook_LDADD = $(PUBLISH_LIBS)
tests_fuzz_fuzz_publish_hook_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_publish_powerdns_SOURCES = tests/fuzz/fuzz_publish_powerdns.c $(FUZZ_MAIN)
tests_fuzz_fuzz_publish_powerdns_LDADD = $(PUBLISH_LIBS)
tests_fuzz_fuzz_publish_powerdns_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_publishers_SOURCES = tests/fuzz/fuzz_publishers.c $(FUZZ_MAIN)
tests_fuzz_fuzz_publishers_LDADD = $(PUBLISH_LIBS)
tests_fuzz_fuzz_publishers_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
# What a program with mirrors is linked with.
MIRROR_TEST_LDADD = $(LIBRECONCILER) $(LIBOPERATIONS) $(LIBPUBLISH) $(LIBLIFE) $(LIBBACKENDS) $(LIBSTORE) $(LIBKEYS) \
	$(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(BACKENDS_LIBS) $(LDNS_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) -lpthread
FUZZ_TARGETS += tests/fuzz/fuzz_mirrors
tests_fuzz_fuzz_mirrors_SOURCES = tests/fuzz/fuzz_mirrors.c $(FUZZ_MAIN)
tests_fuzz_fuzz_mirrors_LDADD = $(MIRROR_TEST_LDADD)
tests_fuzz_fuzz_mirrors_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
EXTRA_DIST += tests/fuzz/fuzz_mirrors.c tests/fuzz/fuzz_publish_dns.c tests/fuzz/fuzz_publish_fragment.c tests/fuzz/fuzz_publish_hook.c \
	tests/fuzz/fuzz_publish_powerdns.c tests/fuzz/fuzz_publishers.c
