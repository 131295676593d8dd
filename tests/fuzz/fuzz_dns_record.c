/* A DNS message with addresses, hosts of MX records or a SOA: the first octet chooses the type. The
 * texts lie in the room and are printable. */
#include <stdlib.h>

#include "lib/dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_texts(const struct dns_answer *answer, const struct dns_room *room)
{
	for (size_t i = 0; i < answer->count; i++) {
		struct span text = answer->texts[i].joined;

		if (text.n == 0 || text.p < room->texts ||
		    text.p + text.n > room->texts + room->bytes)
			abort();
		for (size_t j = 0; j < text.n; j++)
			if (text.p[j] < ' ' || text.p[j] > '~')
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned types[] = {DNS_A, DNS_AAAA, DNS_MX, DNS_SOA};
	struct dns_room room = {.bytes = 0};
	struct dns_answer answer;

	if (size == 0)
		return 0;
	dns_answer_read_type(
	    span_of(data + 1, size - 1), types[data[0] % 4], DNS_INSECURE, &room, &answer);
	if ((answer.status == ST_OK) != (answer.count > 0) || answer.count > DNS_TEXTS_MAX)
		abort();
	check_texts(&answer, &room);
	dns_room_free(&room);
	return 0;
}
