/*
 * admin.c - the sub-commands that speak to signpost-admind: words and options into a request, its
 * answer onto the screen.
 * Called by signpost.c. It must never decide anything: what may be done, and what a value may be,
 * is said by the daemon.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"
#include "tools/admin.h"
#include "tools/command.h"
#include "tools/completions.h"

#define OPTIONS_COMMON 9U
#define MESSAGE_MAX (1024U * 1024U) /* octets that the daemon takes */

/* ---- values ---- */

static json_t *
value_of_file(const char *program, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	json_error_t error;
	json_t *value;

	if (file == NULL) {
		cli_say(program, "%s: cannot be read", path);
		return NULL;
	}
	value = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
	if (value == NULL)
		cli_say(program, "%s: line %d: %s", path, error.line, error.text);
	if (file != stdin)
		fclose(file);
	return value;
}

static json_t *
value_of_key(const char *program, const char *path)
{
	struct keyfile_stamp stamp;
	struct err err = ERR_NONE;
	json_t *value;
	char *text;
	size_t n;

	if (keyfile_read(path, false, &text, &n, &stamp, &err) != ST_OK) {
		cli_say(program, "%s", err.text);
		return NULL;
	}
	if (err.text[0] != '\0')
		cli_say(program, "warning: %s", err.text);
	value = json_stringn(text, n);
	secret_free(text);
	if (value == NULL)
		cli_say(program, "%s: this is no private key in PEM", path);
	return value;
}

/* As it is: it need be no UTF-8. */
static json_t *
value_of_message(const char *program, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text = mem_alloc(MESSAGE_MAX + 1);
	json_t *value = NULL;
	size_t n = file == NULL ? 0 : fread(text, 1, MESSAGE_MAX + 1, file);

	if (file == NULL || ferror(file))
		cli_say(program, "%s: cannot be read", path);
	else if (n == 0)
		cli_say(program, "%s: this is no message: it is empty", path);
	else if (n > MESSAGE_MAX)
		cli_say(program, "%s: a message may have 1 MiB", path);
	else
		value = json_stringn_nocheck(text, n);
	if (file != NULL && file != stdin)
		fclose(file);
	mem_free(text);
	return value;
}

static json_t *
value_of_number(const char *program, const char *text)
{
	uint64_t value = 0;

	if (span_number(span_str(text), INT64_MAX, &value))
		return json_integer((json_int_t)value);
	cli_say(program, "\"%s\" is no number", text);
	return NULL;
}

/* NULL: said. */
static json_t *
value_of(const char *program, enum admin_kind kind, const char *text)
{
	json_t *value = NULL;

	switch (kind) {
	case ADMIN_TEXT:
		value = json_string(text);
		if (value == NULL)
			cli_say(program, "\"%s\" is not UTF-8", text);
		return value;
	case ADMIN_NUMBER:
		return value_of_number(program, text);
	case ADMIN_LIMIT:
		return strcmp(text, "none") == 0 ? json_null() : value_of_number(program, text);
	case ADMIN_ON:
		return json_true();
	case ADMIN_OFF:
		return json_false();
	case ADMIN_JSON:
		return value_of_file(program, text);
	case ADMIN_KEY:
		return value_of_key(program, text);
	case ADMIN_MESSAGE:
		return value_of_message(program, text);
	}
	return value;
}

/* The object that holds "domains" of "quota.domains", made if there is none; *name is "domains". */
static json_t *
object_of(json_t *arguments, const char **name)
{
	const char *dot = strchr(*name, '.');
	size_t n = dot == NULL ? 0 : (size_t)(dot - *name);
	char first[64];
	json_t *object;

	if (dot == NULL || n >= sizeof(first))
		return arguments;
	memcpy(first, *name, n);
	first[n] = '\0';
	*name = dot + 1;
	object = json_object_get(arguments, first);
	if (object == NULL)
		json_object_set_new(arguments, first, json_object());
	return json_object_get(arguments, first);
}

static bool
add_argument(const char *program, json_t *arguments, const char *name, enum admin_kind kind,
    const char *text)
{
	json_t *value = value_of(program, kind, text);

	if (value == NULL)
		return false;
	arguments = object_of(arguments, &name);
	if (json_object_get(arguments, name) != NULL) {
		cli_say(program, "%s is given twice", name);
		json_decref(value);
		return false;
	}
	return json_object_set_new(arguments, name, value) == 0;
}

/* ---- the request ---- */

static bool
add_positions(
    const char *program, const struct admin_word *word, json_t *arguments, int argc, char **argv)
{
	int at = optind;

	for (size_t i = 0; i < ADMIN_POSITIONS_MAX && word->positions[i].argument != NULL; i++) {
		const struct admin_position *position = &word->positions[i];

		if (at < argc) {
			if (!add_argument(
				program, arguments, position->argument, position->kind, argv[at++]))
				return false;
		} else if (!position->optional) {
			cli_say(program, "%s is needed; --help tells the options", word->shape);
			return false;
		}
	}
	if (at < argc)
		cli_say(program, "\"%s\" is one word too many", argv[at]);
	return at >= argc;
}

