# Unit tests of publishers and notations, and the program with which the integration tests publish.
if ADMIN
check_PROGRAMS += tests/tools/publish_driver
tests_tools_publish_driver_SOURCES = tests/tools/publish_driver.c
tests_tools_publish_driver_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_publish_driver_LDADD = $(PUBLISH_LIBS)
endif
