/*
 * tenant.c - from the facts of a session to its tenant.
 * Called by the keeper before a sender is looked at, and by "signpost resolve".
 * It must never let a fact that the client chose (its name in the DNS, a login of any octets) make
 * a subject of another kind, nor take an answer it did not get for "bound to none".
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/store/tenant.h"

/* More than any client has in earnest; one with more is as one without a name. */
#define HOST_LABELS_MAX 40U
#define ROOM_BYTES 16384U

/* The subjects made so far. */
struct making {
	struct buf *room;
	struct span *subjects;
	size_t ends[TENANT_SUBJECTS_MAX]; /* in room, which may still move */
	size_t count;
	bool too_many;
};

/* prefix, text and suffix in lower case; left out when no binding can have it. */
static void
add_subject(struct making *m, const char *prefix, struct span text)
{
	size_t from = m->room->n;

	if (strlen(prefix) + text.n > KEYSTORE_SUBJECT_MAX)
		return;
	if (m->count == TENANT_SUBJECTS_MAX) {
		m->too_many = true;
		return;
	}
	buf_add_str(m->room, prefix);
	buf_add(m->room, text);
	for (size_t i = from; i < m->room->n; i++)
		m->room->p[i] = ascii_lower(m->room->p[i]);
	m->ends[m->count++] = m->room->n;
}

static void
add_login(struct making *m, struct span login)
{
	size_t at = span_rfind(login, '@');

	add_subject(m, "login:", login);
	if (at != SIZE_MAX && at + 1 < login.n)
		add_subject(m, "login:", span_from(login, at));
}

/* Decimal, at the end of text. */
static char *
write_number(char *text, unsigned value)
{
	if (value >= 100)
		*text++ = (char)('0' + value / 100);
	if (value >= 10)
		*text++ = (char)('0' + value / 10 % 10);
	*text++ = (char)('0' + value % 10);
	return text;
}

/* As inet_ntop(); by hand for IPv4, since there are 33 of them for most sessions without a login.
 */
static char *
write_address(char *text, int family, const uint8_t octets[16])
{
	if (family != AF_INET) {
		if (inet_ntop(family, octets, text, INET6_ADDRSTRLEN) == NULL)
			return text;
		return text + strlen(text);
	}
	for (size_t i = 0; i < 4; i++) {
		text = write_number(text, octets[i]);
		*text++ = '.';
	}
	return text - 1;
}

/* Octets with all bits behind the first prefix ones zero, as "ADDRESS/BITS". */
static void
add_network(struct making *m, int family, const uint8_t *address, unsigned bytes, unsigned prefix)
{
	char text[INET6_ADDRSTRLEN + 8], *end;
	uint8_t octets[16] = {0};

	memcpy(octets, address, prefix / 8);
	if (prefix / 8 < bytes)
		octets[prefix / 8] = (uint8_t)(address[prefix / 8] & (0xff00U >> prefix % 8));
	end = write_address(text, family, octets);
	*end++ = '/';
	end = write_number(end, prefix);
	add_subject(m, "client:", span_of(text, (size_t)(end - text)));
}

static void
add_networks(struct making *m, const struct tenant_session *session)
{
	if (session->address == NULL)
		return;
	for (unsigned i = 0; session->family == 4 && i <= 32; i++)
		add_network(m, AF_INET, session->address, 4, 32 - i);
	for (unsigned i = 0; session->family == 6 && i <= 128; i += 4)
		add_network(m, AF_INET6, session->address, 16, 128 - i);
}

/* The name comes from whoever runs the DNS of the client's network. */
static bool
is_name(struct span host)
{
	size_t labels = 1, label = 0;

	if (host.n == 0 || host.n > KEYSTORE_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		char c = ascii_lower(host.p[i]);

		if (c == '.' && label > 0) {
			label = 0;
			labels++;
		} else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			   c == '_') {
			label++;
		} else {
			return false;
		}
	}
	return label > 0 && labels <= HOST_LABELS_MAX;
}

/* A name cannot look like an address: a binding of those has a '/'. */
static void
add_host(struct making *m, struct span host)
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (!is_name(host))
		return;
	add_subject(m, "client:", host);
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] == '.')
			add_subject(m, "client:", span_from(host, i));
}

enum status
tenant_subjects(const struct tenant_session *session, struct buf *room,
    struct span subjects[TENANT_SUBJECTS_MAX], size_t *count_out)
{
	struct making m = {.room = room, .subjects = subjects};
	size_t from;

	buf_reset(room);
	if (session->login.n > 0)
		add_login(&m, session->login);
	if (session->listener.n > 0)
		add_subject(&m, "listener:", session->listener);
	if (session->login.n == 0) {
		add_networks(&m, session);
		add_host(&m, session->host);
	}
	add_subject(&m, "*", SPAN_EMPTY);
	*count_out = 0;
	if (m.too_many || buf_status(room) != ST_OK)
		return ST_TOO_BIG;
	from = 0;
	for (size_t i = 0; i < m.count; from = m.ends[i++])
		subjects[i] = span_sub(buf_span(room), from, m.ends[i] - from);
	*count_out = m.count;
	return ST_OK;
}

/* ---- asking ---- */

static enum status
take_name(struct span name, char tenant[KEYSTORE_TENANT_MAX + 1])
{
	if (!keystore_tenant_is_valid(name))
		return ST_INVALID;
	memcpy(tenant, name.p, name.n);
	tenant[name.n] = '\0';
	return ST_OK;
}

