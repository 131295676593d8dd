/* A DNS message: what is read out of it lies in the room, within the limits, and with a status. */
#include <stdlib.h>
#include <string.h>

#include "lib/dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_texts(const struct dns_answer *answer, const struct dns_room *room)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < answer->count; i++) {
		struct dns_text text = answer->texts[i];

		if (text.joined.p < room->texts ||
		    text.joined.p + text.joined.n > room->texts + room->bytes)
			abort();
		if (text.strings == 0 || text.joined.n > DNS_TEXT_BYTES_MAX ||
		    text.string_bytes_max > 255 || text.joined.n > text.strings * 255)
			abort();
		for (size_t j = 0; j < text.joined.n; j++)
			sum ^= (unsigned char)text.joined.p[j]; /* all of it was written */
	}
	if (sum == 1 && answer->count > DNS_TEXTS_MAX)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_room room = {.bytes = 0};
	struct dns_answer answer;

	dns_answer_read(span_of(data, size), DNS_INSECURE, &room, &answer);
	if ((answer.status == ST_OK) != (answer.count > 0) || answer.why == NULL)
		abort();
	if (answer.alias.n > DNS_NAME_TEXT_MAX || answer.count > DNS_TEXTS_MAX)
		abort();
	check_texts(&answer, &room);
	dns_answer_read(span_of(data, size), DNS_BOGUS, &room, &answer);
	if (answer.status != ST_UNAVAILABLE || answer.count > 0)
		abort();
	dns_room_free(&room);
	return 0;
}
