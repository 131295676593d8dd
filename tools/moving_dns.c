/*
 * moving_dns.c - is what the keys of a site are published as theirs?
 * Called by import. It must never take silence for an answer: a key whose record could not be
 * asked for is not one that has none.
 */
#include "config.h"

#include <stdio.h>

#include "lib/base/mem.h"
#include "tools/keycheck.h"
#include "tools/moving.h"

#define OPEN_MAX_QUESTIONS 100U

struct asking {
	struct moving_site *site;
	struct dnsclient *dns;
	size_t open;
};

struct job {
	struct asking *asking;
	struct moving_key *row;
	struct key *key;
	struct dns_query *query;
};

static void
judge(struct moving_site *site, struct moving_key *row, const struct dns_answer *answer,
    struct key *key)
{
	struct keycheck check;

	keycheck_judge(answer, row->name, key, &check);
	if (check.verdict == KEYCHECK_OK) {
		row->dns = MOVING_RIGHT;
		row->same_domain = check.same_domain;
		return;
	}
	row->dns = check.verdict == KEYCHECK_DNS ? MOVING_SILENT : MOVING_WRONG;
	moving_find(site, SEVERITY_WARNING,
	    row->dns == MOVING_SILENT     ? "dns-silent"
	    : answer->status == ST_ABSENT ? "dns-missing"
					  : "dns-differs",
	    row->name, row->where, row->line, "%s%s", check.text,
	    row->dns == MOVING_WRONG ? "; it comes as a key that does not sign yet" : "");
}

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct job *job = owner;

	judge(job->asking->site, job->row, answer, job->key);
	job->asking->open--;
	key_free(job->key);
	mem_free(job);
}

static void
ask(struct asking *asking, struct moving_key *row)
{
	struct job *job = mem_zalloc(1, sizeof(*job));
	struct err err = ERR_NONE;

	*job = (struct job){.asking = asking, .row = row};
	if (key_parse(span_str(row->pem), &job->key, &err) != ST_OK) {
		mem_free(job);
		return;
	}
	asking->open++;
	resolver_txt(
	    asking->dns->resolver, row->name, asking->dns->timeout_ms, on_answer, job, &job->query);
}

static void
wait_until(struct asking *asking, size_t most)
{
	while (asking->open > most)
		loop_step(&asking->dns->loop);
}

/* Verifiers refuse what signs with such an i=, whoever signs. */
static void
check_identity(struct moving_site *site, const struct moving_sender *row)
{
	const struct moving_key *key = &site->keys[row->key];
	size_t at = span_rfind(row->identity, '@');

	if (row->left_out || at == SIZE_MAX || !key->same_domain ||
	    span_ieq(span_from(row->identity, at + 1), key->domain))
		return;
	moving_find(site, SEVERITY_WARNING, "identity-below", row->written, row->where, row->line,
	    "its i= %.*s is below %.*s, whose record says t=s: verifiers refuse its signatures, "
	    "as they did before",
	    SPAN_ARG(row->identity), SPAN_ARG(key->domain));
}

void
moving_ask_dns(struct moving_site *site, struct dnsclient *dns)
{
	struct asking asking = {.site = site, .dns = dns};

	for (size_t i = 0; i < site->key_count; i++) {
		struct moving_key *row = &site->keys[i];

		if (row->left_out || row->pem == NULL)
			continue;
		wait_until(&asking, OPEN_MAX_QUESTIONS - 1);
		ask(&asking, row);
	}
	wait_until(&asking, 0);
	for (size_t i = 0; i < site->sender_count; i++)
		check_identity(site, &site->senders[i]);
}
