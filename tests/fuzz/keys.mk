# Fuzz targets of plans and of the life of rows.
if ADMIN
FUZZ_TARGETS += tests/fuzz/fuzz_key_plan tests/fuzz/fuzz_key_life
endif
tests_fuzz_fuzz_key_plan_SOURCES = tests/fuzz/fuzz_key_plan.c $(FUZZ_MAIN)
tests_fuzz_fuzz_key_plan_LDADD = $(LIFE_LDADD)
tests_fuzz_fuzz_key_plan_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_key_life_SOURCES = tests/fuzz/fuzz_key_life.c $(FUZZ_MAIN)
tests_fuzz_fuzz_key_life_LDADD = $(LIFE_LDADD)
tests_fuzz_fuzz_key_life_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
FUZZ_TARGETS += tests/fuzz/fuzz_canary
tests_fuzz_fuzz_canary_SOURCES = tests/fuzz/fuzz_canary.c $(FUZZ_MAIN)
tests_fuzz_fuzz_canary_LDADD = $(LIBKEYS) $(LIBBASE)
tests_fuzz_fuzz_canary_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
