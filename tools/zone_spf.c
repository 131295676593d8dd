/*
 * zone_spf.c - the SPF record of a domain, out of its MX records, the hosts of the options and what
 * is published; and what a domain that has no mail says. Called when records are made. It must
 * never make a second SPF record, nor write down a host that has no address.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/mailauth/spf_syntax.h"
#include "tools/zone.h"

#define PUBLISHED_MAX 4U /* SPF records of one name that are merged */

struct making {
	struct zone_job *job;
	struct domain_check *check;
	struct span texts[PUBLISHED_MAX]; /* owned */
	size_t text_count;
	struct span hosts[ZONE_LIST_MAX], includes[ZONE_LIST_MAX];
	struct span networks[ZONE_LIST_MAX]; /* owned */
	struct spf_wanted wanted;
};

static bool
is_spf(struct span text)
{
	return spf_is_record(text);
}

static void
wrong(struct making *making, const char *text)
{
	findings_add(&making->check->findings, SEVERITY_ERROR, making->check->domain, "%s", text);
}

/* ---- what is published ---- */

static void
read_published(struct making *making)
{
	struct dns_answer answer;

	if (making->job->wanted->offline || making->job->wanted->spf_new)
		return;
	answer = dnsclient_txt(making->check->dns, making->check->domain);
	if (answer.status != ST_OK && answer.status != ST_ABSENT) {
		making->check->unavailable += answer.status == ST_UNAVAILABLE;
		findings_add(&making->check->findings, SEVERITY_ERROR, making->check->domain,
		    "whether there is an SPF record cannot be known (%s), and there may be one "
		    "only; try again",
		    answer.why);
	}
	for (size_t i = 0; i < answer.count; i++)
		if (spf_is_record(answer.texts[i].joined)) {
			if (making->text_count == PUBLISHED_MAX) {
				wrong(making, "there are too many SPF records; leave one");
				return;
			}
			making->texts[making->text_count++] =
			    span_of(span_dup(answer.texts[i].joined), answer.texts[i].joined.n);
		}
	if (making->text_count > 1)
		findings_add(&making->check->findings, SEVERITY_WARNING, making->check->domain,
		    "there are %zu SPF records, which verifiers answer with permerror; here they "
		    "are one",
		    making->text_count);
}

/* Does what is published let them through already? */
static bool
is_covered(struct making *making, const struct zone_hosts *hosts)
{
	return making->text_count == 1 &&
	       zone_covers(making->check, making->check->domain, making->texts[0], hosts);
}

/* ---- what sends ---- */

static void
take_mx(struct making *making)
{
	struct domain_check *check = making->check;
	struct zone_hosts hosts = {.count = 0};
	char *names[ZONE_HOSTS_MAX];
	size_t count = 0;
	enum status status = zone_mx(check, check->domain, names, &count);

	if (status == ST_UNAVAILABLE) {
		check->unavailable++;
		wrong(making, "DNS does not tell the MX records of the domain; try again, or give "
			      "--offline and --sending-host");
	}
	for (size_t i = 0; i < count; i++) {
		if (names[i][0] == '\0')
			wrong(making, "the domain has a null MX record, so it takes no mail (RFC "
				      "7505); give --no-mail, or take it away");
		else if (zone_host_add(check, span_str(names[i]), &hosts) == 0)
			findings_add(&check->findings, SEVERITY_WARNING, check->domain,
			    "its MX host %s has no address", names[i]);
		mem_free(names[i]);
	}
	if (hosts.unavailable)
		wrong(making, "DNS does not tell the addresses of an MX host; try again");
	making->wanted.mx = hosts.count > 0 && !is_covered(making, &hosts);
}

static void
take_hosts(struct making *making)
{
	const struct zone_list *list = &making->job->wanted->hosts;
	struct domain_check *check = making->check;

	for (size_t i = 0; i < list->count; i++) {
		struct zone_hosts hosts = {.count = 0};
		struct span name = span_str(list->items[i]);
		size_t found = 1;

		if (!making->job->wanted->offline)
			found = zone_host_add(check, name, &hosts);
		if (found == 0)
			findings_add(&check->findings, SEVERITY_ERROR, check->domain,
			    "--sending-host=%s: it has no address (A, AAAA) in DNS",
			    list->items[i]);
		else if (found == SIZE_MAX)
			findings_add(&check->findings, SEVERITY_ERROR, check->domain,
			    "--sending-host=%s: DNS does not tell its addresses; try again",
			    list->items[i]);
		else if (!is_covered(making, &hosts))
			making->hosts[making->wanted.host_count++] = name;
	}
}

/* Of networks the first address speaks for all; who splits one says so in the record. */
static bool
network_is_covered(struct making *making, struct span text)
{
	struct zone_hosts hosts = {.count = 1};
	struct span rest = text, address;
	char word[INET6_ADDRSTRLEN];
	struct zone_address *a = &hosts.addresses[0];

	if (span_cut(&rest, '/', &address))
		return false;
	snprintf(word, sizeof(word), "%.*s", SPAN_ARG(address));
	a->family = span_find(address, ':') == SIZE_MAX ? AF_INET : AF_INET6;
	return inet_pton(a->family, word, a->octets) == 1 && is_covered(making, &hosts);
}

