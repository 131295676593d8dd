noinst_LIBRARIES += backends/libbackends.a
backends_libbackends_a_SOURCES = \
	backends/breaker.c backends/breaker.h \
	backends/csl.c \
	backends/file.c \
	backends/ldap_url.c backends/ldap_url.h \
	backends/pattern.c backends/pattern.h \
	backends/refile.c \
	backends/registry.c backends/registry.h
LDAP_FILES = \
	backends/ldap.c \
	backends/ldap_ask.c \
	backends/ldap_config.c \
	backends/ldap_link.c backends/ldap_link.h
if LDAP
backends_libbackends_a_SOURCES += $(LDAP_FILES)
else
backends_libbackends_a_SOURCES += backends/ldap_none.c
endif
EXTRA_DIST += $(LDAP_FILES) backends/ldap_none.c
backends_libbackends_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS) $(LDAP_CFLAGS)
# What links it needs lib/store, lib/conf and lib/base besides.
LIBBACKENDS = backends/libbackends.a
BACKENDS_LIBS = $(PCRE2_LIBS) $(LDAP_LIBS)
