/*
 * fuzz_session.c - octets of an MTA through the decoder into a session, with a keeper that answers
 * pseudo-randomly, is full, dies, or talks nonsense. Every step is answered exactly once or the
 * connection ends; fields change only at the end of a message; nothing grows past its limit.
 *
 * Octet 0: which configuration, bit 7: packets are made of (letter, length, data) instead
 * of raw octets. Octet 1: the keeper's random seed. The rest is the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/session.h"
#include "lib/base/log.h"
#include "tests/lib/mta.h"

#define PACKET_MAX 70000U
#define INPUT_MAX (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const confs[] = {
    "Mode s\n",
    "PeerList 192.0.2.9\nDontSignMailTo a@b\nMacroList x=1,auth_authen\n"
    "RemoveOldSignatures yes\nSoftwareHeader yes\nRequiredHeaders yes\nOn-Security reject\n",
    "MilterPipelining no\nCanonicalization relaxed/relaxed\nMaximumHeaders 300\n"
    "OverSignHeaders From,To\nFixCRLF yes\nMaximumSignedBytes 20\n",
    "Mode v\nPeerList 192.0.2.9\nSenderHeaders Sender,From\n",
    "Mode sv\nAlwaysAddARHeader yes\nMustBeSigned Subject\nAuthservID mx.example.net\n"
    "On-BadSignature quarantine\nRemoveARFrom a.example\nMinimum 50%\n",
    "Mode v\nMaximumSignaturesToVerify 2\nTrustSignaturesFrom x\nRequiredHeaders yes\n"
    "On-DNSError reject\nOn-KeyNotFound discard\nSoftwareHeader yes\n",
};
/* s._domainkey.a and .b: some keys; c: an error; d: a key that is late. */
static const char zone[] = "s._domainkey.a.example v=DKIM1; k=ed25519; "
			   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
			   "s._domainkey.b.example v=DKIM1; p=\ns._domainkey.c.example !SERVFAIL\n"
			   "s._domainkey.d.example !DELAY 0 k=ed25519; "
			   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n";
#define CONFS (sizeof(confs) / sizeof(confs[0]))

/* The fake keeper behind a host. */
struct world {
	struct session_host host; /* first */
	struct session session;
	uint32_t random;
	struct loop loop;
	bool asked; /* a request is under way */
	struct request request;
};

static void
check(bool right)
{
	if (!right)
		abort();
}

static uint32_t
random_below(struct world *world, uint32_t below)
{
	world->random = world->random * 1664525U + 1013904223U;
	return (world->random >> 16) % below;
}

static enum status
keeper_takes(struct session_host *host)
{
	struct world *world = (struct world *)(void *)host;
	uint32_t mood = random_below(world, 40);

	check(!world->asked);
	check(request_decode(buf_span(&host->frame), &world->request) == ST_OK);
	check(world->request.id == world->session.question_id);
	if (mood < 8)
		return ST_UNAVAILABLE;
	if (mood == 8)
		return ST_FAILED;
	world->asked = true;
	return ST_OK;
}

static void
keeper_answers(struct world *world)
{
	static const enum verdict verdicts[] = {VERDICT_SIGN, VERDICT_SIGN, VERDICT_SIGN,
	    VERDICT_PASS, VERDICT_PEER, VERDICT_TEMPFAIL, VERDICT_REJECT, VERDICT_DISCARD,
	    VERDICT_QUARANTINE, VERDICT_VERIFY, VERDICT_VERIFY, VERDICT_VERIFY};
	static const char *const texts[] = {"", "", "100% busy", "bad\ntext"};
	struct reply reply = {.verdict = verdicts[random_below(world, 12)],
	    .trusted = random_below(world, 8),
	    .id = world->request.id,
	    .text = span_str(texts[random_below(world, 4)])};

	if (reply.verdict == VERDICT_SIGN && world->request.type == REQUEST_SIGN)
		reply.field_count = 1 + random_below(world, 3);
	for (size_t i = 0; i < reply.field_count; i++)
		reply.fields[i] = (struct reply_field){.name = SPAN_LIT("DKIM-Signature"),
		    .value =
			random_below(world, 30) == 0 ? SPAN_LIT(" a\nb") : SPAN_LIT(" v=1;\n\tb=")};
	session_answer(&world->session, &reply);
}

/* Until no question is open. */
static void
keeper_turn(struct world *world)
{
	struct session *session = &world->session;

	while (session->question != QUESTION_NONE) {
		check(session->state != SESSION_DONE);
		if (session->question == QUESTION_KEYS) {
			loop_step(&world->loop);
			continue;
		}
		check(world->asked == session->question_sent);
		if (random_below(world, 16) == 0) {
			session_keeper_lost(session, "fuzz");
			check(session->question == QUESTION_NONE);
		} else if (!session->question_sent) {
			check(session_ask(session) || session->question != QUESTION_NONE);
			continue;
		} else {
			keeper_answers(world);
		}
		world->asked = false;
	}
	world->asked = false;
}

