/*
 * store_batch.c - many changes in few transactions, although some of them are refused.
 * Called by load and reseal. It must never take "the store failed" for "this change was refused".
 */
#include "tools/store.h"

static bool
is_refusal(enum status status)
{
	return status == ST_ABSENT || status == ST_DENIED || status == ST_INVALID;
}

static void
tell(struct store_batch *batch, size_t from, size_t to, enum status status, const struct err *err)
{
	for (size_t i = from; i < to; i++)
		batch->done(batch->context, i, status, err);
}

/* A change that is refused ends its transaction: what stood before it is written for itself, and
 * what comes behind it too. */
enum status
store_batch_write(struct store_batch *batch, struct err *err)
{
	size_t from = 0, to = batch->count;

	while (from < batch->count) {
		struct err why = ERR_NONE;
		size_t at = to - from;
		enum status status = batch->store->ops->apply(
		    batch->store, batch->writes + from, to - from, &at, &why);

		if (status == ST_OK) {
			tell(batch, from, to, ST_OK, NULL);
			from = to;
			to = batch->count;
		} else if (!is_refusal(status) || at >= to - from) {
			err_set(err, "%s", why.text);
			return is_refusal(status) ? ST_FAILED : status;
		} else if (at == 0) {
			tell(batch, from, from + 1, status, &why);
			from++;
			to = batch->count;
		} else {
			to = from + at;
		}
	}
	batch->count = 0;
	return ST_OK;
}
