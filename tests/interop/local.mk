# The verifier against foreign signers and judges: make check-interop. Needs dkimpy and Mail::DKIM; OpenDKIM and rspamd
# are skipped where they are not installed.
EXTRA_PROGRAMS += tests/tools/verify_driver
tests_tools_verify_driver_SOURCES = tests/tools/verify_driver.c
tests_tools_verify_driver_LDADD = $(DKIM_LDADD)
EXTRA_DIST += tests/interop/explained.py tests/interop/judge_maildkim.pl tests/interop/judges.py \
	tests/interop/mutate.py tests/interop/odd.py tests/interop/sealing.py tests/interop/sign_maildkim.pl tests/interop/signers.py \
	tests/interop/test_interop.py

.PHONY: check-interop
check-interop: tests/tools/verify_driver$(EXEEXT)
	BUILDDIR='$(abs_top_builddir)' $(PYTHON3) -B $(srcdir)/tests/interop/test_interop.py
