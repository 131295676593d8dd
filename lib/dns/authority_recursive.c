/*
 * authority_recursive.c - what the configured recursive resolvers say about a record, each one for
 * itself. The reconciler calls it when all authoritative servers are right and the negative caches
 * have run out: this is the only place that asks a resolver for the name.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/loop.h"
#include "lib/base/mem.h"
#include "lib/dns/answer.h"
#include "lib/dns/authority_private.h"

#define FLAGS_AT 2U
#define FLAG_VALIDATED 0x0020U

/* Of a call. */
struct views {
	struct authority *authority;
	struct authority_view *out;
	struct span value;
	unsigned validated;
};

static void
note(struct views *views, const char *resolver, const char *words)
{
	if (views->out->why[0] == '\0')
		authority_say(views->out->why, "the recursive resolver %s: %s", resolver, words);
}

static void
take_right(struct views *views, struct span text, bool validated)
{
	struct authority_view *out = views->out;

	out->right++;
	views->validated += validated;
	if (text.n < sizeof(out->text)) {
		memcpy(out->text, text.p, text.n);
		out->text[text.n] = '\0';
		out->text_bytes = text.n;
	}
}

static void
take(struct views *views, const char *resolver, const struct dns_answer *answer, bool validated)
{
	char words[AUTHORITY_WHY_BYTES];

	if (answer->status != ST_OK) {
		views->out->wrong += answer->status == ST_ABSENT;
		note(views, resolver, answer->why);
	} else if (answer->count > 1) {
		views->out->wrong++;
		note(views, resolver, "there are several TXT records, and there must be one");
	} else if (span_eq(answer->texts[0].joined, views->value)) {
		take_right(views, answer->texts[0].joined, validated);
	} else {
		views->out->wrong++;
		authority_explain(views->value, answer->texts[0].joined, words);
		note(views, resolver, words);
	}
}

/* ---- the AD bit is believed ---- */

static void
on_answer(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *unused)
{
	struct views *views = exchange->owner;
	struct dns_room room = {.bytes = 0};
	struct dns_answer answer;
	bool validated;

	(void)call;
	if (unused == NULL) {
		note(views, exchange->server->text, authority_outcome_words(exchange->outcome));
		return;
	}
	validated = unused->validated;
	dns_answer_read(exchange->message, DNS_UNKNOWN, &room, &answer);
	take(views, exchange->server->text, &answer, validated);
	dns_room_free(&room);
}

static void
ask_resolvers(struct views *views, const char *name)
{
	struct authority *authority = views->authority;
	struct authority_exchange *exchanges[AUTHORITY_RESOLVERS_MAX];
	struct authority_call call = {.authority = authority};

	call.answer = mem_zalloc(1, sizeof(*call.answer));
	for (unsigned i = 0; i < authority->resolver_count; i++) {
		authority->resolvers[i]->silent = 0;
		authority->resolvers[i]->no_route = false;
		authority_call_ask(&call, authority->resolvers[i], name, TYPE_TXT, AUTHORITY_TRIES,
		    on_answer, views, i);
		exchanges[i] = call.waiting.items[i];
		exchanges[i]->recursive = true;
	}
	authority_exchange_run(&call, exchanges, authority->resolver_count, authority->timeout_ms);
	for (size_t i = 0; i < call.waiting.count; i++)
		mem_free(call.waiting.items[i]);
	mem_free(call.waiting.items);
	mem_free(call.answer);
}

/* ---- with trust anchors: validated here, through each resolver ---- */

static void
ask_validating(struct views *views, unsigned which, struct span name)
{
	struct authority *authority = views->authority;
	struct resolver_config config = {.nameservers = authority->resolver_texts[which],
	    .trust_anchors = authority->trust_anchors};
	const char *shown = authority->resolvers[which]->text;
	struct resolver *resolver = NULL;
	struct err err = ERR_NONE;
	struct dns_answer answer;
	struct loop loop;

	if (loop_open(&loop, &err) != ST_OK) {
		note(views, shown, err.text);
		return;
	}
	if (resolver_unbound(&loop, &config, &resolver, &err) != ST_OK) {
		note(views, shown, err.text);
	} else {
		answer = resolver_txt_wait(
		    resolver, &loop, name, (int64_t)AUTHORITY_TRIES * authority->timeout_ms);
		take(views, shown, &answer, answer.security == DNS_SECURE);
	}
	resolver_free(resolver);
	loop_close(&loop);
}

void
authority_recursive(
    struct authority *authority, struct span name, struct span value, struct authority_view *out)
{
	struct views views = {.authority = authority, .out = out, .value = value};
	char plain[AUTHORITY_NAME_BYTES];

	memset(out, 0, sizeof(*out));
	out->resolvers = authority->resolver_count;
	if (!authority_name_take(name, plain)) {
		authority_say(out->why, "this is no name that can be asked for");
		return;
	}
	if (authority->trust_anchors == NULL)
		ask_resolvers(&views, plain);
	else
		for (unsigned i = 0; i < authority->resolver_count; i++)
			ask_validating(&views, i, span_str(plain));
	out->validated = out->right > 0 && views.validated == out->right;
}
