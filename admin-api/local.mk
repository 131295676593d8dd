# signpost-admind: the life cycle of keys. Built unless --without-admin (conditional ADMIN).
include admin-api/publish.mk
include admin-api/operations.mk
RECONCILER_FILES = \
	admin-api/crash.c admin-api/crash.h \
	admin-api/record.c admin-api/record.h
if ADMIN
noinst_LIBRARIES += admin-api/libreconciler.a
admin_api_libreconciler_a_SOURCES = $(RECONCILER_FILES)
LIBRECONCILER = admin-api/libreconciler.a
endif
EXTRA_DIST += admin-api/reconciler.h $(RECONCILER_FILES)
