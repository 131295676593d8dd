/*
 * keystore_sql_writer.h - one transaction on a key store in SQL while it is made: what
 * keystore_sql_write.c (the transaction), keystore_sql_write_rows.c (its rows) and
 * keystore_sql_write_life.c (those of the life cycle) share.
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_SQL_WRITER_H
#define SIGNPOST_BACKENDS_KEYSTORE_SQL_WRITER_H

#include "backends/keystore_sql.h"

#define KEYSTORE_SQL_SUBJECTS                                                                      \
	3U /* of one write, at most: a rule's tenant, its old and new subject */

/* Of a change: see struct store_change. */
struct sql_subject {
	char text[KEYSTORE_DOMAIN_MAX + 3];
};

struct sql_writer {
	struct sql_store *store;
	struct sql_link *link;
	/* What the transaction does, between its begin and its commit; begun anew with each try. */
	enum status (*body)(struct sql_writer *writer);
	void *context; /* of body */
	const struct keystore_write *writes;
	const struct store_lease *lease; /* held until the end of the transaction; NULL: none */
	size_t count, at;
	int64_t epoch, last_change;
	bool version_is_ours;
	bool raises;     /* the epoch: something in the batch is more than administrators' */
	bool crowded;    /* of the subject that was asked about last */
	bool one_by_one; /* a group of rows was refused: which of them? */
	/* Why a try ended, if it was not the fault of a row. */
	enum sql_answer answer;
	bool committing;
	bool destroys; /* a private key: nothing of it is to stay */
	struct sql_subject *subjects;
	size_t subject_count;
	struct sql_value *values;
	struct err *err;
};

/* body in a transaction of its own, tried again as often as may help: another one was faster, or an
 * idle connection was cut. ST_UNAVAILABLE, or what body answers: not ST_OK, nothing is written. */
enum status sql_writer_transact(struct sql_writer *writer);

/* A statement with the first count of writer->values. What was answered is in writer->answer too.
 * row gets the writer as its context; NULL: there are none. changed_out may be NULL. */
enum sql_answer sql_writer_ask(struct sql_writer *writer, unsigned statement, size_t count,
    sql_row *row, uint64_t *changed_out);
/* The same, as ST_OK or ST_UNAVAILABLE. */
enum status sql_writer_must(struct sql_writer *writer, unsigned statement, size_t count);

/* Adds what caches are told of a write. */
void sql_writer_note(struct sql_writer *writer, const struct keystore_write *write);
/* Why no row was met by a change or removal: ST_ABSENT, ST_DENIED, ST_UNAVAILABLE. name: for the
 * sentence. */
enum status sql_writer_explain(
    struct sql_writer *writer, const struct keystore_write *write, const char *name) MUST_USE;
/* Why a statement was refused, by writer->answer. */
enum status sql_writer_blame(
    struct sql_writer *writer, const struct keystore_write *write, const char *name) MUST_USE;

/* One write of the life cycle (keystore_write.life), and what caches are told of it. */
enum status sql_writer_life(struct sql_writer *writer, const struct keystore_write *write) MUST_USE;

/* All writes from writer->at on, and their subjects. ST_OK, or why writer->at cannot be done;
 * ST_UNAVAILABLE with an answer that blames a row: one of a group, try again one_by_one. */
enum status sql_writer_rows(struct sql_writer *writer);

/* ---- keystore_sql_admin_write.c ---- */

/* A token or an answer; a row of the audit is left to sql_writer_audits(). As sql_writer_rows(). */
enum status sql_writer_admin(struct sql_writer *writer, const struct keystore_write *write);
/* A provider (keystore_sql_provider.c). */
enum status sql_writer_provider(struct sql_writer *writer, const struct keystore_write *write);
/* A quota (keystore_sql_quota.c). */
enum status sql_writer_quota(struct sql_writer *writer, const struct keystore_write *write);
/* All rows of the audit in the batch, behind the end of the chain. */
enum status sql_writer_audits(struct sql_writer *writer);
/* Copies a hash. false: it has another length. */
bool sql_audit_hash_take(struct span text, char out[ADMINROW_HASH_BYTES]);

#endif
