# Fuzz targets: tests/fuzz/fuzz_NAME.c defines LLVMFuzzerTestOneInput; its seeds are the files in
# tests/fuzz/seeds/NAME/. Without --enable-fuzzers they are linked with replay.c, which runs the seeds and
# then mutations of them. A target is added in its room's fragment:
#   FUZZ_TARGETS += tests/fuzz/fuzz_NAME
#   tests_fuzz_fuzz_NAME_SOURCES = tests/fuzz/fuzz_NAME.c $(FUZZ_MAIN)
#   tests_fuzz_fuzz_NAME_LDADD = ...
#   tests_fuzz_fuzz_NAME_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if FUZZERS
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
endif
include tests/fuzz/dkim.mk
include tests/fuzz/mailauth.mk
include tests/fuzz/conf.mk
include tests/fuzz/store.mk
include tests/fuzz/route.mk
include tests/fuzz/milter.mk
include tests/fuzz/daemon.mk
include tests/fuzz/dns.mk
include tests/fuzz/admin.mk
include tests/fuzz/publish.mk
include tests/fuzz/keys.mk
include tests/fuzz/authority.mk
check_PROGRAMS += $(FUZZ_TARGETS)
dist_check_SCRIPTS += tests/fuzz/run.sh
TESTS += tests/fuzz/run.sh
EXTRA_DIST += tests/fuzz/seeds

# With --enable-fuzzers: every target for FUZZ_SECONDS.
.PHONY: fuzz fuzz-targets
fuzz-targets: $(FUZZ_TARGETS)
fuzz: fuzz-targets
	@$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/tests/fuzz/run.sh
