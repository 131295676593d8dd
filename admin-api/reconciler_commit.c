/*
 * reconciler_commit.c - what a turn has decided and seen, into the store: whole domains, up to
 * KEYSTORE_BATCH_MAX rows in one transaction, each with the fence of the lease.
 * Called twice in a turn: after the steps that need no DNS, and at its end. It must never write a
 * part of a domain: a key that becomes ACTIVE and the one that retires for it are one change.
 */
#include <string.h>

#include "admin-api/proof.h"
#include "admin-api/reconciler_private.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/key.h"

struct batch {
	struct turn *turn;
	struct keystore_write *writes;
	struct work **of; /* whose each write is */
	char **pems;      /* of mirror_pem; NULL, or in secret memory */
	size_t count;
};

/* ---- rows ---- */

static struct span
keep_text(struct turn *turn, struct buf *text)
{
	struct span kept = arena_copy(&turn->arena, buf_span(text));

	buf_free(text);
	return kept;
}

static void
add(struct batch *batch, struct work *work, const struct keystore_write *write)
{
	batch->pems[batch->count] = NULL;
	batch->writes[batch->count] = *write;
	batch->of[batch->count++] = work;
}

static void
add_made(struct batch *batch, struct work *work, size_t algorithm)
{
	const struct plan_algorithm *kind = &work->life.plan.algorithms[algorithm];
	const struct makekey_made *made = work->made[algorithm];
	struct makekey_wanted wanted = {.tenant = work->row->tenant,
	    .domain = work->row->name,
	    .selector = span_str(work->selectors[algorithm]),
	    .algorithm = span_str(kind->name),
	    .bits = kind->bits};
	struct keystore_write write = {.what = STORE_KEY, .how = WRITE_ADD};
	struct buf text;

	wanted.revision = work->slots[algorithm].revision;
	makekey_row(&wanted, made, guard_now(batch->turn), &write.row.key);
	buf_init(&text, LIFE_TEXT_MAX);
	slot_write(&work->slots[algorithm], &text, &write);
	if (text.n > 0)
		write.row.key.life = keep_text(batch->turn, &text);
	buf_free(&text);
	write.mirror_pem = span_str(made->mirror_pem);
	add(batch, work, &write);
}

/* A directory that shows the key that signs to Zimbra needs it in plain. */
static void
add_mirror(struct batch *batch)
{
	const struct reconciler_config *config = &batch->turn->reconciler->config;
	struct keystore_write *write = &batch->writes[batch->count - 1];
	const struct key_times *times = &write->row.key.times;
	struct err err = ERR_NONE;
	struct key *key;

	if (!config->store->ops->mirrors || !span_eq_str(write->row.key.algorithm, "rsa-sha256") ||
	    times->active == 0 || times->retiring != 0 || times->revoking != 0)
		return;
	if (proof_open_key(config->sitekey, &write->row.key, &key, &err) != ST_OK)
		return; /* the store refuses the change if it would have to show it */
	if (key_private_pem(key, &batch->pems[batch->count - 1], &err) == ST_OK)
		write->mirror_pem = span_str(batch->pems[batch->count - 1]);
	key_free(key);
}

static void
add_key(struct batch *batch, struct work *work, size_t index)
{
	const struct life_key *key = &work->life.keys[index];
	struct keystore_write write = {
	    .what = STORE_KEY, .how = WRITE_CHANGE, .life = true, .row.key = *work->rows[index]};
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	key_life_write(&key->life, &text);
	write.row.key.times = key->times;
	write.row.key.lease_s = key->life.lease_s;
	write.row.key.loading = key->loading;
	write.row.key.life = keep_text(batch->turn, &text);
	add(batch, work, &write);
	add_mirror(batch);
}

static void
add_domain(struct batch *batch, struct work *work)
{
	struct keystore_write write = {
	    .what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true, .row.domain = *work->row};
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	domain_life_write(&work->life.life, &text);
	write.row.domain.life =
	    work->life.changed ? keep_text(batch->turn, &text) : work->row->life;
	buf_free(&text);
	write.row.domain.due = work->due;
	add(batch, work, &write);
}

/* With its audit. */
static size_t
rows_of(const struct work *work)
{
	size_t n = 2;

	for (size_t i = 0; i < work->life.count; i++)
		n += work->life.keys[i].changed;
	for (size_t i = 0; i < PLAN_ALGORITHMS_MAX; i++)
		n += work->made[i] != NULL;
	return n;
}

