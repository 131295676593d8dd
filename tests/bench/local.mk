# Benchmarks: make bench BENCH_FLAGS="--quick". Not part of make check.
# BENCH_SERVER is the milter under test; what is not there is left out.
BENCH_TOOLS = tests/bench/bare tests/bench/bench_lookup tests/bench/miltergen tests/bench/floor tests/bench/spin
BENCH_SERVER = ./signpostd
EXTRA_PROGRAMS = $(BENCH_TOOLS) tests/bench/bench_canon tests/bench/bench_verify
tests_bench_bare_SOURCES = tests/bench/bare.c tests/bench/address.c tests/bench/address.h
tests_bench_bare_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_bench_bare_LDADD = $(LIBMILTERCODEC) $(DKIM_LDADD) -lpthread
tests_bench_miltergen_SOURCES = \
	tests/bench/address.c tests/bench/address.h \
	tests/bench/client.c tests/bench/client.h \
	tests/bench/given.c tests/bench/given.h \
	tests/bench/miltergen.c \
	tests/bench/procs.c tests/bench/procs.h \
	tests/bench/queue.c tests/bench/queue.h \
	tests/bench/report.c tests/bench/report.h \
	tests/bench/script.c tests/bench/script.h \
	tests/bench/zipf.c tests/bench/zipf.h
tests_bench_miltergen_LDADD = $(LIBMTA) $(LIBBASE)
tests_bench_floor_SOURCES = tests/bench/floor.c
tests_bench_floor_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_bench_floor_LDADD = $(OPENSSL_LIBS)
tests_bench_bench_lookup_SOURCES = tests/bench/bench_lookup.c
tests_bench_bench_lookup_LDADD = $(STORE_TEST_LDADD)
tests_bench_spin_SOURCES = tests/bench/spin.c
tests_bench_spin_LDADD = -lpthread
if ADMIN
BENCH_TOOLS += tests/bench/bench_http
endif
tests_bench_bench_http_SOURCES = tests/bench/bench_http.c
tests_bench_bench_http_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
tests_bench_bench_http_LDADD = $(HTTP_LIBS)
EXTRA_DIST += tests/bench/bench.py tests/bench/bulk.py tests/bench/goals.py tests/bench/httprate.py tests/bench/keystoredata.py tests/bench/latency.py \
	tests/bench/measure.py tests/bench/probes.py tests/bench/senders.py tests/bench/servers.py tests/bench/shared.py tests/bench/rotation.py \
	tests/bench/moving.py tests/bench/opendkimsite.py tests/bench/selfverify.py tests/bench/slowdns.py \
	tests/bench/storedata.py tests/bench/stores.py tests/bench/storesize.py \
	tests/bench/throughmta.py tests/bench/verifying.py
CLEANFILES += $(EXTRA_PROGRAMS)

.PHONY: bench
bench: $(BENCH_TOOLS) $(sbin_PROGRAMS) tools/signpost
	server=; test ! -x $(BENCH_SERVER) || server="--server $(BENCH_SERVER)"; \
	$(PYTHON3) $(srcdir)/tests/bench/bench.py --programs tests/bench $$server $(BENCH_FLAGS)

# Pieces on their own: make tests/bench/bench_canon && tests/bench/bench_canon
tests_bench_bench_canon_SOURCES = tests/bench/bench_canon.c
tests_bench_bench_canon_LDADD = $(DKIM_LDADD)
tests_bench_bench_verify_SOURCES = tests/bench/bench_verify.c $(SIGNED_MAIL)
tests_bench_bench_verify_LDADD = $(DKIM_LDADD)
