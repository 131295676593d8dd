/*
 * dmarc_syntax.c - the grammar of DMARC records.
 * Called by the audit of a domain and by the fuzzer. The text is a stranger's: it must never read
 * behind it, nor stop at the first fault, because an operator mends all of them at once.
 */
#include <string.h>

#include "lib/mailauth/dmarc_syntax.h"

static void
fault(struct dmarc_record *record, struct span tag, enum dmarc_effect effect, const char *why)
{
	if (record->fault_count < DMARC_FAULTS_MAX)
		record->faults[record->fault_count++] =
		    (struct dmarc_fault){.tag = tag, .why = why, .effect = effect};
}

static bool
cut_tag(struct span *rest, struct span *name_out, struct span *value_out, struct span *whole_out)
{
	bool more = span_cut(rest, ';', whole_out);

	*whole_out = span_trim(*whole_out);
	*value_out = *whole_out;
	(void)span_cut(value_out, '=', name_out);
	*name_out = span_trim(*name_out);
	*value_out = span_trim(*value_out);
	return more;
}

bool
dmarc_is_record(struct span text)
{
	struct span name, value, whole;

	(void)cut_tag(&text, &name, &value, &whole);
	return span_eq_str(name, "v") && span_eq_str(value, "DMARC1");
}

/* ---- the tags ---- */

static enum dmarc_policy
policy_by_name(struct span value)
{
	static const char *const names[] = {"", "none", "quarantine", "reject"};

	for (int i = DMARC_NONE; i <= DMARC_REJECT; i++)
		if (span_ieq_str(value, names[i]))
			return (enum dmarc_policy)i;
	return DMARC_UNSET;
}

/* NULL when policy is one. */
static const char *
policy_fault(enum dmarc_policy policy, struct span value)
{
	if (policy != DMARC_UNSET)
		return NULL;
	return span_find(value, '=') == SIZE_MAX
		   ? "it is not none, quarantine or reject"
		   : "it is not none, quarantine or reject: is a ';' missing?";
}

static const char *
read_policy(struct dmarc_record *record, struct span value)
{
	record->policy = policy_by_name(value);
	return policy_fault(record->policy, value);
}

static const char *
read_subdomain_policy(struct dmarc_record *record, struct span value)
{
	record->subdomain_policy = policy_by_name(value);
	return policy_fault(record->subdomain_policy, value);
}

static const char *
read_other_policy(struct dmarc_record *record, struct span value)
{
	(void)record;
	return policy_fault(policy_by_name(value), value);
}

static const char *
read_alignment(struct span value, bool *strict_out)
{
	*strict_out = span_ieq_str(value, "s");
	return *strict_out || span_ieq_str(value, "r") ? NULL : "it is not r or s";
}

static const char *
read_adkim(struct dmarc_record *record, struct span value)
{
	return read_alignment(value, &record->strict_dkim);
}

static const char *
read_aspf(struct dmarc_record *record, struct span value)
{
	return read_alignment(value, &record->strict_spf);
}

static const char *
read_percent(struct dmarc_record *record, struct span value)
{
	uint64_t number;

	if (!span_number(value, 100, &number))
		return "it is not a number from 0 to 100";
	record->percent = (unsigned)number;
	return NULL;
}

static const char *
read_interval(struct dmarc_record *record, struct span value)
{
	uint64_t number;

	(void)record;
	return span_number(value, UINT32_MAX, &number) ? NULL : "it is not a number of seconds";
}

/* Words separated by ':', each one of the letters. */
static const char *
read_fo(struct dmarc_record *record, struct span value)
{
	struct span word;
	bool more = true;

	(void)record;
	while (more) {
		more = span_cut(&value, ':', &word);
		word = span_trim(word);
		if (word.n != 1 || word.p[0] == '\0' || strchr("01dDsS", word.p[0]) == NULL)
			return "it is not made of 0, 1, d and s, with colons between them";
	}
	return NULL;
}

static const char *
read_rf(struct dmarc_record *record, struct span value)
{
	(void)record;
	return span_ieq_str(value, "afrf") ? NULL : "afrf is the only format";
}