static enum status
take_value(struct table *map, const struct table_value *value, char tenant[KEYSTORE_TENANT_MAX + 1],
    struct err *err)
{
	struct span name = span_trim(value->text);

	if (take_name(name, tenant) == ST_OK)
		return ST_OK;
	err_set(err,
	    "%s %s line %u: the value is no name of a tenant (a-z, 0-9, and inside also '-', '_' "
	    "and '.'; at most %u octets)",
	    map->parameter, map->where, value->line, KEYSTORE_TENANT_MAX);
	return ST_INVALID;
}

/* As many subjects at once as the table takes; the first that is there ends it. */
static enum status
ask_map(struct table *map, const struct span *subjects, size_t count,
    char tenant[KEYSTORE_TENANT_MAX + 1], struct err *err)
{
	size_t at_once = table_keys_at_once(map), step;

	for (size_t i = 0; i < count; i += step) {
		struct table_value value;
		size_t at, found = 0;
		enum status status;

		step = count - i < at_once ? count - i : at_once;
		status = table_lookup_many(map, subjects + i, step, 1, &value, &at, &found, err);
		if (status == ST_ABSENT)
			continue;
		if (status != ST_OK)
			return status == ST_UNAVAILABLE ? status : ST_INVALID;
		status = take_value(map, &value, tenant, err);
		table_value_release(&value);
		return status;
	}
	return ST_ABSENT;
}

/* What other subjects are bound to does not count, whatever the store answers. ST_INVALID: bound
 * to two. */
static enum status
bound_to(const struct keystore_rows *rows, struct span subject,
    char tenant[KEYSTORE_TENANT_MAX + 1], struct err *err)
{
	const struct store_binding *found = NULL;

	for (size_t i = 0; i < rows->binding_count; i++) {
		const struct store_binding *row = &rows->bindings[i];

		if (!span_eq(row->subject, subject))
			continue;
		if (found != NULL && !span_eq(found->tenant, row->tenant)) {
			err_set(err, "the store binds \"%.*s\" to two tenants", SPAN_ARG(subject));
			return ST_INVALID;
		}
		found = row;
	}
	if (found == NULL)
		return ST_ABSENT;
	if (take_name(found->tenant, tenant) == ST_OK)
		return ST_OK;
	err_set(err, "the store binds \"%.*s\" to what is no name of a tenant", SPAN_ARG(subject));
	return ST_INVALID;
}

static enum status
ask_store(struct keystore *store, const struct span *subjects, size_t count,
    char tenant[KEYSTORE_TENANT_MAX + 1], struct err *err)
{
	enum status status = ST_ABSENT;
	size_t step;

	for (size_t i = 0; i < count && status == ST_ABSENT; i += step) {
		struct keystore_rows *rows = NULL;

		step = count - i < KEYSTORE_NAMES_MAX ? count - i : KEYSTORE_NAMES_MAX;
		status = keystore_bindings(store, subjects + i, step, &rows, err);
		if (status != ST_OK)
			return status == ST_UNAVAILABLE || status == ST_FAILED ? ST_UNAVAILABLE
									       : ST_INVALID;
		status = ST_ABSENT;
		for (size_t k = i; k < i + step && status == ST_ABSENT; k++)
			status = bound_to(rows, subjects[k], tenant, err);
		keystore_rows_release(rows);
	}
	return status;
}

enum status
tenant_of_session(struct table *map, struct keystore *store, const struct tenant_session *session,
    char tenant[KEYSTORE_TENANT_MAX + 1], struct err *err)
{
	struct span subjects[TENANT_SUBJECTS_MAX];
	struct buf room;
	size_t count;
	enum status status;

	tenant[0] = '\0';
	if (map == NULL && store == NULL)
		return ST_ABSENT;
	buf_init(&room, ROOM_BYTES);
	status = tenant_subjects(session, &room, subjects, &count);
	if (status != ST_OK) {
		err_set(err, "the session has more facts than %u subjects", TENANT_SUBJECTS_MAX);
		status = ST_INVALID;
	} else {
		status = ST_ABSENT;
		if (map != NULL)
			status = ask_map(map, subjects, count, tenant, err);
		if (status == ST_ABSENT && store != NULL)
			status = ask_store(store, subjects, count, tenant, err);
	}
	buf_free(&room);
	return status;
}

enum status
tenant_sender_match(struct span login, struct span user, struct span domain, bool exact)
{
	size_t at = span_rfind(login, '@');
	struct span host;

	if (at == SIZE_MAX || domain.n == 0)
		return ST_DENIED;
	host = span_from(login, at + 1);
	if (exact)
		return span_ieq(host, domain) && span_ieq(span_sub(login, 0, at), user) ? ST_OK
											: ST_DENIED;
	if (host.n == 0 || !span_iends(domain, host))
		return ST_DENIED;
	return domain.n == host.n || domain.p[domain.n - host.n - 1] == '.' ? ST_OK : ST_DENIED;
}

enum status
tenant_of_facts(struct table *map, struct keystore *store, const struct tenant_facts *facts,
    char tenant[KEYSTORE_TENANT_MAX + 1], struct err *err)
{
	uint8_t octets[16];
	struct tenant_session session = {.login = span_str(facts->login),
	    .listener = span_str(facts->listener),
	    .host = span_str(facts->host),
	    .address = octets};

	tenant[0] = '\0';
	if (facts->client != NULL && inet_pton(AF_INET, facts->client, octets) == 1)
		session.family = 4;
	else if (facts->client != NULL && inet_pton(AF_INET6, facts->client, octets) == 1)
		session.family = 6;
	return tenant_of_session(map, store, &session, tenant, err);
}
