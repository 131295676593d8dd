/*
 * adminrows_audit.c - the chain of the audit: the hash of a row, and whether rows that were read
 * follow each other as they were written.
 * Called by the backends when rows are added, and by whoever verifies what is in a store.
 * It must never hash two different rows to the same text, nor go on behind a row that is wrong.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/crypto/digest.h"
#include "lib/store/adminrows.h"

#define NUMBER_BYTES 24U

void
audit_head_init(struct audit_head *head)
{
	head->seq = 0;
	memset(head->hash, '0', ADMINROW_HASH_BYTES - 1);
	head->hash[ADMINROW_HASH_BYTES - 1] = '\0';
}

/* ---- the hash ---- */

static void
finish(struct digest *digest, char out[ADMINROW_HASH_BYTES])
{
	uint8_t octets[SHA256_BYTES];

	digest_finish(digest, octets);
	digest_free(digest);
	for (size_t i = 0; i < sizeof(octets); i++)
		(void)snprintf(out + i * 2, 3, "%02x", octets[i]);
}

static void
add_text(struct digest *digest, struct span text)
{
	char head[NUMBER_BYTES];
	int n = snprintf(head, sizeof(head), "%zu:", text.n);

	digest_add(digest, span_of(head, (size_t)n));
	digest_add(digest, text);
	digest_add(digest, SPAN_LIT(","));
}

static void
add_number(struct digest *digest, int64_t number)
{
	char text[NUMBER_BYTES];
	int n = snprintf(text, sizeof(text), "%lld", (long long)number);

	add_text(digest, span_of(text, (size_t)n));
}

void
audit_hash(const struct store_audit *row, char out[ADMINROW_HASH_BYTES])
{
	const struct span texts[] = {row->actor, row->method, row->source, row->tenant, row->action,
	    row->object, row->before, row->after, row->request, row->key, row->detail, row->result};
	struct digest *digest = digest_new();

	digest_start(digest);
	digest_add(digest, row->prev);
	add_number(digest, (int64_t)row->seq);
	add_number(digest, row->at);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add_text(digest, texts[i]);
	finish(digest, out);
}

void
reply_id(struct span scope, struct span key, char out[ADMINROW_HASH_BYTES])
{
	struct digest *digest = digest_new();

	digest_start(digest);
	add_text(digest, scope);
	add_text(digest, key);
	finish(digest, out);
}

/* ---- the chain ---- */

void
audit_verify_begin(
    struct audit_verifier *verifier, const struct audit_head *from, const struct audit_head *known)
{
	*verifier = (struct audit_verifier){.broken = 0};
	if (from != NULL)
		verifier->head = *from;
	else
		audit_head_init(&verifier->head);
	if (known != NULL)
		verifier->known = *known;
}

static enum status
broken_at(struct audit_verifier *verifier, uint64_t seq, struct err *err, const char *why)
{
	verifier->broken = seq;
	err_set(err, "row %llu of the audit: %s", (unsigned long long)seq, why);
	return ST_INVALID;
}

static enum status
check_known(struct audit_verifier *verifier, struct err *err)
{
	const struct audit_head *known = &verifier->known;

	if (known->seq == 0 || known->seq != verifier->head.seq ||
	    strcmp(known->hash, verifier->head.hash) == 0)
		return ST_OK;
	return broken_at(verifier, known->seq, err,
	    "its hash is not the one that was kept elsewhere; the chain was written anew up to "
	    "here");
}

static enum status
verify_row(struct audit_verifier *verifier, const struct store_audit *row, struct err *err)
{
	uint64_t want = verifier->head.seq + 1;
	char hash[ADMINROW_HASH_BYTES];

	if (row->seq > want)
		return broken_at(verifier, want, err, "it is missing");
	if (row->seq < want)
		return broken_at(verifier, want, err, "an older row stands in its place");
	if (!span_eq_str(row->prev, verifier->head.hash))
		return broken_at(verifier, want, err,
		    "it does not follow the row before it; one of the two was changed");
	audit_hash(row, hash);
	if (!span_eq_str(row->hash, hash))
		return broken_at(verifier, want, err, "it was changed; its hash is another one");
	verifier->head.seq = want;
	memcpy(verifier->head.hash, hash, sizeof(hash));
	return check_known(verifier, err);
}

static enum status
still_broken(const struct audit_verifier *verifier, struct err *err)
{
	err_set(err, "the audit is broken at row %llu", (unsigned long long)verifier->broken);
	return ST_INVALID;
}

enum status
audit_verify(
    struct audit_verifier *verifier, const struct store_audit *rows, size_t count, struct err *err)
{
	enum status status = verifier->broken != 0 ? still_broken(verifier, err) : ST_OK;

	for (size_t i = 0; i < count && status == ST_OK; i++)
		status = verify_row(verifier, &rows[i], err);
	return status;
}

enum status
audit_verify_end(
    struct audit_verifier *verifier, const struct audit_head *store_head, struct err *err)
{
	const struct audit_head *head = &verifier->head;

	if (verifier->broken != 0)
		return still_broken(verifier, err);
	if (verifier->known.seq > head->seq)
		return broken_at(verifier, head->seq + 1, err,
		    "it is missing, and rows behind it; the head that was kept elsewhere is newer");
	if (store_head == NULL)
		return ST_OK;
	if (store_head->seq > head->seq)
		return broken_at(
		    verifier, head->seq + 1, err, "it is missing; the store's head is behind it");
	if (store_head->seq == head->seq && strcmp(store_head->hash, head->hash) != 0)
		return broken_at(
		    verifier, head->seq, err, "the store's head has another hash than the row");
	return ST_OK;
}
