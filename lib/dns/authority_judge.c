/*
 * authority_judge.c - what all replies about one name mean together, and the sentence for the
 * operator. authority_name.c calls it when every server has been asked. Pure. It must never take
 * silence of one server for the agreement of the others.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

#define KINDS (REPLY_FAULT + 1)

/* ---- one reply ---- */

static const uint8_t digest_key[16] = "texts of a name";

/* Any order of the records has the same. */
static uint64_t
digest_of(const struct authority_answer *answer)
{
	uint64_t digest = answer->records;

	if (answer->aliased)
		return span_hash(span_str(answer->alias), digest_key);
	for (unsigned i = 0; i < answer->records && i < AUTHORITY_RECORDS_MAX; i++)
		digest += span_hash(answer->texts[i], digest_key);
	return digest;
}

static void
keep_texts(struct authority_reply *reply, const struct authority_answer *answer)
{
	size_t n = 0;

	for (unsigned i = 0; i < answer->records && i < AUTHORITY_TEXTS_MAX; i++)
		n += answer->texts[i].n;
	reply->texts = mem_alloc(n + 1);
	n = 0;
	for (unsigned i = 0; i < answer->records && i < AUTHORITY_TEXTS_MAX; i++) {
		struct span text = answer->texts[i];

		if (text.n > 0)
			memcpy(reply->texts + n, text.p, text.n);
		n += reply->text_bytes[reply->text_count++] = text.n;
	}
}

void
authority_reply_read(struct authority_reply *reply, const struct authority_answer *answer,
    struct span value, struct span other)
{
	reply->records = answer->records;
	reply->ttl_s = answer->ttl_s;
	reply->digest = digest_of(answer);
	if (answer->aliased) {
		reply->kind = REPLY_ALIAS;
		memcpy(reply->alias, answer->alias, sizeof(reply->alias));
	} else if (answer->records == 0) {
		reply->kind = REPLY_NONE;
		reply->nxdomain = answer->rcode == RCODE_NXDOMAIN;
	} else if (answer->records == 1 && value.n > 0 && span_eq(answer->texts[0], value)) {
		reply->kind = REPLY_VALUE;
	} else {
		bool known =
		    answer->records == 1 && other.n > 0 && span_eq(answer->texts[0], other);

		reply->kind = known ? REPLY_OTHER : REPLY_FOREIGN;
		keep_texts(reply, answer);
	}
}

void
authority_reply_free(struct authority_reply *reply)
{
	mem_free(reply->texts);
	reply->texts = NULL;
}

/* ---- texts that people read ---- */

static void
show_text(struct authority_question *question, struct span text)
{
	char shown[AUTHORITY_TEXT_BYTES];

	authority_printable(text, shown, sizeof(shown));
	for (unsigned i = 0; i < question->text_count; i++)
		if (strcmp(question->texts[i], shown) == 0)
			return;
	if (question->text_count < AUTHORITY_TEXTS_MAX)
		memcpy(question->texts[question->text_count++], shown, sizeof(shown));
}

static void
show_texts(struct authority_question *question, const struct authority_reply *reply)
{
	size_t at = 0;

	for (unsigned i = 0; i < reply->text_count; i++) {
		show_text(question, span_of(reply->texts + at, reply->text_bytes[i]));
		at += reply->text_bytes[i];
	}
}

/* ---- all replies ---- */

struct count {
	unsigned of[KINDS];
	const struct authority_reply *first[KINDS];
};

static void
count_replies(struct authority_question *question, const struct authority_reply *replies,
    size_t count, struct count *out)
{
	*out = (struct count){.of = {0}};
	for (size_t i = 0; i < count; i++) {
		enum authority_reply_kind kind = replies[i].kind;

		if (out->of[kind]++ == 0)
			out->first[kind] = &replies[i];
		question->servers += replies[i].server != NULL && kind != REPLY_NO_ROUTE;
		if (replies[i].ttl_s > question->ttl_s)
			question->ttl_s = replies[i].ttl_s;
		if (kind == REPLY_FOREIGN || kind == REPLY_WILDCARD || kind == REPLY_OTHER)
			show_texts(question, &replies[i]);
	}
	question->right = out->of[REPLY_VALUE];
}

