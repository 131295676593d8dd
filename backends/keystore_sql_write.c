/*
 * keystore_sql_write.c - changes of a key store: all of them in one transaction, or none.
 * Called by administrators' programs through keystore_ops.apply.
 * It must never leave a transaction open on a connection that others get, say that nothing was
 * changed when that is not known, or name to one tenant what belongs to another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/keystore_sql.h"
#include "lib/base/mem.h"

#define TRIES_MAX 6U
#define FIRST_PAUSE_MS 10    /* after a deadlock; doubles */
#define CHANGES_KEPT 100000  /* rows of changes */
#define TRIM_EVERY 1024      /* rows */
#define SUBJECTS_OF_WRITE 3U /* at most: a rule's tenant, its old and its new subject */

struct subject {
	char text[KEYSTORE_DOMAIN_MAX + 3];
};

struct writer {
	struct sql_store *store;
	struct sql_link *link;
	const struct keystore_write *writes;
	size_t count, at;
	int64_t epoch, last_change;
	bool version_is_ours;
	bool one_by_one; /* a group of rows was refused: which of them? */
	/* Why a try ended, if it was not the fault of a row. */
	enum sql_answer answer;
	bool committing;
	struct subject *subjects;
	size_t subject_count;
	struct sql_value *values;
	struct err *err;
};

/* ---- one statement ---- */

static enum sql_answer
ask(struct writer *w, unsigned statement, size_t count, sql_row *row, uint64_t *changed_out)
{
	struct sql_question question = {
	    .statement = statement, .values = w->values, .count = count, .row = row, .context = w};

	w->answer = w->store->dialect->driver->ask(w->link->connection, &question, w->err);
	if (changed_out != NULL)
		*changed_out = question.changed;
	return w->answer;
}

static enum status
ask_or_fail(struct writer *w, unsigned statement, size_t count)
{
	return ask(w, statement, count, NULL, NULL) == SQL_ANSWERED ? ST_OK : ST_UNAVAILABLE;
}

static enum status
run(struct writer *w, const char *text)
{
	w->answer = w->store->dialect->driver->run(w->link->connection, text, w->err);
	return w->answer == SQL_ANSWERED ? ST_OK : ST_UNAVAILABLE;
}

static unsigned
statement_of(const struct keystore_write *write, enum write_question question)
{
	return Q_WRITES + (unsigned)write->what * WRITE_QUESTIONS + (unsigned)question;
}

/* ---- what was changed ---- */

static void
add_subject(struct writer *w, const char *kind, struct span name)
{
	struct subject *subject = &w->subjects[w->subject_count++];

	snprintf(subject->text, sizeof(subject->text), "%s%.*s", kind, SPAN_ARG(name));
}

static void
add_subjects(struct writer *w, const struct keystore_write *write)
{
	struct span domain;

	switch (write->what) {
	case STORE_TENANT:
		add_subject(w, "t:", write->row.tenant.name);
		return;
	case STORE_POLICY:
		add_subject(w, "t:", write->row.policy.tenant);
		return;
	case STORE_DOMAIN:
		add_subject(w, "d:", write->row.domain.name);
		return;
	case STORE_RULE:
		add_subject(w, "t:", write->row.rule.tenant);
		domain = sql_store_rule_domain(&write->row.rule);
		if (domain.n > 0)
			add_subject(w, "d:", domain);
		return;
	case STORE_KEY:
		add_subject(w, "d:", write->row.key.domain);
		return;
	case STORE_BINDING:
		add_subject(w, "b:", SPAN_EMPTY);
		return;
	}
}

static int
compare_subjects(const void *a, const void *b)
{
	return strcmp(((const struct subject *)a)->text, ((const struct subject *)b)->text);
}

static void
sort_subjects(struct writer *w)
{
	size_t kept = 0;

	qsort(w->subjects, w->subject_count, sizeof(w->subjects[0]), compare_subjects);
	for (size_t i = 0; i < w->subject_count; i++) {
		if (kept > 0 && compare_subjects(&w->subjects[kept - 1], &w->subjects[i]) == 0)
			continue;
		w->subjects[kept++] = w->subjects[i];
	}
	w->subject_count = kept;
}

