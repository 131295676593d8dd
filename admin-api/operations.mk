# What can be asked of signpost-admind, and its unix socket.
OPERATIONS_FILES = \
	admin-api/admin.h \
	admin-api/makekey.c admin-api/makekey.h \
	admin-api/operations.h \
	admin-api/socket.h
if ADMIN
noinst_LIBRARIES += admin-api/liboperations.a
admin_api_liboperations_a_SOURCES = $(OPERATIONS_FILES)
admin_api_liboperations_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
endif
EXTRA_DIST += $(OPERATIONS_FILES)
LIBOPERATIONS = admin-api/liboperations.a
