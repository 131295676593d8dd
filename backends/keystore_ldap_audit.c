/*
 * keystore_ldap_audit.c - the audit of a key store in a directory: rows added to the chain, its
 * end, pages of it. Called through keystore_ops, and by a batch before anything else of it is
 * written. It must never write a row that does not follow the one before it.
 *
 * The name of a row is its number, and a name is there once: of two writers who add row N one is
 * refused, reads that row, and adds the next. So there is no fork and no gap, also when a writer
 * dies between two rows. What cn=audit says of the end is where one begins to look; it is moved by
 * its value, and may be behind the last row, if a writer died before he moved it.
 */
#include <stdlib.h>

#include "backends/keystore_ldap_admin_private.h"
#include "lib/base/mem.h"

#define ADD_TRIES 1000U
#define END_TRIES 20U
#define WINDOW_FIRST 1000U /* numbers of rows of one search; then twice as many, ... */
#define WINDOW_MAX 16000U

/* ---- the end ---- */

static enum status
take_last(void *context, const struct ldapentry *entry, struct err *err)
{
	struct audit_head *head = context;
	struct store_audit row = {.at = 0};
	char text[LDAPADMIN_END_BYTES + ADMINROW_HASH_BYTES];
	struct audit_head found;
	struct buf room;
	enum status status = ldapadmin_read(&ldapadmin_audit, entry, &row, err);

	if (status != ST_OK)
		return status;
	buf_init(&room, sizeof(text));
	buf_add_u64(&room, row.seq);
	buf_add_char(&room, ' ');
	buf_add(&room, row.hash);
	status = ldapadmin_read_end(buf_span(&room), &found);
	buf_free(&room);
	if (status == ST_OK && found.seq == head->seq + 1) {
		*head = found;
		return ST_OK;
	}
	err_set(err, "\"%.*s\" is no row of the audit", SPAN_ARG(span_sub(entry->dn, 0, 200)));
	return ST_INVALID;
}

/* Rows behind head. */
static enum status
go_on(struct ldapadmin *admin, struct audit_head *head)
{
	enum status status = ST_OK;

	while (status == ST_OK) {
		ldapadmin_dn_audit(&admin->name, admin->own->base, head->seq + 1);
		status = ldapadmin_entry(
		    admin, buf_text(&admin->name), ldapadmin_audit.attributes, take_last, head);
	}
	return status == ST_ABSENT ? ST_OK : status;
}

enum status
ldapadmin_find_end(struct ldapadmin *admin, struct audit_head *out)
{
	enum status status = ldapadmin_need(admin, out);

	return status == ST_OK ? go_on(admin, out) : status;
}

static enum status
do_head(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct {
		struct ldapstore *own;
		struct audit_head *out;
	} *asked = context;
	struct ldapadmin admin;
	enum status status;

	(void)deadline_ms;
	ldapadmin_begin(&admin, asked->own, link, end, err);
	status = ldapadmin_find_end(&admin, asked->out);
	ldapadmin_end(&admin);
	return status;
}

enum status
ldapadmin_ask_head(struct keystore *store, struct audit_head *out, struct err *err)
{
	struct {
		struct ldapstore *own;
		struct audit_head *out;
	} asked = {store->state, out};
	enum status status = ldappool_run(&asked.own->pool, do_head, &asked, err);

	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	return status;
}

/* ---- rows that are added ---- */

/* Behind the last one, wherever that is by now. */
static enum status
add_row(struct ldapadmin *admin, const struct store_audit *given, int64_t now_utc,
    struct audit_head *head)
{
	struct store_audit row = *given;
	enum status status = ST_DENIED;
	char hash[ADMINROW_HASH_BYTES];

	row.at = now_utc;
	for (size_t tries = 0; tries < ADD_TRIES && status == ST_DENIED; tries++) {
		row.seq = head->seq + 1;
		row.prev = span_str(head->hash);
		audit_hash(&row, hash);
		row.hash = span_str(hash);
		ldapadmin_dn_audit(&admin->name, admin->own->base, row.seq);
		status = ldapadmin_add(admin, &ldapadmin_audit, buf_text(&admin->name), NULL, &row);
		if (status == ST_DENIED && go_on(admin, head) != ST_OK)
			return ST_UNAVAILABLE;
	}
	if (status != ST_OK)
		return ST_UNAVAILABLE;
	head->seq = row.seq;
	memcpy(head->hash, hash, sizeof(hash));
	return ST_OK;
}

/* From seen to head, if nobody is ahead. Nobody depends on it: who finds it behind goes on. */
static enum status
move_end(struct ldapadmin *admin, struct audit_head seen, const struct audit_head *head)
{
	enum status status = ST_DENIED;

	for (size_t tries = 0; tries < END_TRIES && status == ST_DENIED; tries++) {
		char from[LDAPADMIN_END_BYTES], to[LDAPADMIN_END_BYTES];
		struct span values[2];
		const struct ldaplink_change changes[2] = {
		    {LDAPLINK_DELETE, "signpostAuditEnd", &values[0], 1},
		    {LDAPLINK_ADD, "signpostAuditEnd", &values[1], 1}};

		if (seen.seq >= head->seq)
			return ST_OK;
		ldapadmin_write_end(&seen, from);
		ldapadmin_write_end(head, to);
		values[0] = span_str(from);
		values[1] = span_str(to);
		ldapadmin_dn_head(&admin->name, admin->own->base);
		status = ldapadmin_write(
		    admin, LDAPLINK_MODIFY_ENTRY, buf_text(&admin->name), changes, 2);
		if (status == ST_DENIED && ldapadmin_need(admin, &seen) != ST_OK)
			return ST_UNAVAILABLE;
	}
	return status == ST_DENIED ? ST_OK : status;
}

