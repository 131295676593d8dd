# Unit tests of the daemon.
check_LIBRARIES += tests/lib/libscratch.a
tests_lib_libscratch_a_SOURCES = tests/lib/scratch.c tests/lib/scratch.h
if CMOCKA
DAEMON_TESTS = tests/unit/test_canary tests/unit/test_selfverify tests/unit/test_decision tests/unit/test_decision_store tests/unit/test_dnsshare \
	tests/unit/test_domainhour tests/unit/test_frame tests/unit/test_gateway tests/unit/test_keycache tests/unit/test_key_memory tests/unit/test_mailhour \
	tests/unit/test_options tests/unit/test_outcome tests/unit/test_session \
	tests/unit/test_session_keeper tests/unit/test_session_results \
	tests/unit/test_session_verify tests/unit/test_shadow tests/unit/test_signer
check_PROGRAMS += $(DAEMON_TESTS)
TESTS += $(DAEMON_TESTS)
DAEMON_TEST_LDADD = tests/lib/libscratch.a $(LIBMTA) $(DAEMON_LDADD) $(UNIT_LDADD)
tests_unit_test_canary_SOURCES = tests/unit/test_canary.c
tests_unit_test_canary_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_selfverify_SOURCES = tests/unit/test_selfverify.c tests/unit/session_world.h \
	tests/unit/verify_world.h
tests_unit_test_selfverify_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_decision_SOURCES = tests/unit/test_decision.c
tests_unit_test_decision_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_decision_store_SOURCES = tests/unit/test_decision_store.c
tests_unit_test_decision_store_LDADD = $(LIBMEMSTORE) $(DAEMON_TEST_LDADD)
tests_unit_test_dnsshare_SOURCES = tests/unit/test_dnsshare.c tests/unit/shared_help.h
tests_unit_test_dnsshare_LDADD = $(LIBMEMSTORE) $(DAEMON_TEST_LDADD)
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c
tests_unit_test_frame_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_gateway_SOURCES = tests/unit/test_gateway.c
tests_unit_test_gateway_LDADD = $(LIBMEMSTORE) $(DAEMON_TEST_LDADD)
tests_unit_test_keycache_SOURCES = tests/unit/test_keycache.c
tests_unit_test_keycache_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_key_memory_SOURCES = tests/unit/test_key_memory.c
tests_unit_test_key_memory_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_domainhour_SOURCES = tests/unit/test_domainhour.c
tests_unit_test_domainhour_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_mailhour_SOURCES = tests/unit/test_mailhour.c
tests_unit_test_mailhour_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_session_SOURCES = tests/unit/test_session.c tests/unit/session_world.h
tests_unit_test_session_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_session_keeper_SOURCES = tests/unit/test_session_keeper.c tests/unit/session_world.h
tests_unit_test_session_keeper_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_session_results_SOURCES = tests/unit/test_session_results.c \
	tests/unit/session_world.h tests/unit/verify_world.h
tests_unit_test_session_results_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_session_verify_SOURCES = tests/unit/test_session_verify.c tests/unit/session_world.h \
	tests/unit/verify_world.h
tests_unit_test_session_verify_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_outcome_SOURCES = tests/unit/test_outcome.c
tests_unit_test_outcome_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_shadow_SOURCES = tests/unit/test_shadow.c
tests_unit_test_shadow_LDADD = $(DAEMON_TEST_LDADD)
tests_unit_test_signer_SOURCES = tests/unit/test_signer.c
tests_unit_test_signer_LDADD = $(DAEMON_TEST_LDADD)
endif
