# Unit tests of lib/dns, and the program with which the integration tests ask.
DNS_LDADD = $(LIBDNS) $(LIBBASE) $(UNBOUND_LIBS)
check_PROGRAMS += tests/tools/dns_probe
tests_tools_dns_probe_SOURCES = tests/tools/dns_probe.c
tests_tools_dns_probe_LDADD = $(DAEMON_LDADD) $(DNS_LDADD)
