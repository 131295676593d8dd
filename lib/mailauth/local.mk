# What domains publish for mail (DKIM keys, SPF, DMARC), taken apart and judged.
noinst_LIBRARIES += lib/mailauth/libmailauth.a
lib_mailauth_libmailauth_a_SOURCES = \
	lib/mailauth/compose.c lib/mailauth/compose.h lib/mailauth/compose_spf.c \
	lib/mailauth/dmarc_audit.c lib/mailauth/dmarc_syntax.c lib/mailauth/dmarc_syntax.h \
	lib/mailauth/dnsclient.c lib/mailauth/dnsclient.h \
	lib/mailauth/finding.c lib/mailauth/finding.h \
	lib/mailauth/key_audit.c lib/mailauth/key_audit.h \
	lib/mailauth/message_check.c lib/mailauth/message_check.h \
	lib/mailauth/spf_audit.c lib/mailauth/spf_syntax.c lib/mailauth/spf_syntax.h \
	lib/mailauth/zonerecord.c lib/mailauth/zonerecord.h lib/mailauth/zonerecord_json.c
LIBMAILAUTH = lib/mailauth/libmailauth.a
