# signpostd under load and change: make load. ./setup test does it with every sanitizer.
dist_noinst_SCRIPTS += tests/load/run.sh

.PHONY: load
load: all tests/bench/miltergen
	$(srcdir)/tests/load/run.sh . tests/bench/miltergen
