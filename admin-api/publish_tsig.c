/*
 * publish_tsig.c - signatures of DNS messages, RFC 8945, over the octets that are sent.
 * Called for every message of publish_rfc2136.c. It must never hold an answer for good that is not
 * signed with the key, for the question that was asked, now; nor copy the key.
 */
#include "admin-api/publish_dns.h"
#include "lib/base/secret.h"

#define TYPE_TSIG 250
#define CLASS_ANY 255
#define HEAD_BYTES 12U
#define NAME_MAX_OCTETS 255U
#define JUMPS_MAX 32U
#define ERROR_BADSIG 16
#define ERROR_BADKEY 17
#define ERROR_BADTIME 18
#define ERROR_BADTRUNC 22

static const char *const digests[] = {
    [MAC_SHA256] = "hmac-sha256", [MAC_SHA384] = "hmac-sha384", [MAC_SHA512] = "hmac-sha512"};

bool
tsig_digest_by_name(struct span name, enum mac_digest *out)
{
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		if (span_ieq_str(name, digests[i])) {
			*out = (enum mac_digest)i;
			return true;
		}
	}
	return false;
}

const char *
tsig_error_text(uint16_t error)
{
	switch (error) {
	case ERROR_BADSIG:
		return "the secret is not the one it has for this key (BADSIG)";
	case ERROR_BADKEY:
		return "it has no key of this name and algorithm (BADKEY)";
	case ERROR_BADTIME:
		return "its clock and ours are more than five minutes apart (BADTIME)";
	case ERROR_BADTRUNC:
		return "it wants longer signatures (BADTRUNC)";
	default:
		return "an unknown error of the signature";
	}
}

/* ---- writing ---- */

static void
put_number(struct buf *out, uint64_t value, unsigned int octets)
{
	while (octets-- > 0)
		buf_add_char(out, (char)(value >> (8 * octets)));
}

static void
put_name(struct buf *out, struct span name)
{
	struct span label;

	while (name.n > 0) {
		span_cut(&name, '.', &label);
		buf_add_char(out, (char)label.n);
		for (size_t i = 0; i < label.n; i++)
			buf_add_char(out, ascii_lower(label.p[i]));
	}
	buf_add_char(out, 0);
}

/* The variables of a signature (section 4.3.3), as far as both sides know them. */
static void
put_variables(struct buf *out, const struct tsig_key *key, uint64_t time_s, uint16_t fudge_s,
    uint16_t error, struct span other)
{
	put_name(out, key->name);
	put_number(out, CLASS_ANY, 2);
	put_number(out, 0, 4);
	put_name(out, span_str(digests[key->digest]));
	put_number(out, time_s, 6);
	put_number(out, fudge_s, 2);
	put_number(out, error, 2);
	put_number(out, other.n, 2);
	buf_add(out, other);
}

static void
put_record(struct buf *message, const struct tsig_key *key, uint64_t time_s,
    const struct tsig_mac *mac, struct span id)
{
	struct span algorithm = span_str(digests[key->digest]);

	put_name(message, key->name);
	put_number(message, TYPE_TSIG, 2);
	put_number(message, CLASS_ANY, 2);
	put_number(message, 0, 4);
	put_number(message, algorithm.n + 2 + 6 + 2 + 2 + mac->n + 6, 2);
	put_name(message, algorithm);
	put_number(message, time_s, 6);
	put_number(message, TSIG_FUDGE_S, 2);
	put_number(message, mac->n, 2);
	buf_add(message, span_of(mac->octets, mac->n));
	buf_add(message, id);
	put_number(message, 0, 4);
}

