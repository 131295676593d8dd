# HTTP of signpost-admind: a library of its own, so that tests can link it.
HTTP_FILES = \
	admin-api/http.h admin-api/http_private.h \
	admin-api/http_answer.c \
	admin-api/http_head.c \
	admin-api/http_listen.c \
	admin-api/http_pool.c \
	admin-api/http_request.c \
	admin-api/http_server.c \
	admin-api/http_source.c \
	admin-api/http_tls.c
if ADMIN
noinst_LIBRARIES += admin-api/libhttp.a
admin_api_libhttp_a_SOURCES = $(HTTP_FILES)
admin_api_libhttp_a_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS) $(GNUTLS_CFLAGS)
LIBHTTP = admin-api/libhttp.a
# What a program with HTTP is linked with.
HTTP_LIBS = $(LIBHTTP) $(LIBSTORE) $(LIBCRYPTO_ROOM) $(LIBBASE) \
	$(MICROHTTPD_LIBS) $(GNUTLS_LIBS) $(OPENSSL_LIBS) -lpthread
endif
EXTRA_DIST += $(HTTP_FILES)
# The API over it.
API_FILES = \
	admin-api/admin_metrics.c admin-api/admin_metrics.h \
	admin-api/api.c admin-api/api.h admin-api/api_private.h \
	admin-api/api_answer.c \
	admin-api/api_bulk.c \
	admin-api/api_cursor.c \
	admin-api/api_document.c admin-api/api_document.h \
	admin-api/api_events.c \
	admin-api/api_plain.c admin-api/api_plain.h \
	admin-api/api_reply.c admin-api/api_rate.c \
	admin-api/api_wait.c \
	admin-api/events.c admin-api/events.h admin-api/events_private.h \
	admin-api/events_name.c \
	admin-api/events_listen.c \
	admin-api/events_mail.c \
	admin-api/api_request.c \
	admin-api/api_stream.c \
	admin-api/principal.c admin-api/principal.h \
	admin-api/route.c admin-api/route.h \
	admin-api/watcher.c admin-api/watcher.h
if ADMIN
noinst_LIBRARIES += admin-api/libapi.a
admin_api_libapi_a_SOURCES = $(API_FILES)
nodist_admin_api_libapi_a_SOURCES = admin-api/openapi_document.c
admin_api_libapi_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
LIBAPI = admin-api/libapi.a
endif
EXTRA_DIST += $(API_FILES)
EXTRA_DIST += admin-api/openapi.json admin-api/openapi.py
# openapi.json as a text of C. It is written by hand: tests/tools/api_table > TABLE, openapi.py TABLE > openapi.json.
CLEANFILES += admin-api/openapi_document.c
admin-api/openapi_document.c: admin-api/openapi.json
	$(AM_V_GEN)$(MKDIR_P) admin-api && { echo '#include "admin-api/api_document.h"'; echo 'const char api_document[] ='; \
	    sed -e 's/[\\"]/\\&/g' -e 's/^/    "/' -e 's/$$/\\n"/' '$(srcdir)/admin-api/openapi.json'; echo '    ;'; } > $@.new && mv $@.new $@
