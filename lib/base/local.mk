noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = \
	lib/base/arena.c lib/base/arena.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/log.c lib/base/log.h \
	lib/base/loop.c lib/base/loop.h \
	lib/base/mem.c lib/base/mem.h lib/base/octets.c lib/base/octets.h \
	lib/base/metrics.c lib/base/metrics.h \
	lib/base/secret.c lib/base/secret.h \
	lib/base/secretthread.c lib/base/secretthread.h \
	lib/base/span.c lib/base/span.h \
	lib/base/status.c lib/base/status.h \
	lib/base/unixsocket.c lib/base/unixsocket.h
LIBBASE = lib/base/libbase.a
