/*
 * keysafe.c - RequireSafeKeys: can anybody but root and this user read or replace the key file?
 * Called when a key file is read, never per message (the stamp of keyfile.h answers those).
 * It must never take "could not find out" for safe, nor walk the user database of a directory
 * service: only the local file, bounded, and the answer about a group is kept for a minute.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/store/keyfile.h"

#define GROUPS_KEPT 16
#define GROUP_LIFE_MS 60000
#define PASSWD_LINES_MAX 100000
#define GROUP_BUFFER_MAX (1U << 20)

/* What is known about a group: the name of a user in it who is neither root nor we. */
struct group_answer {
	gid_t gid;
	int64_t until_ms; /* 0: free */
	bool shared;
	char name[64];
};

/* The one cache of the process; the question has the same answer for every caller. */
static struct {
	pthread_mutex_t lock;
	struct group_answer answers[GROUPS_KEPT];
	size_t next;
} groups = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
is_us(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* Members by name, from whatever service the system asks. */
static bool
other_member(struct group *group, struct group_answer *answer)
{
	char room[4096];
	struct passwd entry, *found;

	for (char **name = group->gr_mem; name != NULL && *name != NULL; name++) {
		if (getpwnam_r(*name, &entry, room, sizeof(room), &found) == 0 && found != NULL &&
		    is_us(found->pw_uid))
			continue;
		snprintf(answer->name, sizeof(answer->name), "%s", *name);
		return true;
	}
	return false;
}

/* Users whose first group it is, from the local file only. */
static bool
other_primary(gid_t gid, struct group_answer *answer)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd entry, *found;
	char room[4096];
	bool other = false;

	if (f == NULL) {
		snprintf(answer->name, sizeof(answer->name), "(/etc/passwd cannot be read)");
		return true;
	}
	for (int i = 0; i < PASSWD_LINES_MAX && !other; i++) {
		if (fgetpwent_r(f, &entry, room, sizeof(room), &found) != 0 || found == NULL)
			break;
		other = found->pw_gid == gid && !is_us(found->pw_uid);
		if (other)
			snprintf(answer->name, sizeof(answer->name), "%s", found->pw_name);
	}
	fclose(f);
	return other;
}

static void
ask_group(gid_t gid, struct group_answer *answer)
{
	size_t bytes = 16384;
	char *room = mem_alloc(bytes);
	struct group entry, *found = NULL;
	int error;

	while ((error = getgrgid_r(gid, &entry, room, bytes, &found)) == ERANGE &&
	       bytes < GROUP_BUFFER_MAX)
		room = mem_resize(room, bytes *= 2, 1);
	answer->gid = gid;
	answer->until_ms = clock_mono_ms() + GROUP_LIFE_MS;
	answer->shared = true;
	if (error != 0)
		snprintf(answer->name, sizeof(answer->name), "(unknown: %.40s)", strerror(error));
	else
		answer->shared =
		    (found != NULL && other_member(found, answer)) || other_primary(gid, answer);
	mem_free(room);
}

/* Asks outside of the lock: a directory service may be slow. */
static void
group_answer(gid_t gid, struct group_answer *answer)
{
	int64_t now = clock_mono_ms();
	bool known = false;

	pthread_mutex_lock(&groups.lock);
	for (size_t i = 0; i < GROUPS_KEPT && !known; i++) {
		known = groups.answers[i].gid == gid && groups.answers[i].until_ms > now;
		if (known)
			*answer = groups.answers[i];
	}
	pthread_mutex_unlock(&groups.lock);
	if (known)
		return;
	ask_group(gid, answer);
	pthread_mutex_lock(&groups.lock);
	groups.answers[groups.next] = *answer;
	groups.next = (groups.next + 1) % GROUPS_KEPT;
	pthread_mutex_unlock(&groups.lock);
}