/* Those that are older than the last CHANGES_KEPT go, some now and then. */
static enum status
trim_changes(struct writer *w, int64_t last)
{
	enum status status;

	if (last <= CHANGES_KEPT || last / TRIM_EVERY == w->last_change / TRIM_EVERY)
		return ST_OK;
	w->values[0] = sql_number(last - CHANGES_KEPT);
	status = ask_or_fail(w, Q_TRIMMED, 1);
	return status == ST_OK ? ask_or_fail(w, Q_TRIM, 1) : status;
}

static enum status
write_changes(struct writer *w)
{
	int64_t last = w->last_change;
	enum status status = ST_OK;

	sort_subjects(w);
	for (size_t i = 0; i < w->subject_count && status == ST_OK;) {
		bool group = w->subject_count - i >= KEYSTORE_SQL_GROUP;
		size_t rows = group ? KEYSTORE_SQL_GROUP : 1, n = 0;

		for (size_t k = 0; k < rows; k++, i++) {
			w->values[n++] = sql_number(++last);
			w->values[n++] = sql_number(w->epoch);
			w->values[n++] = sql_text(span_str(w->subjects[i].text));
		}
		status = ask_or_fail(w, group ? Q_ADD_CHANGES : Q_ADD_CHANGE, n);
	}
	if (status == ST_OK)
		status = trim_changes(w, last);
	w->values[0] = sql_number(last);
	return status == ST_OK ? ask_or_fail(w, Q_LAST_CHANGE, 1) : status;
}

/* ---- one row ---- */

struct found {
	struct writer *writer;
	bool there;
	char tenant[KEYSTORE_TENANT_MAX + 1], domain[KEYSTORE_DOMAIN_MAX + 1];
	uint64_t revision;
};

static void
copy_text(char *to, size_t bytes, struct span text)
{
	snprintf(to, bytes, "%.*s", SPAN_ARG(text));
}

/* columns: tenant, revision, and of a rule its domain. */
static void
row_found(void *context, const struct span *columns, size_t count)
{
	struct found *found = context;

	if (count < 2)
		return;
	found->there = true;
	copy_text(found->tenant, sizeof(found->tenant), columns[0]);
	(void)span_number(columns[1], INT64_MAX, &found->revision);
	if (count > 2)
		copy_text(found->domain, sizeof(found->domain), columns[2]);
}

static enum status
find(struct writer *w, const struct keystore_write *write, struct found *found)
{
	struct sql_question question = {.statement = statement_of(write, W_FIND),
	    .values = w->values,
	    .count = sql_store_values(W_FIND, write, w->epoch, w->values),
	    .row = row_found,
	    .context = found};

	memset(found, 0, sizeof(*found));
	w->answer = w->store->dialect->driver->ask(w->link->connection, &question, w->err);
	return w->answer == SQL_ANSWERED ? ST_OK : ST_UNAVAILABLE;
}

static struct span
tenant_of(const struct keystore_write *write)
{
	const struct span tenants[] = {[STORE_TENANT] = write->row.tenant.name,
	    [STORE_POLICY] = write->row.policy.tenant,
	    [STORE_DOMAIN] = write->row.domain.tenant,
	    [STORE_RULE] = write->row.rule.tenant,
	    [STORE_KEY] = write->row.key.tenant,
	    [STORE_BINDING] = write->row.binding.tenant};

	return tenants[write->what];
}

static uint64_t
revision_of(const struct keystore_write *write)
{
	const uint64_t revisions[] = {[STORE_TENANT] = write->row.tenant.revision,
	    [STORE_POLICY] = write->row.policy.revision,
	    [STORE_DOMAIN] = write->row.domain.revision,
	    [STORE_RULE] = write->row.rule.revision,
	    [STORE_KEY] = write->row.key.row_revision,
	    [STORE_BINDING] = 0};

	return revisions[write->what];
}

/* No row was met by a change or removal. */
static enum status
explain(struct writer *w, const struct keystore_write *write, const char *name)
{
	struct found found;
	enum status status = find(w, write, &found);

	if (status != ST_OK)
		return status;
	if (!found.there) {
		err_set(w->err, "%s: there is none", name);
		return ST_ABSENT;
	}
	if (!span_eq_str(tenant_of(write), found.tenant))
		err_set(w->err, "%s: it is another tenant's", name);
	else if (revision_of(write) != 0 && revision_of(write) != found.revision)
		err_set(w->err, "%s: it was changed meanwhile; its revision is %llu now", name,
		    (unsigned long long)found.revision);
	else if (write->how == WRITE_REMOVE)
		err_set(w->err,
		    "%s: it was published; its row stays, so that the selector cannot come back",
		    name);
	else
		err_set(w->err, "%s: it was sealed anew meanwhile", name);
	return ST_DENIED;
}

