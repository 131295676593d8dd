# What can be asked of signpost-admind.
OPERATIONS_FILES = \
	admin-api/admin.h \
	admin-api/bulk.c admin-api/bulk.h admin-api/bulk_private.h \
	admin-api/bulk_results.c \
	admin-api/audit_step.c admin-api/audit_step.h \
	admin-api/cname.c admin-api/cname.h \
	admin-api/foresight.c admin-api/foresight.h \
	admin-api/liferows.c admin-api/liferows.h \
	admin-api/makekey.c admin-api/makekey.h \
	admin-api/mirror.h admin-api/mirror_tenants.c \
	admin-api/operation_audit.c \
	admin-api/operation_call.c admin-api/operation_call.h \
	admin-api/operation_cname.c \
	admin-api/operation_conditions.c \
	admin-api/operation_dns.c admin-api/operation_dns.h \
	admin-api/operation_domain.c \
	admin-api/operation_domain_policy.c \
	admin-api/operation_domain_put.c \
	admin-api/operation_find.c \
	admin-api/operation_gateway.c \
	admin-api/operation_id.c admin-api/operation_id.h \
	admin-api/operation_key.c admin-api/operation_keys.c \
	admin-api/operation_later.c admin-api/operation_later.h \
	admin-api/operation_later_many.c \
	admin-api/operation_lives.c admin-api/operation_lives.h \
	admin-api/operation_make.c \
	admin-api/operation_many.c admin-api/operation_many.h \
	admin-api/operation_policy.c \
	admin-api/operation_records.c \
	admin-api/operation_record.c admin-api/operation_record.h \
	admin-api/operation_resolve.c \
	admin-api/operation_rotate.c \
	admin-api/operation_rotation.c admin-api/operation_rotation.h \
	admin-api/operation_rows.c \
	admin-api/operation_rules.c admin-api/operation_rules.h \
	admin-api/operation_status.c \
	admin-api/operation_step.c \
	admin-api/operation_table.c admin-api/operation_table.h \
	admin-api/operation_tenant.c \
	admin-api/operation_time.c \
	admin-api/operation_token.c \
	admin-api/operation_unsigned.c admin-api/operation_domain_stats.c \
	admin-api/mail_sums.c admin-api/mail_sums.h \
	admin-api/operation_selftest.c \
	admin-api/operation_verify.c admin-api/operation_verify.h \
	admin-api/operation_verify_show.c \
	admin-api/operation_version.c \
	admin-api/proof.h \
	admin-api/operations.c admin-api/operations.h \
	admin-api/quota.c admin-api/quota.h admin-api/operation_quota.c admin-api/operation_quota.h \
	admin-api/operation_provider.c admin-api/operation_provider.h admin-api/operation_provider_test.c \
	admin-api/operation_provider_use.c \
	admin-api/provider.c admin-api/provider.h \
	admin-api/rotationrow.c \
	admin-api/rulesrow.c \
	admin-api/rowfind.c \
	admin-api/scope.c admin-api/scope.h \
	admin-api/slots.c admin-api/slots.h \
	admin-api/token.c admin-api/token.h
if ADMIN
noinst_LIBRARIES += admin-api/liboperations.a
admin_api_liboperations_a_SOURCES = $(OPERATIONS_FILES)
admin_api_liboperations_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
endif
EXTRA_DIST += $(OPERATIONS_FILES)
LIBOPERATIONS = admin-api/liboperations.a
