/*
 * table_driver.c - one table, asked for several keys at once and for each alone; the integration
 * tests of distant tables use it.
 *
 *   table_driver SPEC
 *
 * Each line of stdin is "MAX KEY..." (blanks between words, %XX is an octet). It is answered by
 * what table_lookup_many() gives, "INDEX=VALUE ..." or the name of a status, and, if lookups one
 * after the other give something else, by that behind " instead of ".
 */
#include <stdio.h>
#include <stdlib.h>

#include "backends/registry.h"
#include "lib/base/buf.h"

#define ANSWER_MAX 65536U

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
	return span_of(text, (size_t)(to - text));
}

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
	struct table_value values[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], n = 0;
	struct err err = ERR_NONE;
	enum status status = table_lookup_many(table, keys, count, max, values, at, &n, &err);

	describe(status, values, at, n, out);
	for (size_t i = 0; i < n; i++)
		table_value_release(&values[i]);
}

static void
ask_alone(struct table *table, const struct span *keys, size_t count, size_t max, struct buf *out)
{
	struct table_value values[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], n = 0;
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
answer(struct table *table, const struct span *keys, size_t count, size_t max)
{
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

int
main(int argc, char **argv)
{
	struct table_settings settings = {.ldap_mechanism = "simple", .ldap_tls_verify = true};
	struct table_registry registry = *backend_registry();
	struct table *table = NULL;
	struct err err = ERR_NONE;
	char *line = NULL;
	size_t room = 0;

	registry.settings = &settings;
	if (argc != 2 || table_open(&registry, "SigningTable", argv[1], 0, &table, &err) != ST_OK) {
		fprintf(stderr, "table_driver: %s\n", argc == 2 ? err.text : "write SPEC");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &room, stdin) > 0) {
		struct span keys[TABLE_KEYS_MAX];
		size_t count = 0;
		char *save = NULL, *word = strtok_r(line, " \n", &save);
		size_t max = word == NULL ? 0 : (size_t)strtoul(word, NULL, 10);

		while ((word = strtok_r(NULL, " \n", &save)) != NULL && count < TABLE_KEYS_MAX)
			keys[count++] = decoded(word);
		answer(table, keys, count, max < TABLE_KEYS_MAX ? max : TABLE_KEYS_MAX);
	}
	free(line);
	table_close(table);
	return 0;
}
