# Unit tests of the milter codec, and the MTA's side of the protocol for tests and benchmarks.
check_LIBRARIES += tests/lib/libmta.a
tests_lib_libmta_a_SOURCES = \
	tests/lib/milter_text.c tests/lib/milter_text.h \
	tests/lib/mta.c tests/lib/mta.h
LIBMTA = tests/lib/libmta.a
if CMOCKA
check_PROGRAMS += tests/unit/test_bench tests/unit/test_milter
TESTS += tests/unit/test_bench tests/unit/test_milter
tests_unit_test_bench_SOURCES = tests/unit/test_bench.c \
	tests/bench/address.c tests/bench/address.h \
	tests/bench/given.c tests/bench/given.h \
	tests/bench/procs.c tests/bench/procs.h \
	tests/bench/queue.c tests/bench/queue.h \
	tests/bench/script.c tests/bench/script.h
tests_unit_test_bench_LDADD = $(LIBMTA) $(LIBMILTERCODEC) $(LIBBASE) $(UNIT_LDADD)
tests_unit_test_milter_SOURCES = tests/unit/test_milter.c
tests_unit_test_milter_LDADD = $(LIBMTA) $(LIBMILTERCODEC) $(LIBBASE) $(UNIT_LDADD)
endif
