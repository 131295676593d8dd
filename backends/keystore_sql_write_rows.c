/*
 * keystore_sql_write_rows.c - the rows of a transaction: one statement for each, or for many that
 * are added, and what to say of one that is refused.
 * Called by keystore_sql_write.c inside a transaction.
 * It must never name to one tenant what belongs to another.
 */
#include <stdio.h>
#include <string.h>

#include "backends/keystore_sql_writer.h"

static unsigned
statement_of(const struct keystore_write *write, enum write_question question)
{
	return Q_WRITES + (unsigned)write->what * WRITE_QUESTIONS + (unsigned)question;
}

/* ---- what was changed ---- */

static void
add_subject(struct sql_writer *w, const char *kind, struct span name)
{
	struct sql_subject *subject = &w->subjects[w->subject_count++];

	snprintf(subject->text, sizeof(subject->text), "%s%.*s", kind, SPAN_ARG(name));
}

void
sql_writer_note(struct sql_writer *w, const struct keystore_write *write)
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
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}

/* ---- one row ---- */

struct found {
	struct sql_writer *writer;
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
find(struct sql_writer *w, const struct keystore_write *write, struct found *found)
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
enum status
sql_writer_explain(struct sql_writer *w, const struct keystore_write *write, const char *name)
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
enum status
sql_writer_blame(struct sql_writer *w, const struct keystore_write *write, const char *name)
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
write_row(struct sql_writer *w, const struct keystore_write *write, enum write_question question,
    const char *name, uint64_t *changed_out)
{
	size_t n = sql_store_values(question, write, w->epoch, w->values);

	if (sql_writer_ask(w, statement_of(write, question), n, NULL, changed_out) == SQL_ANSWERED)
		return ST_OK;
	return sql_writer_blame(w, write, name);
}

/* Who was asked about by an old subject of a rule is to ask again. */
static enum status
note_old_rule(struct sql_writer *w, const struct keystore_write *write)
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

static void
row_crowd(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;

	(void)columns;
	(void)count;
	w->crowded = true;
}

/* Everybody's mail that has this subject reads all of its rules. */
static enum status
check_crowd(struct sql_writer *w, const struct store_rule *rule)
{
	if (rule->kind == STORE_RULE_PATTERN)
		return ST_OK;
	w->values[0] = sql_text(sql_store_rule_domain(rule));
	w->values[1] = sql_number(rule->kind);
	w->values[2] = sql_text(rule->subject);
	w->crowded = false;
	if (sql_writer_ask(w, Q_CROWD, 3, row_crowd, NULL) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (!w->crowded)
		return ST_OK;
	err_set(w->err, "rule %.*s of tenant %.*s: " KEYSTORE_RULES_MAX_SAYS, SPAN_ARG(rule->id),
	    SPAN_ARG(rule->tenant), KEYSTORE_RULES_MAX, SPAN_ARG(rule->subject));
	return ST_DENIED;
}

static enum status
write_one(struct sql_writer *w, const struct keystore_write *write)
{
	char name[512];
	uint64_t changed = 0;
	enum status status;

	if (store_what_is_admin(write->what))
		return sql_writer_admin(w, write);
	if (write->life)
		return sql_writer_life(w, write);
	status = note_old_rule(w, write);

	sql_store_row_name(write, name, sizeof(name));
	if (write->what == STORE_KEY && write->how == WRITE_REMOVE)
		w->destroys = true;
	if (status == ST_OK && write->how != WRITE_ADD) {
		status = write_row(
		    w, write, write->how == WRITE_REMOVE ? W_REMOVE : W_CHANGE, name, &changed);
		if (status == ST_OK && changed == 0 && write->how != WRITE_PUT)
			status = sql_writer_explain(w, write, name);
	}
	if (status == ST_OK && changed == 0 && write->how != WRITE_CHANGE &&
	    write->how != WRITE_REMOVE)
		status = write_row(w, write, W_ADD, name, &changed);
	if (status == ST_OK && write->what == STORE_RULE && write->how != WRITE_REMOVE)
		status = check_crowd(w, &write->row.rule);
	if (status == ST_OK)
		sql_writer_note(w, write);
	return status;
}

/* ---- many rows ---- */

/* Rows from w->at on that are added, all of one kind. */
static bool
begins_group(const struct sql_writer *w)
{
	const struct keystore_write *first = &w->writes[w->at];

	if (w->one_by_one || w->count - w->at < KEYSTORE_SQL_GROUP ||
	    store_what_is_admin(first->what))
		return false;
	for (size_t i = 0; i < KEYSTORE_SQL_GROUP; i++)
		if (first[i].what != first->what || first[i].how != WRITE_ADD)
			return false;
	return true;
}

/* Too many: which of them is found one by one. */
static enum status
check_crowds(struct sql_writer *w, const struct keystore_write *first)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < KEYSTORE_SQL_GROUP && status == ST_OK; i++) {
		const struct store_rule *rule = &first[i].row.rule,
					*last = &first[i - (i > 0)].row.rule;

		if (i == 0 || rule->kind != last->kind || !span_eq(rule->subject, last->subject))
			status = check_crowd(w, rule);
	}
	if (status != ST_DENIED)
		return status;
	w->answer = SQL_BAD_VALUE;
	return ST_UNAVAILABLE;
}

static enum status
write_group(struct sql_writer *w)
{
	const struct keystore_write *first = &w->writes[w->at];
	enum status status;
	size_t n = 0;

	for (size_t i = 0; i < KEYSTORE_SQL_GROUP; i++) {
		n += sql_store_values(W_ADD, &first[i], w->epoch, w->values + n);
		sql_writer_note(w, &first[i]);
	}
	w->at += KEYSTORE_SQL_GROUP;
	status = sql_writer_must(w, statement_of(first, W_ADD_MANY), n);
	return status == ST_OK && first->what == STORE_RULE ? check_crowds(w, first) : status;
}

enum status
sql_writer_rows(struct sql_writer *w)
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
