/*
 * authority_probe.c - asks authoritative servers about names and prints JSON, one line for each:
 *   authority_probe [-n RESOLVERS] [-a ANCHORS] [-p PORT] [-t MS] [-6] [-o OTHER] [-r] NAME=VALUE
 * ... -r: recursive resolvers are asked in place of the authoritative servers. A last line says how
 * long it took. For the integration tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dns/authority.h"

static void
print_text(const char *key, const char *text)
{
	printf("\"%s\":\"", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f)
			putchar(*text);
		else
			printf("\\u%04x", (unsigned char)*text);
	}
	printf("\",");
}

static void
print_question(const struct authority_question *question)
{
	static const char *const seen[] = {
	    "RIGHT", "ABSENT", "OTHER", "WILDCARD", "MIXED", "FOREIGN", "UNAVAILABLE"};

	printf("{\"name\":\"%.*s\",", SPAN_ARG(question->name));
	print_text("seen", seen[question->seen]);
	print_text("zone", question->zone);
	print_text("alias", question->alias);
	print_text("why", question->why);
	for (unsigned i = 0; i < question->text_count; i++) {
		char key[16];

		snprintf(key, sizeof(key), "text%u", i);
		print_text(key, question->texts[i]);
	}
	printf("\"servers\":%u,\"right\":%u,\"ttl\":%u,\"neg\":%u,\"signed\":%s,\"texts\":%u}\n",
	    question->servers, question->right, question->ttl_s, question->neg_s,
	    question->signed_zone ? "true" : "false", question->text_count);
}

static void
print_view(struct authority *authority, const struct authority_question *question)
{
	struct authority_view *view = mem_zalloc(1, sizeof(*view));

	authority_recursive(authority, question->name, question->value, view);
	printf("{\"name\":\"%.*s\",", SPAN_ARG(question->name));
	print_text("text", view->text);
	print_text("why", view->why);
	printf("\"resolvers\":%u,\"right\":%u,\"validated\":%s}\n", view->resolvers, view->right,
	    view->validated ? "true" : "false");
	mem_free(view);
}

static size_t
make_questions(char **args, size_t count, const char *other, struct authority_question **out)
{
	struct authority_question *questions = mem_zalloc(count, sizeof(*questions));

	for (size_t i = 0; i < count; i++) {
		struct span value = span_str(args[i]), name;

		span_cut(&value, '=', &name);
		questions[i].name = name;
		questions[i].value = value;
		questions[i].other = span_str(other);
	}
	*out = questions;
	return count;
}

int
main(int argc, char **argv)
{
	struct authority_config config = {.resolvers = NULL};
	struct authority_question *questions;
	struct authority *authority;
	struct err err = ERR_NONE;
	const char *other = NULL;
	bool recursive = false;
	int64_t begun_ms;
	size_t count;
	int option;

	while ((option = getopt(argc, argv, "n:a:p:t:6o:r")) != -1) {
		if (option == 'n')
			config.resolvers = optarg;
		else if (option == 'a')
			config.trust_anchors = optarg;
		else if (option == 'p')
			config.port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (option == 't')
			config.timeout_ms = (int)strtol(optarg, NULL, 10);
		else if (option == '6')
			config.no_ipv6 = true;
		else if (option == 'o')
			other = optarg;
		else if (option == 'r')
			recursive = true;
		else
			return 2;
	}
	if (authority_open(&config, &authority, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	count = make_questions(argv + optind, (size_t)(argc - optind), other, &questions);
	begun_ms = clock_mono_ms();
	if (!recursive)
		authority_ask(authority, questions, count);
	for (size_t i = 0; i < count; i++)
		if (recursive)
			print_view(authority, &questions[i]);
		else
			print_question(&questions[i]);
	printf("{\"ms\":%lld}\n", (long long)(clock_mono_ms() - begun_ms));
	mem_free(questions);
	authority_close(authority);
	return 0;
}
