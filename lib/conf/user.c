/*
 * user.c - the UserID parameter: a user and a group by name or number.
 * The parent asks once, before it drops privileges. It asks passwd and group, which may block on a
 * directory server, so it must never be called on the way of a message.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/values.h"

/* Octets for one entry of passwd or group (a group lists its members). */
#define ENTRY_MAX (1U << 20)

static enum status
lookup_answer(int code, bool found, const char *what, const char *name, struct err *err)
{
	if (found)
		return ST_OK;
	if (code == 0 || code == ENOENT || code == ESRCH) {
		err_set(err, "no such %s: \"%s\"", what, name);
		return ST_ABSENT;
	}
	err_set(err, "the %s \"%s\" cannot be looked up: %s", what, name, strerror(code));
	return ST_UNAVAILABLE;
}

static enum status
find_user(const char *name, struct conf_user *user, struct err *err)
{
	char *entry = mem_alloc(ENTRY_MAX);
	struct passwd pw, *found = NULL;
	enum status status;
	uint64_t number;
	int code = getpwnam_r(name, &pw, entry, ENTRY_MAX, &found);

	if (found == NULL && span_number(span_str(name), UINT32_MAX - 1, &number))
		code = getpwuid_r((uid_t)number, &pw, entry, ENTRY_MAX, &found);
	status = lookup_answer(code, found != NULL, "user", name, err);
	if (status == ST_OK) {
		user->uid = pw.pw_uid;
		user->gid = pw.pw_gid;
		snprintf(user->name, sizeof(user->name), "%s", pw.pw_name);
	}
	mem_free(entry);
	return status;
}

static enum status
find_group(const char *name, struct conf_user *user, struct err *err)
{
	char *entry = mem_alloc(ENTRY_MAX);
	struct group gr, *found = NULL;
	enum status status;
	uint64_t number;
	int code = getgrnam_r(name, &gr, entry, ENTRY_MAX, &found);

	if (found == NULL && span_number(span_str(name), UINT32_MAX - 1, &number))
		code = getgrgid_r((gid_t)number, &gr, entry, ENTRY_MAX, &found);
	status = lookup_answer(code, found != NULL, "group", name, err);
	if (status == ST_OK)
		user->gid = gr.gr_gid;
	mem_free(entry);
	return status;
}

enum status
conf_user(const char *text, struct conf_user *user_out, struct err *err)
{
	struct span group = span_trim(span_str(text)), name;
	struct conf_user user = {.name = ""};
	bool two = span_cut(&group, ':', &name);
	enum status status;
	char *copy;

	if (name.n == 0 || name.n >= CONF_USER_NAME_MAX || group.n >= CONF_USER_NAME_MAX ||
	    (two && group.n == 0)) {
		err_set(err, "USER or USER:GROUP is needed");
		return ST_INVALID;
	}
	copy = span_dup(name);
	status = find_user(copy, &user, err);
	mem_free(copy);
	if (status == ST_OK && two) {
		copy = span_dup(group);
		status = find_group(copy, &user, err);
		mem_free(copy);
	}
	if (status == ST_OK)
		*user_out = user;
	return status;
}
