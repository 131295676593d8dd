# tests
# Benchmarks are built on request: make tests/bench/bench_NAME
EXTRA_PROGRAMS = tests/bench/bench_canon
CLEANFILES += $(EXTRA_PROGRAMS)
tests_bench_bench_canon_SOURCES = tests/bench/bench_canon.c
tests_bench_bench_canon_LDADD = $(DKIM_LDADD)
