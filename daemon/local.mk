# The milter daemon. Everything but main.c is a library, so that unit tests can link it.
include daemon/milter/local.mk
noinst_LIBRARIES += daemon/libdaemon.a
daemon_libdaemon_a_SOURCES = \
	daemon/cachedkey.c daemon/cachedkey.h \
	daemon/canary.c daemon/canary.h \
	daemon/channel.c daemon/channel.h \
	daemon/client.c \
	daemon/conclusion.c \
	daemon/connection.c \
	daemon/sharing.c daemon/sharing.h \
	daemon/unsealer.c daemon/unsealer.h \
	daemon/decision.c daemon/decision_private.h daemon/decision_count.c daemon/decision_failure.c daemon/decision_store.c daemon/decision.h \
	daemon/domainhour.c daemon/domainhour.h daemon/hourcount.c daemon/hourcount.h \
	daemon/dnsshare_frontend.c daemon/dnsshare_keeper.c daemon/dnsshare.h \
	daemon/frame.c daemon/frame.h \
	daemon/frontend.c daemon/frontend.h \
	daemon/gateway.c daemon/gateway.h daemon/gateway_report.c daemon/gateway_report.h \
	daemon/generation.c daemon/generation.h \
	daemon/keeper.c daemon/keeper_open.c daemon/keeper_shadow.c daemon/keeper_private.h \
	daemon/keycache.c daemon/keycache.h \
	daemon/keyload.c daemon/keyload.h \
	daemon/keythread.c daemon/keythread.h \
	daemon/keytrial.c daemon/keytrial.h \
	daemon/listener.c \
	daemon/mailhour.c daemon/mailhour.h \
	daemon/message.c daemon/message.h daemon/message_fields.c daemon/message_request.c \
	daemon/options.c daemon/options.h \
	daemon/outcome.c daemon/outcome.h \
	daemon/parent.c daemon/parent.h \
	daemon/process.c daemon/process.h \
	daemon/query.c daemon/query.h \
	daemon/resolving.c daemon/resolving.h \
	daemon/rules.c daemon/rules.h \
	daemon/selfverify.c daemon/selfverify.h \
	daemon/session.c daemon/session.h \
	daemon/settings.c daemon/settings.h daemon/settings_verify.c \
	daemon/shadow.c daemon/shadow.h daemon/shadow_compare.c daemon/shadow_compare.h \
	daemon/shadow_line.c daemon/shadow_line.h daemon/shadowlog.c daemon/shadowlog.h \
	daemon/signer.c daemon/signer.h \
	daemon/steps.c daemon/steps.h \
	daemon/testmode.c daemon/testmode.h \
	daemon/verification.c daemon/verification.h
if SANDBOX
daemon_libdaemon_a_SOURCES += daemon/sandbox_seccomp.c
else
daemon_libdaemon_a_SOURCES += daemon/sandbox_none.c
endif
EXTRA_DIST += daemon/sandbox_seccomp.c daemon/sandbox_none.c
LIBDAEMON = daemon/libdaemon.a
DAEMON_LDADD = $(LIBDAEMON) $(LIBMILTERCODEC) $(LIBMAILAUTH) $(LIBBACKENDS) $(LIBSTORE) $(LIBKEYS) $(LIBCONF) $(LIBDNS) \
	$(LIBDKIM) \
	$(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS) $(BACKENDS_LIBS) $(IDN2_LIBS) $(UNBOUND_LIBS) -lpthread

sbin_PROGRAMS += signpostd
signpostd_SOURCES = daemon/main.c
signpostd_LDADD = $(DAEMON_LDADD)
