/*
 * operation_verify_show.c - what was found of a message, as JSON.
 * Called by operation_verify.c. It must never compare a record with a key of the store that who
 * asks may not see: that would tell whose it is.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_verify.h"
#include "admin-api/record.h"
#include "lib/dkim/address.h"
#include "lib/dkim/keyrecord.h"

#define FROM_MAX 10U /* addresses of From that are shown */

static const char *const reasons[] = {
    [VERIFY_IGNORED] = "ignored",
    [VERIFY_SYNTAX] = "syntax",
    [VERIFY_ALGORITHM] = "algorithm",
    [VERIFY_SHA1] = "sha1",
    [VERIFY_EXPIRED] = "expired",
    [VERIFY_FUTURE] = "future",
    [VERIFY_HEADER_UNSIGNED] = "header-unsigned",
    [VERIFY_BODY_MISMATCH] = "body-hash",
    [VERIFY_BODY_SHORT] = "body-short",
    [VERIFY_BODY_PART] = "body-part",
    [VERIFY_SIGNATURE_BAD] = "signature",
    [VERIFY_KEY_ABSENT] = "key-missing",
    [VERIFY_KEY_REVOKED] = "key-revoked",
    [VERIFY_KEY_SYNTAX] = "key-syntax",
    [VERIFY_KEY_TYPE] = "key-type",
    [VERIFY_KEY_HASH] = "key-hash",
    [VERIFY_KEY_SERVICE] = "key-service",
    [VERIFY_KEY_SUBDOMAIN] = "key-subdomain",
    [VERIFY_KEY_SMALL] = "key-small",
    [VERIFY_KEY_BIG] = "key-big",
    [VERIFY_KEY_MANY] = "key-many",
    [VERIFY_KEY_UNPROTECTED] = "key-unprotected",
    [VERIFY_KEY_BOGUS] = "key-bogus",
    [VERIFY_DNS_UNAVAILABLE] = "dns-unavailable",
    [VERIFY_DNS_SYNTAX] = "dns-syntax",
    [VERIFY_INTERNAL] = "internal",
};

const char *
verify_reason_word(enum verify_reason reason)
{
	return (size_t)reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason] : "internal";
}

const char *
verify_dnssec_word(enum verify_dnssec dnssec)
{
	static const char *const words[] = {
	    [VERIFY_DNSSEC_UNKNOWN] = "unknown",
	    [VERIFY_DNSSEC_INSECURE] = "insecure",
	    [VERIFY_DNSSEC_SECURE] = "secure",
	    [VERIFY_DNSSEC_BOGUS] = "bogus",
	};

	return words[dnssec];
}

struct span
verify_record(const struct verify_key *key)
{
	if (key->status != ST_OK || key->count == 0)
		return SPAN_EMPTY;
	for (size_t i = 0; i < key->count; i++)
		if (span_istarts(key->texts[i], SPAN_LIT("v=DKIM1")))
			return key->texts[i];
	return key->texts[0];
}

static json_t *
span_or_null(struct span text)
{
	return text.n == 0 ? json_null() : json_span(text);
}

static json_t *
hash_or_null(const uint8_t *hash, size_t n)
{
	char text[(SHA256_BYTES + 2) / 3 * 4];

	if (hash == NULL || n != SHA256_BYTES)
		return json_null();
	base64_encode(hash, n, text);
	return json_span(span_of(text, sizeof(text)));
}

/* ---- the key, and the one of the store ---- */

static bool
same_key(struct operation_call *call, const struct store_key *row, struct span record)
{
	struct keyrecord there, ours;
	struct err err = ERR_NONE;
	struct buf value;
	bool same;

	buf_init(&value, KEYRECORD_BYTES_MAX);
	record_value(row->algorithm, row->public_key, &value);
	same = buf_status(&value) == ST_OK && row->public_key.n > 0 &&
	       keyrecord_parse(buf_span(&value), &call->arena, &ours, &err) == ST_OK &&
	       keyrecord_parse(record, &call->arena, &there, &err) == ST_OK && there.known_type &&
	       there.algorithm == ours.algorithm && span_eq(there.key, ours.key);
	buf_free(&value);
	return same;
}

