# signpost-admind: the life cycle of keys. Built unless --without-admin (conditional ADMIN).
include admin-api/publish.mk
include admin-api/operations.mk
EXTRA_DIST += admin-api/reconciler.h
