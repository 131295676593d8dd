/*
 * publish_manual.c - the publisher that is a person: the change waits until somebody has made it.
 * Called where a domain's DNS is not ours. It must never say that something is done: only looking
 * at DNS tells.
 */
#include "admin-api/publish_private.h"
#include "lib/base/mem.h"

static enum status
manual_open(struct publisher *publisher, struct span value, struct err *err)
{
	if (value.n > 0) {
		err_set(err, "\"manual:\" has nothing behind it");
		return ST_INVALID;
	}
	publisher->where = mem_strdup("by hand");
	return ST_OK;
}

static void
manual_close(struct publisher *publisher)
{
	(void)publisher;
}

static void
manual_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	static const char *const verbs[] = {
	    [PUBLISH_ADD] = "adds",
	    [PUBLISH_REPLACE] = "replaces",
	    [PUBLISH_REMOVE] = "removes",
	};

	(void)publisher;
	(void)zone;
	for (size_t i = 0; i < count; i++)
		publish_effect(&changes[i], LIFE_PENDING,
		    "waits until somebody %s the TXT record of %.*s", verbs[changes[i].how],
		    SPAN_ARG(changes[i].name));
}

const struct publisher_ops publish_manual = {
    .kind = "manual",
    .open = manual_open,
    .close = manual_close,
    .apply = manual_apply,
    .by_hand = true,
};