/* Is the domain in the store, and may who asks see it? */
static enum operation_code
find_domain(struct operation_call *call, struct span domain, bool *seen_out)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	*seen_out = false;
	if (!keystore_domain_is_valid(domain) || !call_sees(call, SPAN_EMPTY, domain))
		return OPERATION_OK;
	status = row_find(call->admin->store, STORE_DOMAIN, domain, SPAN_EMPTY, &rows, &i, &err);
	if (status == ST_ABSENT)
		return OPERATION_OK;
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	*seen_out = call_sees(call, rows->domains[i].tenant, domain);
	keystore_rows_release(rows);
	return OPERATION_OK;
}

/* true, false; null: nobody asked can say. */
static enum operation_code
match_store(
    struct operation_call *call, const struct sigfield *field, struct span record, json_t **out)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum operation_code code = OPERATION_OK;
	enum status status;
	bool seen = false;
	size_t i;

	*out = json_null();
	if (record.n > 0 && field->query.n > 0)
		code = find_domain(call, field->domain, &seen);
	if (code != OPERATION_OK || !seen)
		return code;
	status = row_find(
	    call->admin->store, STORE_KEY, field->domain, field->selector, &rows, &i, &err);
	if (status != ST_OK && status != ST_ABSENT)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	*out = json_boolean(status == ST_OK && same_key(call, &rows->keys[i], record));
	if (status == ST_OK)
		keystore_rows_release(rows);
	return OPERATION_OK;
}

/* ---- parts of a signature ---- */

static size_t
times_in_h(const struct sigfield *field, struct span name, size_t end)
{
	size_t count = 0;

	for (size_t i = 0; i < end; i++)
		count += span_ieq(field->names[i], name) ? 1 : 0;
	return count;
}

/* The names of h=, each once; line: of the last field of that name, the first to be signed. */
static json_t *
headers_of(const struct verify_view *view, const struct verify_signature *found)
{
	const struct sigfield *field = &found->field;
	const struct header_list *list = &view->check->list;
	json_t *out = json_array();

	for (size_t i = 0; i < field->name_count && i < VERIFY_NAMES_MAX; i++) {
		struct span name = field->names[i];
		size_t last = SIZE_MAX, present = 0;

		if (times_in_h(field, name, i) > 0)
			continue;
		for (size_t j = 0; j < list->count; j++)
			if (j != found->field_index && header_name_eq(list->fields[j].name, name)) {
				present++;
				last = j;
			}
		json_array_append_new(
		    out, json_pack("{s:o, s:I, s:I, s:o}", "name", json_span(name), "signed",
			     (json_int_t)times_in_h(field, name, field->name_count), "present",
			     (json_int_t)present, "line",
			     last == SIZE_MAX ? json_null()
					      : json_integer((json_int_t)diagnose_field_line(
						    list, view->header_line, last))));
	}
	return out;
}

static json_t *
differs_of(struct verify_view *view, size_t index)
{
	const struct verify_signature *found = verify_signature(view->check->verify, index);
	const struct diagnose_case given = {.list = &view->check->list,
	    .body = span_from(view->text, view->check->body_at),
	    .header_line = view->header_line,
	    .body_line = view->body_line,
	    .options = view->options,
	    .signature = found,
	    .key = &view->check->keys[index]};
	json_t *out = json_array();

	diagnose_signature(&view->diagnose, &given);
	for (size_t i = 0; i < view->diagnose.count; i++) {
		const struct diagnose_finding *finding = &view->diagnose.findings[i];

		json_array_append_new(out,
		    json_pack("{s:s, s:b, s:o, s:o}", "what", finding->what, "certain",
			finding->certain ? 1 : 0, "line",
			finding->line == 0 ? json_null() : json_integer((json_int_t)finding->line),
			"detail", json_span(span_str(finding->detail))));
	}
	return out;
}

