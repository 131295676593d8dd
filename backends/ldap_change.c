/*
 * ldap_change.c - one write to a directory server: an entry added, changed or deleted.
 * Called by the writer of the key store in LDAP.
 * It must never say that something was not written when nobody knows, nor put a value into a
 * sentence: it may be a key.
 */
#include <ldap.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "backends/ldap_link.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

static enum status
status_of(int code)
{
	switch (code) {
	case LDAP_SUCCESS:
		return ST_OK;
	case LDAP_NO_SUCH_OBJECT:
		return ST_ABSENT;
	case LDAP_ALREADY_EXISTS:
	case LDAP_TYPE_OR_VALUE_EXISTS:
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_ASSERTION_FAILED:
	case LDAP_NOT_ALLOWED_ON_NONLEAF:
		return ST_DENIED;
	case LDAP_CONSTRAINT_VIOLATION:
	case LDAP_INVALID_SYNTAX:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_NAMING_VIOLATION:
	case LDAP_OBJECT_CLASS_VIOLATION:
	case LDAP_UNDEFINED_TYPE:
	case LDAP_INAPPROPRIATE_MATCHING:
		return ST_INVALID;
	default:
		return ST_UNAVAILABLE;
	}
}

static const char *
advice(const struct ldaplink_words *words, int code)
{
	switch (code) {
	case LDAP_REFERRAL:
	case LDAP_UNWILLING_TO_PERFORM:
		return "is it a replica? Write to the server that takes writes";
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_STRONG_AUTH_REQUIRED:
		return words->rights;
	case LDAP_UNDEFINED_TYPE:
	case LDAP_OBJECT_CLASS_VIOLATION:
	case LDAP_INVALID_SYNTAX:
		return words->schema;
	case LDAP_NO_SUCH_OBJECT:
		return "there is no such entry";
	case LDAP_ALREADY_EXISTS:
		return "it is there already";
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_ASSERTION_FAILED:
		return "somebody else changed it";
	case LDAP_NOT_ALLOWED_ON_NONLEAF:
		return "something hangs below it";
	default:
		return "nothing was changed there";
	}
}

static enum status
judge(struct ldaplink *link, const char *dn, LDAPMessage *message, struct ldaplink_end *end,
    struct err *err)
{
	char *words = NULL;
	int code = LDAP_OTHER;

	if (ldap_parse_result(link->ld, message, &code, NULL, &words, NULL, NULL, 0) !=
	    LDAP_SUCCESS)
		code = LDAP_DECODING_ERROR;
	end->lost = code == LDAP_UNAVAILABLE || code == LDAP_DECODING_ERROR;
	end->forbidden = code == LDAP_INSUFFICIENT_ACCESS;
	end->unknown = code == LDAP_UNDEFINED_TYPE;
	end->constrained = code == LDAP_CONSTRAINT_VIOLATION;
	if (code != LDAP_SUCCESS)
		err_set(err, "%s does not write %.120s: %s%s%.120s%s; %s", link->uri, dn,
		    ldap_err2string(code), words != NULL && words[0] != '\0' ? " (" : "",
		    words == NULL ? "" : words, words != NULL && words[0] != '\0' ? ")" : "",
		    advice(link->words, code));
	ldap_memfree(words);
	return status_of(code);
}

static enum status
wait_for(struct ldaplink *link, const char *dn, int id, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	int64_t left_ms = deadline_ms - clock_mono_ms();
	struct timeval left;
	LDAPMessage *message = NULL;
	enum status status;
	int kind, code = LDAP_OTHER;

	if (left_ms < 1)
		left_ms = 1;
	left = (struct timeval){left_ms / 1000, left_ms % 1000 * 1000};
	kind = ldap_result(link->ld, id, LDAP_MSG_ALL, &left, &message);
	if (kind > 0) {
		status = judge(link, dn, message, end, err);
		ldap_msgfree(message);
		link->used_ms = clock_mono_ms();
		return status;
	}
	ldap_msgfree(message);
	if (kind < 0)
		ldap_get_option(link->ld, LDAP_OPT_RESULT_CODE, &code);
	end->silent = kind == 0 || code == LDAP_TIMEOUT;
	end->lost = !end->silent;
	err_set(err, "%s: whether %.120s was written is not known: %s%s%s", link->uri, dn,
	    end->silent ? "no answer in time (" : ldap_err2string(code),
	    end->silent ? link->words->timeout : "", end->silent ? ")" : "");
	return ST_UNAVAILABLE;
}

/* libldap's form of the changes; the values are borrowed. */
struct request {
	LDAPMod mods[LDAPLINK_CHANGES_MAX], *list[LDAPLINK_CHANGES_MAX + 1];
	struct berval *values, **pointers;
};

static void
fill(struct request *request, const struct ldaplink_change *changes, size_t count)
{
	static const int hows[] = {LDAP_MOD_ADD, LDAP_MOD_DELETE, LDAP_MOD_REPLACE};
	size_t all = count, at = 0, pointer = 0;

	for (size_t i = 0; i < count; i++)
		all += changes[i].count;
	request->values = mem_zalloc(all + 1, sizeof(*request->values));
	request->pointers = mem_zalloc(all + 1, sizeof(*request->pointers));
	for (size_t i = 0; i < count; i++) {
		LDAPMod *mod = &request->mods[i];

		mod->mod_op = hows[changes[i].how] | LDAP_MOD_BVALUES;
		mod->mod_type = (char *)(uintptr_t)changes[i].attribute;
		mod->mod_bvalues = changes[i].count == 0 ? NULL : &request->pointers[pointer];
		for (size_t v = 0; v < changes[i].count; v++, at++) {
			request->values[at].bv_val = (char *)(uintptr_t)changes[i].values[v].p;
			request->values[at].bv_len = changes[i].values[v].n;
			request->pointers[pointer++] = &request->values[at];
		}
		pointer++; /* the NULL behind the values */
		request->list[i] = mod;
	}
	request->list[count] = NULL;
}

enum status
ldaplink_change(struct ldaplink *link, enum ldaplink_write what, const char *dn,
    const struct ldaplink_change *changes, size_t count, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	struct request request;
	int id = 0, code = LDAP_PARAM_ERROR;

	memset(end, 0, sizeof(*end));
	memset(&request, 0, sizeof(request));
	if (count <= LDAPLINK_CHANGES_MAX)
		fill(&request, changes, count);
	if (count <= LDAPLINK_CHANGES_MAX && what == LDAPLINK_ADD_ENTRY)
		code = ldap_add_ext(link->ld, dn, request.list, NULL, NULL, &id);
	else if (count <= LDAPLINK_CHANGES_MAX && what == LDAPLINK_MODIFY_ENTRY)
		code = ldap_modify_ext(link->ld, dn, request.list, NULL, NULL, &id);
	else if (what == LDAPLINK_DELETE_ENTRY)
		code = ldap_delete_ext(link->ld, dn, NULL, NULL, &id);
	mem_free(request.values);
	mem_free(request.pointers);
	if (code == LDAP_SUCCESS)
		return wait_for(link, dn, id, deadline_ms, end, err);
	end->lost = code == LDAP_SERVER_DOWN;
	err_set(err, "%s: %.120s was not written: %s", link->uri, dn, ldap_err2string(code));
	return ST_UNAVAILABLE;
}
