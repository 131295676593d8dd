# fuzz targets of conf
FUZZ_TARGETS += tests/fuzz/fuzz_conf tests/fuzz/fuzz_socket
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_conf_LDADD = $(LIBCONF) $(LIBBASE)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_socket_SOURCES = tests/fuzz/fuzz_socket.c $(FUZZ_MAIN)
tests_fuzz_fuzz_socket_LDADD = $(LIBCONF) $(LIBBASE)
tests_fuzz_fuzz_socket_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