static json_t *
detail_of(const struct verify_signature *found)
{
	char text[600];

	if (found->result == VERIFY_PASS && found->body_covered < found->body_octets)
		snprintf(text, sizeof(text),
		    "the signature verifies, but only %llu of %llu octets of the body are signed",
		    (unsigned long long)found->body_covered,
		    (unsigned long long)found->body_octets);
	else if (found->detail.n > 0)
		snprintf(text, sizeof(text), "%s: %.*s", verify_reason_text(found->reason),
		    (int)(found->detail.n < 400 ? found->detail.n : 400), found->detail.p);
	else
		snprintf(text, sizeof(text), "%s", verify_reason_text(found->reason));
	return json_span(span_str(text));
}

static json_t *
canonicalization_of(const struct sigfield *field)
{
	char text[40];

	if (field->name_count == 0)
		return json_null();
	snprintf(text, sizeof(text), "%s/%s", canon_name(field->header_canon),
	    canon_name(field->body_canon));
	return json_string(text);
}

static json_t *
time_or_null(int64_t at_utc)
{
	return at_utc < 0 ? json_null() : json_time(at_utc);
}

static json_t *
body_of(const struct verify_signature *found)
{
	return json_pack("{s:o, s:o, s:I, s:I}", "hash_signed",
	    hash_or_null(found->field.body_hash, found->field.body_hash_bytes), "hash_computed",
	    hash_or_null(found->body_hash, SHA256_BYTES), "length", (json_int_t)found->body_octets,
	    "covered", (json_int_t)found->body_covered);
}

static enum operation_code
key_of(struct operation_call *call, const struct verify_view *view, size_t index, json_t **out)
{
	const struct verify_signature *found = verify_signature(view->check->verify, index);
	struct span record = verify_record(&view->check->keys[index]);
	json_t *matches;
	enum operation_code code = match_store(call, &found->field, record, &matches);

	*out = json_pack("{s:o, s:o, s:s, s:b, s:o}", "name", span_or_null(found->field.query),
	    "record", span_or_null(record), "dnssec", verify_dnssec_word(found->dnssec), "testing",
	    found->testing ? 1 : 0, "matches_store", matches);
	return code;
}

static enum operation_code
show_signature(
    struct operation_call *call, struct verify_view *view, size_t index, json_t *signatures)
{
	const struct verify_signature *found = verify_signature(view->check->verify, index);
	const struct sigfield *field = &found->field;
	const char *reason = verify_reason_word(found->reason);
	json_t *key, *row = json_object();
	enum operation_code code = key_of(call, view, index, &key);

	json_object_set_new(row, "index", json_integer((json_int_t)index));
	json_object_set_new(row, "line",
	    json_integer((json_int_t)diagnose_field_line(
		&view->check->list, view->header_line, found->field_index)));
	json_object_set_new(row, "domain", span_or_null(field->domain));
	json_object_set_new(row, "selector", span_or_null(field->selector));
	json_object_set_new(row, "identity", span_or_null(field->identity));
	json_object_set_new(row, "algorithm", span_or_null(field->algorithm_text));
	json_object_set_new(
	    row, "bits", found->key_known ? json_integer(found->key_bits) : json_null());
	json_object_set_new(row, "canonicalization", canonicalization_of(field));
	json_object_set_new(
	    row, "signed_at", time_or_null(field->name_count == 0 ? -1 : field->time_utc));
	json_object_set_new(
	    row, "expires", time_or_null(field->name_count == 0 ? -1 : field->expires_utc));
	json_object_set_new(row, "result", json_string(verify_result_name(found->result)));
	json_object_set_new(row, "reason", reason == NULL ? json_null() : json_string(reason));
	json_object_set_new(row, "detail", detail_of(found));
	json_object_set_new(row, "key", key);
	json_object_set_new(row, "body", body_of(found));
	json_object_set_new(row, "headers", headers_of(view, found));
	json_object_set_new(row, "differs", differs_of(view, index));
	json_array_append_new(signatures, row);
	return code;
}

