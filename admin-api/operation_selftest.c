/*
 * operation_selftest.c - domain.selftest: a small message is signed with each key of a domain that
 * is ACTIVE, as a gateway would do it, and verified with what is in DNS: as the authoritative
 * servers have it, and as the configured resolver answers. Called through the table of operations.
 * It must never let a private key out of secret memory, nor send anything anywhere.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_dns.h"
#include "admin-api/operation_verify.h"
#include "admin-api/proof.h"
#include "lib/base/mem.h"

struct selftest {
	struct dnsclient dns;
	json_t *keys;
	size_t tested, passed;
};

/* Of what the resolver answers; a row of the answer, and whether it verifies. */
static json_t *
ask_resolver(struct operation_call *call, struct selftest *test, const struct store_key *row,
    struct span name, bool *passes_out)
{
	struct dns_answer answer = dnsclient_txt(&test->dns, name);
	struct span texts[DNS_TEXTS_MAX];
	struct verify_key key = {.status = answer.status,
	    .texts = texts,
	    .count = answer.count,
	    .dnssec = message_dnssec(answer.security)};
	enum verify_reason reason = VERIFY_INTERNAL;
	struct err err = ERR_NONE;
	const char *word, *detail;
	struct span record;

	for (size_t i = 0; i < answer.count; i++)
		texts[i] = answer.texts[i].joined;
	if (proof_judge(call->admin->sitekey, row, &key, call->now_utc, &reason, &err) == ST_OK)
		detail = verify_reason_text(reason);
	else
		detail = err.text;
	*passes_out = reason == VERIFY_OK;
	word = verify_reason_word(reason);
	record = verify_record(&key);
	return json_pack("{s:b, s:o, s:o, s:o, s:s}", "passes", *passes_out ? 1 : 0, "reason",
	    word == NULL ? json_null() : json_string(word), "detail", json_span(span_str(detail)),
	    "record", record.n == 0 ? json_null() : json_span(record), "dnssec",
	    verify_dnssec_word(key.dnssec));
}

static enum operation_code
look_at_key(struct operation_call *call, struct selftest *test, const struct store_key *row,
    struct dns_look *look)
{
	enum operation_code code = dns_look_ask(call, &look, 1);
	bool passes = false;
	json_t *resolver;

	if (code != OPERATION_OK)
		return code;
	resolver = ask_resolver(call, test, row, look->question.name, &passes);
	passes = passes && dns_look_is_right(look);
	test->passed += passes ? 1 : 0;
	json_array_append_new(
	    test->keys, json_pack("{s:o, s:o, s:b, s:o, s:o}", "selector", json_span(row->selector),
			    "algorithm", json_span(row->algorithm), "passes", passes ? 1 : 0,
			    "authoritative", dns_look_row(look), "resolver", resolver));
	return OPERATION_OK;
}

static enum operation_code
test_key(
    struct operation_call *call, struct selftest *test, const struct lives *lives, size_t index)
{
	const struct store_key *row = lives->rows[index];
	const struct life_key *key = &lives->life.keys[index];
	struct dns_look *look = mem_zalloc(1, sizeof(*look));
	enum operation_code code = OPERATION_OK;

	test->tested++;
	if (dns_look_make(look, row, &key->times, &key->life))
		code = look_at_key(call, test, row, look);
	else /* its row has no public key: there is no record that could be right */
		json_array_append_new(test->keys,
		    json_pack("{s:o, s:o, s:b, s:n, s:n}", "selector", json_span(row->selector),
			"algorithm", json_span(row->algorithm), "passes", 0, "authoritative",
			"resolver"));
	mem_free(look);
	return code;
}

static enum operation_code
test_keys(struct operation_call *call, struct selftest *test, const struct lives *lives)
{
	enum operation_code code = OPERATION_OK;

	for (size_t i = 0; code == OPERATION_OK && i < lives->life.count; i++)
		if (key_state_at(&lives->life.keys[i].times, call->now_utc) == KEY_ACTIVE)
			code = test_key(call, test, lives, i);
	return code;
}

static void
show(struct operation_call *call, const struct selftest *test, struct span domain)
{
	bool passes = test->tested > 0 && test->passed == test->tested;
	char summary[200];

	if (test->tested == 0)
		snprintf(summary, sizeof(summary), "no key of the domain is ACTIVE: nothing signs");
	else
		snprintf(summary, sizeof(summary),
		    "%zu of %zu ACTIVE keys sign what verifies with DNS", test->passed,
		    test->tested);
	json_object_set_new(call->result, "domain", json_span(domain));
	json_object_set(call->result, "keys", test->keys);
	json_object_set_new(call->result, "passes", json_boolean(passes));
	json_object_set_new(call->result, "summary", json_string(summary));
}

/* Of a domain that signs as another one, the other one's keys. */
static enum operation_code
read_signing(struct operation_call *call, struct span *domain, struct lives **out)
{
	enum operation_code code = lives_read(call, *domain, out);

	if (code != OPERATION_OK || (*out)->row->signs_as.n == 0)
		return code;
	*domain = call_keep(call, (*out)->row->signs_as);
	lives_free(*out);
	return lives_read(call, *domain, out);
}

enum operation_code
operation_selftest(struct operation_call *call)
{
	struct selftest test = {.tested = 0};
	struct lives *lives;
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	if (code == OPERATION_OK)
		code = read_signing(call, &domain, &lives);
	if (code != OPERATION_OK)
		return code;
	code = verify_open_dns(call, &test.dns);
	if (code == OPERATION_OK) {
		test.keys = json_array();
		code = test_keys(call, &test, lives);
		if (code == OPERATION_OK)
			show(call, &test, lives->row->name);
		json_decref(test.keys);
		dnsclient_close(&test.dns);
	}
	lives_free(lives);
	return code;
}
