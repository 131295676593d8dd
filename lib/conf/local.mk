# The grammar and the one table of parameters of an OpenDKIM-style configuration.
noinst_LIBRARIES += lib/conf/libconf.a
lib_conf_libconf_a_SOURCES = \
	lib/conf/check.c lib/conf/check.h lib/conf/check_values.c \
	lib/conf/conf.c lib/conf/conf.h \
	lib/conf/parameters.h \
	lib/conf/parse.c \
	lib/conf/private.h \
	lib/conf/privileges.c lib/conf/privileges.h \
	lib/conf/report.c lib/conf/report.h \
	lib/conf/servers.c \
	lib/conf/sockets.c \
	lib/conf/table.c \
	lib/conf/traps.c \
	lib/conf/user.c \
	lib/conf/values.c lib/conf/values.h lib/conf/verifying.c
LIBCONF = lib/conf/libconf.a
