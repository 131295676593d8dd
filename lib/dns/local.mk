# TXT records by name: libunbound in our loop, or answers from a text. Programs that link it need $(UNBOUND_LIBS).
noinst_LIBRARIES += lib/dns/libdns.a
lib_dns_libdns_a_SOURCES = \
	lib/dns/answer.c lib/dns/answer.h \
	lib/dns/cached.c lib/dns/cached.h \
	lib/dns/dns.h \
	lib/dns/fake.c \
	lib/dns/kept.c lib/dns/kept.h \
	lib/dns/nameserver.c lib/dns/nameserver.h \
	lib/dns/octets.c lib/dns/octets.h \
	lib/dns/private.h \
	lib/dns/resolver.c \
	lib/dns/txt.c lib/dns/txt.h
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
EXTRA_DIST += lib/dns/authority.h
