/*
 * verify_help.h - what the tests of the verifier share: keys, a small message signed by our own
 * signing half, and the verdict on the first signature of a message.
 */
#ifndef SIGNPOST_TESTS_VERIFY_HELP_H
#define SIGNPOST_TESTS_VERIFY_HELP_H

#include "tests/lib/signed_mail.h"

#define NOW 1800000000
#define MESSAGE                                                                                    \
	"Received: from a.example.org by b.example.org; Sat,  1 Jan 2028\r\n"                      \
	"From: Alice <alice@example.org>\r\n"                                                      \
	"To: bob@example.net\r\n"                                                                  \
	"Subject: a  folded\r\n\t subject \r\n"                                                    \
	"\r\n"                                                                                     \
	"Two  blanks here,\t a tab there \r\n"                                                     \
	"second line\r\n\r\nlast\r\n\r\n\r\n"

extern struct key *ed25519, *rsa, *rsa2048; /* rsa: 1024 bits */
extern struct digest *digest;
extern const struct verify_options plain;

/* The group's fixture. */
int keys_make(void **state);
int keys_free(void **state);

/* d=example.org s=sel h=From:To:Subject:From t=NOW, relaxed/simple. */
struct signature_params params_plain(void);
/* MESSAGE, signed. buf_free. */
void message_signed(struct buf *out, struct key *key, const struct signature_params *p);
/* What a verifier says of the first signature, with that record. */
struct verify_signature check_record(
    struct span message, const struct verify_options *options, struct span record);
/* The same with the record of that key, and extra tags ("t=y; ") in it. */
enum verify_reason check_key(struct span message, const struct verify_options *options,
    const struct key *key, const char *extra);
/* Signs MESSAGE with these parameters and verifies it like that. */
enum verify_reason sign_and_check(const struct signature_params *p,
    const struct verify_options *options, struct key *key, const char *extra);

#endif
