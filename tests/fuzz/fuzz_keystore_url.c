/*
 * fuzz_keystore_url.c - addresses of key stores: what is accepted can be said without a password,
 * what is refused is explained without the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_url.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text without zeros in front of numbers: a port is said without them. */
static void
shorten_numbers(struct span text, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < text.n; i++) {
		bool digit = text.p[i] >= '0' && text.p[i] <= '9';
		bool zero = text.p[i] == '0' && first && i + 1 < text.n && text.p[i + 1] >= '0' &&
			    text.p[i + 1] <= '9';

		first = zero || !digit;
		if (!zero)
			buf_add_char(out, text.p[i]);
	}
}

static bool
stands_in(const char *password, struct span text)
{
	struct buf shorter;
	bool found;

	buf_init(&shorter, KEYSTORE_URL_MAX);
	shorten_numbers(text, &shorter);
	found = memmem(text.p, text.n, password, strlen(password)) != NULL ||
		memmem(buf_text(&shorter), shorter.n, password, strlen(password)) != NULL;
	buf_free(&shorter);
	return found;
}

/* A password that stands in what follows it as well ("[::1]:5", host and port) is no secret there.
 */
static bool
shows(const char *text, const struct dsn *dsn, struct span input)
{
	size_t at = span_rfind(input, '@');
	struct span behind = at == SIZE_MAX ? input : span_from(input, at);

	return dsn->password != NULL && strlen(dsn->password) > 8 &&
	       strstr(text, dsn->password) != NULL && !stands_in(dsn->password, behind) &&
	       strstr(dsn->host, dsn->password) == NULL &&
	       strstr(dsn->database, dsn->password) == NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dsn dsn;
	struct err err = ERR_NONE;
	struct buf text;
	char *password_file;

	if (keystore_url_parse(span_of(data, size), &dsn, &password_file, &err) != ST_OK) {
		if (err.text[0] == '\0' || password_file != NULL || dsn.password != NULL)
			abort();
		return 0;
	}
	if (dsn.host == NULL || dsn.database == NULL || *dsn.host == '\0' || *dsn.database == '\0')
		abort();
	buf_init(&text, 2 * KEYSTORE_URL_MAX);
	keystore_url_describe(&dsn, &text);
	if (buf_status(&text) != ST_OK || shows(buf_text(&text), &dsn, span_of(data, size)))
		abort();
	buf_free(&text);
	mem_free(password_file);
	dsn_free(&dsn);
	return 0;
}
