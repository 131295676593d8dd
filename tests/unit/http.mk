# Unit tests of HTTP, and the program that tests/integration/test_http.py asks.
if ADMIN
check_PROGRAMS += tests/tools/http_driver
tests_tools_http_driver_SOURCES = tests/tools/http_driver.c
tests_tools_http_driver_LDADD = $(HTTP_LIBS)
if CMOCKA
check_PROGRAMS += tests/unit/test_http
TESTS += tests/unit/test_http
tests_unit_test_http_SOURCES = tests/unit/test_http.c
tests_unit_test_http_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
tests_unit_test_http_LDADD = $(HTTP_LIBS) $(UNIT_LDADD)
endif
endif
EXTRA_DIST += tests/unit/test_http.c tests/tools/http_driver.c
