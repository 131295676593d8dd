/*
 * publication.c - a public key as a DKIM key record and as a line of a zone file.
 * genkey calls it once per key. It must never write an octet that would end a tag, a quoted
 * string or a line of the zone early: names are checked before, notes are encoded.
 */
#include <stdio.h>
#include <string.h>

#include "tools/publication.h"

#define LABEL_MAX 63     /* octets of a label, RFC 1035 section 2.3.4 */
#define NAME_MAX_DNS 253 /* octets of a name as text */
#define CHUNK 250        /* octets per quoted string; "p=" comes on top in the first */

static bool
name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static enum status
check_name(const char *what, const char *name, struct err *err)
{
	struct span rest = span_str(name), label;
	bool more = rest.n > 0;

	while (more) {
		more = span_cut(&rest, '.', &label);
		if (label.n == 0 || label.n > LABEL_MAX) {
			err_set(err, "the %s \"%s\" has a label of %zu octets; 1 to %d are allowed",
			    what, name, label.n, LABEL_MAX);
			return ST_INVALID;
		}
		for (size_t i = 0; i < label.n; i++)
			if (!name_char(label.p[i])) {
				err_set(err,
				    "the %s \"%s\" may hold letters, digits, \"-\", \"_\" and "
				    "dots; "
				    "write an international name in its xn-- form",
				    what, name);
				return ST_INVALID;
			}
	}
	if (name[0] != '\0')
		return ST_OK;
	err_set(err, "the %s is empty", what);
	return ST_INVALID;
}

/* Signing is always with SHA-256 (RFC 8301): a record that forbids it would fail every message. */
static enum status
check_hashes(const char *hashes, struct err *err)
{
	struct span rest = span_str(hashes), word;
	bool found = rest.n == 0, more = rest.n > 0;

	while (more) {
		more = span_cut(&rest, ':', &word);
		if (span_eq_str(word, "sha256"))
			found = true;
		else if (!span_eq_str(word, "sha1"))
			found = more = false;
	}
	if (found)
		return ST_OK;
	err_set(err,
	    "the hash algorithms \"%s\" would make every signature fail; write sha256, or nothing",
	    hashes);
	return ST_INVALID;
}

enum status
publication_check(const struct publication *record, struct err *err)
{
	enum status status = check_name("selector", record->selector, err);

	if (status == ST_OK)
		status = check_name("domain", record->domain, err);
	if (status == ST_OK)
		status = check_hashes(record->hashes, err);
	if (status == ST_OK &&
	    strlen(record->selector) + strlen("._domainkey.") + strlen(record->domain) >
		NAME_MAX_DNS) {
		err_set(err, "%s._domainkey.%s is longer than a name in DNS may be (%d)",
		    record->selector, record->domain, NAME_MAX_DNS);
		status = ST_INVALID;
	}
	if (status == ST_OK && record->note != NULL &&
	    strlen(record->note) > PUBLICATION_NOTE_MAX) {
		err_set(err, "the note is longer than %d octets", PUBLICATION_NOTE_MAX);
		status = ST_INVALID;
	}
	return status;
}

/* qp-section of RFC 6376 section 3.6.1; quotes and backslashes too, for the zone file's sake. */
static void
add_note(struct buf *out, const char *note)
{
	for (; *note != '\0'; note++) {
		unsigned char c = (unsigned char)*note;

		if ((c == ' ' && note[1] != '\0') ||
		    (c > ' ' && c < 0x7f && strchr(";=\"\\", c) == NULL))
			buf_add_char(out, (char)c);
		else
			buf_add_fmt(out, "=%02X", c);
	}
}

static void
add_tags(const struct publication *record, const struct key *key, struct buf *out)
{
	buf_add_str(out, "v=DKIM1; ");
	if (record->note != NULL) {
		buf_add_str(out, "n=");
		add_note(out, record->note);
		buf_add_str(out, "; ");
	}
	if (record->hashes[0] != '\0')
		buf_add_fmt(out, "h=%s; ", record->hashes);
	buf_add_fmt(out, "k=%s; ", key_algorithm(key) == KEY_RSA_SHA256 ? "rsa" : "ed25519");
	if (record->test_mode || record->no_subdomains)
		buf_add_fmt(out, "t=%s%s%s; ", record->test_mode ? "y" : "",
		    record->test_mode && record->no_subdomains ? ":" : "",
		    record->no_subdomains ? "s" : "");
	if (record->restrict_email)
		buf_add_str(out, "s=email; ");
}

/* One or more quoted strings; the text's own octets need no escape. */
static void
add_quoted(struct buf *out, const char *first, struct span text)
{
	for (size_t at = 0; at == 0 || at < text.n; at += CHUNK) {
		if (at > 0)
			buf_add_str(out, "\n\t  ");
		buf_add_fmt(out, "\"%s", at == 0 ? first : "");
		buf_add(out, span_sub(text, at, CHUNK));
		buf_add_char(out, '"');
	}
}

static enum status
worst(enum status status, const struct buf *out)
{
	return status != ST_OK ? status : buf_status(out);
}

enum status
publication_value(const struct publication *record, const struct key *key, struct buf *out)
{
	add_tags(record, key, out);
	buf_add_str(out, "p=");
	return worst(key_public_base64(key, out), out);
}

enum status
publication_zone_line(const struct publication *record, const struct key *key, struct buf *out)
{
	struct buf tags, public;
	enum status status;

	buf_init(&tags, PUBLICATION_TEXT_MAX);
	buf_init(&public, PUBLICATION_TEXT_MAX);
	add_tags(record, key, &tags);
	status = worst(key_public_base64(key, &public), &tags);
	buf_add_fmt(out, "%s._domainkey", record->selector);
	if (record->absolute_name)
		buf_add_fmt(out, ".%s.", record->domain);
	buf_add_str(out, "\tIN\tTXT\t( ");
	add_quoted(out, "", buf_span(&tags));
	buf_add_str(out, "\n\t  ");
	add_quoted(out, "p=", buf_span(&public));
	buf_add_fmt(out, " )  ; ----- DKIM key %s for %s\n", record->selector, record->domain);
	buf_free(&tags);
	buf_free(&public);
	return worst(status, out);
}

/* Nothing here needs an escape: names are checked and the record holds no quotes. */
enum status
publication_json(const struct publication *record, const struct key *key, struct buf *out)
{
	enum status status;

	buf_add_fmt(
	    out, "{\"selector\":\"%s\",\"domain\":\"%s\",", record->selector, record->domain);
	buf_add_fmt(out, "\"name\":\"%s._domainkey.%s\",\"type\":\"TXT\",", record->selector,
	    record->domain);
	buf_add_fmt(out, "\"algorithm\":\"%s\",\"bits\":%d,",
	    key_algorithm_name(key_algorithm(key)), key_bits(key));
	buf_add_fmt(out, "\"private_file\":\"%s.private\",\"record_file\":\"%s.txt\",\"record\":\"",
	    record->selector, record->selector);
	status = publication_value(record, key, out);
	buf_add_str(out, "\"}\n");
	return worst(status, out);
}
