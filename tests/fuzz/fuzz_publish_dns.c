/*
 * fuzz_publish_dns.c - answers of DNS servers to questions of publishers: what is not signed with
 * the key is never found good, and what is said to be there is about the name that was asked for.
 */
#include <stdint.h>
#include <stdlib.h>

#include "admin-api/publish_dns.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_signature(struct span message)
{
	struct tsig_key key = {SPAN_LIT("key.example"), MAC_SHA256, SPAN_LIT("a secret")};
	struct tsig_mac mac = {.octets = {1, 2, 3}, .n = 32};
	uint16_t error;

	/* Nobody has the key. */
	if (tsig_check(&key, NOW, message, &mac, &error) == TSIG_GOOD)
		abort();
	if (tsig_error_text(error)[0] == '\0')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_of(data, size > WIRE_MESSAGE_MAX ? WIRE_MESSAGE_MAX : size);
	struct publish_there there;
	struct err err = ERR_NONE;
	struct wire_head head;
	struct arena arena;
	struct span rdata;

	arena_init(&arena, 1 << 20);
	if (!wire_head_read(message, &head) && size >= 12)
		abort();
	check_signature(message);
	if (wire_answer_there(message, SPAN_LIT("s._domainkey.example.com"), &arena, &there, &rdata,
		&err) == ST_OK) {
		if (there.records > 0 && (rdata.p == NULL || rdata.n < there.text.n))
			abort();
	} else if (err.text[0] == '\0') {
		abort();
	}
	arena_free(&arena);
	return 0;
}