static enum status
unsafe(struct err *err, const char *node, const char *why, const char *mend)
{
	err_set(err, "%s: key data is not secure: %s; run: %s %s", node, why, mend, node);
	return ST_DENIED;
}

static enum status
check_group(const char *node, const struct stat *st, const char *mend, struct err *err)
{
	struct group_answer answer = {0};
	char why[160];

	group_answer(st->st_gid, &answer);
	if (!answer.shared)
		return ST_OK;
	snprintf(why, sizeof(why), "its group %lu can %s it and has another user, %s",
	    (unsigned long)st->st_gid, S_ISDIR(st->st_mode) ? "change" : "read or write",
	    answer.name);
	return unsafe(err, node, why, mend);
}

static enum status
check_owner(const char *node, const struct stat *st, struct err *err)
{
	char why[96], mend[48];

	if (is_us(st->st_uid))
		return ST_OK;
	snprintf(why, sizeof(why), "it belongs to user %lu, neither root nor %lu",
	    (unsigned long)st->st_uid, (unsigned long)geteuid());
	snprintf(mend, sizeof(mend), "chown %lu", (unsigned long)geteuid());
	return unsafe(err, node, why, mend);
}

static enum status
check_file(const char *node, const struct stat *st, struct err *err)
{
	enum status status = check_owner(node, st, err);

	if (status != ST_OK)
		return status;
	if ((st->st_mode & (S_IROTH | S_IWOTH)) != 0)
		return unsafe(err, node, "everybody can read or write it", "chmod o-rw");
	if ((st->st_mode & (S_IRGRP | S_IWGRP)) != 0)
		return check_group(node, st, "chmod g-rw", err);
	return ST_OK;
}

static enum status
check_directory(const char *node, const struct stat *st, struct err *err)
{
	/* A folder such as /tmp is meant to be open: the key is in the wrong place. */
	if ((st->st_mode & S_IWOTH) != 0 && (st->st_mode & S_ISVTX) != 0) {
		err_set(err,
		    "%s: key data is not secure: everybody can make files here; move the key to "
		    "a folder that only its owner can change",
		    node);
		return ST_DENIED;
	}
	if ((st->st_mode & S_IWOTH) != 0)
		return unsafe(err, node, "everybody can change it", "chmod o-w");
	if ((st->st_mode & S_IWUSR) != 0) {
		enum status status = check_owner(node, st, err);

		if (status != ST_OK)
			return status;
	}
	if ((st->st_mode & S_IWGRP) != 0)
		return check_group(node, st, "chmod g-w", err);
	return ST_OK;
}

/* Nobody but its owner gets through this directory: what is below need not be asked. */
static bool
closed_to_others(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_mode & (S_IXGRP | S_IXOTH)) == 0;
}

static enum status
check_node(const char *node, bool *closed_out, struct err *err)
{
	struct stat st;
	enum status status;

	if (lstat(node, &st) != 0) {
		err_set(err, "%s: key data is not secure: it cannot be checked: %s", node,
		    strerror(errno));
		return ST_DENIED;
	}
	status = S_ISDIR(st.st_mode) ? check_directory(node, &st, err) : check_file(node, &st, err);
	*closed_out = status == ST_OK && closed_to_others(&st);
	return status;
}

enum status
keyfile_check_safe(const char *path, struct err *err)
{
	char *real = realpath(path, NULL);
	enum status status;
	bool closed = false;

	if (real == NULL) {
		err_set(err, "%s: key data is not secure: it cannot be checked: %s", path,
		    strerror(errno));
		return ST_DENIED;
	}
	status = check_node("/", &closed, err);
	for (size_t i = 1; status == ST_OK && !closed && real[i - 1] != '\0'; i++) {
		char c = real[i];

		if (c != '/' && c != '\0')
			continue;
		real[i] = '\0';
		status = check_node(real, &closed, err);
		real[i] = c;
		if (c == '\0')
			break;
	}
	mem_free(real);
	return status;
}
