/*
 * fuzz_publish_powerdns.c - answers of PowerDNS: a text is said to be there only with a record, and
 * what is shown of an error can be logged.
 */
#include <stdint.h>
#include <stdlib.h>

#include "admin-api/publish_powerdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span answer = span_of(data, size);
	struct publish_there there;
	struct err err = ERR_NONE;
	struct buf room;

	buf_init(&room, POWERDNS_ANSWER_MAX);
	if (powerdns_rrsets_read(
		answer, SPAN_LIT("s._domainkey.example.com"), &room, &there, &err) == ST_OK) {
		if (there.records == 0 && there.text.n > 0)
			abort();
	} else if (err.text[0] == '\0') {
		abort();
	}
	buf_reset(&room);
	powerdns_error_read(answer, &room);
	for (size_t i = 0; i < room.n; i++)
		if (room.p[i] < ' ' || room.p[i] > '~')
			abort();
	buf_free(&room);
	return 0;
}
