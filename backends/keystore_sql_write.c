/*
 * keystore_sql_write.c - changes of a key store: all of them in one transaction, or none.
 * Called by administrators' programs through keystore_ops.apply; transactions also by
 * keystore_sql_lease.c and keystore_sql_gateways.c.
 * It must never leave a transaction open on a connection that others get, or say that nothing was
 * changed when that is not known.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/keystore_sql_writer.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define TRIES_MAX 6U
#define TRIES_MS 30000      /* none begins later: who waits for a lock has waited by then */
#define FIRST_PAUSE_MS 10U  /* after a deadlock; doubles */
#define CHANGES_KEPT 100000 /* rows of changes */
#define TRIM_EVERY 1024     /* rows */

/* ---- one statement ---- */

enum sql_answer
sql_writer_ask(
    struct sql_writer *w, unsigned statement, size_t count, sql_row *row, uint64_t *changed_out)
{
	struct sql_question question = {
	    .statement = statement, .values = w->values, .count = count, .row = row, .context = w};

	w->answer = w->store->dialect->driver->ask(w->link->connection, &question, w->err);
	if (changed_out != NULL)
		*changed_out = question.changed;
	return w->answer;
}

enum status
sql_writer_must(struct sql_writer *w, unsigned statement, size_t count)
{
	return sql_writer_ask(w, statement, count, NULL, NULL) == SQL_ANSWERED ? ST_OK
									       : ST_UNAVAILABLE;
}

static enum status
run(struct sql_writer *w, const char *text)
{
	w->answer = w->store->dialect->driver->run(w->link->connection, text, w->err);
	return w->answer == SQL_ANSWERED ? ST_OK : ST_UNAVAILABLE;
}

/* ---- what was changed ---- */

static int
compare_subjects(const void *a, const void *b)
{
	return strcmp(((const struct sql_subject *)a)->text, ((const struct sql_subject *)b)->text);
}

static void
sort_subjects(struct sql_writer *w)
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
trim_changes(struct sql_writer *w, int64_t last)
{
	enum status status;

	if (last <= CHANGES_KEPT || last / TRIM_EVERY == w->last_change / TRIM_EVERY)
		return ST_OK;
	w->values[0] = sql_number(last - CHANGES_KEPT);
	status = sql_writer_must(w, Q_TRIMMED, 1);
	return status == ST_OK ? sql_writer_must(w, Q_TRIM, 1) : status;
}

static enum status
write_changes(struct sql_writer *w)
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
		status = sql_writer_must(w, group ? Q_ADD_CHANGES : Q_ADD_CHANGE, n);
	}
	if (status == ST_OK)
		status = trim_changes(w, last);
	w->values[0] = sql_number(last);
	return status == ST_OK ? sql_writer_must(w, Q_LAST_CHANGE, 1) : status;
}

/* ---- the transaction ---- */

static void
row_epoch(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;
	struct sql_reading reading = {.store = w->store, .err = w->err};

	if (count < 3)
		return;
	w->version_is_ours = sql_reading_version(&reading, columns[1]);
	w->epoch = sql_reading_number(&reading, columns[0]);
	w->last_change = sql_reading_number(&reading, columns[2]);
}

/* The lock first: what is read after it is the newest. Where nothing is raised, only the version is
 * of interest, and is asked for last: what is read before a lock would be of the moment before it.
 */
