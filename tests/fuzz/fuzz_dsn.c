/*
 * fuzz_dsn.c - specifications of dsn: tables: whatever is accepted makes a statement in which no
 * name leaves its quotes, and no message shows a password.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/dsn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_message(const struct dsn *dsn, const char *text)
{
	if (dsn->password != NULL && strlen(dsn->password) > 8 &&
	    strstr(text, dsn->password) != NULL && strstr(dsn->database, dsn->password) == NULL &&
	    strstr(dsn->table, dsn->password) == NULL &&
	    (dsn->host == NULL || strstr(dsn->host, dsn->password) == NULL))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dsn dsn;
	struct err err = ERR_NONE;
	struct buf text;

	if (dsn_parse(span_of(data, size), &dsn, &err) != ST_OK) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	if (dsn.preset != NULL &&
	    dsn_preset_apply(&dsn, size % 2 ? "KeyTable" : "SigningTable", &err) != ST_OK) {
		dsn_free(&dsn);
		return 0;
	}
	buf_init(&text, DSN_STATEMENT_MAX);
	if (dsn_statement(&dsn, 2, &text, &err) == ST_OK && memchr(text.p, '\0', text.n) != NULL)
		abort();
	buf_reset(&text);
	dsn_describe(&dsn, &text);
	check_message(&dsn, buf_text(&text));
	buf_free(&text);
	dsn_free(&dsn);
	return 0;
}
