/*
 * ldap_ask.c - one question to a directory server, and its first entry as fields.
 * Called by ldap.c with a connection that no other thread uses.
 * It must never take an answer that did not come for "there is none", nor leave a key in memory
 * that is not wiped when it can be reached.
 */
#include <ldap.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#include "backends/ldap_link.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

/* Two entries are enough to know that there is more than one. */
#define ENTRIES_MAX 2

/* The value of a table: fields, and their octets behind them. */
struct record {
	bool secret;
	struct span fields[];
};

static void
record_free(void *owner)
{
	struct record *record = owner;

	if (record->secret)
		secret_free(record);
	else
		mem_free(record);
}

static bool
is_attribute(const struct berval *found, const char *wanted)
{
	return found->bv_len == strlen(wanted) &&
	       strncasecmp(found->bv_val, wanted, found->bv_len) == 0;
}

/* values: where they are in the message; a field that is not there stays {0, NULL}. */
static void
find_values(LDAP *ld, LDAPMessage *entry, const struct ldapurl *url, struct berval *values)
{
	BerElement *ber = NULL;
	struct berval name, *found;

	if (ldap_get_dn_ber(ld, entry, &ber, &name) != LDAP_SUCCESS)
		return;
	while (ldap_get_attribute_ber(ld, entry, ber, &name, &found) == LDAP_SUCCESS &&
	       name.bv_val != NULL) {
		for (size_t i = 0; i < url->attribute_count && found != NULL; i++)
			if (values[i].bv_val == NULL && found[0].bv_val != NULL &&
			    is_attribute(&name, url->attributes[i]))
				values[i] = found[0];
		ber_memfree(found);
	}
	ber_free(ber, 0);
}

/* All values of all entries, where libldap has them. */
static void
wipe_values(LDAP *ld, LDAPMessage *result)
{
	LDAPMessage *entry;

	for (entry = ldap_first_entry(ld, result); entry != NULL;
	     entry = ldap_next_entry(ld, entry)) {
		BerElement *ber = NULL;
		struct berval name, *found;

		if (ldap_get_dn_ber(ld, entry, &ber, &name) != LDAP_SUCCESS)
			continue;
		while (ldap_get_attribute_ber(ld, entry, ber, &name, &found) == LDAP_SUCCESS &&
		       name.bv_val != NULL) {
			for (size_t i = 0; found != NULL && found[i].bv_val != NULL; i++)
				secret_wipe(found[i].bv_val, found[i].bv_len);
			ber_memfree(found);
		}
		ber_free(ber, 0);
	}
}

static enum status
check_values(
    const struct ldapurl *url, const struct berval *values, size_t *bytes_out, struct err *err)
{
	*bytes_out = 0;
	for (size_t i = 0; i < url->attribute_count; i++) {
		if (values[i].bv_val == NULL)
			continue;
		if (values[i].bv_len > TABLE_LINE_MAX) {
			err_set(err, "the value of %s has more than %u octets", url->attributes[i],
			    TABLE_LINE_MAX);
			return ST_INVALID;
		}
		if (memchr(values[i].bv_val, '\0', values[i].bv_len) != NULL) {
			err_set(err, "the value of %s has a NUL octet; text is needed",
			    url->attributes[i]);
			return ST_INVALID;
		}
		*bytes_out += values[i].bv_len;
	}
	return ST_OK;
}

static void
copy_values(const struct ldapurl *url, const struct berval *values, struct record *record)
{
	char *at = (char *)&record->fields[url->attribute_count];

	for (size_t i = 0; i < url->attribute_count; i++) {
		record->fields[i] = SPAN_EMPTY;
		if (values[i].bv_val == NULL)
			continue;
		if (values[i].bv_len > 0)
			memcpy(at, values[i].bv_val, values[i].bv_len);
		record->fields[i] = span_of(at, values[i].bv_len);
		at += values[i].bv_len;
	}
}

static enum status
take_entry(LDAP *ld, LDAPMessage *entry, const struct ldaplink_question *question,
    struct table_value *out, struct err *err)
{
	const struct ldapurl *url = question->url;
	struct berval values[LDAPURL_FIELDS_MAX] = {{0, NULL}};
	struct record *record;
	size_t bytes;
	enum status status;

	find_values(ld, entry, url, values);
	status = check_values(url, values, &bytes, err);
	if (status != ST_OK)
		return status;
	/* One octet more: an empty last value has a place too. */
	bytes += sizeof(*record) + url->attribute_count * sizeof(record->fields[0]) + 1;
	record = question->secret ? secret_malloc(bytes) : mem_alloc(bytes);
	if (record == NULL) {
		err_set(err, "no secret memory left for a record");
		return ST_UNAVAILABLE;
	}
	record->secret = question->secret;
	copy_values(url, values, record);
	*out = (struct table_value){.text = record->fields[0],
	    .release = record_free,
	    .owner = record,
	    .columns = record->fields,
	    .column_count = url->attribute_count};
	return ST_OK;
}

