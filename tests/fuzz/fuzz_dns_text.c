/* Texts of an operator: the strings of a zone file, the lines of TestPublicKeys, Nameservers. */
#include <stdlib.h>
#include <string.h>

#include "lib/dns/dns.h"
#include "lib/dns/nameserver.h"
#include "lib/dns/txt.h"

#define TEXT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever it is, it is the same after having been written and read. */
static void
there_and_back(struct span octets)
{
	struct err err = ERR_NONE;
	struct buf text, back;

	buf_init(&text, TEXT_MAX);
	buf_init(&back, TEXT_MAX);
	if (txt_write(octets, octets.n % 256, "\n\t", &text) != ST_OK ||
	    txt_read(buf_span(&text), &back, NULL, &err) != ST_OK ||
	    !span_eq(buf_span(&back), octets))
		abort();
	buf_free(&text);
	buf_free(&back);
}

static void
read_as_strings(struct span octets)
{
	struct txt_shape shape;
	struct err err = ERR_NONE;
	struct buf out;

	buf_init(&out, TEXT_MAX);
	if (txt_read(octets, &out, &shape, &err) == ST_OK &&
	    (shape.strings == 0 || shape.string_bytes_max > TXT_STRING_BYTES_MAX))
		abort();
	buf_free(&out);
}

static void
read_as_lines(struct span octets)
{
	struct resolver *resolver = NULL;
	struct err err = ERR_NONE;
	struct span name;

	if (resolver_fake(NULL, octets, &resolver, &err) != ST_OK) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	if (span_word(&octets, &name) && name.n < 255)
		(void)resolver_txt_wait(resolver, NULL, name, 0);
	resolver_free(resolver);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = span_of(data, size);
	char server[NAMESERVER_TEXT_MAX];
	struct span rest = octets;
	struct err err = ERR_NONE;

	if (size > TEXT_MAX / 8)
		return 0;
	there_and_back(octets);
	read_as_strings(octets);
	read_as_lines(octets);
	while (nameserver_next(&rest, server, &err) == ST_OK)
		if (memchr(server, '@', sizeof(server)) == NULL)
			abort();
	return 0;
}
