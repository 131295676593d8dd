/*
 * fuzz_adminrows.c - any octets as values of entries of tokens, kept answers and the audit: a row
 * within its limits that is written as it was read, or a sentence. Each line of the input is a
 * value; its first octet says of which attribute. A chain made of the rows is whole, and is not
 * when one of them is another.
 */
#include "tests/fuzz/store_fuzz.h"

#include "backends/keystore_ldap_admin.h"
#include "lib/store/keystore.h"

#define ROWS 3U

struct made {
	struct ldapentry entry;
	struct ldapentry_values values[LDAPADMIN_FIELDS_MAX];
	struct span items[LDAPADMIN_FIELDS_MAX][2];
};

union row {
	struct store_token token;
	struct store_provider provider;
	struct store_quota quota;
	struct store_reply reply;
	struct store_audit audit;
};

static void
demand(bool what)
{
	if (!what)
		abort();
}

static size_t
count(const struct buf *text, const char *set)
{
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++)
		n += text->p[i] != '\0' && strchr(set, text->p[i]) != NULL;
	return n;
}

/* What was read is written in a form that is read as the same. */
static void
check_back(const struct ldapadmin_kind *kind, const union row *row)
{
	char rooms[LDAPADMIN_FIELDS_MAX][24];
	union row again;
	struct made made;
	struct err err = ERR_NONE;

	memset(&again, 0, sizeof(again));
	memset(&made, 0, sizeof(made));
	made.entry.values = made.values;
	for (size_t i = 0; i < kind->count; i++) {
		made.items[i][0] = ldapadmin_value(&kind->fields[i], row, rooms[i]);
		made.values[i].items = made.items[i];
		made.values[i].count = made.items[i][0].n > 0 ? 1 : 0;
	}
	demand(ldapadmin_read(kind, &made.entry, &again, &err) == ST_OK);
	for (size_t i = 0; i < kind->count; i++) {
		char room[24];

		demand(span_eq(ldapadmin_value(&kind->fields[i], &again, room), made.items[i][0]));
	}
}

static bool
check_kind(const struct ldapadmin_kind *kind, const struct made *made, union row *row)
{
	struct err err = ERR_NONE;

	memset(row, 0, sizeof(*row));
	if (ldapadmin_read(kind, &made->entry, row, &err) != ST_OK) {
		demand(err.text[0] != '\0');
		return false;
	}
	check_back(kind, row);
	return true;
}

static void
check_write(enum store_what what, const union row *row)
{
	struct keystore_write write = {.what = what, .how = WRITE_ADD};
	struct err err = ERR_NONE;

	if (what == STORE_TOKEN)
		write.row.token = row->token;
	else if (what == STORE_PROVIDER)
		write.row.provider = row->provider;
	else if (what == STORE_QUOTA)
		write.row.quota = row->quota;
	else if (what == STORE_REPLY)
		write.row.reply = row->reply;
	else
		write.row.audit = row->audit;
	if (keystore_write_check(&write, &err) != ST_OK) {
		demand(err.text[0] != '\0');
		return;
	}
	demand(what != STORE_TOKEN || (row->token.secret.n == 64 && row->token.id.n > 0));
	demand(what != STORE_PROVIDER || (row->provider.name.n > 0 && row->provider.tenant.n > 0));
	demand(what != STORE_QUOTA || (row->quota.tenant.n > 0 && row->quota.domains <= QUOTA_MAX));
	demand(what != STORE_REPLY || (row->reply.key.n > 0 && row->reply.body.n == 64));
	demand(what != STORE_AUDIT || (row->audit.actor.n > 0 && row->audit.result.n > 0));
}

static void
check_chain(const struct store_audit *row)
{
	char hashes[ROWS + 1][ADMINROW_HASH_BYTES];
	struct store_audit rows[ROWS];
	struct audit_verifier verifier;
	struct audit_head none;
	struct err err = ERR_NONE;

	audit_head_init(&none);
	memcpy(hashes[0], none.hash, sizeof(hashes[0]));
	for (size_t i = 0; i < ROWS; i++) {
		rows[i] = *row;
		rows[i].seq = i + 1;
		rows[i].prev = span_str(hashes[i]);
		audit_hash(&rows[i], hashes[i + 1]);
		rows[i].hash = span_str(hashes[i + 1]);
	}
	audit_verify_begin(&verifier, NULL, NULL);
	demand(audit_verify(&verifier, rows, ROWS, &err) == ST_OK && verifier.head.seq == ROWS);
	audit_verify_begin(&verifier, NULL, NULL);
	rows[1].at++;
	demand(audit_verify(&verifier, rows, ROWS, &err) == ST_INVALID && verifier.broken == 2);
	audit_verify_begin(&verifier, NULL, NULL);
	if (audit_verify(&verifier, row, 1, &err) != ST_OK)
		demand(verifier.broken == 1);
}

static void
check_line(struct span text)
{
	struct audit_question question = {.tenant = text, .actor = text, .object = text};
	struct buf hostile, plain;
	struct audit_head head;
	char written[LDAPADMIN_END_BYTES];

	buf_init(&hostile, LDAPSTORE_TEXT_MAX);
	buf_init(&plain, LDAPSTORE_TEXT_MAX);
	if (ldapadmin_read_end(text, &head) == ST_OK) {
		ldapadmin_write_end(&head, written);
		demand(head.seq < INT64_MAX && strlen(head.hash) == 64);
	}
	ldapadmin_filter_audit(&hostile, &question, 1, 2);
	question.tenant = question.actor = question.object = SPAN_LIT("a");
	ldapadmin_filter_audit(&plain, &question, 1, 2);
	demand(text.n == 0 || count(&hostile, "()*&|!<>~=") == count(&plain, "()*&|!<>~="));
	demand(strlen(buf_text(&hostile)) == hostile.n);
	ldapadmin_dn_token(&hostile, "ou=x", text);
	ldapadmin_dn_token(&plain, "ou=x", SPAN_LIT("a"));
	demand(count(&hostile, ",=+\"<>;#") == count(&plain, ",=+\"<>;#"));
	buf_free(&hostile);
	buf_free(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size), line;
	struct made made;
	union row row;
	bool more = size > 0;

	memset(&made, 0, sizeof(made));
	made.entry.dn = SPAN_LIT("cn=x");
	made.entry.values = made.values;
	while (more) {
		size_t at;

		more = span_cut(&rest, '\n', &line);
		if (line.n == 0 || line.n > KEYSTORE_SUBJECT_MAX)
			continue;
		at = (unsigned char)(line.p[0] - 'A') % LDAPADMIN_FIELDS_MAX;
		line = span_from(line, 1);
		check_line(line);
		if (line.n == 0 || made.values[at].count == 2)
			continue;
		made.items[at][made.values[at].count++] = line;
		made.values[at].items = made.items[at];
	}
	if (check_kind(&ldapadmin_token, &made, &row))
		check_write(STORE_TOKEN, &row);
	if (check_kind(&ldapadmin_provider, &made, &row))
		check_write(STORE_PROVIDER, &row);
	if (check_kind(&ldapadmin_quota, &made, &row))
		check_write(STORE_QUOTA, &row);
	if (check_kind(&ldapadmin_reply, &made, &row))
		check_write(STORE_REPLY, &row);
	if (check_kind(&ldapadmin_audit, &made, &row)) {
		check_write(STORE_AUDIT, &row);
		check_chain(&row.audit);
	}
	return 0;
}
