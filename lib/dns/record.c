/*
 * record.c - the data of a record that is no TXT, as a text: addresses, the host of an MX, the
 * first server of a SOA. Called by answer.c while a tool waits; the fuzz target gives it anything.
 * It must never read beyond the record, but for names that are compressed, nor write an octet that
 * is not printable.
 */
#include <arpa/inet.h>

#include "lib/dns/answer.h"

#define V4_BYTES 4u
#define V6_BYTES 16u
#define SOA_COUNTERS_BYTES 20u

static bool
add_address(const struct wire_cursor *data, size_t n, int family, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (n != (family == AF_INET ? V4_BYTES : V6_BYTES) || data->n - data->at < n ||
	    inet_ntop(family, data->p + data->at, text, sizeof(text)) == NULL)
		return false;
	buf_add_str(out, text);
	return true;
}

static bool
add_name(struct wire_cursor *data, struct buf *out)
{
	char text[DNS_NAME_TEXT_MAX];
	struct wire_name name;

	wire_take_name(data, &name);
	if (data->torn)
		return false;
	if (name.n == 0)
		buf_add_char(out, '.');
	else
		buf_add(out, wire_name_text(&name, text));
	return true;
}

bool
dns_record_text(struct wire_cursor message, const struct wire_record *record, struct buf *out)
{
	size_t end = record->data_at + record->data_n;
	struct wire_name mailbox;

	message.at = record->data_at;
	switch (record->type) {
	case DNS_A:
		return add_address(&message, record->data_n, AF_INET, out);
	case DNS_AAAA:
		return add_address(&message, record->data_n, AF_INET6, out);
	case DNS_MX:
		buf_add_fmt(out, "%u ", wire_take_u16(&message));
		return add_name(&message, out) && message.at == end;
	case DNS_SOA:
		if (!add_name(&message, out))
			return false;
		wire_take_name(&message, &mailbox);
		wire_skip(&message, SOA_COUNTERS_BYTES);
		return !message.torn && message.at == end;
	default:
		return false;
	}
}