enum status
tsig_sign(
    const struct tsig_key *key, int64_t now_utc, struct buf *message, struct tsig_mac *mac_out)
{
	struct span pieces[2];
	struct buf variables;
	enum status status;
	char id[2];

	buf_init(&variables, 1024);
	put_variables(&variables, key, (uint64_t)now_utc, TSIG_FUDGE_S, 0, SPAN_EMPTY);
	pieces[0] = buf_span(message);
	pieces[1] = buf_span(&variables);
	status = mac_make(key->digest, key->secret, pieces, 2, mac_out->octets);
	mac_out->n = mac_bytes(key->digest);
	buf_free(&variables);
	if (status != ST_OK)
		return status;
	memcpy(id, message->p, sizeof(id));
	put_record(message, key, (uint64_t)now_utc, mac_out, span_of(id, sizeof(id)));
	if (++message->p[11] == 0)
		message->p[10]++;
	return buf_status(message);
}

/* ---- reading ---- */

/* A message that is read; what ends too early makes good false. */
struct reader {
	const unsigned char *p;
	size_t n, at;
	bool good;
};

static uint64_t
take_number(struct reader *reader, unsigned int octets)
{
	uint64_t value = 0;

	if (!reader->good || reader->n - reader->at < octets) {
		reader->good = false;
		return 0;
	}
	while (octets-- > 0)
		value = value << 8 | reader->p[reader->at++];
	return value;
}

static struct span
take(struct reader *reader, size_t n)
{
	struct span taken = SPAN_EMPTY;

	if (!reader->good || reader->n - reader->at < n) {
		reader->good = false;
		return taken;
	}
	taken = span_of(reader->p + reader->at, n);
	reader->at += n;
	return taken;
}

/* A name as it would be on the wire without compression, in small letters, into room if that is not
 * NULL. */
static void
take_name(struct reader *reader, struct buf *room)
{
	size_t at = reader->at, jumps = 0, octets = 0;
	bool jumped = false;

	while (reader->good) {
		unsigned int length = at < reader->n ? reader->p[at] : 0x40;

		if (length >= 0xc0 && at + 1 < reader->n && jumps++ < JUMPS_MAX) {
			if (!jumped)
				reader->at = at + 2;
			jumped = true;
			at = (size_t)(length & 0x3f) << 8 | reader->p[at + 1];
			continue;
		}
		octets += length + 1;
		if (length >= 0x40 || octets > NAME_MAX_OCTETS || reader->n - at <= length) {
			reader->good = false;
			return;
		}
		for (size_t i = 0; room != NULL && i <= length; i++)
			buf_add_char(
			    room, i == 0 ? (char)length : ascii_lower((char)reader->p[at + i]));
		at += length + 1;
		if (length == 0)
			break;
	}
	if (!jumped)
		reader->at = at;
}

static void
skip_record(struct reader *reader)
{
	take_name(reader, NULL);
	take_number(reader, 8);
	take(reader, (size_t)take_number(reader, 2));
}

/* To the last record of the message, which is where a signature is. false: there is none there. */
static bool
find_last(struct reader *reader)
{
	uint64_t questions, records;

	reader->good = reader->n >= HEAD_BYTES;
	if (!reader->good)
		return false;
	reader->at = 4;
	questions = take_number(reader, 2);
	records = take_number(reader, 2);
	records += take_number(reader, 2);
	records += take_number(reader, 2);
	for (; reader->good && questions > 0; questions--) {
		take_name(reader, NULL);
		take_number(reader, 4);
	}
	for (; reader->good && records > 1; records--)
		skip_record(reader);
	return reader->good && records == 1;
}

/* A signature that was read. */
struct found {
	size_t begin;     /* where its record begins */
	struct buf names; /* of the key and of the algorithm, as on the wire */
	uint64_t time_s;
	uint16_t fudge_s, error;
	struct span mac, id, other;
};

