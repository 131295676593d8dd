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

/* Where the password is: from the first ':' of what is in front of the first '/', to the last '@'.
 */
static bool
find_password(struct span url, size_t *from_out, size_t *to_out)
{
	struct span server = span_from(url, 2), place;

	(void)span_cut(&server, '?', &place);
	(void)span_cut(&place, '/', &server);
	*to_out = span_rfind(server, '@');
	*from_out = span_find(server, ':');
	if (*to_out == SIZE_MAX || *from_out > *to_out)
		return false;
	*from_out += 3;
	*to_out += 2;
	return true;
}

/* What is said of an address is the same whatever the password is. */
static bool
depends_on_password(struct span url, struct span said)
{
	struct dsn dsn;
	struct buf text;
	char *other = span_dup(url), *password_file;
	size_t from, to;
	bool depends;

	if (!find_password(url, &from, &to)) {
		mem_free(other);
		return false;
	}
	memset(other + from, 'Q', to - from);
	if (keystore_url_parse(span_of(other, url.n), &dsn, &password_file, NULL) != ST_OK)
		abort();
	buf_init(&text, 2 * KEYSTORE_URL_MAX);
	keystore_url_describe(&dsn, &text);
	depends = !span_eq(buf_span(&text), said);
	buf_free(&text);
	mem_free(password_file);
	mem_free(other);
	dsn_free(&dsn);
	return depends;
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
	if (buf_status(&text) != ST_OK || depends_on_password(span_of(data, size), buf_span(&text)))
		abort();
	buf_free(&text);
	mem_free(password_file);
	dsn_free(&dsn);
	return 0;
}