/* Replies that the MTA waits for. */
static unsigned int
replies_due(const struct session *session, const struct milter_event *event)
{
	static const uint32_t no_reply[] = {[MILTER_CONNECT] = SMFIP_NR_CONN,
	    [MILTER_HELO] = SMFIP_NR_HELO,
	    [MILTER_MAIL] = SMFIP_NR_MAIL,
	    [MILTER_RCPT] = SMFIP_NR_RCPT,
	    [MILTER_DATA] = SMFIP_NR_DATA,
	    [MILTER_HEADER] = SMFIP_NR_HDR,
	    [MILTER_EOH] = SMFIP_NR_EOH,
	    [MILTER_BODY] = SMFIP_NR_BODY,
	    [MILTER_UNKNOWN] = SMFIP_NR_UNKN};

	switch (event->type) {
	case MILTER_MACRO:
	case MILTER_ABORT:
	case MILTER_QUIT:
	case MILTER_QUIT_NC:
		return 0;
	case MILTER_OPTNEG:
	case MILTER_EOM:
		return 1;
	case MILTER_BODY:
		if (event->u.body.more)
			return 0;
		break;
	default:
		break;
	}
	return (session->protocol & no_reply[event->type]) == 0;
}

static void
check_replies(struct world *world, const struct milter_event *event)
{
	struct session *session = &world->session;
	struct span out = buf_span(&session->out);
	struct mta_reply reply;
	unsigned int finals = 0;

	check(session->out.n <= SESSION_OUT_MAX);
	while (mta_reply_next(&out, &reply, NULL) == ST_OK) {
		if (reply.code == SMFIC_OPTNEG || mta_reply_is_final(reply.code))
			finals++;
		else
			check(event->type == MILTER_EOM && finals == 0);
	}
	check(out.n == 0);
	if (session->state == SESSION_DONE)
		check(finals <= 1);
	else
		check(finals == replies_due(session, event));
	buf_reset(&session->out);
}

static void
check_limits(const struct session *session)
{
	const struct session_message *message = &session->message;

	check(message->arena.used <= message->arena.max);
	check(message->recipients.n <= FRAME_RECIPIENTS_MAX);
	check(message->macros.n <= FRAME_MACROS_MAX);
	check(message->hashing == (message->digest != NULL));
	check(session->state != SESSION_CONNECTED || !message->headers_ready);
}

static void
connection(struct world *world, struct span input)
{
	struct milter_decoder decoder;
	struct milter_event event;

	milter_decoder_init(&decoder, PACKET_MAX);
	while (milter_decoder_next(&decoder, &input, &event, NULL) == ST_OK &&
	       world->session.state != SESSION_DONE) {
		session_event(&world->session, &event);
		keeper_turn(world);
		check_replies(world, &event);
		check_limits(&world->session);
	}
	milter_decoder_free(&decoder);
}

/* Letter, length, data: mutations keep whole packets. A length of 255 stands for a long body. */
static void
packets(struct span from, struct buf *out)
{
	static const char filler[40000];

	while (from.n >= 2) {
		char letter = from.p[0];
		uint8_t n = (uint8_t)from.p[1];
		struct span data = span_sub(from, 2, n);

		if (n == 255 && (letter == SMFIC_BODY || letter == SMFIC_BODYEOB))
			data = span_of(filler, sizeof(filler));
		mta_put(out, (enum milter_command)letter, data);
		from = span_from(from, 2 + (n < from.n - 2 ? n : from.n - 2));
	}
}

static const struct settings *
settings_for(unsigned int which)
{
	static struct settings *made[CONFS];
	struct conf *conf;

	if (made[which] != NULL)
		return made[which];
	log_threshold((enum log_level)0);
	conf = conf_new();
	check(conf_parse_text(conf, "fuzz", span_str(confs[which]), NULL) == ST_OK);
	check(settings_new(conf, &made[which], NULL) == ST_OK);
	conf_free(conf);
	return made[which];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.asked = false};
	struct buf input;

	if (size < 2)
		return 0;
	world.host.settings = settings_for(data[0] % CONFS);
	world.host.send = keeper_takes;
	world.host.resume = session_keys_ready;
	world.host.now_utc = 1790000000;
	check(loop_open(&world.loop, NULL) == ST_OK);
	check(resolver_fake(&world.loop, span_str(zone), &world.host.resolver, NULL) == ST_OK);
	world.random = data[1];
	buf_init(&world.host.frame, FRAME_MAX);
	buf_init(&world.host.scratch, FRAME_CANONICAL_MAX);
	session_init(&world.session, &world.host);
	buf_init(&input, INPUT_MAX);
	if ((data[0] & 0x80) != 0)
		packets(span_of(data + 2, size - 2), &input);
	else
		buf_add(&input, span_of(data + 2, size - 2));
	connection(&world, buf_span(&input));
	buf_free(&input);
	session_free(&world.session);
	check(resolver_open_count(world.host.resolver) == 0);
	resolver_free(world.host.resolver);
	loop_close(&world.loop);
	for (unsigned int i = 0; i < world.host.spare_count; i++)
		digest_free(world.host.spare[i]);
	buf_free(&world.host.frame);
	buf_free(&world.host.scratch);
	return 0;
}
