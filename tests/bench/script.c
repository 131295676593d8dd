/*
 * script.c - one message as the MTA of the load generator tells it: macros as Postfix 3.7 sends
 * them (a macro packet before every command, header and body chunk; no {i} at MAIL nor at the first
 * RCPT), twelve headers, a body of text lines. Made once for all connections; only the domain's
 * digits change.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tests/bench/script.h"
#include "tests/lib/mta.h"

#define QUEUE_ID "4Wq7Rk2nLSz9tBd"
#define DIGITS "@@@@@@" /* stands for the number until script_set_domain */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VALUE_MAX 65536U /* octets of one field of a given message */

static const struct {
	const char *name;
	const char *value; /* folds are LF and a blank, as the MTA sends them */
} headers[] = {
    {"Received", "from mail.client.example (mail.client.example [192.0.2.25])\n"
		 "\tby relay.example (Postfix) with ESMTPS id 4Wq7Rj61LMz2xPF\n"
		 "\tfor <recipient@destination.example>; Sat, 21 Nov 2026 10:11:12 +0000 (UTC)"},
    {"Date", "Sat, 21 Nov 2026 11:11:11 +0100"},
    {"From", "Alice Example <alice@d" DIGITS ".example>"},
    {"To", "Recipient <recipient@destination.example>"},
    {"Cc", "Carol <carol@destination.example>, Dave <dave@destination.example>"},
    {"Message-ID", "<20261121101111.GA4242@d" DIGITS ".example>"},
    {"Subject", "Minutes of the meeting about the minutes of the meeting"},
    {"MIME-Version", "1.0"},
    {"Content-Type", "text/plain; charset=utf-8; format=flowed"},
    {"Content-Transfer-Encoding", "8bit"},
    {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.9"},
    {"Content-Language", "en-GB"},
};

static void
add_stop(struct script *script, char command, bool answered)
{
	if (answered && script->stop_count < SCRIPT_STOPS_MAX)
		script->stops[script->stop_count++] =
		    (struct script_stop){script->octets.n, command};
}

static void
add_queue_id(struct script *script, enum milter_command command)
{
	static const char *const macros[] = {"i", QUEUE_ID};

	mta_put_macros(&script->octets, command, macros, 2);
}

static void
add_connection(
    struct script *script, uint32_t protocol, const char *client, const char *client_address)
{
	static const char *const macros[] = {"j", "relay.example", "{daemon_name}", "relay.example",
	    "{daemon_addr}", "127.0.0.1", "v", "Postfix 3.7.11"};
	const char *const helo[] = {client};

	if ((protocol & SMFIP_NOCONNECT) == 0) {
		mta_put_macros(&script->octets, SMFIC_CONNECT, macros, COUNT(macros));
		mta_put_connect(&script->octets, client, SMFIA_INET, 40000, client_address);
		add_stop(script, SMFIC_CONNECT, (protocol & SMFIP_NR_CONN) == 0);
	}
	if ((protocol & SMFIP_NOHELO) == 0) {
		mta_put_macros(&script->octets, SMFIC_HELO, NULL, 0);
		mta_put_strings(&script->octets, SMFIC_HELO, helo, 1);
		add_stop(script, SMFIC_HELO, (protocol & SMFIP_NR_HELO) == 0);
	}
}

/* sender in angle brackets. */
static void
add_envelope(struct script *script, uint32_t protocol, const char *sender)
{
	char bare[64] = "";
	const char *const mail_macros[] = {"{mail_addr}", bare, "{mail_host}",
	    strchr(sender, '@') == NULL ? bare : bare + (strchr(sender, '@') - sender),
	    "{mail_mailer}", "smtp"};
	const char *const mail[] = {sender, "SIZE=5000"};
	static const char *const rcpt_macros[] = {"{rcpt_addr}", "recipient@destination.example",
	    "{rcpt_host}", "destination.example", "{rcpt_mailer}", "smtp"};
	static const char *const rcpt[] = {"<recipient@destination.example>"};

	snprintf(bare, sizeof(bare), "%.*s", (int)strlen(sender) - 2, sender + 1);
	if ((protocol & SMFIP_NOMAIL) == 0) {
		mta_put_macros(&script->octets, SMFIC_MAIL, mail_macros, COUNT(mail_macros));
		mta_put_strings(&script->octets, SMFIC_MAIL, mail, COUNT(mail));
		add_stop(script, SMFIC_MAIL, (protocol & SMFIP_NR_MAIL) == 0);
	}
	if ((protocol & SMFIP_NORCPT) == 0) {
		mta_put_macros(&script->octets, SMFIC_RCPT, rcpt_macros, COUNT(rcpt_macros));
		mta_put_strings(&script->octets, SMFIC_RCPT, rcpt, COUNT(rcpt));
		add_stop(script, SMFIC_RCPT, (protocol & SMFIP_NR_RCPT) == 0);
	}
	if ((protocol & SMFIP_NODATA) == 0) {
		add_queue_id(script, SMFIC_DATA);
		mta_put(&script->octets, SMFIC_DATA, SPAN_EMPTY);
		add_stop(script, SMFIC_DATA, (protocol & SMFIP_NR_DATA) == 0);
	}
}

static void
add_header(struct script *script, uint32_t protocol, const char *name, const char *value)
{
	const char *const strings[] = {name, value};

	add_queue_id(script, SMFIC_HEADER);
	mta_put_strings(&script->octets, SMFIC_HEADER, strings, 2);
	add_stop(script, SMFIC_HEADER, (protocol & SMFIP_NR_HDR) == 0);
}

static void
add_headers(struct script *script, uint32_t protocol)
{
	for (size_t i = 0; i < COUNT(headers) && (protocol & SMFIP_NOHDRS) == 0; i++) {
		char value[512];

		snprintf(value, sizeof(value), "%s%s", script->leading_space ? " " : "",
		    headers[i].value);
		add_header(script, protocol, headers[i].name, value);
	}
}

static void
add_end_of_headers(struct script *script, uint32_t protocol)
{
	if ((protocol & SMFIP_NOEOH) == 0) {
		add_queue_id(script, SMFIC_EOH);
		mta_put(&script->octets, SMFIC_EOH, SPAN_EMPTY);
		add_stop(script, SMFIC_EOH, (protocol & SMFIP_NR_EOH) == 0);
	}
}

/* Text lines of 78 octets, the last one cut so that all are `bytes` octets and end in CRLF. */
static void
add_body_text(struct buf *buf, size_t bytes)
{
	static const char line[] = "The quick brown fox jumps over the lazy dog, and the lazy dog "
				   "sleeps all day\r\n";
	size_t length = sizeof(line) - 1;
	char *text;

	if (bytes < 2 || (text = buf_reserve(buf, bytes)) == NULL)
		return;
	for (size_t i = 0; i < bytes - 2; i++)
		text[i] = line[i % length];
	if (bytes > 2 && text[bytes - 3] == '\r')
		text[bytes - 3] = '.';
	memcpy(text + bytes - 2, "\r\n", 2);
	buf->n += bytes;
}

static void
add_body(struct script *script, uint32_t protocol, struct span rest)
{
	while (rest.n > 0 && (protocol & SMFIP_NOBODY) == 0) {
		struct span chunk = span_sub(rest, 0, MILTER_CHUNK_BYTES);

		add_queue_id(script, SMFIC_BODY);
		mta_put(&script->octets, SMFIC_BODY, chunk);
		add_stop(script, SMFIC_BODY, (protocol & SMFIP_NR_BODY) == 0);
		rest = span_from(rest, chunk.n);
	}
}

static void
add_end(struct script *script)
{
	script->eom_at = script->octets.n;
	add_queue_id(script, SMFIC_BODYEOB);
	mta_put(&script->octets, SMFIC_BODYEOB, SPAN_EMPTY);
	add_stop(script, SMFIC_BODYEOB, true);
}

/* Finds where the digits go. The body has no such text. */
static void
find_places(struct script *script)
{
	struct span digits = SPAN_LIT(DIGITS);

	for (size_t at = 0; at + digits.n <= script->head_end; at++)
		if (memcmp(script->octets.p + at, digits.p, digits.n) == 0 &&
		    script->place_count < SCRIPT_PLACES_MAX)
			script->places[script->place_count++] = at;
}

static void
begin(struct script *script, uint32_t protocol)
{
	memset(script, 0, sizeof(*script));
	buf_init(&script->octets, SCRIPT_BODY_MAX + (1U << 20));
	script->leading_space = (protocol & SMFIP_HDR_LEADSPC) != 0;
}

void
script_build(struct script *script, uint32_t protocol, size_t body_bytes)
{
	struct buf body;

	begin(script, protocol);
	add_connection(script, protocol, "localhost", "127.0.0.1");
	script->message_at = script->octets.n;
	add_envelope(script, protocol, "<alice@d" DIGITS ".example>");
	add_headers(script, protocol);
	add_end_of_headers(script, protocol);
	script->head_end = script->octets.n;
	find_places(script);
	buf_init(&body, SCRIPT_BODY_MAX);
	add_body_text(&body, body_bytes);
	add_body(script, protocol, buf_span(&body));
	buf_free(&body);
	add_end(script);
}

/* The next field: up to the CRLF that no blank follows. false: the empty line, or the end. */
static bool
next_field(struct span *rest, struct span *field_out)
{
	size_t at = 0;

	if (rest->n < 2 || rest->p[0] == '\r')
		return false;
	while (at + 2 < rest->n && (memcmp(rest->p + at, "\r\n", 2) != 0 ||
				       rest->p[at + 2] == ' ' || rest->p[at + 2] == '\t'))
		at++;
	*field_out = span_sub(*rest, 0, at);
	*rest = span_from(*rest, at + 2);
	return true;
}

/* As an MTA gives it: folds are LF and a blank. */
static void
add_given_field(struct script *script, uint32_t protocol, struct span field)
{
	struct span name;
	char *copy, *value;
	size_t n = 0;

	if (!span_cut(&field, ':', &name) || name.n + field.n > VALUE_MAX)
		return;
	if (!script->leading_space && field.n > 0 && field.p[0] == ' ')
		field = span_from(field, 1);
	copy = span_dup(name);
	value = span_dup(field);
	for (size_t i = 0; i < field.n; i++)
		if (value[i] != '\r')
			value[n++] = value[i];
	value[n] = '\0';
	add_header(script, protocol, copy, value);
	mem_free(copy);
	mem_free(value);
}

void
script_build_given(struct script *script, uint32_t protocol, struct span message)
{
	struct span field;

	begin(script, protocol);
	add_connection(script, protocol, "mail.outside.example", "192.0.2.25");
	script->message_at = script->octets.n;
	add_envelope(script, protocol, "<bounces@outside.example>");
	while (next_field(&message, &field))
		add_given_field(script, protocol, field);
	add_end_of_headers(script, protocol);
	add_body(script, protocol, message.n < 2 ? SPAN_EMPTY : span_from(message, 2));
	add_end(script);
}

void
script_free(struct script *script)
{
	buf_free(&script->octets);
}

static void
write_number(char *at, unsigned int number)
{
	for (size_t i = SCRIPT_DIGITS; i > 0; i--) {
		at[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
}

void
script_set_domain(const struct script *script, char *head, unsigned int domain)
{
	for (size_t i = 0; i < script->place_count; i++)
		write_number(head + script->places[i], domain);
}

/* LF becomes CRLF, the stand-in the number. */
static void
add_header_line(struct buf *buf, const char *name, const char *value, unsigned int domain)
{
	char text[512];
	char *digits;

	snprintf(text, sizeof(text), "%s: %s\n", name, value);
	while ((digits = strstr(text, DIGITS)) != NULL)
		write_number(digits, domain);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '\n')
			buf_add_char(buf, '\r');
		buf_add_char(buf, *c);
	}
}

void
script_add_message(struct buf *buf, struct span first_fields, struct span last_fields,
    unsigned int domain, size_t body_bytes)
{
	buf_add(buf, first_fields);
	for (size_t i = 0; i < COUNT(headers); i++)
		add_header_line(buf, headers[i].name, headers[i].value, domain);
	buf_add(buf, last_fields);
	buf_add_str(buf, "\r\n");
	add_body_text(buf, body_bytes);
}