static const char *
read_flag(struct span value, bool *yes_out)
{
	*yes_out = span_ieq_str(value, "y");
	return *yes_out || span_ieq_str(value, "n") ? NULL : "it is not y or n";
}

static const char *
read_testing(struct dmarc_record *record, struct span value)
{
	return read_flag(value, &record->testing);
}

static const char *
read_psd(struct dmarc_record *record, struct span value)
{
	(void)record;
	return span_ieq_str(value, "y") || span_ieq_str(value, "n") || span_ieq_str(value, "u")
		   ? NULL
		   : "it is not y, n or u";
}

static const char *
uris(struct span value)
{
	struct dmarc_uri uri;
	size_t count = 0;

	while (dmarc_uri_next(&value, &uri))
		if (uri.fault != NULL)
			return uri.fault;
		else if (++count > DMARC_URIS_MAX)
			return "it has too many addresses";
	return count == 0 ? "it has no address" : NULL;
}

static const char *
read_rua(struct dmarc_record *record, struct span value)
{
	record->rua = value;
	return uris(value);
}

static const char *
read_ruf(struct dmarc_record *record, struct span value)
{
	record->ruf = value;
	return uris(value);
}

/* bad: what a value that cannot be read makes of the record. A bad p= or sp= leaves p=none (6.6.3
 * step 6). */
static const struct {
	const char *name;
	const char *(*read)(struct dmarc_record *record, struct span value);
	enum dmarc_effect bad;
} readers[] = {
    {"p", read_policy, DMARC_TAKEN_AS_NONE},
    {"sp", read_subdomain_policy, DMARC_TAKEN_AS_NONE},
    {"np", read_other_policy, DMARC_TAG_IGNORED},
    {"adkim", read_adkim, DMARC_TAG_IGNORED},
    {"aspf", read_aspf, DMARC_TAG_IGNORED},
    {"pct", read_percent, DMARC_TAG_IGNORED},
    {"ri", read_interval, DMARC_TAG_IGNORED},
    {"fo", read_fo, DMARC_TAG_IGNORED},
    {"rf", read_rf, DMARC_TAG_IGNORED},
    {"t", read_testing, DMARC_TAG_IGNORED},
    {"psd", read_psd, DMARC_TAG_IGNORED},
    {"rua", read_rua, DMARC_TAG_IGNORED},
    {"ruf", read_ruf, DMARC_TAG_IGNORED},
};
#define READER_COUNT (sizeof(readers) / sizeof(readers[0]))
#define READER_P 0u

static const char *
no_equals(struct span whole)
{
	return span_istarts(whole, SPAN_LIT("mailto:"))
		   ? "it has no '=': addresses have commas between them, and no ';'"
		   : "it has no '='";
}

/* seen: a bit per reader. A tag list with a tag twice is none at all (RFC 6376 section 3.2). */
static void
read_known(struct dmarc_record *record, size_t reader, struct span value, struct span whole,
    uint32_t *seen)
{
	const char *why;

	if ((*seen & 1u << reader) != 0) {
		fault(record, whole, DMARC_RECORD_IGNORED, "the tag is there twice");
		return;
	}
	record->policy_late = record->policy_late || (reader == READER_P && *seen != 0);
	*seen |= 1u << reader;
	why = readers[reader].read(record, value);
	if (why != NULL)
		fault(record, whole, readers[reader].bad, why);
}

static void
read_tag(struct dmarc_record *record, struct span name, struct span value, struct span whole,
    uint32_t *seen)
{
	if (span_find(whole, '=') == SIZE_MAX) {
		fault(record, whole, DMARC_TAG_IGNORED, no_equals(whole));
		return;
	}
	for (size_t i = 0; i < READER_COUNT; i++)
		if (span_ieq_str(name, readers[i].name)) {
			read_known(record, i, value, whole, seen);
			return;
		}
	if (span_ieq_str(name, "v"))
		fault(record, whole, DMARC_RECORD_IGNORED, "v= stands first and once");
	else
		fault(record, whole, DMARC_UNKNOWN_TAG, "there is no tag of that name");
}

