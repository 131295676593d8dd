/*
 * publish_talk.c - sends signed messages to DNS servers and takes only answers that are signed.
 * Called by publish_rfc2136.c. It must never hold an answer for one that it cannot check; that one
 * was lost then, and the next try finds out what became of the update.
 */
#include <stdio.h>

#include "admin-api/publish_talk.h"
#include "lib/base/clock.h"
#include "lib/crypto/digest.h"

#define OPCODE_UPDATE 5

/* A message on its way. */
struct letter {
	uint16_t id;
	bool answered;
	struct tsig_mac mac;
	struct buf message, answer;
};

static void
letter_init(struct letter *letter, uint16_t id)
{
	letter->id = id;
	letter->answered = false;
	letter->mac.n = 0;
	buf_init(&letter->message, WIRE_MESSAGE_MAX);
	buf_init(&letter->answer, WIRE_MESSAGE_MAX);
}

static void
letter_free(struct letter *letter)
{
	buf_free(&letter->message);
	buf_free(&letter->answer);
}

static uint16_t
random_id(void)
{
	uint16_t id;

	random_bytes(&id, sizeof(id));
	return id;
}

/* ---- the way there and back ---- */

static struct letter *
letter_of(struct letter *letters, size_t count, const struct buf *message)
{
	struct wire_head head;

	if (!wire_head_read(buf_span(message), &head) || !head.answer)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (letters[i].id == head.id && !letters[i].answered)
			return &letters[i];
	return NULL;
}

/* Sends what has no answer yet and reads answers, in whatever order they come. */
static bool
exchange(struct talk *talk, struct letter *letters, size_t count, struct err *err)
{
	struct buf message;
	size_t open = 0;
	bool good = link_connect(talk->link, err);

	for (size_t i = 0; good && i < count; i++) {
		if (letters[i].answered)
			continue;
		good = link_send(talk->link, buf_span(&letters[i].message), err);
		open++;
	}
	buf_init(&message, WIRE_MESSAGE_MAX);
	while (good && open > 0) {
		struct letter *letter;

		good = link_receive(talk->link, &message, err);
		letter = good ? letter_of(letters, count, &message) : NULL;
		if (good && letter == NULL) {
			err_set(err, "%s: answers what was not asked",
			    talk->link->servers[talk->link->at].host);
			link_close(talk->link);
			good = false;
		}
		if (letter == NULL)
			continue;
		buf_add(&letter->answer, buf_span(&message));
		letter->answered = true;
		open--;
	}
	buf_free(&message);
	return good;
}

/* One server after the other, each once. The one that answered is asked first next time. A server
 * may have closed a connection that was used before: then it is asked again on a new one, which is
 * safe, since nothing that is sent does anything a second time. */
static bool
exchange_somewhere(struct talk *talk, struct letter *letters, size_t count, struct err *err)
{
	struct link *link = talk->link;

	for (size_t tried = 0; tried < link->count; tried++) {
		bool used = link->fd >= 0;

		link->cut = false;
		if (exchange(talk, letters, count, err) ||
		    (used && link->cut && exchange(talk, letters, count, err)))
			return true;
		link->at = (link->at + 1) % link->count;
	}
	return false;
}

/* ---- what an answer is worth ---- */

static void
set_reply(struct talk_reply *reply, enum life_effect effect, const char *server, const char *what)
{
	reply->effect = effect;
	err_set(&reply->err, "%s: %s", server, what);
}

/* Nobody signed it: what is good news may come from anybody, and who says no may be believed, since
 * only an operator can mend it. */
static void
judge_unsigned(struct talk_reply *reply, const char *server)
{
	if (reply->rcode != WIRE_REFUSED && reply->rcode != WIRE_NOTAUTH) {
		set_reply(reply, LIFE_UNAVAILABLE, server,
		    "its answer is not signed, which ours are; it may come from anybody");
		return;
	}
	reply->effect = LIFE_REFUSED;
	reply->of_key = true;
	err_set(&reply->err, "%s: %s, in an answer that is not signed", server,
	    wire_rcode_text(reply->rcode));
}

static void
judge_signature(struct talk *talk, const struct letter *letter, struct talk_reply *reply)
{
	const char *server = talk->link->servers[talk->link->at].host;
	uint16_t error;

	switch (
	    tsig_check(talk->key, clock_utc_s(), buf_span(&letter->answer), &letter->mac, &error)) {
	case TSIG_GOOD:
		if (error == 0)
			return;
		/* fall through */
	case TSIG_ERROR:
		reply->of_key = true;
		set_reply(reply, LIFE_REFUSED, server, tsig_error_text(error));
		return;
	case TSIG_UNSIGNED:
		judge_unsigned(reply, server);
		return;
	case TSIG_BAD:
		set_reply(reply, LIFE_UNAVAILABLE, server,
		    "the signature of its answer does not fit; it was not believed");
	}
}

