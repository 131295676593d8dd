/*
 * fuzz_http.c - what the HTTP server reads itself: the first octet chooses between an address to
 * listen on, the name in a client's certificate, a head, and the text of a problem. What is let
 * through must be what it is said to be.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/http_private.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
try_address(struct span text)
{
	struct sockaddr_storage address;
	socklen_t n = 0;

	if (!http_address_parse(text, &address, &n))
		return;
	must(n == (address.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6)));
	must(address.ss_family == AF_INET || text.p[0] == '[');
	if (http_address_is_loopback(&address))
		must(address.ss_family == AF_INET6 || span_starts(text, SPAN_LIT("127.")));
}

static void
try_certificate(struct span der)
{
	char name[HTTP_NAME_BYTES];
	bool named = http_certificate_name(der, name);

	must(named == (name[0] != '\0'));
	for (const char *p = name; *p != '\0'; p++)
		must(*p > ' ' && *p <= '~');
}

/* Lines: the method, the target, and fields with a colon. */
static void
try_head(struct span text)
{
	struct http_field fields[HTTP_FIELDS_MAX + 1];
	struct http_head head = {.version = "HTTP/1.1", .octets = text.n, .fields = fields};
	struct span rest = text, line;
	struct http_refusal refusal;
	uint64_t length;

	(void)span_cut(&rest, '\n', &head.method);
	(void)span_cut(&rest, '\n', &head.target);
	while (rest.n > 0 && head.field_count <= HTTP_FIELDS_MAX) {
		struct http_field *field = &fields[head.field_count++];

		(void)span_cut(&rest, '\n', &line);
		(void)span_cut(&line, ':', &field->name);
		field->value = line;
	}
	refusal = http_head_check(&head);
	must((refusal.status == 0) == (refusal.code == NULL));
	must(refusal.status == 0 || (refusal.status >= 400 && refusal.status <= 501));
	(void)http_head_has_body(&head, &length);
	if (refusal.status != 0)
		return;
	must(head.field_count <= HTTP_FIELDS_MAX && head.target.p[0] == '/');
	for (size_t i = 0; i < head.target.n; i++)
		must(head.target.p[i] > ' ' && head.target.p[i] <= '~');
	for (size_t i = 0; i < head.field_count; i++)
		must(memchr(fields[i].value.p == NULL ? "" : fields[i].value.p, '\r',
			 fields[i].value.n) == NULL);
}

static void
try_problem(struct span text)
{
	struct http_response response;
	char *detail = mem_strndup(text.n == 0 ? "" : text.p, text.n);
	struct span body;

	http_response_init(&response);
	http_problem(&response, 400, "code", detail, "id");
	body = buf_span(&response.body);
	must(span_is_text(body) && span_ends(body, SPAN_LIT("\"request_id\":\"id\"}\n")));
	for (size_t i = 0; i + 1 < body.n; i++)
		must((unsigned char)body.p[i] >= ' ');
	http_response_free(&response);
	mem_free(detail);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct span text) = {
	    try_address, try_certificate, try_head, try_problem};

	if (size == 0 || size > 65536)
		return 0;
	tries[data[0] % 4](span_of(data + 1, size - 1));
	return 0;
}
