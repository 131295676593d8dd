# TXT records by name: libunbound in our loop, or answers from a text. Programs that link it need $(UNBOUND_LIBS).
noinst_LIBRARIES += lib/dns/libdns.a
lib_dns_libdns_a_SOURCES = \
	lib/dns/answer.c lib/dns/answer.h \
	lib/dns/authority_explain.c \
	lib/dns/cached.c lib/dns/cached.h \
	lib/dns/dns.h \
	lib/dns/fake.c \
	lib/dns/kept.c lib/dns/kept.h \
	lib/dns/nameserver.c lib/dns/nameserver.h \
	lib/dns/octets.c lib/dns/octets.h \
	lib/dns/private.h \
	lib/dns/record.c \
	lib/dns/resolver.c \
	lib/dns/txt.c lib/dns/txt.h \
	lib/dns/wire.c lib/dns/wire.h
UNBOUND_FILES = \
	lib/dns/unbound.c \
	lib/dns/unbound_conf.c lib/dns/unbound_conf.h \
	lib/dns/unbound_events.c lib/dns/unbound_events.h \
	lib/dns/unbound_setup.c lib/dns/unbound_setup.h
if UNBOUND
lib_dns_libdns_a_SOURCES += $(UNBOUND_FILES)
else
lib_dns_libdns_a_SOURCES += lib/dns/unbound_none.c
endif
lib_dns_libdns_a_CFLAGS = $(AM_CFLAGS) $(UNBOUND_CFLAGS)
EXTRA_DIST += $(UNBOUND_FILES) lib/dns/unbound_none.c
LIBDNS = lib/dns/libdns.a

# Asking authoritative servers. Programs that link it need $(LIBDNS) and $(UNBOUND_LIBS) behind it.
AUTHORITY_FILES = \
	lib/dns/authority.c lib/dns/authority.h lib/dns/authority_private.h \
	lib/dns/authority_exchange.c \
	lib/dns/authority_host.c \
	lib/dns/authority_judge.c \
	lib/dns/authority_mistake.c \
	lib/dns/authority_beside.c lib/dns/authority_reply.c lib/dns/authority_way.h \
	lib/dns/authority_name.c \
	lib/dns/authority_query.c \
	lib/dns/authority_read.c \
	lib/dns/authority_recursive.c \
	lib/dns/authority_zone.c
if ADMIN
noinst_LIBRARIES += lib/dns/libauthority.a
lib_dns_libauthority_a_SOURCES = $(AUTHORITY_FILES)
endif
LIBAUTHORITY = lib/dns/libauthority.a
EXTRA_DIST += $(AUTHORITY_FILES)