/* false: the last record is no signature. reader->good: it can be read. */
static bool
read_found(struct reader *reader, struct found *found)
{
	uint64_t type, class, ttl_s, octets;

	found->begin = reader->at;
	take_name(reader, &found->names);
	type = take_number(reader, 2);
	class = take_number(reader, 2);
	ttl_s = take_number(reader, 4);
	octets = take_number(reader, 2);
	if (octets != reader->n - reader->at)
		reader->good = false;
	if (!reader->good || type != TYPE_TSIG)
		return false;
	take_name(reader, &found->names);
	found->time_s = take_number(reader, 6);
	found->fudge_s = (uint16_t)take_number(reader, 2);
	found->mac = take(reader, (size_t)take_number(reader, 2));
	found->id = take(reader, 2);
	found->error = (uint16_t)take_number(reader, 2);
	found->other = take(reader, (size_t)take_number(reader, 2));
	if (class != CLASS_ANY || ttl_s != 0 || reader->at != reader->n)
		reader->good = false;
	return true;
}

static bool
is_of_key(const struct found *found, const struct tsig_key *key)
{
	struct buf names;
	bool same;

	buf_init(&names, 1024);
	put_name(&names, key->name);
	put_name(&names, span_str(digests[key->digest]));
	same = span_eq(buf_span(&names), buf_span(&found->names));
	buf_free(&names);
	return same;
}

/* Section 4.3.1: the question's signature, the answer as it was before it was signed, the
 * variables. */
static bool
mac_fits(const struct tsig_key *key, struct span message, const struct found *found,
    const struct tsig_mac *mac)
{
	uint8_t wanted[MAC_BYTES_MAX];
	struct buf text;
	bool fits;

	if (found->mac.n != mac_bytes(key->digest))
		return false;
	buf_init(&text, WIRE_MESSAGE_MAX + 4096);
	put_number(&text, mac->n, 2);
	buf_add(&text, span_of(mac->octets, mac->n));
	buf_add(&text, found->id);
	buf_add(&text, span_sub(message, 2, 8));
	put_number(&text,
	    ((unsigned int)(unsigned char)message.p[10] << 8 | (unsigned char)message.p[11]) - 1U,
	    2);
	buf_add(&text, span_sub(message, HEAD_BYTES, found->begin - HEAD_BYTES));
	put_variables(&text, key, found->time_s, found->fudge_s, found->error, found->other);
	fits = buf_status(&text) == ST_OK &&
	       mac_make(key->digest, key->secret, &(struct span){text.p, text.n}, 1, wanted) ==
		   ST_OK &&
	       secret_equal(wanted, found->mac.p, found->mac.n);
	buf_free(&text);
	return fits;
}

static enum tsig_finding
judge(const struct tsig_key *key, int64_t now_utc, struct span message, const struct found *found,
    const struct tsig_mac *mac)
{
	int64_t apart = now_utc - (int64_t)found->time_s;

	if ((found->error == ERROR_BADKEY || found->error == ERROR_BADSIG) && found->mac.n == 0)
		return TSIG_ERROR;
	if (!is_of_key(found, key) || !mac_fits(key, message, found, mac))
		return TSIG_BAD;
	if (apart < 0)
		apart = -apart;
	return found->error != ERROR_BADTIME && apart > found->fudge_s ? TSIG_BAD : TSIG_GOOD;
}

enum tsig_finding
tsig_check(const struct tsig_key *key, int64_t now_utc, struct span message,
    const struct tsig_mac *mac, uint16_t *error_out)
{
	struct reader reader = {(const unsigned char *)message.p, message.n, 0, true};
	struct found found = {.begin = 0};
	enum tsig_finding finding;

	*error_out = 0;
	if (!find_last(&reader))
		return reader.good ? TSIG_UNSIGNED : TSIG_BAD;
	buf_init(&found.names, 2 * NAME_MAX_OCTETS + 2);
	if (!read_found(&reader, &found))
		finding = reader.good ? TSIG_UNSIGNED : TSIG_BAD;
	else if (!reader.good)
		finding = TSIG_BAD;
	else
		finding = judge(key, now_utc, message, &found, mac);
	if (finding == TSIG_GOOD || finding == TSIG_ERROR)
		*error_out = found.error;
	buf_free(&found.names);
	return finding;
}
