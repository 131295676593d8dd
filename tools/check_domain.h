/*
 * check_domain.h - asks DNS for what a domain publishes and has it judged. One thread.
 */
#ifndef SIGNPOST_TOOLS_CHECK_DOMAIN_H
#define SIGNPOST_TOOLS_CHECK_DOMAIN_H

#include <stdbool.h>

#include "lib/mailauth/dnsclient.h"
#include "lib/mailauth/finding.h"

struct domain_check {
	struct dnsclient *dns;    /* borrowed */
	struct span domain;       /* normalised; borrowed */
	struct findings findings; /* findings_free */
	size_t unavailable;       /* questions that DNS did not answer */
};

/* TXT records of other kinds that get a sentence. */
#define CHECK_NEAR_MISSES_MAX 3

/* Asks for the TXT records of name (borrowed). false: there is no answer to judge, which has been
 * said. The answer is valid until the next question. */
bool check_ask(struct domain_check *check, struct span name, struct dns_answer *answer);

/* SELECTOR._domainkey.DOMAIN */
void check_selector(struct domain_check *check, struct span selector);
/* The SPF record of the domain with what it includes, and what DNSSEC says. */
void check_spf(struct domain_check *check);
/* The text of an SPF record of the domain, whether it is published or will be: its grammar, its
 * look-ups and those that find nothing, also of what it includes. */
void check_spf_text(struct domain_check *check, struct span text, size_t strings);
/* The same of a DMARC record at name; do other domains take the reports? */
void check_dmarc_text(struct domain_check *check, struct span name, struct span text);
/* _dmarc.DOMAIN, or what stands for it at a domain above. */
void check_dmarc(struct domain_check *check);

#endif
