/*
 * table_driver.c - one data set, driven by lines on stdin; the same for every backend.
 *
 *   table_driver [-i] [-s] [-c CA.PEM] [-o NAME=VALUE]... SPEC
 *
 * -i: without case. -s: in secret memory. -c: TLS to a SQL server, verified by this authority. -o:
 * a setting of directories (user, password, mechanism, ca, tls, verify, timeout). Words are
 * separated by blanks, %XX is an octet, and "-" is the empty word. Each command is answered by its
 * values, one a line ("value at=0 text=..."; at: which of the keys), and a last line "= ok ..." or
 * "= STATUS: sentence".
 *
 *   lookup KEY   all KEY [MAX]   many KEY...   refresh
 *   compare MAX KEY...     without "= ": what table_lookup_many() gives, "INDEX=VALUE ..." or the
 *                          name of a status, and, if lookups one after the other give something
 *                          else, that behind " instead of "
 *   threads N COUNT KEY    = ok answered=...; N threads ask COUNT times each, all at once
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/registry.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define WORDS_MAX (TABLE_KEYS_MAX + 2)
#define ANSWER_MAX 65536U
#define VALUES_MAX 64U
#define THREADS_MAX 64

struct words {
	char *line; /* the words point into it */
	struct span word[WORDS_MAX];
	size_t count;
};

static struct span
decoded(char *text)
{
	char *to = text;
	unsigned value;

	for (char *from = text; *from != '\0';) {
		if (*from == '%' && sscanf(from + 1, "%2x", &value) == 1) {
			*to++ = (char)value;
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	return to == text + 1 && text[0] == '-' ? span_of("", 0)
						: span_of(text, (size_t)(to - text));
}

static void
split(struct words *words)
{
	char *save = NULL, *word = strtok_r(words->line, " \n", &save);

	words->count = 0;
	for (; word != NULL && words->count < WORDS_MAX; word = strtok_r(NULL, " \n", &save))
		words->word[words->count++] = decoded(word);
}

static unsigned
number(const struct words *words, size_t at, unsigned otherwise)
{
	char text[16];

	if (at >= words->count)
		return otherwise;
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(words->word[at]));
	return (unsigned)strtoul(text, NULL, 10);
}

static void
print_value(size_t at, struct table_value *value)
{
	printf("value at=%zu text=", at);
	for (size_t i = 0; i < value->text.n; i++) {
		unsigned char c = (unsigned char)value->text.p[i];

		if (c <= ' ' || c == '%' || c >= 0x7f)
			printf("%%%02x", c);
		else
			putchar(c);
	}
	putchar('\n');
	table_value_release(value);
}

static void
end(enum status status, const struct err *err)
{
	if (status == ST_OK)
		puts("= ok");
	else
		printf("= %s: %s\n", status_name(status), err->text);
}

/* ---- commands ---- */

static void
lookup(struct table *table, const struct words *words)
{
	struct table_value value;
	struct err err = ERR_NONE;
	enum status status = table_lookup(table, words->word[1], &value, &err);

	if (status == ST_OK)
		print_value(0, &value);
	end(status, &err);
}

static void
all(struct table *table, const struct words *words)
{
	struct table_value values[VALUES_MAX];
	unsigned max = number(words, 2, VALUES_MAX);
	struct err err = ERR_NONE;
	size_t count = 0;
	enum status status = table_lookup_all(
	    table, words->word[1], max > VALUES_MAX ? VALUES_MAX : max, values, &count, &err);

	for (size_t i = 0; status == ST_OK && i < count; i++)
		print_value(0, &values[i]);
	end(status, &err);
}

static void
many(struct table *table, const struct words *words)
{
	struct table_value values[TABLE_KEYS_MAX];
	size_t ats[TABLE_KEYS_MAX], count = 0;
	struct err err = ERR_NONE;
	enum status status = table_lookup_many(
	    table, &words->word[1], words->count - 1, TABLE_KEYS_MAX, values, ats, &count, &err);

	for (size_t i = 0; status == ST_OK && i < count; i++)
		print_value(ats[i], &values[i]);
	end(status, &err);
}

static void
refresh(struct table *table, const struct words *words)
{
	struct err err = ERR_NONE;

	(void)words;
	end(table_refresh(table, &err), &err);
}

/* ---- together as alone ---- */

static void
describe(enum status status, const struct table_value *values, const size_t *at, size_t count,
    struct buf *out)
{
	if (status != ST_OK)
		buf_add_str(out, status_name(status));
	for (size_t i = 0; i < count; i++) {
		buf_add_fmt(out, "%s%zu=", i == 0 ? "" : " ", at[i]);
		buf_add(out, values[i].text);
	}
}

static void
ask_together(
    struct table *table, const struct span *keys, size_t count, size_t max, struct buf *out)
{
	struct table_value values[TABLE_KEYS_MAX] = {TABLE_VALUE_NONE};
	size_t at[TABLE_KEYS_MAX] = {0}, n = 0;
	struct err err = ERR_NONE;
	enum status status = table_lookup_many(table, keys, count, max, values, at, &n, &err);

	describe(status, values, at, n, out);
	for (size_t i = 0; i < n; i++)
		table_value_release(&values[i]);
}

static void
ask_alone(struct table *table, const struct span *keys, size_t count, size_t max, struct buf *out)
{
	struct table_value values[TABLE_KEYS_MAX] = {TABLE_VALUE_NONE};
	size_t at[TABLE_KEYS_MAX] = {0}, n = 0;
	struct err err = ERR_NONE;
	enum status status = ST_ABSENT;

	for (size_t i = 0; i < count && n < max; i++) {
		status = table_lookup(table, keys[i], &values[n], &err);
		if (status == ST_OK)
			at[n++] = i;
		else if (status != ST_ABSENT)
			break;
	}
	if (status == ST_OK || status == ST_ABSENT)
		status = n > 0 ? ST_OK : ST_ABSENT;
	describe(status, values, at, status == ST_OK ? n : 0, out);
	for (size_t i = 0; i < n; i++)
		table_value_release(&values[i]);
}

static void
compare(struct table *table, const struct words *words)
{
	size_t most = number(words, 1, 1), max = most < TABLE_KEYS_MAX ? most : TABLE_KEYS_MAX;
	const struct span *keys = &words->word[2];
	size_t count = words->count - 2;
	struct buf together, alone;

	buf_init(&together, ANSWER_MAX);
	buf_init(&alone, ANSWER_MAX);
	ask_together(table, keys, count, max, &together);
	ask_alone(table, keys, count, max, &alone);
	printf("%s", buf_text(&together));
	if (!span_eq(buf_span(&together), buf_span(&alone)))
		printf(" instead of %s", buf_text(&alone));
	printf("\n");
	buf_free(&together);
	buf_free(&alone);
}

/* ---- concurrent use ---- */

struct crowd {
	struct table *table;
	struct span key;
	unsigned count;
	atomic_uint answered, absent, unavailable, other;
};

static void *
ask_often(void *context)
{
	struct crowd *crowd = context;

	for (unsigned i = 0; i < crowd->count; i++) {
		struct table_value value;
		struct err err = ERR_NONE;
		enum status status = table_lookup(crowd->table, crowd->key, &value, &err);

		atomic_fetch_add(status == ST_OK            ? &crowd->answered
				 : status == ST_ABSENT      ? &crowd->absent
				 : status == ST_UNAVAILABLE ? &crowd->unavailable
							    : &crowd->other,
		    1);
		table_value_release(&value);
	}
	return NULL;
}

static void
threads(struct table *table, const struct words *words)
{
	unsigned count = number(words, 1, 1);
	struct crowd crowd = {.table = table, .count = number(words, 2, 1)};
	pthread_t ids[THREADS_MAX];

	if (words->count < 4 || count > THREADS_MAX)
		exit(2);
	crowd.key = words->word[3];
	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&ids[i], NULL, ask_often, &crowd) != 0)
			exit(2);
	for (unsigned i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	printf("= ok answered=%u absent=%u unavailable=%u other=%u\n", atomic_load(&crowd.answered),
	    atomic_load(&crowd.absent), atomic_load(&crowd.unavailable), atomic_load(&crowd.other));
}

