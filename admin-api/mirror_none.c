/*
 * mirror_none.c - mirrors in directories, in a build without libldap.
 * Called by mirror.c, which refuses the file of one that has any. It must never keep a key.
 */
#include "admin-api/mirror.h"

static enum status
refuse(struct mirror *mirror, struct span value, struct err *err)
{
	(void)mirror;
	(void)value;
	err_set(err, "mirrors of kind \"zimbra\" are not in this build; build it with libldap");
	return ST_INVALID;
}

static void
nothing(struct mirror *mirror)
{
	(void)mirror;
}

static void
never(struct mirror *mirror, struct mirror_change *change)
{
	(void)mirror;
	mirror_effect(change, LIFE_REFUSED, "mirrors are not in this build");
}

const struct mirror_ops mirror_zimbra = {
    .kind = "zimbra", .open = refuse, .close = nothing, .apply = never};