/* ---- From ---- */

/* Of a message with one author in one field: his domain; else empty. */
static struct span
show_from(struct operation_call *call, const struct header_list *list)
{
	json_t *from = json_array();
	struct span only = SPAN_EMPTY;
	size_t all = 0;

	for (size_t i = 0; i < list->count && all < FROM_MAX; i++) {
		struct err err = ERR_NONE;
		struct address address;
		char text[ADDRESS_USER_MAX + DOMAIN_BYTES_MAX + 8];
		size_t count;

		if (!header_name_eq(list->fields[i].name, SPAN_LIT("From")) ||
		    address_parse(list->fields[i].value, &call->arena, &address, &count, &err) !=
			ST_OK)
			continue;
		all += count;
		only = address.domain;
		snprintf(text, sizeof(text), "%.*s@%.*s", SPAN_ARG(address.user),
		    SPAN_ARG(address.domain));
		json_array_append_new(from, json_span(span_str(text)));
	}
	json_object_set_new(call->result, "from", from);
	return all == 1 && header_list_count(list, SPAN_LIT("From")) == 1 ? only : SPAN_EMPTY;
}

/* One is the other, or below it, and neither is a top-level name. */
static bool
is_aligned(struct span from, struct span domain)
{
	return span_find(from, '.') != SIZE_MAX && span_find(domain, '.') != SIZE_MAX &&
	       (domain_is_within(from, domain) || domain_is_within(domain, from));
}

/* ---- all of it ---- */

/* "crlf", "lf", "mixed", "none". */
static const char *
line_ends(struct span text)
{
	bool crlf = false, lf = false;

	for (size_t at = span_find(text, '\n'); at != SIZE_MAX; at = span_find(text, '\n')) {
		if (at > 0 && text.p[at - 1] == '\r')
			crlf = true;
		else
			lf = true;
		text = span_from(text, at + 1);
	}
	return crlf && lf ? "mixed" : crlf ? "crlf" : lf ? "lf" : "none";
}

static void
summarise(struct operation_call *call, const struct verify_view *view, size_t passed, bool aligned)
{
	size_t count = verify_count(view->check->verify);
	char text[300];

	if (count == 0)
		snprintf(text, sizeof(text), "the message is not signed");
	else if (passed == 0)
		snprintf(text, sizeof(text), "none of %zu signatures passes", count);
	else
		snprintf(text, sizeof(text), "%zu of %zu signatures %s; %s", passed, count,
		    passed == 1 ? "passes" : "pass",
		    aligned ? "one of a domain that fits From" : "none of a domain that fits From");
	json_object_set_new(call->result, "summary", json_string(text));
}

enum operation_code
verify_show(struct operation_call *call, struct verify_view *view)
{
	const struct verify *verify = view->check->verify;
	json_t *signatures = json_array();
	struct span from = show_from(call, &view->check->list);
	enum operation_code code = OPERATION_OK;
	bool aligned = false;
	size_t passed = 0;

	json_object_set_new(call->result, "signatures", signatures);
	for (size_t i = 0; code == OPERATION_OK && i < verify_count(verify); i++) {
		const struct verify_signature *found = verify_signature(verify, i);

		code = show_signature(call, view, i, signatures);
		if (found->result != VERIFY_PASS)
			continue;
		passed++;
		aligned = aligned || is_aligned(from, found->field.domain);
	}
	json_object_set_new(
	    call->result, "more_signatures", json_integer((json_int_t)verify_uncounted(verify)));
	json_object_set_new(call->result, "aligned", json_boolean(aligned));
	json_object_set_new(call->result, "line_ends", json_string(line_ends(view->text)));
	json_object_set_new(call->result, "all_tried", json_boolean(!view->diagnose.exhausted));
	summarise(call, view, passed, aligned);
	return code;
}