static enum authority_seen
seen_of(const struct count *count)
{
	const unsigned *of = count->of;
	unsigned nothing = of[REPLY_NONE] + of[REPLY_WILDCARD];
	unsigned something = of[REPLY_VALUE] + of[REPLY_OTHER] + of[REPLY_ALIAS];

	if (of[REPLY_FOREIGN] > 0)
		return AUTHORITY_FOREIGN;
	if (of[REPLY_FAULT] + of[REPLY_NOTHING_YET] + of[REPLY_REFERRAL] > 0 ||
	    nothing + something == 0)
		return AUTHORITY_UNAVAILABLE;
	if (something == 0)
		return of[REPLY_WILDCARD] > 0 ? AUTHORITY_WILDCARD : AUTHORITY_ABSENT;
	if (nothing > 0 || of[REPLY_ALIAS] > 0)
		return AUTHORITY_MIXED;
	if (of[REPLY_OTHER] == 0)
		return AUTHORITY_RIGHT;
	return of[REPLY_VALUE] == 0 ? AUTHORITY_OTHER : AUTHORITY_MIXED;
}

/* ---- why ---- */

static void
add_server(struct buf *why, const struct authority_reply *reply)
{
	if (reply->server == NULL)
		buf_add_fmt(why, "%s", reply->host == NULL ? "a server" : reply->host);
	else
		buf_add_fmt(why, "%s (%s)", reply->server->name, reply->server->text);
}

static void
say_foreign(
    struct buf *why, const struct authority_question *question, const struct authority_reply *reply)
{
	char words[AUTHORITY_WHY_BYTES];

	add_server(why, reply);
	if (reply->records > 1) {
		buf_add_fmt(
		    why, ": there are %u TXT records, and there must be one", reply->records);
		return;
	}
	authority_explain(question->value, span_of(reply->texts, reply->text_bytes[0]), words);
	buf_add_fmt(why, ": %s", words);
}

static void
say_mixed(struct buf *why, const struct authority_question *question, const struct count *count)
{
	const struct authority_reply *late = count->first[REPLY_NONE];
	const char *words = "still has the other text";

	if (late != NULL) {
		words = late->nxdomain ? "answers NXDOMAIN" : "has no TXT record there";
	} else if (count->first[REPLY_WILDCARD] != NULL) {
		late = count->first[REPLY_WILDCARD];
		words = "has only what a wildcard makes";
	} else if (count->first[REPLY_ALIAS] != NULL) {
		late = count->first[REPLY_ALIAS];
		words = "has a CNAME that leads elsewhere";
	} else {
		late = count->first[REPLY_OTHER];
	}
	add_server(why, late);
	buf_add_fmt(
	    why, " %s, %u of %u servers have it", words, question->right, question->servers);
}

static void
say_wildcard(struct buf *why, const struct authority_reply *reply)
{
	char shown[80] = "";

	if (reply->text_count > 0)
		authority_printable(
		    span_of(reply->texts, reply->text_bytes[0]), shown, sizeof(shown));
	buf_add_str(why, "no server has it; what is seen there is made by a wildcard: ");
	if (reply->alias[0] != '\0')
		buf_add_fmt(why, "a CNAME to %s", reply->alias);
	else
		buf_add_fmt(why, "\"%s\"", shown);
}

static void
say_unavailable(
    struct buf *why, const struct authority_question *question, const struct authority_reply *reply)
{
	if (reply == NULL) {
		buf_add_str(why, "no server could be asked");
		return;
	}
	add_server(why, reply);
	buf_add_fmt(why, " %s; %u of %u servers have it", reply->fault == NULL ? "" : reply->fault,
	    question->right, question->servers);
}

static void
say(struct buf *why, const struct authority_question *question, const struct count *count)
{
	switch (question->seen) {
	case AUTHORITY_RIGHT:
		buf_add_fmt(why, "all %u servers have it", question->servers);
		break;
	case AUTHORITY_ABSENT:
		buf_add_fmt(why, "none of %u servers has it", question->servers);
		break;
	case AUTHORITY_OTHER:
		buf_add_fmt(why, "all %u servers have the other text", question->servers);
		break;
	case AUTHORITY_WILDCARD:
		say_wildcard(why, count->first[REPLY_WILDCARD]);
		break;
	case AUTHORITY_MIXED:
		say_mixed(why, question, count);
		break;
	case AUTHORITY_FOREIGN:
		say_foreign(why, question, count->first[REPLY_FOREIGN]);
		break;
	case AUTHORITY_UNAVAILABLE:
	default:
		say_unavailable(why, question, count->first[REPLY_FAULT]);
		break;
	}
	if (question->alias[0] != '\0')
		buf_add_fmt(why, " (its CNAME leads to %s)", question->alias);
}

void
authority_judge(
    struct authority_question *question, const struct authority_reply *replies, size_t count)
{
	struct count kinds;
	struct buf why;

	count_replies(question, replies, count, &kinds);
	question->seen = seen_of(&kinds);
	buf_init(&why, 4U * AUTHORITY_WHY_BYTES);
	say(&why, question, &kinds);
	authority_say(question->why, "%s", buf_text(&why));
	buf_free(&why);
}
