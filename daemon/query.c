/*
 * query.c - a data set on the command line.
 * Called by main.c for -Q; it shows what the tables answer. It must never be given a KeyTable with
 * keys in it by a script that logs its output: it prints what it finds.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "backends/registry.h"
#include "backends/settings.h"
#include "daemon/query.h"
#include "lib/store/table.h"

#define LINE_BYTES 8192

static bool
read_line(const char *prompt, char line[LINE_BYTES])
{
	fputs(prompt, stdout);
	fflush(stdout);
	if (fgets(line, LINE_BYTES, stdin) == NULL)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

#define FIELDS_MAX 16

static void
print_fields(const struct table_value *value, uint64_t wanted)
{
	struct span fields[FIELDS_MAX];

	(void)table_value_fields(value, fields, wanted);
	for (uint64_t i = 0; i < wanted; i++) {
		if (fields[i].p == NULL)
			puts("<absent>");
		else if (fields[i].n == 0)
			puts("<empty>");
		else
			printf("'%.*s'\n", SPAN_ARG(fields[i]));
	}
}

static void
answer_query(struct table *table, const char *line)
{
	struct table_value value = TABLE_VALUE_NONE;
	struct span query = span_str(line);
	struct err err = ERR_NONE;
	size_t slash = span_rfind(query, '/');
	uint64_t fields = 1;
	enum status status;

	if (slash != SIZE_MAX && span_number(span_from(query, slash + 1), FIELDS_MAX, &fields))
		query = span_sub(query, 0, slash);
	status = table_lookup(table, query, &value, &err);
	if (status == ST_OK)
		print_fields(&value, fields);
	else if (status == ST_ABSENT)
		puts("record not found");
	else
		printf("error: %s\n", err.text);
	table_value_release(&value);
}

int
query_run(const char *program, const struct conf *conf)
{
	struct backend_settings settings;
	const struct table_registry *registry =
	    conf == NULL ? backend_registry() : backend_registry_for(conf, &settings);
	struct table *table = NULL;
	struct err err = ERR_NONE;
	char line[LINE_BYTES];

	if (!read_line("enter data set description\n\tcsl:entry1[,entry2[,...]]\n\tfile:path\n"
		       "\trefile:path\n\tdsn:kind://place/table=T?keycol=K?datacol=C\n\tldap://"
		       "host/base?attributes?scope?filter\n> ",
		line))
		return EX_DATAERR;
	if (table_open(registry, "data set", line, 0, &table, &err) != ST_OK) {
		fprintf(stderr, "%s: %s\n", program, err.text);
		return EX_CONFIG;
	}
	table_report_log(table);
	while (read_line("enter query/n to query, EOF to end\n> ", line))
		answer_query(table, line);
	table_close(table);
	return 0;
}
