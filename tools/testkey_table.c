/*
 * testkey_table.c - all keys of a KeyTable, many questions to DNS at a time.
 * Called by testkey.c. It must never hold more than TESTKEY_OPEN_MAX keys, nor count a key as
 * checked before its answer is there.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/cli.h"
#include "tools/keywalk.h"
#include "tools/testkey.h"

#define NAME_BYTES_MAX 600

struct round;

/* A key whose record was asked for. */
struct job {
	struct round *round;
	struct dns_query *query;
	struct key *key;
	char *keyname; /* owned */
	char name[NAME_BYTES_MAX];
};

struct round {
	const struct testkey *request;
	struct dnsclient *dns;
	size_t open; /* jobs */
	size_t checked, passed, failed, dns_failed;
	bool unknown; /* a key could not be checked for want of the SigningTable */
	char last_warning[ERR_TEXT_MAX]; /* keys of one folder have one fault: said once */
};

static void
count(struct round *round, struct span keyname, struct span name, const struct keycheck *check)
{
	const struct testkey *request = round->request;
	const char *security = testkey_security(check->security);

	round->checked++;
	if (check->verdict == KEYCHECK_OK)
		round->passed++;
	else
		round->failed++;
	round->dns_failed += check->verdict == KEYCHECK_DNS;
	if (request->json)
		testkey_print_json(keyname, name, check);
	if (check->verdict != KEYCHECK_OK)
		cli_say(request->program, "key %.*s: %s", SPAN_ARG(keyname), check->text);
	else if (check->weak[0] != '\0')
		cli_say(request->program, "key %.*s: warning: %s", SPAN_ARG(keyname), check->weak);
	if (check->verdict == KEYCHECK_OK && request->verbose > 2 && !request->json)
		cli_tell(request->program, "key %.*s: OK", SPAN_ARG(keyname));
	if (security != NULL && (request->verbose > 0 || check->security == DNS_BOGUS))
		cli_say(request->program, "key %.*s %s", SPAN_ARG(keyname), security);
}

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct job *job = owner;
	struct round *round = job->round;
	struct span name = span_str(job->name);
	struct keycheck check;

	keycheck_judge(answer, name, job->key, &check);
	count(round, span_str(job->keyname), name, &check);
	round->open--;
	key_free(job->key);
	mem_free(job->keyname);
	mem_free(job);
}

static void
wait_until(struct round *round, size_t most)
{
	while (round->open > most)
		loop_step(&round->dns->loop);
}

static void
ask(struct round *round, struct keywalk_key *key)
{
	struct job *job = mem_zalloc(1, sizeof(*job));

	job->round = round;
	job->key = key->key;
	key->key = NULL;
	job->keyname = span_dup(key->name);
	snprintf(job->name, sizeof(job->name), "%.*s._domainkey.%.*s", SPAN_ARG(key->selector),
	    SPAN_ARG(key->domain));
	if (round->request->verbose > 1)
		cli_say(round->request->program, "checking key '%s'", job->keyname);
	round->open++;
	resolver_txt(round->dns->resolver, span_str(job->name), round->dns->timeout_ms, on_answer,
	    job, &job->query);
}

static void
count_bad_key(struct round *round, const struct keywalk_key *key)
{
	struct keycheck check = {.verdict = KEYCHECK_KEY};

	snprintf(check.text, sizeof(check.text), "%s", key->why);
	count(round, key->name, SPAN_EMPTY, &check);
}

static bool
visit(void *context, struct keywalk_key *key)
{
	struct round *round = context;

	if (round->request->verbose > 1)
		cli_say(round->request->program, "record for '%.*s' retrieved (%s line %u)",
		    SPAN_ARG(key->name), key->where, key->line);
	if (key->open) {
		cli_say(round->request->program,
		    "key %.*s: not checked: %s; test it with -d, -s and -k", SPAN_ARG(key->name),
		    key->why);
		round->unknown = round->unknown || key->unknown;
		return true;
	}
	if (key->warning[0] != '\0' && strcmp(key->warning, round->last_warning) != 0) {
		snprintf(round->last_warning, sizeof(round->last_warning), "%s", key->warning);
		cli_say(round->request->program, "WARNING: %s", key->warning);
	}
	if (key->key == NULL) {
		count_bad_key(round, key);
		return true;
	}
	wait_until(round, TESTKEY_OPEN_MAX - 1);
	ask(round, key);
	return true;
}

int
testkey_table(const struct testkey *request, const struct conf *conf, struct dnsclient *dns)
{
	const struct keywalk_options options = {.conf = conf};
	struct round round = {.request = request, .dns = dns};
	struct err err = ERR_NONE;
	enum status status = keywalk_run(&options, visit, &round, &err);

	wait_until(&round, 0);
	if (status != ST_OK) {
		cli_say(request->program, "%s", err.text);
		return EX_CONFIG;
	}
	if (request->verbose > 0)
		fprintf(request->json ? stderr : stdout,
		    "%s: %zu key%s checked; %zu pass, %zu fail\n", request->program, round.checked,
		    round.checked == 1 ? "" : "s", round.passed, round.failed);
	if (round.failed == 0)
		return round.unknown ? EX_UNAVAILABLE : EX_OK;
	return round.failed == round.dns_failed ? EX_UNAVAILABLE : EX_DATAERR;
}
