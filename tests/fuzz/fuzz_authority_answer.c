/*
 * fuzz_authority_answer.c - the octets of an answer of a name server, through the way of one that
 * came over the network: does it fit the question, what does it say, how is it judged, in which
 * words.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

#define VALUE "v=DKIM1; k=rsa; p=MIGf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct authority_answer *answer;

static void
check(bool right)
{
	if (!right)
		abort();
}

static void
check_name(const char *name)
{
	check(name[0] == '\0' || authority_name_is_plain(span_str(name)));
}

static void
check_answer(void)
{
	for (unsigned i = 0; i < answer->records && i < AUTHORITY_RECORDS_MAX; i++)
		check(
		    answer->texts[i].p >= answer->room &&
		    answer->texts[i].p + answer->texts[i].n <= answer->room + sizeof(answer->room));
	check(answer->ns_count <= AUTHORITY_HOSTS_MAX && answer->glue_count <= AUTHORITY_GLUE_MAX);
	check_name(answer->alias);
	check_name(answer->ns_owner);
	for (unsigned i = 0; i < answer->ns_count; i++)
		check_name(answer->ns[i]);
	for (unsigned i = 0; i < answer->glue_count; i++)
		check_name(answer->glue[i].name);
}

static void
check_judged(struct authority_question *question)
{
	static const struct authority_server server = {.name = "ns", .text = "192.0.2.1"};
	struct authority_reply reply = {.server = &server};

	authority_reply_read(&reply, answer, question->value, question->other);
	authority_judge(question, &reply, 1);
	check(question->servers == 1 && question->why[0] != '\0');
	check((question->seen == AUTHORITY_RIGHT) == (question->right == 1));
	check(question->text_count <= AUTHORITY_TEXTS_MAX);
	authority_reply_free(&reply);
}

static void
check_explained(void)
{
	char words[AUTHORITY_WHY_BYTES];

	if (answer->records == 0)
		return;
	authority_explain(span_str(VALUE), answer->texts[0], words);
	check(words[0] != '\0' && strlen(words) < sizeof(words));
	authority_explain(answer->texts[0], span_str(VALUE), words);
	check(words[0] != '\0');
}

/* Nothing that does not have the id and the question in it fits. */
static void
check_fits(struct span message)
{
	struct authority_exchange exchange = {.type = TYPE_TXT, .name = "a.example"};
	enum authority_fit fit;

	authority_query_build(&exchange);
	fit = authority_query_fits(&exchange, message);
	if (message.n < 12 || (uint8_t)message.p[0] != exchange.id >> 8)
		check(fit == AUTHORITY_NOT_OURS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct authority_question *question;
	struct span message;
	char *copy;

	if (answer == NULL)
		answer = mem_zalloc(1, sizeof(*answer));
	copy = mem_alloc(size + 1);
	memcpy(copy, data, size);
	copy = mem_resize(copy, size == 0 ? 1 : size, 1); /* its end is guarded by the sanitizer */
	message = span_of(copy, size);
	check_fits(message);
	if (authority_answer_read(message, answer) == ST_OK) {
		check_answer();
		check_explained();
		question = mem_zalloc(1, sizeof(*question));
		question->value = span_str(VALUE);
		question->other = SPAN_LIT("v=DKIM1; p=");
		check_judged(question);
		mem_free(question);
	}
	mem_free(copy);
	return 0;
}
