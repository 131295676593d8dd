/*
 * session_world.h - a session and the other ends of it for test_session.c: events go in one by one,
 * a keeper that is the test itself answers, replies come out as letters.
 */
#ifndef SIGNPOST_TESTS_UNIT_SESSION_WORLD_H
#define SIGNPOST_TESTS_UNIT_SESSION_WORLD_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/session.h"
#include "lib/base/mem.h"
#include "tests/lib/mta.h"
#include "tests/lib/scratch.h"

#define NR_NONE (SMFIP_V6 & ~SMFIP_NR_ALL)
#define FROM " Joe <joe@Example.COM>"

/* A session and the other ends of it. */
struct world {
	struct session_host host; /* first */
	struct session session;
	struct settings *settings;
	struct scratch scratch;
	enum status send_answer;
	unsigned int sent;      /* requests that the keeper was offered */
	struct buf frame;       /* the last of them */
	struct request request; /* decoded; points into frame */
	struct buf out;         /* the packets of the last replies() */
	char codes[256];
};

static __attribute__((unused)) enum status
keeper_takes(struct session_host *host)
{
	struct world *w = (struct world *)(void *)host;

	w->sent++;
	buf_reset(&w->frame);
	buf_add(&w->frame, buf_span(&host->frame));
	assert_int_equal(request_decode(buf_span(&w->frame), &w->request), ST_OK);
	return w->send_answer;
}

static __attribute__((unused)) void
begin(struct world *w, const char *text)
{
	struct conf *conf = conf_new();
	struct err err = ERR_NONE;

	memset(w, 0, sizeof(*w));
	scratch_begin(&w->scratch);
	scratch_log_begin(&w->scratch);
	assert_int_equal(conf_parse_text(conf, "test", span_str(text), NULL), ST_OK);
	assert_int_equal(settings_new(conf, &w->settings, &err), ST_OK);
	conf_free(conf);
	w->host.settings = w->settings;
	w->host.send = keeper_takes;
	w->host.frontend = 3;
	buf_init(&w->host.frame, FRAME_MAX);
	buf_init(&w->host.scratch, FRAME_CANONICAL_MAX);
	buf_init(&w->frame, FRAME_MAX);
	buf_init(&w->out, SESSION_OUT_MAX);
	session_init(&w->session, &w->host);
}

static __attribute__((unused)) void
end(struct world *w)
{
	session_free(&w->session);
	while (w->host.spare_count > 0)
		digest_free(w->host.spare[--w->host.spare_count]);
	buf_free(&w->host.frame);
	buf_free(&w->host.scratch);
	buf_free(&w->frame);
	buf_free(&w->out);
	settings_free(w->settings);
	scratch_end(&w->scratch);
}

/* The letters of the replies since the last call. */
static const char *
replies(struct world *w)
{
	struct mta_reply reply;
	struct span rest;
	size_t n = 0;

	buf_reset(&w->out);
	buf_add(&w->out, buf_span(&w->session.out));
	buf_reset(&w->session.out);
	rest = buf_span(&w->out);
	while (n + 1 < sizeof(w->codes) && mta_reply_next(&rest, &reply, NULL) == ST_OK)
		w->codes[n++] = reply.code;
	assert_int_equal(rest.n, 0);
	w->codes[n] = '\0';
	return w->codes;
}

/* The i-th packet of the last replies(). */
static __attribute__((unused)) struct mta_reply
reply_at(struct world *w, size_t i)
{
	struct span rest = buf_span(&w->out);
	struct mta_reply reply = {.code = 0};

	for (size_t at = 0; at <= i; at++)
		assert_int_equal(mta_reply_next(&rest, &reply, NULL), ST_OK);
	return reply;
}

static __attribute__((unused)) void
assert_text(struct span s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	if (s.n > 0)
		assert_memory_equal(s.p, text, s.n);
}

static __attribute__((unused)) void
give(struct world *w, const struct milter_event *event)
{
	assert_int_equal(w->session.question, QUESTION_NONE);
	session_event(&w->session, event);
}

static __attribute__((unused)) void
step(struct world *w, enum milter_event_type type)
{
	struct milter_event event = {.type = type};

	if (type == MILTER_OPTNEG)
		event.u.optneg = (struct milter_options){6, SMFIF_V6, SMFIP_V6};
	if (type == MILTER_CONNECT)
		event.u.connect.family = SMFIA_UNKNOWN;
	if (type == MILTER_HEADER) {
		event.u.header.name = SPAN_LIT("Subject");
		event.u.header.value = SPAN_LIT(" x");
	}
	give(w, &event);
}

