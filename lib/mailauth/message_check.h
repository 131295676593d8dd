/*
 * message_check.h - one whole message from a file: its signatures verified, keys asked for and
 * waited for. signpost testmsg and signpostd -t. One thread.
 */
#ifndef SIGNPOST_MAILAUTH_MESSAGE_CHECK_H
#define SIGNPOST_MAILAUTH_MESSAGE_CHECK_H

#include "lib/dkim/verify.h"
#include "lib/mailauth/dnsclient.h"

#define MESSAGE_BYTES_MAX (256u << 20)      /* octets of a message file */
#define MESSAGE_HEADER_BYTES_MAX (1u << 20) /* octets of its header */

struct message_check {
	struct arena arena;
	struct header_list list;
	struct verify *verify; /* NULL unless the check was ST_OK */
	size_t body_at;        /* in the text; its length: there is no body */
	/* What the DNS said, for each signature; one that needed no key: ST_UNAVAILABLE, and no
	 * texts. In the arena. */
	struct verify_key keys[VERIFY_SIGNATURES_MAX];
};

/* path: a file, or "-" for the standard input. The text is appended to an empty buffer that
 * buf_init gave MESSAGE_BYTES_MAX. ST_ABSENT, ST_UNAVAILABLE, ST_TOO_BIG: err names path. */
enum status message_read(const char *path, struct buf *text_out, struct err *err) MUST_USE;

/* A piece of a body whose lines end in LF or CRLF, handed on with CRLF. *last: the octet before
 * the piece ('\0' at the beginning), kept up to date. Any other CR stays what it is. */
void message_crlf(
    struct span piece, char *last, void (*use)(void *context, struct span piece), void *context);

/* text (borrowed until message_check_free): the message with CRLF or LF line ends. most: signatures
 * that are processed. ST_OK: check->verify is finished; it may have no signature. ST_INVALID: no
 * message; ST_TOO_BIG. Free in every case. */
enum status message_check_run(struct message_check *check, struct span text,
    const struct verify_options *options, size_t most, struct dnsclient *dns,
    struct err *err) MUST_USE;
/* The verifier's word for what the DNS says of an answer. */
enum verify_dnssec message_dnssec(enum dns_security security);
void message_check_free(struct message_check *check); /* may be called twice */

#endif
