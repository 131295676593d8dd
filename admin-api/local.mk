# signpost-admind: the life cycle of keys. Built unless --without-admin (conditional ADMIN).
include admin-api/publish.mk
include admin-api/operations.mk
RECONCILER_FILES = \
	admin-api/crash.c admin-api/crash.h \
	admin-api/parallel.c \
	admin-api/reconciler.c admin-api/reconciler.h admin-api/reconciler_private.h \
	admin-api/reconciler_commit.c \
	admin-api/reconciler_errands.c \
	admin-api/reconciler_guard.c \
	admin-api/reconciler_load.c \
	admin-api/reconciler_proof.c \
	admin-api/reconciler_steps.c \
	admin-api/record.c admin-api/record.h
if ADMIN
noinst_LIBRARIES += admin-api/libreconciler.a
admin_api_libreconciler_a_SOURCES = $(RECONCILER_FILES)
LIBRECONCILER = admin-api/libreconciler.a
endif
EXTRA_DIST += $(RECONCILER_FILES) admin-api/main.c