static __attribute__((unused)) void
negotiate(struct world *w, uint32_t version, uint32_t protocol)
{
	give(w, &(struct milter_event){.type = MILTER_OPTNEG,
		    .u.optneg = {version, version < 6 ? SMFIF_V2 : SMFIF_V6, protocol}});
	assert_string_equal(replies(w), "O");
}

static __attribute__((unused)) void
connect_from(struct world *w, char family, const char *address)
{
	struct milter_event event = {.type = MILTER_CONNECT};

	event.u.connect.host = SPAN_LIT("mx.example.com");
	event.u.connect.family = family;
	event.u.connect.address = span_str(address);
	give(w, &event);
}

/* name, value, ..., NULL; at most six strings. */
static __attribute__((unused)) void
macros(struct world *w, char command, const char *const *strings)
{
	struct milter_event event = {.type = MILTER_MACRO};
	struct buf pairs;

	buf_init(&pairs, 65536);
	for (; *strings != NULL; strings++) {
		buf_add_str(&pairs, *strings);
		buf_add_char(&pairs, '\0');
	}
	event.u.macro.command = command;
	event.u.macro.pairs.rest = buf_span(&pairs);
	give(w, &event);
	buf_free(&pairs);
}
#define MACROS(w, command, ...) macros(w, command, (const char *const[]){__VA_ARGS__, NULL})

static __attribute__((unused)) void
rcpt(struct world *w, const char *address)
{
	struct milter_event event = {.type = MILTER_RCPT};

	event.u.rcpt.address = span_str(address);
	give(w, &event);
}

static __attribute__((unused)) void
header(struct world *w, const char *name, const char *value)
{
	struct milter_event event = {.type = MILTER_HEADER};

	event.u.header.name = span_str(name);
	event.u.header.value = span_str(value);
	give(w, &event);
}

static __attribute__((unused)) void
body(struct world *w, struct span data, bool more)
{
	struct milter_event event = {.type = MILTER_BODY};

	event.u.body.data = data;
	event.u.body.more = more;
	give(w, &event);
}

static __attribute__((unused)) void
eom(struct world *w, const char *data)
{
	struct milter_event event = {.type = MILTER_EOM};

	event.u.eom.data = span_str(data);
	give(w, &event);
}

static __attribute__((unused)) void
answer(struct world *w, enum verdict verdict, size_t fields)
{
	struct reply reply = {.verdict = verdict, .id = w->request.id, .field_count = fields};

	for (size_t i = 0; i < fields; i++)
		reply.fields[i] = (struct reply_field){.name = SPAN_LIT("DKIM-Signature"),
		    .value = i == 0 ? SPAN_LIT(" v=1;\n\tb=first") : SPAN_LIT(" v=1;\n\tb=second")};
	assert_int_not_equal(w->session.question, QUESTION_NONE);
	assert_true(w->session.question_sent);
	session_answer(&w->session, &reply);
}

static __attribute__((unused)) void
greet(struct world *w, const char *conf)
{
	begin(w, conf);
	negotiate(w, 6, SMFIP_V6);
	connect_from(w, SMFIA_INET, "192.0.2.9");
	assert_string_equal(replies(w), "");
}

/* Up to the end of the headers, all replies left out by NR_*. */
static __attribute__((unused)) void
headers_of(struct world *w)
{
	MACROS(w, SMFIC_MAIL, "i", "4Q1");
	step(w, MILTER_MAIL);
	header(w, "From", FROM);
	header(w, "X-Other", " no");
	header(w, "Subject", " a\n\tb ");
	step(w, MILTER_EOH);
}

static __attribute__((unused)) void
whole_message(struct world *w)
{
	headers_of(w);
	body(w, SPAN_LIT("Hello \r\n"), false);
	eom(w, "world\r\n\r\n");
	assert_int_equal(w->session.question, QUESTION_SIGN);
	assert_int_equal(w->request.type, REQUEST_SIGN);
}

static __attribute__((unused)) void
sha256(const char *text, uint8_t out[SHA256_BYTES])
{
	struct digest *digest = digest_new();

	digest_start(digest);
	digest_add(digest, span_str(text));
	digest_finish(digest, out);
	digest_free(digest);
}

static __attribute__((unused)) void
assert_sign(struct world *w, const char *names, const char *canonical, const char *canonical_body)
{
	uint8_t hash[SHA256_BYTES];

	sha256(canonical_body, hash);
	assert_text(w->request.header_names, names);
	assert_text(w->request.canonical, canonical);
	assert_memory_equal(w->request.body_hash, hash, SHA256_BYTES);
	assert_int_equal(w->request.body_length, -1);
}

#endif
