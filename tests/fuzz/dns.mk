# fuzz targets of dns
FUZZ_TARGETS += tests/fuzz/fuzz_dns_answer tests/fuzz/fuzz_dns_octets tests/fuzz/fuzz_dns_record tests/fuzz/fuzz_dns_text
tests_fuzz_fuzz_dns_answer_SOURCES = tests/fuzz/fuzz_dns_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_answer_LDADD = $(DNS_LDADD)
tests_fuzz_fuzz_dns_answer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dns_octets_SOURCES = tests/fuzz/fuzz_dns_octets.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_octets_LDADD = $(DNS_LDADD)
tests_fuzz_fuzz_dns_octets_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dns_record_SOURCES = tests/fuzz/fuzz_dns_record.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_record_LDADD = $(DNS_LDADD)
tests_fuzz_fuzz_dns_record_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dns_text_SOURCES = tests/fuzz/fuzz_dns_text.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_text_LDADD = $(DNS_LDADD)
tests_fuzz_fuzz_dns_text_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
