noinst_LIBRARIES += backends/libbackends.a
backends_libbackends_a_SOURCES = \
	backends/csl.c \
	backends/file.c \
	backends/pattern.c backends/pattern.h \
	backends/refile.c \
	backends/registry.c backends/registry.h
backends_libbackends_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
LIBBACKENDS = backends/libbackends.a
