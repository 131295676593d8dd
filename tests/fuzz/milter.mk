# fuzz targets of the milter codec
FUZZ_TARGETS += tests/fuzz/fuzz_milter tests/fuzz/fuzz_milter_replies
tests_fuzz_fuzz_milter_SOURCES = tests/fuzz/fuzz_milter.c $(FUZZ_MAIN)
tests_fuzz_fuzz_milter_LDADD = $(LIBMTA) $(LIBMILTERCODEC) $(LIBBASE)
tests_fuzz_fuzz_milter_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_milter_replies_SOURCES = tests/fuzz/fuzz_milter_replies.c $(FUZZ_MAIN)
tests_fuzz_fuzz_milter_replies_LDADD = $(LIBMTA) $(LIBMILTERCODEC) $(LIBBASE)
tests_fuzz_fuzz_milter_replies_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
