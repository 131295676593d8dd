/*
 * keyload.c - reads, opens and parses one private key.
 * Called by keycache.c for a key that is not in memory, without a lock. It must never leave a copy
 * of a key's text in memory, nor put a part of it into a sentence.
 */
#include "daemon/keyload.h"
#include "lib/base/log.h"
#include "lib/base/secret.h"

static const char *
what_helps(enum status status)
{
	switch (status) {
	case ST_ABSENT:
		return "; make the key with signpost-genkey or correct the path";
	case ST_INVALID:
		return "; put a private key there, as signpost-genkey makes it";
	default:
		return ""; /* the sentence says what to do, or there is nothing to do here */
	}
}

enum status
keyload_file(const char *path, bool require_safe, struct key **key_out,
    struct keyfile_stamp *stamp_out, struct err *err)
{
	struct err why = ERR_NONE;
	char *pem = NULL;
	size_t n = 0;
	enum status status = keyfile_read(path, require_safe, &pem, &n, stamp_out, &why);

	/* RequireSafeKeys no: once for each edition of the file. */
	if (status == ST_OK && why.text[0] != '\0')
		log_line(LOG_LEVEL_WARNING, "%s", why.text);
	if (status == ST_OK) {
		status = key_parse(span_of(pem, n), key_out, &why);
		if (status != ST_OK)
			err_prefix(&why, "%s", path);
	}
	if (status != ST_OK)
		err_set(err, "%s%s", why.text, what_helps(status));
	secret_free(pem);
	return status;
}

enum status
keyload_text(struct span text, struct key **key_out, struct err *err)
{
	struct err why = ERR_NONE;
	enum status status = key_parse(text, key_out, &why);

	if (status != ST_OK)
		err_set(err, "key in the KeyTable: %s%s", why.text, what_helps(status));
	return status;
}

enum status
keyload_row(struct unsealer *unsealer, const struct sealedkey_owner *owner, struct span text,
    int64_t now_ms, struct key **key_out, struct err *err)
{
	char *opened = NULL;
	size_t n = 0;
	enum status status = unsealer == NULL
				 ? ST_ABSENT
				 : unsealer_open(unsealer, owner, text, now_ms, &opened, &n, err);

	if (status == ST_OK)
		status = key_parse(span_of(opened, n), key_out, err);
	if (status != ST_OK)
		err_prefix(err, "key '%.*s' of %.*s in the KeyStore", SPAN_ARG(owner->selector),
		    SPAN_ARG(owner->domain));
	secret_free(opened);
	return status;
}
