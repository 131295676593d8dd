# signpost(1): a dispatcher and one file per sub-command.
bin_PROGRAMS += tools/signpost
tools_signpost_SOURCES = \
	tools/signpost.c tools/command.c tools/command.h \
	tools/audit_verify.c \
	tools/check.c tools/check_domain.c tools/check_domain.h tools/check_spf.c \
	tools/cli.c tools/cli.h tools/cli_options.c \
	tools/completions.c tools/completions.h \
	tools/export.c tools/export.h tools/export_rows.c tools/export_tables.c \
	tools/genkey.c \
	tools/resolve.c \
	tools/genzone.c tools/genzone.h tools/genzone_head.c tools/genzone_records.c \
	tools/keycheck.c tools/keycheck.h \
	tools/keywalk.c tools/keywalk.h \
	tools/shadow.c tools/shadow_line.c tools/shadow_line.h \
	tools/store.c tools/store.h tools/store_batch.c tools/store_binding.c \
	tools/store_check.c tools/store_check.h tools/store_check_key.c \
	tools/store_find.c tools/store_key.c \
	tools/store_line.c tools/store_line.h tools/store_load.c \
	tools/store_plan.c tools/store_plan.h tools/store_plan_key.c \
	tools/store_records.c tools/store_reseal.c tools/store_sitekey.c \
	tools/store_state.c tools/store_walk.c \
	tools/testmsg.c tools/testmsg.h tools/testmsg_sign.c tools/testmsg_verify.c \
	tools/testkey.c tools/testkey.h tools/testkey_table.c \
	tools/publication.c tools/publication.h \
	tools/zone.c tools/zone.h tools/zone_compare.c tools/zone_covers.c tools/zone_host.c tools/zone_keys.c \
	tools/zone_make.c tools/zone_options.c tools/zone_seen.c tools/zone_spf.c \
	tools/newfile.c tools/newfile.h \
	tools/admin_commands.c
# A site that moves in, without DNS and daemon: of the tests, too.
MOVING_FILES = tools/moving.h tools/moving_cover.c tools/moving_directory.c tools/moving_opendkim.c tools/moving_plan.c \
	tools/moving_redis.c tools/moving_rspamd.c tools/moving_show.c tools/moving_site.c
# What tests of it are made of.
MOVING_TEST_FILES = $(MOVING_FILES) tools/cli.c tools/cli.h tools/newfile.c tools/newfile.h
MOVING_TEST_LDADD = $(LIBMAILAUTH) $(LIBDNS) $(LIBBACKENDS) $(LIBSTORE) $(LIBKEYS) $(LIBCONF) $(LIBDKIM) $(LIBCRYPTO_ROOM) \
	$(LIBBASE) $(OPENSSL_LIBS) $(BACKENDS_LIBS) $(IDN2_LIBS) $(UNBOUND_LIBS) -lpthread
ADMIN_TOOL_FILES = tools/admin.c tools/admin.h tools/admin_answer.c tools/admin_bulk.c tools/admin_client.c \
	tools/admin_events.c tools/admin_http.h tools/admin_operations.c \
	tools/admin_request.c tools/admin_show.c tools/admin_show_verify.c tools/admin_sse.c tools/admin_sse.h tools/admin_target.c \
	tools/admin_transport.c tools/admin_transport.h tools/admin_words.c tools/zone_admin.c \
	tools/import.c tools/moving_dns.c tools/moving_send.c tools/moving_survey.c tools/moving_admin.h $(MOVING_FILES)
if ADMIN
tools_signpost_SOURCES += $(ADMIN_TOOL_FILES)
else
tools_signpost_SOURCES += tools/admin_none.c
endif
EXTRA_DIST += $(ADMIN_TOOL_FILES) tools/admin_none.c
# The keys of Zimbra's directory: with libldap and signpost-admind.
ZIMBRA_TOOL_FILES = tools/zimbra.c tools/zimbra.h tools/zimbra_add.c tools/zimbra_api.c tools/zimbra_api.h \
	tools/zimbra_config.c tools/zimbra_directory.c tools/zimbra_follow.c \
	tools/zimbra_localconfig.c tools/zimbra_localconfig.h \
	tools/zimbra_remove.c tools/zimbra_request.c tools/zimbra_show.c tools/zimbra_update.c
