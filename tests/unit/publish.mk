# Unit tests of publishers and notations, and the program with which the integration tests publish.
if ADMIN
check_PROGRAMS += tests/tools/publish_driver
tests_tools_publish_driver_SOURCES = tests/tools/publish_driver.c
tests_tools_publish_driver_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_publish_driver_LDADD = $(PUBLISH_LIBS)
PUBLISH_DRIVER = tests/tools/publish_driver$(EXEEXT)
if CMOCKA
check_PROGRAMS += tests/unit/test_publish
TESTS += tests/unit/test_publish
tests_unit_test_publish_SOURCES = tests/unit/test_publish.c
tests_unit_test_publish_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_unit_test_publish_LDADD = $(PUBLISH_LIBS) $(UNIT_LDADD)
endif
endif
EXTRA_DIST += tests/tools/publish_driver.c tests/unit/test_publish.c