/* 6.6.3 step 6: what would be p=none is nothing without an address for reports. */
static void
settle(struct dmarc_record *record)
{
	struct span rest = record->rua;
	struct dmarc_uri uri;
	bool reports = false;

	while (!reports && dmarc_uri_next(&rest, &uri))
		reports = uri.fault == NULL;
	for (size_t i = 0; i < record->fault_count && !reports; i++)
		if (record->faults[i].effect == DMARC_TAKEN_AS_NONE)
			record->faults[i].effect = DMARC_RECORD_IGNORED;
}

enum status
dmarc_parse(struct span text, struct dmarc_record *out, struct err *err)
{
	struct span name, value, whole;
	size_t count = 0;
	uint32_t seen = 0;
	bool more = true;

	*out = (struct dmarc_record){.percent = 100};
	if (!dmarc_is_record(text)) {
		err_set(err, "it does not begin with v=DMARC1 and a ';'");
		return ST_ABSENT;
	}
	(void)span_cut(&text, ';', &whole);
	while (more) {
		more = cut_tag(&text, &name, &value, &whole);
		if (whole.n == 0)
			continue;
		if (++count > DMARC_TAGS_MAX) {
			fault(out, whole, DMARC_RECORD_IGNORED, "there are too many tags");
			break;
		}
		read_tag(out, name, value, whole, &seen);
	}
	if ((seen & 1u << READER_P) == 0)
		fault(out, SPAN_LIT("p="), DMARC_TAKEN_AS_NONE,
		    "there is no p=, which every record needs");
	settle(out);
	return ST_OK;
}

/* ---- URIs ---- */

/* "!" number and perhaps k, m, g, t: the largest report that is wanted. */
static bool
size_is_good(struct span size)
{
	uint64_t number;

	if (size.n > 0 && strchr("kmgtKMGT", size.p[size.n - 1]) != NULL &&
	    size.p[size.n - 1] != '\0')
		size.n--;
	return span_number(size, UINT64_MAX, &number);
}

static const char *
check_address(struct span address, struct span *domain_out)
{
	size_t at = span_rfind(address, '@'), query = span_find(address, '?');
	struct span domain;

	if (query != SIZE_MAX && (at == SIZE_MAX || query > at))
		address = span_sub(address, 0, query);
	if (at == SIZE_MAX || at == 0 || at + 1 >= address.n)
		return "what follows mailto: is no mail address";
	domain = span_from(address, at + 1);
	for (size_t i = 0; i < domain.n; i++) {
		char c = ascii_lower(domain.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != '_')
			return "the domain of its address is no domain name";
	}
	*domain_out = domain;
	return NULL;
}

static const char *
check_uri(struct span *uri, struct span *domain_out)
{
	size_t mark = span_rfind(*uri, '!');

	for (size_t i = 0; i < uri->n; i++)
		if ((unsigned char)uri->p[i] <= ' ' || (unsigned char)uri->p[i] > 0x7e ||
		    uri->p[i] == '"' || uri->p[i] == '\\')
			return "it has an octet that a URI cannot have";
	if (mark != SIZE_MAX) {
		struct span size = span_from(*uri, mark + 1);

		*uri = span_sub(*uri, 0, mark);
		if (!size_is_good(size))
			return "what follows '!' is no size";
	}
	if (span_istarts(*uri, SPAN_LIT("mailto:")))
		return check_address(span_from(*uri, 7), domain_out);
	if (span_find(*uri, ':') == SIZE_MAX || uri->p[0] == ':')
		return "it is no URI: write mailto:ADDRESS";
	return NULL;
}

bool
dmarc_uri_next(struct span *rest, struct dmarc_uri *out)
{
	if (rest->n == 0)
		return false;
	*out = (struct dmarc_uri){.domain = SPAN_EMPTY};
	if (span_cut(rest, ',', &out->text) && rest->n == 0)
		out->fault = "there is a comma at its end";
	out->text = span_trim(out->text);
	if (out->text.n == 0)
		out->fault = "there is an empty place in the list";
	if (out->fault == NULL)
		out->fault = check_uri(&out->text, &out->domain);
	return true;
}
