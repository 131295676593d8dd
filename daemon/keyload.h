/*
 * keyload.h - one private key from where it is: a file, the KeyTable itself, a row of the KeyStore.
 * Nothing is kept here. Sentences name the place and say what helps; none has a part of a key. Any
 * thread.
 */
#ifndef SIGNPOST_DAEMON_KEYLOAD_H
#define SIGNPOST_DAEMON_KEYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/unsealer.h"
#include "lib/crypto/key.h"
#include "lib/store/keyfile.h"

/* Answers as of keyfile_read() and key_parse(). *stamp_out is set whenever the file was read. What
 * keyfile_read() warns of is logged, once for each time the file is read. */
enum status keyload_file(const char *path, bool require_safe, struct key **key_out,
    struct keyfile_stamp *stamp_out, struct err *err) MUST_USE;
/* text: of the KeyTable. */
enum status keyload_text(struct span text, struct key **key_out, struct err *err) MUST_USE;
/* text: what is in the row of owner. unsealer: NULL: ST_ABSENT. Else as unsealer_open(). */
enum status keyload_row(struct unsealer *unsealer, const struct sealedkey_owner *owner,
    struct span text, int64_t now_ms, struct key **key_out, struct err *err) MUST_USE;

#endif