static enum status
take_epoch(struct sql_writer *w)
{
	uint64_t changed = 1;

	if (w->raises && sql_writer_ask(w, Q_NEXT_EPOCH, 0, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	w->version_is_ours = false;
	err_set(w->err, "%s: the row of the epoch is missing; put a backup back", w->store->where);
	if (changed != 1 || sql_writer_ask(w, Q_EPOCH, 0, row_epoch, NULL) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	return w->version_is_ours ? ST_OK : ST_UNAVAILABLE;
}

static enum status
commit(struct sql_writer *w)
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
finish(struct sql_writer *w, enum status status)
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

/* Again after later transactions, as long as it was not done. */
static void
scrub(struct sql_writer *w)
{
	const struct sql_driver *driver = w->store->dialect->driver;

	if (driver->scrub == NULL)
		return;
	if (w->destroys)
		atomic_store(&w->store->unclean, true);
	if (atomic_exchange(&w->store->unclean, false) && !driver->scrub(w->link->connection))
		atomic_store(&w->store->unclean, true);
}

static enum status
try_once(struct sql_writer *w)
{
	enum status status;

	w->at = 0;
	w->subject_count = 0;
	w->committing = w->destroys = false;
	w->answer = SQL_REFUSED;
	status = sql_pool_take(&w->store->pool, &w->link, w->err);
	if (status != ST_OK)
		return status;
	status = run(w, w->store->dialect->begin);
	if (status == ST_OK)
		status = w->body(w);
	if (status == ST_OK)
		status = commit(w);
	if (status == ST_OK)
		scrub(w);
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
is_worth_a_try(const struct sql_writer *w)
{
	return w->answer == SQL_AGAIN || (w->answer == SQL_GONE && !w->committing);
}

static bool
was_group_refused(const struct sql_writer *w)
{
	return !w->one_by_one &&
	       (w->answer == SQL_TAKEN || w->answer == SQL_ORPHAN || w->answer == SQL_BAD_VALUE);
}

enum status
sql_writer_transact(struct sql_writer *w)
{
	int64_t until_ms = clock_mono_ms() + TRIES_MS;
	enum status status = try_once(w);

	for (unsigned tries = 1; status != ST_OK && tries < TRIES_MAX; tries++) {
		if (status == ST_UNAVAILABLE && was_group_refused(w))
			w->one_by_one = true;
		else if (is_worth_a_try(w) && clock_mono_ms() < until_ms)
			pause_ms(FIRST_PAUSE_MS << tries);
		else
			return status;
		status = try_once(w);
	}
	return status;
}

/* ---- changes of rows ---- */

/* The lock on its row is kept until the transaction ends: until then it is nobody else's. */
static enum status
hold_lease(struct sql_writer *w)
{
	const struct store_lease *lease = w->lease;
	uint64_t changed = 0;

	w->values[0] = sql_text(span_str(lease->name));
	w->values[1] = sql_text(span_str(lease->owner));
	w->values[2] = sql_number((int64_t)lease->fence);
	if (sql_writer_ask(w, Q_HOLD_LEASE, 3, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (changed == 1)
		return ST_OK;
	err_set(w->err, "%s: the lease %s is not held any more by %s under fence %llu",
	    w->store->where, lease->name, lease->owner, (unsigned long long)lease->fence);
	w->at = w->count;
	return ST_DENIED;
}

static enum status
write_all(struct sql_writer *w)
{
	enum status status = w->raises ? take_epoch(w) : ST_OK;

	if (status == ST_OK && w->lease != NULL)
		status = hold_lease(w);
	if (status != ST_OK || w->count == 0)
		return status;
	status = sql_writer_rows(w);
	if (status == ST_OK && w->raises)
		status = write_changes(w);
	if (status == ST_OK)
		status = sql_writer_audits(w);
	return status == ST_OK && !w->raises ? take_epoch(w) : status;
}

/* What cannot be there is not there. A server would take a name with a blank behind it for the same
 * name without. */
static enum status
check_removal(const struct keystore_write *write, struct err *err)
{
	struct sql_value values[KEYSTORE_SQL_ROW_MAX];
	size_t count = sql_store_values(W_REMOVE, write, 0, values);

	for (size_t i = 0; i < count; i++) {
		struct span name = values[i].text;

		if (values[i].kind != SQL_TEXT ||
		    (span_is_text(name) && !span_ends(name, SPAN_LIT(" "))))
			continue;
		err_set(err, "there is none: no row can have that name");
		return ST_ABSENT;
	}
	return ST_OK;
}

static enum status
check_all(const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err)
{
	for (*at_out = 0; *at_out < count; ++*at_out) {
		const struct keystore_write *write = &writes[*at_out];
		bool removes = write->how == WRITE_REMOVE && (unsigned)write->what <= STORE_BINDING;
		enum status status =
		    removes ? check_removal(write, err) : keystore_write_check(write, err);

		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

enum status
sql_store_apply_fenced(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err)
{
	struct sql_writer w = {.store = store->state,
	    .body = write_all,
	    .writes = writes,
	    .lease = lease,
	    .count = count,
	    .err = err};
	enum status status;

	*at_out = count;
	if (count > KEYSTORE_BATCH_MAX || w.store->source.use != SQL_WRITER) {
		err_set(err, "%s: %s", store->where,
		    count > KEYSTORE_BATCH_MAX ? "too many changes for one transaction"
					       : "opened for reading");
		return count > KEYSTORE_BATCH_MAX ? ST_TOO_BIG : ST_DENIED;
	}
	status = check_all(writes, count, at_out, err);
	if (status == ST_OK && lease != NULL)
		status = keystore_lease_check(lease, 0, err);
	if (status != ST_OK || (count == 0 && lease == NULL))
		return status;
	for (size_t i = 0; i < count; i++)
		w.raises = w.raises || !store_what_is_admin(writes[i].what);
	w.subjects = mem_alloc((count + 1) * KEYSTORE_SQL_SUBJECTS * sizeof(w.subjects[0]));
	w.values = mem_zalloc(KEYSTORE_SQL_VALUES_MAX, sizeof(w.values[0]));
	status = sql_writer_transact(&w);
	if (status == ST_ABSENT || status == ST_DENIED || status == ST_INVALID)
		*at_out = w.at;
	mem_free(w.subjects);
	mem_free(w.values);
	return status;
}

enum status
sql_store_apply(struct keystore *store, const struct keystore_write *writes, size_t count,
    size_t *at_out, struct err *err)
{
	return sql_store_apply_fenced(store, NULL, writes, count, at_out, err);
}
