# Fuzz targets of admin-api.
if ADMIN
if SQLITE
FUZZ_TARGETS += tests/fuzz/fuzz_operation
tests_fuzz_fuzz_operation_SOURCES = tests/fuzz/fuzz_operation.c $(FUZZ_MAIN)
tests_fuzz_fuzz_operation_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_operation_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD)
tests_fuzz_fuzz_operation_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
FUZZ_TARGETS += tests/fuzz/fuzz_bulk
tests_fuzz_fuzz_bulk_SOURCES = tests/fuzz/fuzz_bulk.c $(FUZZ_MAIN)
tests_fuzz_fuzz_bulk_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_bulk_LDADD = $(OPERATIONS_WORLD) $(OPERATIONS_TEST_LDADD)
tests_fuzz_fuzz_bulk_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
endif
if ADMIN
FUZZ_TARGETS += tests/fuzz/fuzz_http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
tests_fuzz_fuzz_http_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_http_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
# Of what signpost is answered.
if ADMIN
FUZZ_TARGETS += tests/fuzz/fuzz_admin_answer
tests_fuzz_fuzz_admin_answer_SOURCES = tests/fuzz/fuzz_admin_answer.c tools/admin_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_admin_answer_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_admin_answer_LDADD = $(LIBBASE) $(JANSSON_LIBS) -lpthread
tests_fuzz_fuzz_admin_answer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
EXTRA_DIST += tests/fuzz/fuzz_admin_answer.c tests/fuzz/fuzz_operation.c tests/fuzz/fuzz_bulk.c tests/fuzz/fuzz_http.c
# Of what signpost events hears.
FUZZ_TARGETS += tests/fuzz/fuzz_admin_sse
tests_fuzz_fuzz_admin_sse_SOURCES = tests/fuzz/fuzz_admin_sse.c tools/admin_sse.c $(FUZZ_MAIN)
tests_fuzz_fuzz_admin_sse_LDADD = $(LIBBASE) -lpthread
tests_fuzz_fuzz_admin_sse_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
