# Publishers: a library of its own, so that tests can link it.
PUBLISH_FILES = \
	admin-api/named_lines.c admin-api/named_lines.h \
	admin-api/publish.c admin-api/publish.h admin-api/publish_private.h \
	admin-api/publish_names.c admin-api/publish_options.c admin-api/publish_program.c \
	admin-api/publish_read.c admin-api/publish_write.c admin-api/publish_cname.c admin-api/publish_manual.c \
	admin-api/publish_guard.c admin-api/publish_tenant.c admin-api/publish_exec.c admin-api/publish_exec.h admin-api/publish_exec_json.c \
	admin-api/publish_zonefile.c admin-api/publish_fragment.c admin-api/publish_fragment.h \
	admin-api/publish_powerdns.c admin-api/publish_powerdns.h admin-api/publish_powerdns_json.c \
	admin-api/publish_rfc2136.c admin-api/publish_batch.c admin-api/publish_batch.h \
	admin-api/publish_talk.c admin-api/publish_talk.h admin-api/publish_dns.h \
	admin-api/publish_message.c admin-api/publish_tsig.c admin-api/publish_link.c
if ADMIN
noinst_LIBRARIES += admin-api/libpublish.a
admin_api_libpublish_a_SOURCES = $(PUBLISH_FILES)
admin_api_libpublish_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(LDNS_CFLAGS) $(CURL_CFLAGS)
LIBPUBLISH = admin-api/libpublish.a
# What a program with publishers is linked with.
PUBLISH_LIBS = $(LIBPUBLISH) $(LIBSTORE) $(LIBKEYS) $(LIBCRYPTO_ROOM) $(LIBBASE) \
	$(LDNS_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) -lpthread
endif
EXTRA_DIST += $(PUBLISH_FILES)