/* A statement was refused because of the row. */
static enum status
blame(struct writer *w, const struct keystore_write *write, const char *name)
{
	switch (w->answer) {
	case SQL_TAKEN:
		err_set(w->err, "%s: there already, or another tenant's", name);
		return ST_DENIED;
	case SQL_ORPHAN:
		if (write->how == WRITE_REMOVE) {
			err_set(w->err, "%s: something still hangs on it", name);
			return ST_DENIED;
		}
		err_set(
		    w->err, "%s: the tenant has no such domain or policy, or is not there", name);
		return ST_ABSENT;
	case SQL_BAD_VALUE:
		err_prefix(w->err, "%s", name);
		return ST_INVALID;
	default:
		return ST_UNAVAILABLE;
	}
}

static enum status
write_row(struct writer *w, const struct keystore_write *write, enum write_question question,
    const char *name, uint64_t *changed_out)
{
	size_t n = sql_store_values(question, write, w->epoch, w->values);

	if (ask(w, statement_of(write, question), n, NULL, changed_out) == SQL_ANSWERED)
		return ST_OK;
	return blame(w, write, name);
}

/* Who was asked about by an old subject of a rule is to ask again. */
static enum status
note_old_rule(struct writer *w, const struct keystore_write *write)
{
	struct found found;
	enum status status;

	if (write->what != STORE_RULE || write->how == WRITE_ADD)
		return ST_OK;
	status = find(w, write, &found);
	if (status == ST_OK && found.domain[0] != '\0')
		add_subject(w, "d:", span_str(found.domain));
	return status;
}

static enum status
write_one(struct writer *w, const struct keystore_write *write)
{
	char name[512];
	uint64_t changed = 0;
	enum status status = note_old_rule(w, write);

	sql_store_row_name(write, name, sizeof(name));
	if (status == ST_OK && write->how != WRITE_ADD) {
		status = write_row(
		    w, write, write->how == WRITE_REMOVE ? W_REMOVE : W_CHANGE, name, &changed);
		if (status == ST_OK && changed == 0 && write->how != WRITE_PUT)
			status = explain(w, write, name);
	}
	if (status == ST_OK && changed == 0 && write->how != WRITE_CHANGE &&
	    write->how != WRITE_REMOVE)
		status = write_row(w, write, W_ADD, name, &changed);
	if (status == ST_OK)
		add_subjects(w, write);
	return status;
}

/* ---- many rows ---- */

/* Rows from w->at on that are added, all of one kind. */
static bool
begins_group(const struct writer *w)
{
	const struct keystore_write *first = &w->writes[w->at];

	if (w->one_by_one || w->count - w->at < KEYSTORE_SQL_GROUP)
		return false;
	for (size_t i = 0; i < KEYSTORE_SQL_GROUP; i++)
		if (first[i].what != first->what || first[i].how != WRITE_ADD)
			return false;
	return true;
}

static enum status
write_group(struct writer *w)
{
	const struct keystore_write *first = &w->writes[w->at];
	size_t n = 0;

	for (size_t i = 0; i < KEYSTORE_SQL_GROUP; i++) {
		n += sql_store_values(W_ADD, &first[i], w->epoch, w->values + n);
		add_subjects(w, &first[i]);
	}
	w->at += KEYSTORE_SQL_GROUP;
	return ask_or_fail(w, statement_of(first, W_ADD_MANY), n);
}

static enum status
write_rows(struct writer *w)
{
	enum status status = ST_OK;

	while (w->at < w->count && status == ST_OK) {
		if (begins_group(w)) {
			status = write_group(w);
			continue;
		}
		status = write_one(w, &w->writes[w->at]);
		w->at += status == ST_OK;
	}
	return status;
}

/* ---- the transaction ---- */

static void
row_epoch(void *context, const struct span *columns, size_t count)
{
	struct writer *w = context;
	struct sql_reading reading = {.store = w->store, .err = w->err};

	if (count < 3)
		return;
	w->version_is_ours = sql_reading_version(&reading, columns[1]);
	w->epoch = sql_reading_number(&reading, columns[0]);
	w->last_change = sql_reading_number(&reading, columns[2]);
}