static void
take_addresses(struct making *making)
{
	const struct zone_list *list = &making->job->wanted->addresses;

	for (size_t i = 0; i < list->count; i++) {
		struct err err = ERR_NONE;
		struct buf term;

		buf_init(&term, 100);
		if (spf_network(span_str(list->items[i]), &term, &err) != ST_OK)
			findings_add(&making->check->findings, SEVERITY_ERROR,
			    making->check->domain, "--sending-address: %s", err.text);
		else if (!network_is_covered(making, span_str(list->items[i])))
			making->networks[making->wanted.network_count++] =
			    span_of(span_dup(buf_span(&term)), term.n);
		buf_free(&term);
	}
}

static void
take_all(struct making *making)
{
	const struct zone_wanted *wanted = making->job->wanted;

	if (!wanted->offline)
		take_mx(making);
	take_hosts(making);
	take_addresses(making);
	for (size_t i = 0; i < wanted->includes.count; i++)
		making->includes[making->wanted.include_count++] =
		    span_str(wanted->includes.items[i]);
	making->wanted.hosts = making->hosts;
	making->wanted.networks = making->networks;
	making->wanted.includes = making->includes;
	if (wanted->spf_all != NULL)
		making->wanted.all = wanted->spf_all[0];
}

/* ---- the record ---- */

static void
add_record(struct making *making, struct span value)
{
	struct zone_job *job = making->job;
	struct zone_record *record;

	record = zone_records_add(
	    &job->records, ZONE_TXT, making->check->domain, value, job->ttl_s, "SPF");
	zone_see(job, record, is_spf);
	if (record->seen == ZONE_THERE)
		return; /* what is wrong with it is check's to say */
	if (record->seen == ZONE_OTHER)
		findings_add(&making->check->findings, SEVERITY_WARNING, making->check->domain,
		    "there is an SPF record; the new one stands in its place, not beside it");
	if (!job->wanted->offline)
		check_spf_text(making->check, value, 1 + (value.n - 1) / 255);
	else
		spf_audit(value, 1 + (value.n - 1) / 255, making->check->domain,
		    &making->check->findings);
}

static void
make_record(struct making *making)
{
	struct err err = ERR_NONE;
	struct buf value;

	buf_init(&value, COMPOSE_TEXT_MAX);
	if (spf_compose(&making->wanted, making->texts, making->text_count, &value, &err) != ST_OK)
		wrong(making, err.text);
	else if (span_eq_str(buf_span(&value), "v=spf1 ~all") ||
		 span_eq_str(buf_span(&value), "v=spf1 -all"))
		wrong(making, "nothing that sends mail is known: the domain has no MX host with an "
			      "address; name what sends with --sending-host or --sending-address, "
			      "or give --no-mail or --no-spf");
	else
		add_record(making, buf_span(&value));
	buf_free(&value);
}

/* RFC 7505: a null MX stands alone. */
static void
make_no_mail(struct making *making)
{
	struct zone_job *job = making->job;
	struct zone_record *record;
	char *names[ZONE_HOSTS_MAX];
	size_t count = 0;
	enum status status = ST_ABSENT;
	bool null_mx = false;

	if (!job->wanted->offline)
		status = zone_mx(making->check, making->check->domain, names, &count);
	for (size_t i = 0; i < count; i++) {
		null_mx = count == 1 && names[i][0] == '\0';
		mem_free(names[i]);
	}
	if (count > 0 && !null_mx)
		wrong(making, "--no-mail: the domain has MX records; take them away first, if it "
			      "has no mail");
	if (status == ST_UNAVAILABLE)
		wrong(making, "DNS does not tell the MX records of the domain; try again");
	record = zone_records_add(&job->records, ZONE_MX, making->check->domain, SPAN_LIT("0 ."),
	    job->ttl_s, "no mail is taken (null MX)");
	if (!job->wanted->offline)
		record->seen = null_mx ? ZONE_THERE : ZONE_ABSENT;
	add_record(making, SPAN_LIT("v=spf1 -all"));
}

void
zone_spf(struct zone_job *job)
{
	struct making making = {.job = job, .check = job->check};

	if (job->wanted->no_mail) {
		make_no_mail(&making);
	} else if (!job->wanted->no_spf) {
		size_t errors = job->check->findings.errors;

		read_published(&making);
		take_all(&making);
		if (job->check->findings.errors == errors)
			make_record(&making);
	}
	for (size_t i = 0; i < making.text_count; i++)
		mem_free((void *)(uintptr_t)making.texts[i].p);
	for (size_t i = 0; i < making.wanted.network_count; i++)
		mem_free((void *)(uintptr_t)making.networks[i].p);
}