enum status
ldapadmin_append(
    struct ldapadmin *admin, const struct keystore_write *writes, size_t count, int64_t now_utc)
{
	struct audit_head seen, head;
	enum status status = ldapadmin_need(admin, &seen);

	head = seen;
	for (size_t i = 0; i < count && status == ST_OK; i++)
		if (writes[i].what == STORE_AUDIT)
			status = add_row(admin, &writes[i].row.audit, now_utc, &head);
	if (admin->end->lost || admin->end->silent)
		return ST_UNAVAILABLE;
	return status == ST_OK ? move_end(admin, seen, &head) : status;
}

/* ---- pages ---- */

struct page {
	struct ldapstore *own;
	const struct audit_question *question;
	struct keystore_rows *rows;
};

static enum status
take_row(void *context, const struct ldapentry *entry, struct err *err)
{
	struct page *page = context;
	const struct audit_question *asked = page->question;
	struct store_audit row = {.at = 0};
	enum status status = ldapadmin_read(&ldapadmin_audit, entry, &row, err);

	/* A server compares some texts without blanks around them. */
	if (status == ST_OK && (asked->tenant.n == 0 || span_eq(asked->tenant, row.tenant)) &&
	    (asked->actor.n == 0 || span_eq(asked->actor, row.actor)) &&
	    (asked->object.n == 0 || span_eq(asked->object, row.object)))
		keystore_rows_add_audit(page->rows, &row);
	return status;
}

/* Rows whose numbers are from first to last. */
static enum status
ask_window(struct ldapadmin *admin, struct page *page, uint64_t first, uint64_t last)
{
	enum status status;

	ldapadmin_filter_audit(&admin->filter, page->question, first, last);
	ldapadmin_dn_head(&admin->name, admin->own->base);
	status = ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
	    ldapadmin_audit.attributes, (size_t)(last - first) + 1, take_row, page);
	if (status != ST_OK || !admin->end->limited)
		return status;
	err_set(admin->err,
	    "the server gives LDAPBindUser no more than %zu entries; raise its limits",
	    admin->end->entries);
	return ST_UNAVAILABLE;
}

/* Window after window, until the page is full. */
static enum status
ask_windows(struct ldapadmin *admin, struct page *page, const struct audit_head *head)
{
	const struct audit_question *asked = page->question;
	bool back = asked->newest_first,
	     filtered = asked->tenant.n + asked->actor.n + asked->object.n > 0;
	uint64_t first = asked->seq < head->seq ? asked->seq + 1 : head->seq + 1,
		 last = asked->seq == 0 || asked->seq > head->seq ? head->seq : asked->seq - 1,
		 width = filtered ? WINDOW_FIRST : asked->max;
	enum status status = ST_OK;

	if (back)
		first = 1;
	else
		last = head->seq;
	while (status == ST_OK && first <= last && page->rows->audit_count < asked->max) {
		uint64_t rows = last - first + 1 < width ? last - first + 1 : width;

		status = back ? ask_window(admin, page, last - rows + 1, last)
			      : ask_window(admin, page, first, first + rows - 1);
		first += back ? 0 : rows;
		last -= back ? rows : 0;
		width = width * 2 < WINDOW_MAX ? width * 2 : WINDOW_MAX;
	}
	return status;
}

static enum status
do_page(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct page *page = context;
	struct ldapadmin admin;
	struct audit_head head;
	enum status status;

	(void)deadline_ms;
	keystore_rows_release(page->rows);
	page->rows = keystore_rows_new();
	ldapadmin_begin(&admin, page->own, link, end, err);
	status = ldapadmin_find_end(&admin, &head);
	if (status == ST_OK)
		status = ask_windows(&admin, page, &head);
	ldapadmin_end(&admin);
	return status == ST_ABSENT ? ST_OK : status;
}

static int
oldest_first(const void *left, const void *right)
{
	const struct store_audit *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

enum status
ldapadmin_ask_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err)
{
	struct page page = {.own = store->state, .question = question};
	enum status status = ldappool_run(&page.own->pool, do_page, &page, err);
	size_t count;

	*out = NULL;
	if (status != ST_OK) {
		keystore_rows_release(page.rows);
		err_prefix(err, "%s", store->where);
		return status;
	}
	count = page.rows->audit_count;
	if (count > 0)
		qsort(page.rows->audits, count, sizeof(page.rows->audits[0]), oldest_first);
	*out = keystore_rows_new();
	for (size_t i = 0; i < count && i < question->max; i++)
		keystore_rows_add_audit(
		    *out, &page.rows->audits[question->newest_first ? count - 1 - i : i]);
	keystore_rows_release(page.rows);
	return ST_OK;
}
