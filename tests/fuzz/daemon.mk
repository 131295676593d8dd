# fuzz targets of daemon
FUZZ_TARGETS += tests/fuzz/fuzz_frame tests/fuzz/fuzz_session
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(FUZZ_MAIN)
tests_fuzz_fuzz_frame_LDADD = $(DAEMON_LDADD)
tests_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_session_SOURCES = tests/fuzz/fuzz_session.c $(FUZZ_MAIN)
tests_fuzz_fuzz_session_LDADD = $(LIBMTA) $(DAEMON_LDADD)
tests_fuzz_fuzz_session_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
# Of a report of shadow mode.
FUZZ_TARGETS += tests/fuzz/fuzz_shadow_line
tests_fuzz_fuzz_shadow_line_SOURCES = tests/fuzz/fuzz_shadow_line.c tools/shadow_line.c $(FUZZ_MAIN)
tests_fuzz_fuzz_shadow_line_LDADD = $(LIBBASE) -lpthread
tests_fuzz_fuzz_shadow_line_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
