/*
 * privileges.c - gives up root.
 * Called by signpostd and signpost-admind after what only root can do. It must never answer 0 to a
 * process that could get anything back.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf/privileges.h"
#include "lib/conf/values.h"

int
privileges_drop(const struct conf *conf, struct err *err)
{
	const char *root = conf_string(conf, CONF_CHANGE_ROOT_DIRECTORY);
	const char *user = conf_string(conf, CONF_USER_ID);
	struct conf_user who;

	if (user != NULL && conf_user(user, &who, err) != ST_OK) {
		err_prefix(err, "UserID");
		return EX_DATAERR;
	}
	if (root != NULL && (chroot(root) != 0 || chdir("/") != 0)) {
		err_set(err, "cannot change root to %s: %s", root, strerror(errno));
		return EX_OSERR;
	}
	if (user == NULL || (who.uid == getuid() && who.gid == getgid()))
		return 0;
	if (initgroups(who.name, who.gid) != 0 || setgid(who.gid) != 0 || setuid(who.uid) != 0 ||
	    setuid(0) == 0) {
		err_set(err, "cannot become user %s: %s", who.name, strerror(errno));
		return EX_NOPERM;
	}
	return 0;
}