static void
add_work(struct batch *batch, struct work *work)
{
	struct keystore_write audit;

	for (size_t i = 0; i < PLAN_ALGORITHMS_MAX; i++)
		if (work->made[i] != NULL)
			add_made(batch, work, i);
	for (size_t i = 0; i < work->life.count; i++)
		if (work->life.keys[i].changed)
			add_key(batch, work, i);
	if (audit_write(batch->turn, work, &audit))
		add(batch, work, &audit);
	add_domain(batch, work);
}

/* ---- transactions ---- */

/* Writes of a batch that go into the store together: from first to end. The part behind it begins
 * at next: between both may be a domain that is left out. */
struct part {
	size_t first, end, next;
};

/* Of which domains the store will tell that keys were changed. The row of a domain is the last. */
static void
tell_follow(const struct batch *batch, const struct part *part,
    void (*tell)(struct reconciler *, struct span))
{
	for (size_t i = part->first + 1; i < part->end; i++)
		if (batch->writes[i].what == STORE_DOMAIN && batch->of[i - 1] == batch->of[i])
			tell(batch->turn->reconciler, batch->writes[i].row.domain.name);
}

/* at: of the write that was refused. Its domain is left out, and what stands before it, of which
 * nothing was refused, goes alone: so however many are refused, no row is sent more than twice or
 * so, while others wait for the store's lock. */
static void
leave_out(struct batch *batch, struct part *part, size_t at, const struct err *why)
{
	const struct work *work = batch->of[at];

	log_line(LOG_LEVEL_NOTICE, "domain %.*s is looked at again: %s", SPAN_ARG(work->life.name),
	    why->text);
	for (part->next = at; part->next < part->end && batch->of[part->next] == work;)
		part->next++;
	for (part->end = at; part->end > part->first && batch->of[part->end - 1] == work;)
		part->end--;
	batch->turn->more = true;
}

/* Goes on to the part behind it, or, after a refusal, to less of this one. */
static enum status
part_write(struct batch *batch, struct part *part, const struct store_lease *lease, struct err *err)
{
	struct keystore *store = batch->turn->reconciler->config.store;
	size_t count = part->end - part->first, at = count;
	enum status status = ST_OK;

	tell_follow(batch, part, follow_wrote);
	if (count > 0)
		status = store->ops->apply_fenced(
		    store, lease, batch->writes + part->first, count, &at, err);
	if (status == ST_OK) {
		*part = (struct part){part->next, batch->count, batch->count};
		return ST_OK;
	}
	tell_follow(batch, part, follow_did_not_write);
	if (status == ST_UNAVAILABLE || at >= count)
		return status;
	leave_out(batch, part, part->first + at, err);
	return ST_OK;
}

static enum status
batch_write(struct batch *batch, struct err *err)
{
	struct part part = {.end = batch->count, .next = batch->count};
	enum status status = ST_OK;
	struct store_lease lease;

	pthread_mutex_lock(&batch->turn->reconciler->lock);
	lease = batch->turn->reconciler->lease;
	pthread_mutex_unlock(&batch->turn->reconciler->lock);
	while (status == ST_OK && part.first < batch->count)
		status = part_write(batch, &part, &lease, err);
	for (size_t i = 0; i < batch->count; i++)
		secret_free(batch->pems[i]);
	batch->count = 0;
	return status;
}

static void
is_written(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		work->write = false;
		for (size_t k = 0; k < PLAN_ALGORITHMS_MAX; k++)
			if (work->made[k] != NULL) {
				makekey_forget(work->made[k]);
				mem_free(work->made[k]);
				work->made[k] = NULL;
			}
	}
}

enum status
commit_works(struct turn *turn, struct err *err)
{
	struct batch batch = {.turn = turn};
	enum status status = ST_OK;

	batch.writes = mem_zalloc(KEYSTORE_BATCH_MAX, sizeof(*batch.writes));
	batch.of = mem_zalloc(KEYSTORE_BATCH_MAX, sizeof(*batch.of));
	batch.pems = mem_zalloc(KEYSTORE_BATCH_MAX, sizeof(*batch.pems));
	for (size_t i = 0; status == ST_OK && i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		if (!work->write)
			continue;
		if (batch.count + rows_of(work) > KEYSTORE_BATCH_MAX)
			status = batch_write(&batch, err);
		if (status == ST_OK)
			add_work(&batch, work);
	}
	if (status == ST_OK)
		status = batch_write(&batch, err);
	mem_free(batch.writes);
	mem_free(batch.of);
	mem_free(batch.pems);
	is_written(turn);
	return status;
}