static bool
add_fields(const char *program, const struct admin_word *word, const struct admin_request *given,
    json_t *arguments)
{
	for (size_t i = 0; i < word->field_count; i++) {
		const struct admin_field *field = &word->fields[i];

		if ((field->shown == NULL ? given->switches[i] : given->texts[i] != NULL) &&
		    !add_argument(
			program, arguments, field->argument, field->kind, given->texts[i]))
			return false;
	}
	return true;
}

/* NULL: said. */
static json_t *
make_request(const char *program, const struct admin_word *word, const struct admin_request *given,
    int argc, char **argv)
{
	json_t *arguments = json_object(), *request;

	if (!add_positions(program, word, arguments, argc, argv) ||
	    !add_fields(program, word, given, arguments)) {
		json_decref(arguments);
		return NULL;
	}
	request = json_pack("{s:s*, s:o}", "operation", word->operation, "arguments", arguments);
	if (given->dry_run)
		json_object_set_new(request, "dry_run", json_true());
	return request;
}

/* ---- answers ---- */

static int
put_text(const char *text, size_t n, void *context)
{
	return fwrite(text, 1, n, context) == n ? 0 : -1;
}

void
admin_print_json(const json_t *json)
{
	(void)!json_dump_callback(json, put_text, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
}

static void
show_answer(const char *program, const struct admin_word *word, const struct admin_request *given,
    const json_t *answer, bool first)
{
	const json_t *result = json_object_get(answer, "result");
	const json_t *list = word->list == NULL ? NULL : json_object_get(result, word->list);

	if (given->json)
		admin_print_json(answer);
	else if (list != NULL && (first || json_array_size(list) > 0))
		admin_show_list(word->list, list, first);
	else if (word->show != NULL)
		word->show(program, result);
	else if (word->changes)
		admin_show_plan(answer, given->dry_run);
	else if (word->list == NULL)
		admin_show_result(program, result);
}

/* The next page, or NULL. Borrowed. */
static json_t *
next_page(const struct admin_word *word, const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");

	return word->list == NULL ? NULL : json_object_get(result, "next");
}

static int
ask(struct admin_client *client, const char *program, const struct admin_word *word,
    const struct admin_request *given, json_t *request)
{
	int exit_code = EX_OK;
	bool first = true, more = true;

	while (more && exit_code == EX_OK) {
		json_t *answer = admin_ask(client, request), *next;

		if (answer == NULL)
			return EX_UNAVAILABLE;
		next = next_page(word, answer);
		more = next != NULL;
		if (!json_is_true(json_object_get(answer, "ok"))) {
			exit_code = admin_show_refusal(program, answer);
			if (given->json)
				admin_print_json(answer);
		} else {
			show_answer(program, word, given, answer, first);
			/* Found is not refused, and not well either. */
			exit_code = admin_result_is_bad(json_object_get(answer, "result"));
		}
		if (more)
			json_object_set(json_object_get(request, "arguments"), "after", next);
		first = false;
		json_decref(answer);
	}
	return exit_code;
}

static int
ask_daemon(const char *program, const struct admin_word *word, const struct admin_request *given,
    json_t *request)
{
	struct admin_target target;
	struct admin_client *client;
	int exit_code = admin_target_find(program, given, &target);

	if (exit_code == EX_OK) {
		client = admin_connect(program, &target);
		if (client == NULL)
			exit_code = EX_UNAVAILABLE;
		else if (admin_word_ask(word) != NULL)
			exit_code = admin_word_ask(word)(client, program, given, request);
		else
			exit_code = ask(client, program, word, given, request);
		admin_disconnect(client);
	}
	admin_target_free(&target);
	return exit_code;
}

/* ---- options ---- */

/* Of one that is not on this machine. */
static const struct cli_option far[] = {
    {"url", 0, "URL", "a daemon elsewhere: https://HOST:PORT", offsetof(struct admin_request, url)},
    {"token-file", 0, "FILE", "with the token for it", offsetof(struct admin_request, token_file)},
    {"ca", 0, "FILE", "who may have signed its certificate", offsetof(struct admin_request, ca)},
    {"cert", 0, "FILE", "a client certificate", offsetof(struct admin_request, cert)},
    {"key", 0, "FILE", "the key of --cert", offsetof(struct admin_request, key)},
};

static size_t
make_options(const struct admin_word *word, struct cli_option *out)
{
	size_t n = 0;

	for (size_t i = 0; i < word->field_count && i < ADMIN_FIELDS_MAX; i++) {
		const struct admin_field *field = &word->fields[i];
		size_t at = field->shown == NULL
				? offsetof(struct admin_request, switches) + i * sizeof(bool)
				: offsetof(struct admin_request, texts) + i * sizeof(char *);

		out[n++] =
		    (struct cli_option){field->name, field->letter, field->shown, field->help, at};
	}
	if (word->changes)
		out[n++] = (struct cli_option){"dry-run", 'n', NULL,
		    "check and show what would be changed",
		    offsetof(struct admin_request, dry_run)};
	out[n++] = (struct cli_option){
	    "json", 'j', NULL, "the answer in JSON", offsetof(struct admin_request, json)};
	out[n++] = (struct cli_option){"socket", 'S', "PATH", "the socket instead of AdminSocket",
	    offsetof(struct admin_request, socket)};
	out[n++] = (struct cli_option){"conf", 'x', "FILE", "configuration with AdminSocket",
	    offsetof(struct admin_request, conf)};
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		out[n++] = far[i];
	return n;
}

static void *
json_memory(size_t bytes)
{
	void *p = secret_malloc(bytes);

	if (p == NULL && bytes > 0)
		_exit(EX_OSERR);
	return p;
}

void
admin_json_in_secret(void)
{
	json_set_alloc_funcs(json_memory, secret_free);
}

static int
run_word(const char *program, const struct admin_word *word, int argc, char **argv)
{
	struct cli_option options[ADMIN_FIELDS_MAX + OPTIONS_COMMON];
	struct admin_request given = {.json = false};
	struct cli_usage usage = {
	    .words = word->shape, .purpose = word->purpose, .options = options};
	enum cli_answer answer;
	json_t *request;
	int exit_code;

	usage.count = make_options(word, options);
	answer = cli_options(program, &usage, argc, argv, &given);
	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	/* A request may have a private key in it. */
	admin_json_in_secret();
	request = make_request(program, word, &given, argc, argv);
	if (request == NULL)
		return EX_USAGE;
	exit_code = ask_daemon(program, word, &given, request);
	json_decref(request);
	return exit_code;
}

/* ---- words ---- */

/* Words that do not ask signpost-admind: admin_commands.c knows them. */
static void
print_own_words(FILE *to, const char *command)
{
	if (strcmp(command, "audit") == 0)
		fprintf(to, "  %-10s %s\n", "verify", "is the chain whole? Reads the store itself");
}

static void
print_words(FILE *to, const char *program, const char *command)
{
	size_t count;
	const struct admin_word *words = admin_words(&count);

	fprintf(to, "%s: usage: %s WORD [OPTION]... [NAME]...\n", program, program);
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].command, command) == 0)
			fprintf(to, "  %-10s %s\n", words[i].name, words[i].purpose);
	print_own_words(to, command);
	fprintf(to, "%s WORD --help tells the options.\n", program);
}