if ADMIN
if LDAP
tools_signpost_SOURCES += $(ZIMBRA_TOOL_FILES)
else
tools_signpost_SOURCES += tools/zimbra_none.c
endif
else
tools_signpost_SOURCES += tools/zimbra_none.c
endif
EXTRA_DIST += $(ZIMBRA_TOOL_FILES) tools/zimbra_none.c
tools_signpost_CFLAGS = $(AM_CFLAGS) $(ADMIN_TOOL_CFLAGS)
tools_signpost_LDADD = $(ADMIN_TOOL_ROOMS) $(LIBMAILAUTH) $(LIBDNS) $(LIBBACKENDS) $(LIBSTORE) $(LIBKEYS) $(LIBCONF) $(LIBDKIM) \
	$(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(BACKENDS_LIBS) $(IDN2_LIBS) \
	$(UNBOUND_LIBS) $(ADMIN_TOOL_LIBS) -lpthread
if ADMIN
ADMIN_TOOL_ROOMS = $(LIBAPI)
ADMIN_TOOL_CFLAGS = $(JANSSON_CFLAGS) $(CURL_CFLAGS)
ADMIN_TOOL_LIBS = $(JANSSON_LIBS) $(CURL_LIBS)
endif
# Completions for shells, made by the program itself.
bashcompletionsdir = $(datadir)/bash-completion/completions
zshcompletionsdir = $(datadir)/zsh/site-functions
bashcompletions_DATA = tools/completions/signpost
zshcompletions_DATA = tools/completions/_signpost
CLEANFILES += $(bashcompletions_DATA) $(zshcompletions_DATA)
tools/completions/signpost: tools/signpost$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) tools/completions && tools/signpost$(EXEEXT) completions bash > $@.new && mv $@.new $@
tools/completions/_signpost: tools/signpost$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) tools/completions && tools/signpost$(EXEEXT) completions zsh > $@.new && mv $@.new $@
TOOL_TESTS = tests/tools/test_completions.py tests/tools/test_audit.py tests/tools/test_check.py tests/tools/test_genkey.py tests/tools/test_genzone.py \
	tests/tools/test_resolve.py \
	tests/tools/test_sealing.py tests/tools/test_store.py tests/tools/test_testkey.py tests/tools/test_testmsg.py tests/tools/test_zone.py
check_PROGRAMS += tests/tools/shared_driver
tests_tools_shared_driver_SOURCES = tests/tools/shared_driver.c
tests_tools_shared_driver_LDADD = $(LIBMEMSTORE) $(LIBSTORE) $(LIBKEYS) $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) -lpthread
check_PROGRAMS += tests/tools/seal_driver
tests_tools_seal_driver_SOURCES = tests/tools/seal_driver.c
tests_tools_seal_driver_LDADD = $(LIBSTORE) $(LIBKEYS) $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) -lpthread
if ADMIN
TOOL_TESTS += tests/tools/test_admin_cli.py tests/tools/test_admin_remote.py tests/tools/test_admin_words.py
check_LIBRARIES += tests/lib/liboperationtest.a
tests_lib_liboperationtest_a_SOURCES = tests/lib/file_authority.c tests/lib/no_reconciler.c tests/lib/no_reconciler.h
check_LIBRARIES += tests/lib/liboperationworld.a
tests_lib_liboperationworld_a_SOURCES = tests/lib/operation_world.c tests/lib/operation_world.h \
	tests/lib/scratch.c tests/lib/scratch.h
tests_lib_liboperationworld_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
OPERATIONS_WORLD = tests/lib/liboperationworld.a
check_PROGRAMS += tests/tools/admin_driver
tests_tools_admin_driver_SOURCES = tests/tools/admin_driver.c
tests_tools_admin_driver_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_admin_driver_LDADD = $(LIBAPI) $(LIBHTTP) $(OPERATIONS_TEST_LDADD) $(HTTP_LIBS)
# Operations without DNS and without a reconciler; its first library stands in for both.
OPERATIONS_TEST_LDADD = tests/lib/liboperationtest.a $(LIBOPERATIONS) tests/lib/liboperationtest.a $(LIBRECONCILER) \
	$(LIBPUBLISH) $(LIBLIFE) $(LIBMAILAUTH) $(LIBBACKENDS) $(LIBSTORE) $(LIBKEYS) $(LIBCONF) $(LIBDNS) $(LIBDKIM) \
	$(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(BACKENDS_LIBS) $(IDN2_LIBS) $(LDNS_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) \
	$(UNBOUND_LIBS) -lpthread
endif
EXTRA_DIST += tests/lib/operation_world.c tests/lib/operation_world.h tests/lib/file_authority.c tests/lib/no_reconciler.c tests/lib/no_reconciler.h tests/tools/admin_driver.c
dist_check_SCRIPTS += $(TOOL_TESTS)
TESTS += $(TOOL_TESTS)
EXTRA_DIST += tests/tools/common.py
dist_noinst_SCRIPTS += tools/demo.sh tools/demo/milter.py tools/demo/ports.py tools/demo/verify.py
EXTRA_DIST += tools/demo/lib.sh tools/demo/servers.sh
