/*
 * signed_mail.h - messages signed by our own signing half and handed to the verifying half: for
 * unit tests, fuzz targets and benchmarks. What cannot be done ends the program.
 */
#ifndef SIGNPOST_TESTS_SIGNED_MAIL_H
#define SIGNPOST_TESTS_SIGNED_MAIL_H

#include "lib/base/buf.h"
#include "lib/dkim/signature.h"
#include "lib/dkim/verify.h"

#define SIGNED_MAIL_MAX 4194304u

/* Puts a DKIM-Signature in front of message, which is a whole one with CRLF line ends. params lacks
 * only the algorithm and the body hash. */
void signed_mail_sign(struct buf *message, struct key *key, const struct signature_params *params);
/* "v=DKIM1; k=...; EXTRA p=..." */
void signed_mail_record(const struct key *key, const char *extra, struct buf *out);

/* A message in the verifier. */
struct signed_mail {
	struct arena arena;
	struct header_list list;
	struct span body;
	struct verify *verify;
};

/* Parses message (borrowed) and makes the verifier. ST_INVALID: no message. */
enum status signed_mail_open(
    struct signed_mail *mail, struct span message, const struct verify_options *options) MUST_USE;
void signed_mail_close(struct signed_mail *mail);
/* Body in pieces of that size (0: all at once), the same answer for each key, the results. */
void signed_mail_finish(struct signed_mail *mail, size_t piece, const struct verify_key *answer);

#endif