/* ---- completions ---- */

/* Those of a word, as a shell has them: "--plan= --json". */
static void
print_word_options(const struct admin_word *word)
{
	struct cli_option options[ADMIN_FIELDS_MAX + OPTIONS_COMMON];
	size_t count = make_options(word, options);

	printf("options='--help --version");
	for (size_t i = 0; i < count; i++)
		printf(" --%s%s", options[i].name, options[i].argument == NULL ? "" : "=");
	printf("'");
}

void
completions_of_command(const char *command)
{
	size_t count, found = 0;
	const struct admin_word *words = admin_words(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].command, command) == 0) {
			if (words[i].name == NULL) {
				printf("\t%s) ", command);
				print_word_options(&words[i]);
				printf(" ;;\n");
				return;
			}
			if (found++ == 0)
				printf("\t%s)\n\t\twords='", command);
			else
				putchar(' ');
			printf("%s", words[i].name);
		}
	if (found == 0)
		return;
	printf("%s'\n\t\tcase \"$word\" in\n", strcmp(command, "audit") == 0 ? " verify" : "");
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].command, command) == 0) {
			printf("\t\t%s) ", words[i].name);
			print_word_options(&words[i]);
			printf(" ;;\n");
		}
	printf("\t\tesac ;;\n");
}

int
admin_run(const char *program, const char *command, int argc, char **argv)
{
	size_t count;
	const struct admin_word *words = admin_words(&count);
	char name[96];

	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i].command, command) != 0)
			continue;
		if (words[i].name == NULL)
			return run_word(program, &words[i], argc, argv);
		if (argc < 2 || strcmp(argv[1], words[i].name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", program, words[i].name);
		return run_word(name, &words[i], argc - 1, argv + 1);
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
		print_words(stdout, program, command);
		return EX_OK;
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		printf("%s %s\n", program, PACKAGE_VERSION);
		return EX_OK;
	}
	print_words(stderr, program, command);
	return EX_USAGE;
}
