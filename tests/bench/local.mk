# Benchmarks: make bench BENCH_FLAGS="--quick --server PATH". Not part of make check.
BENCH_TOOLS = tests/bench/miltergen tests/bench/floor tests/bench/spin
EXTRA_PROGRAMS = $(BENCH_TOOLS)
tests_bench_miltergen_SOURCES = \
	tests/bench/client.c tests/bench/client.h \
	tests/bench/miltergen.c \
	tests/bench/procs.c tests/bench/procs.h \
	tests/bench/script.c tests/bench/script.h
tests_bench_miltergen_LDADD = $(LIBMTA) $(LIBBASE)
tests_bench_floor_SOURCES = tests/bench/floor.c
tests_bench_floor_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_bench_floor_LDADD = $(OPENSSL_LIBS)
tests_bench_spin_SOURCES = tests/bench/spin.c
tests_bench_spin_LDADD = -lpthread
EXTRA_DIST += tests/bench/bench.py
CLEANFILES += $(BENCH_TOOLS)

.PHONY: bench
bench: $(BENCH_TOOLS)
	$(PYTHON3) $(srcdir)/tests/bench/bench.py --programs tests/bench $(BENCH_FLAGS)
