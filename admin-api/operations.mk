# What can be asked of signpost-admind, and its unix socket.
OPERATIONS_FILES = \
	admin-api/admin.h \
	admin-api/liferows.c admin-api/liferows.h \
	admin-api/makekey.c admin-api/makekey.h \
	admin-api/operation_call.c admin-api/operation_call.h \
	admin-api/operation_dns.c admin-api/operation_dns.h \
	admin-api/operation_domain.c \
	admin-api/operation_find.c \
	admin-api/operation_key.c \
	admin-api/operation_lives.c admin-api/operation_lives.h \
	admin-api/operation_make.c \
	admin-api/operation_policy.c \
	admin-api/operation_rotate.c \
	admin-api/operation_rows.c \
	admin-api/operation_status.c \
	admin-api/operation_step.c \
	admin-api/operation_table.c admin-api/operation_table.h \
	admin-api/operation_tenant.c \
	admin-api/operation_time.c \
	admin-api/operations.c admin-api/operations.h \
	admin-api/socket.c admin-api/socket.h admin-api/socket_private.h \
	admin-api/socket_serve.c
if ADMIN
noinst_LIBRARIES += admin-api/liboperations.a
admin_api_liboperations_a_SOURCES = $(OPERATIONS_FILES)
admin_api_liboperations_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
endif
EXTRA_DIST += $(OPERATIONS_FILES)
LIBOPERATIONS = admin-api/liboperations.a