/* The lock first: what is read after it is the newest. */
static enum status
begin(struct writer *w)
{
	uint64_t changed = 0;
	enum status status = run(w, w->store->dialect->begin);

	if (status != ST_OK)
		return status;
	if (ask(w, Q_NEXT_EPOCH, 0, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	w->version_is_ours = false;
	err_set(w->err, "%s: the row of the epoch is missing; put a backup back", w->store->where);
	if (changed != 1 || ask(w, Q_EPOCH, 0, row_epoch, NULL) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	return w->version_is_ours ? ST_OK : ST_UNAVAILABLE;
}

static enum status
commit(struct writer *w)
{
	enum status status;

	w->committing = true;
	status = run(w, "COMMIT");
	if (status != ST_OK && w->answer == SQL_GONE)
		err_prefix(w->err,
		    "it is not known whether the change was made, look before trying again");
	return status;
}

/* The connection is given back only when nothing is open on it. */
static void
finish(struct writer *w, enum status status)
{
	const struct sql_driver *driver = w->store->dialect->driver;
	struct err ignored = ERR_NONE;
	bool gone = w->answer == SQL_GONE;

	if (!gone && status != ST_OK)
		gone = driver->run(w->link->connection, "ROLLBACK", &ignored) == SQL_GONE;
	if (gone)
		sql_pool_lose(&w->store->pool, w->link);
	else
		sql_pool_give(&w->store->pool, w->link);
	w->link = NULL;
}

static enum status
try_once(struct writer *w)
{
	enum status status;

	w->at = 0;
	w->subject_count = 0;
	w->committing = false;
	w->answer = SQL_REFUSED;
	status = sql_pool_take(&w->store->pool, &w->link, w->err);
	if (status != ST_OK)
		return status;
	status = begin(w);
	if (status == ST_OK)
		status = write_rows(w);
	if (status == ST_OK)
		status = write_changes(w);
	if (status == ST_OK)
		status = commit(w);
	finish(w, status);
	return status;
}

static void
pause_ms(unsigned ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&time, NULL);
}

/* Another one was faster, or an idle connection was cut: nothing has been done. */
static bool
is_worth_a_try(const struct writer *w)
{
	return w->answer == SQL_AGAIN || (w->answer == SQL_GONE && !w->committing);
}

static bool
was_group_refused(const struct writer *w)
{
	return !w->one_by_one &&
	       (w->answer == SQL_TAKEN || w->answer == SQL_ORPHAN || w->answer == SQL_BAD_VALUE);
}

static enum status
try_often(struct writer *w)
{
	enum status status = try_once(w);

	for (unsigned tries = 1; status != ST_OK && tries < TRIES_MAX; tries++) {
		if (status == ST_UNAVAILABLE && was_group_refused(w))
			w->one_by_one = true;
		else if (is_worth_a_try(w))
			pause_ms(FIRST_PAUSE_MS << tries);
		else
			return status;
		status = try_once(w);
	}
	return status;
}

static enum status
check_all(const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err)
{
	for (*at_out = 0; *at_out < count; ++*at_out) {
		enum status status;

		/* What is not there cannot be removed, whatever it looks like. */
		if (writes[*at_out].how == WRITE_REMOVE)
			continue;
		status = keystore_write_check(&writes[*at_out], err);
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

enum status
sql_store_apply(struct keystore *store, const struct keystore_write *writes, size_t count,
    size_t *at_out, struct err *err)
{
	struct writer w = {.store = store->state, .writes = writes, .count = count, .err = err};
	enum status status;

	*at_out = count;
	if (count > KEYSTORE_BATCH_MAX || w.store->source.use != SQL_WRITER) {
		err_set(err, "%s: %s", store->where,
		    count > KEYSTORE_BATCH_MAX ? "too many changes for one transaction"
					       : "opened for reading");
		return count > KEYSTORE_BATCH_MAX ? ST_TOO_BIG : ST_DENIED;
	}
	status = check_all(writes, count, at_out, err);
	if (status != ST_OK || count == 0)
		return status;
	w.subjects = mem_alloc(count * SUBJECTS_OF_WRITE * sizeof(w.subjects[0]));
	w.values = mem_zalloc(KEYSTORE_SQL_VALUES_MAX, sizeof(w.values[0]));
	status = try_often(&w);
	if (status == ST_ABSENT || status == ST_DENIED || status == ST_INVALID)
		*at_out = w.at;
	mem_free(w.subjects);
	mem_free(w.values);
	return status;
}