/* A base that stands fast must exist; that it does not, or may not be seen, says nothing about the
 * name that was asked for. */
static enum status
no_entry(const struct ldaplink *link, const struct ldaplink_question *question, int code,
    struct err *err)
{
	if (code == LDAP_SUCCESS || question->url->base_varies)
		return ST_ABSENT;
	err_set(err,
	    "%s has no base \"%.100s\", or does not show it to LDAPBindUser: correct the URL or "
	    "the rights",
	    link->uri, question->base);
	return ST_UNAVAILABLE;
}

static enum status
judge(struct ldaplink *link, const struct ldaplink_question *question, LDAPMessage *result,
    struct ldaplink_answer *out, struct err *err)
{
	LDAPMessage *entry = ldap_first_entry(link->ld, result);
	char *words = NULL;
	int code = LDAP_OTHER;

	if (ldap_parse_result(link->ld, result, &code, NULL, &words, NULL, NULL, 0) != LDAP_SUCCESS)
		code = LDAP_DECODING_ERROR;
	out->referred = ldap_first_reference(link->ld, result) != NULL;
	out->many = entry != NULL && ldap_next_entry(link->ld, entry) != NULL;
	out->lost = code == LDAP_UNAVAILABLE || code == LDAP_DECODING_ERROR;
	if (entry != NULL && (code == LDAP_SUCCESS || code == LDAP_SIZELIMIT_EXCEEDED)) {
		ldap_memfree(words);
		return take_entry(link->ld, entry, question, &out->value, err);
	}
	if (code == LDAP_SUCCESS || code == LDAP_NO_SUCH_OBJECT ||
	    (code == LDAP_INVALID_DN_SYNTAX && question->url->base_varies)) {
		ldap_memfree(words);
		return no_entry(link, question, code, err);
	}
	err_set(err, "%s does not answer the question: %s%s%.120s%s; may LDAPBindUser read %s?",
	    link->uri, ldap_err2string(code), words != NULL && words[0] != '\0' ? " (" : "",
	    words == NULL ? "" : words, words != NULL && words[0] != '\0' ? ")" : "",
	    question->url->attributes[0]);
	ldap_memfree(words);
	return ST_UNAVAILABLE;
}

static enum status
cannot_ask(struct ldaplink *link, const struct ldaplink_question *question, int code,
    struct ldaplink_answer *out, struct err *err)
{
	if (code == LDAP_FILTER_ERROR) {
		err_set(err, "the filter \"%.200s\" is none: correct the URL", question->filter);
		return ST_INVALID;
	}
	out->lost = true;
	err_set(err, "%s: the connection was lost: %s", link->uri, ldap_err2string(code));
	return ST_UNAVAILABLE;
}

static int
scope_of(enum ldapurl_scope scope)
{
	static const int scopes[] = {LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE};

	return scopes[scope];
}

static struct timeval
time_left(int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - clock_mono_ms();

	if (left_ms < 1)
		left_ms = 1;
	return (struct timeval){left_ms / 1000, left_ms % 1000 * 1000};
}

static enum status
wait_for(struct ldaplink *link, int id, int64_t deadline_ms, LDAPMessage **result_out,
    struct ldaplink_answer *out, struct err *err)
{
	struct timeval left = time_left(deadline_ms);
	int kind = ldap_result(link->ld, id, LDAP_MSG_ALL, &left, result_out), code = LDAP_OTHER;

	if (kind > 0)
		return ST_OK;
	ldap_msgfree(*result_out);
	*result_out = NULL;
	if (kind < 0)
		ldap_get_option(link->ld, LDAP_OPT_RESULT_CODE, &code);
	out->silent = kind == 0 || code == LDAP_TIMEOUT;
	out->lost = !out->silent;
	if (out->silent)
		err_set(err, "%s did not answer in time (LDAPTimeout)", link->uri);
	else
		err_set(err, "%s: the connection was lost: %s", link->uri, ldap_err2string(code));
	return ST_UNAVAILABLE;
}

enum status
ldaplink_ask(struct ldaplink *link, const struct ldaplink_question *question, int64_t deadline_ms,
    struct ldaplink_answer *out, struct err *err)
{
	struct timeval left = time_left(deadline_ms);
	LDAPMessage *result = NULL;
	enum status status;
	int id = 0, code;

	memset(out, 0, sizeof(*out));
	left.tv_sec++; /* the server counts whole seconds */
	code = ldap_search_ext(link->ld, question->base, scope_of(question->url->scope),
	    question->filter, (char **)(uintptr_t)question->url->attributes, 0, NULL, NULL, &left,
	    ENTRIES_MAX, &id);
	if (code != LDAP_SUCCESS)
		return cannot_ask(link, question, code, out, err);
	status = wait_for(link, id, deadline_ms, &result, out, err);
	if (status != ST_OK)
		return status;
	status = judge(link, question, result, out, err);
	if (question->secret)
		wipe_values(link->ld, result);
	ldap_msgfree(result);
	link->used_ms = clock_mono_ms();
	return status;
}