static void
judge(struct talk *talk, const struct letter *letter, unsigned int opcode, struct talk_reply *reply)
{
	const char *server = talk->link->servers[talk->link->at].host;
	struct wire_head head;

	*reply = (struct talk_reply){.effect = LIFE_DONE};
	if (!wire_head_read(buf_span(&letter->answer), &head) || head.opcode != opcode) {
		set_reply(reply, LIFE_UNAVAILABLE, server, "its answer is not one to the question");
		return;
	}
	reply->rcode = head.rcode;
	if (talk->key != NULL)
		judge_signature(talk, letter, reply);
}

/* ---- updates ---- */

void
talk_update(
    struct talk *talk, const struct wire_update *update, struct span zone, struct talk_reply *out)
{
	struct letter letter;
	enum status status;

	*out = (struct talk_reply){.effect = LIFE_UNAVAILABLE};
	letter_init(&letter, random_id());
	status = wire_update_write(update, letter.id, zone, &letter.message);
	if (status == ST_OK && talk->key != NULL)
		status = tsig_sign(talk->key, clock_utc_s(), &letter.message, &letter.mac);
	talk->updates++;
	if (status != ST_OK)
		err_set(&out->err, "the update cannot be written: %s", status_name(status));
	else if (exchange_somewhere(talk, &letter, 1, &out->err))
		judge(talk, &letter, OPCODE_UPDATE, out);
	letter_free(&letter);
}

/* ---- questions ---- */

static void
read_look(struct talk *talk, const struct letter *letter, struct span name, struct talk_look *look)
{
	const char *server = talk->link->servers[talk->link->at].host;
	struct talk_reply *reply = &look->reply;
	struct wire_head head;

	judge(talk, letter, 0, reply);
	if (reply->effect != LIFE_DONE || !wire_head_read(buf_span(&letter->answer), &head))
		return;
	if (head.rcode != WIRE_NOERROR && head.rcode != WIRE_NXDOMAIN) {
		reply->effect = head.rcode == WIRE_REFUSED || head.rcode == WIRE_NOTAUTH
				    ? LIFE_REFUSED
				    : LIFE_UNAVAILABLE;
		err_set(&reply->err, "%s: asked what is at %.*s it says %s", server, SPAN_ARG(name),
		    wire_rcode_text(head.rcode));
	} else if (!head.authoritative || head.cut) {
		set_reply(reply, LIFE_UNAVAILABLE, server,
		    "it does not answer for the zone with authority");
	} else if (wire_answer_there(buf_span(&letter->answer), name, &talk->arena, &look->there,
		       &look->rdata, &reply->err) != ST_OK) {
		reply->effect = LIFE_UNAVAILABLE;
	}
}

static void
look_at_some(struct talk *talk, const struct span *names, size_t count, struct talk_look *out)
{
	struct letter letters[TALK_WINDOW];
	struct err err = ERR_NONE;
	uint16_t id = random_id();
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		letter_init(&letters[i], (uint16_t)(id + i));
		wire_question_write(letters[i].id, names[i], &letters[i].message);
		if (good && talk->key != NULL &&
		    tsig_sign(talk->key, clock_utc_s(), &letters[i].message, &letters[i].mac) !=
			ST_OK) {
			err_set(&err, "the question cannot be signed");
			good = false;
		}
	}
	good = good && exchange_somewhere(talk, letters, count, &err);
	for (size_t i = 0; i < count; i++) {
		if (good)
			read_look(talk, &letters[i], names[i], &out[i]);
		else
			out[i].reply = (struct talk_reply){LIFE_UNAVAILABLE, 0, false, err};
		letter_free(&letters[i]);
	}
}

void
talk_look(struct talk *talk, const struct span *names, size_t count, struct talk_look *out)
{
	bool lost = false;

	for (size_t i = 0; i < count; i++)
		out[i] = (struct talk_look){.reply = {.effect = LIFE_UNAVAILABLE}};
	for (size_t at = 0; at < count && !lost; at += TALK_WINDOW) {
		size_t n = count - at < TALK_WINDOW ? count - at : TALK_WINDOW;

		look_at_some(talk, names + at, n, out + at);
		/* Nobody answers: the rest need not wait for it again. */
		lost = talk->link->fd < 0;
		for (size_t i = at + n; lost && i < count; i++)
			out[i].reply = out[at].reply;
	}
}
