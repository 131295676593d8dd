# fuzz target of the asking of authoritative servers
EXTRA_DIST += tests/fuzz/make_authority_seeds.py
if ADMIN
FUZZ_TARGETS += tests/fuzz/fuzz_authority_answer
tests_fuzz_fuzz_authority_answer_SOURCES = tests/fuzz/fuzz_authority_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_authority_answer_LDADD = $(AUTHORITY_LDADD)
tests_fuzz_fuzz_authority_answer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