static const struct {
	const char *name;
	size_t words_min;
	void (*obey)(struct table *table, const struct words *words);
} commands[] = {
    {"lookup", 2, lookup},
    {"all", 2, all},
    {"many", 2, many},
    {"compare", 3, compare},
    {"refresh", 1, refresh},
    {"threads", 4, threads},
};

static void
obey(struct table *table, const struct words *words)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!span_eq_str(words->word[0], commands[i].name) ||
		    words->count < commands[i].words_min)
			continue;
		commands[i].obey(table, words);
		return;
	}
	fprintf(stderr, "table_driver: no such command\n");
	exit(2);
}

static void
set_option(struct table_settings *out, char *word)
{
	char *value = strchr(word, '=');
	const struct {
		const char *name;
		const char **text;
	} texts[] = {{"user", &out->ldap_bind_user}, {"password", &out->ldap_bind_password},
	    {"mechanism", &out->ldap_mechanism}, {"ca", &out->ldap_tls_ca_file}};

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].name, word) == 0)
			*texts[i].text = value;
	if (strcmp(word, "tls") == 0)
		out->ldap_start_tls = value[0] == '1';
	else if (strcmp(word, "verify") == 0)
		out->ldap_tls_verify = value[0] == '1';
	else if (strcmp(word, "timeout") == 0)
		out->ldap_timeout_s = strtol(value, NULL, 10);
}

static unsigned
read_options(int argc, char **argv, struct table_settings *settings)
{
	unsigned flags = 0;

	for (int c; (c = getopt(argc, argv, "isc:o:")) != -1;) {
		if (c == 'i')
			flags |= TABLE_ICASE;
		else if (c == 's')
			flags |= TABLE_SECRET;
		else if (c == 'c')
			settings->sql_tls_ca_file = optarg;
		else if (c == 'o')
			set_option(settings, optarg);
		else
			exit(2);
	}
	settings->sql_tls = settings->sql_tls_ca_file != NULL;
	return flags;
}

int
main(int argc, char **argv)
{
	struct table_settings settings = {
	    .sql_tls_verify = true, .ldap_mechanism = "simple", .ldap_tls_verify = true};
	struct table_registry registry = *backend_registry();
	struct words words = {.line = NULL};
	struct err err = ERR_NONE;
	unsigned flags = read_options(argc, argv, &settings);
	struct table *table = NULL;
	enum status status;
	size_t room = 0;

	registry.settings = &settings;
	if (optind >= argc)
		return 2;
	status = table_open(&registry, "KeyTable", argv[optind], flags, &table, &err);
	if (status != ST_OK) {
		end(status, &err);
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* as the daemons do */
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&words.line, &room, stdin) > 0) {
		split(&words);
		if (words.count > 0)
			obey(table, &words);
	}
	free(words.line);
	table_close(table);
	return 0;
}
