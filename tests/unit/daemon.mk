# Unit tests of the daemon.
if CMOCKA
DAEMON_TESTS = tests/unit/test_frame
check_PROGRAMS += $(DAEMON_TESTS)
TESTS += $(DAEMON_TESTS)
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c
tests_unit_test_frame_LDADD = $(DAEMON_LDADD) $(UNIT_LDADD)
endif
