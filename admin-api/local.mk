# signpost-admind: the life cycle of keys. Built unless --without-admin (conditional ADMIN).
include admin-api/publish.mk
include admin-api/operations.mk
include admin-api/http.mk
include admin-api/ui.mk
RECONCILER_FILES = \
	admin-api/census.c admin-api/census.h \
	admin-api/crash.c admin-api/crash.h \
	admin-api/parallel.c \
	admin-api/reconciler.c admin-api/reconciler.h admin-api/reconciler_private.h \
	admin-api/reconciler_audit.c \
	admin-api/reconciler_census.c \
	admin-api/reconciler_commit.c \
	admin-api/reconciler_deliver.c \
	admin-api/reconciler_errands.c \
	admin-api/reconciler_guard.c \
	admin-api/reconciler_follow.c \
	admin-api/reconciler_lanes.c \
	admin-api/reconciler_load.c \
	admin-api/mirror.c admin-api/mirror_key.c \
	admin-api/mirror_sql.c admin-api/mirror_sql.h admin-api/mirror_sql_line.c \
	admin-api/mirror_sql_ispconfig.c admin-api/mirror_sql_postfixadmin.c \
	admin-api/reconciler_mirror.c \
	admin-api/reconciler_proof.c \
	admin-api/reconciler_providers.c \
	admin-api/reconciler_sight.c \
	admin-api/reconciler_steps.c \
	admin-api/record.c admin-api/record.h
if ADMIN
noinst_LIBRARIES += admin-api/libreconciler.a
admin_api_libreconciler_a_SOURCES = $(RECONCILER_FILES)
if LDAP
admin_api_libreconciler_a_SOURCES += admin-api/mirror_zimbra.c
else
admin_api_libreconciler_a_SOURCES += admin-api/mirror_none.c
endif
LIBRECONCILER = admin-api/libreconciler.a
sbin_PROGRAMS += signpost-admind
signpost_admind_SOURCES = admin-api/main.c
signpost_admind_LDADD = $(LIBAPI) $(LIBHTTP) $(LIBOPERATIONS) $(LIBRECONCILER) $(LIBOPERATIONS) $(LIBPUBLISH) $(LIBAUTHORITY) $(LIBLIFE) $(LIBMAILAUTH) $(LIBBACKENDS) \
	$(LIBSTORE) $(LIBKEYS) $(LIBCONF) $(LIBDNS) $(LIBDKIM) $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(BACKENDS_LIBS) \
	$(IDN2_LIBS) $(LDNS_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) $(UNBOUND_LIBS) \
	$(MICROHTTPD_LIBS) $(GNUTLS_LIBS) -lpthread
endif
EXTRA_DIST += $(RECONCILER_FILES) admin-api/mirror_none.c admin-api/mirror_zimbra.c admin-api/main.c
