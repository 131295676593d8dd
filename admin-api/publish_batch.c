/*
 * publish_batch.c - what one update does with many changes: all of it or nothing.
 * Called by publish_rfc2136.c. One change whose prerequisite does not hold undoes all of a message,
 * so the server is asked what is there, what is settled by that is left out, and the rest is sent
 * again; when that is refused too (somebody changes the zone at the same time) in halves, until the
 * offenders are alone. It must never say of a change that it is done, or in conflict, for another
 * reason than what the server said about that name.
 *
 * What a question shows may come from a wildcard, which prerequisites do not see. So a text that is
 * not ours makes no conflict by itself: the change is tried alone, and its own prerequisite
 * decides.
 */
#include "admin-api/publish_batch.h"
#include "lib/base/mem.h"

#define LOOKS_BYTES_MAX (64U << 20)
/* Updates that are refused, with none that is not, before the rest is not tried. */
#define REFUSALS_MAX 16U
/* Octets of prerequisites and updates; around them are a head and the name of the zone. */
#define UPDATE_FULL (WIRE_UPDATE_MAX - 512U)

/* A change that is not settled. */
struct task {
	struct publish_change *change;
	struct span rdata;          /* of what is there, for REPLACE and REMOVE */
	struct publish_there there; /* when it was looked at last */
	bool alone;                 /* only by itself */
};

/* Tasks that are sent together. */
struct range {
	size_t at, n;
	bool looked; /* all of it, since it was refused as a whole */
};

struct batch {
	struct talk *talk;
	struct span zone;
	struct task *tasks;
	struct range *open; /* what is to be sent, a stack */
	size_t open_count;
	size_t refusals;
	bool accepted; /* an update was carried out, or its prerequisite judged */
};

static void
push(struct batch *batch, size_t at, size_t n, bool looked)
{
	if (n > 0)
		batch->open[batch->open_count++] = (struct range){at, n, looked};
}

/* ---- looking ---- */

/* Is there really nothing, and what was shown a wildcard's? A prerequisite with no update tells. */
static void
probe_absence(struct batch *batch, struct publish_change *change)
{
	struct wire_update update;
	struct talk_reply reply;

	wire_update_init(&update);
	wire_update_probe(&update, change->name);
	talk_update(batch->talk, &update, batch->zone, &reply);
	wire_update_free(&update);
	if (reply.effect != LIFE_DONE)
		publish_effect(change, reply.effect, "%s", reply.err.text);
	else if (reply.rcode == WIRE_NOERROR)
		publish_effect(change, LIFE_DONE, NULL);
	else if (reply.rcode != WIRE_YXRRSET)
		publish_effect(change, LIFE_UNAVAILABLE,
		    "asked whether %.*s is gone the server says %s", SPAN_ARG(change->name),
		    wire_rcode_text(reply.rcode));
}

/* Settles what can be settled by what was seen. true: it is to be sent. */
static bool
settle_seen(struct batch *batch, struct task *task, const struct talk_look *look)
{
	struct publish_change *change = task->change;
	const struct publish_there *there = &look->there;

	if (look->reply.effect != LIFE_DONE) {
		publish_effect(change, look->reply.effect, "%s", look->reply.err.text);
		return false;
	}
	task->there = *there;
	task->rdata = look->rdata;
	if (change->how == PUBLISH_ADD) {
		task->alone = there->alias || there->records > 0;
		if (there->records != 1 || there->alias || !span_eq(there->text, change->value))
			return true;
	}
	if (publish_compare(change, there))
		return true;
	if (change->how == PUBLISH_REMOVE && change->effect == LIFE_CONFLICT)
		probe_absence(batch, change);
	return false;
}

/* Asks for the names of tasks and keeps those that are to be sent, in front; answers how many. */
static size_t
look_at(struct batch *batch, struct task *tasks, size_t count)
{
	struct talk_look *looks = mem_zalloc(count + 1, sizeof(*looks));
	struct span *names = mem_zalloc(count + 1, sizeof(*names));
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		names[i] = tasks[i].change->name;
	talk_look(batch->talk, names, count, looks);
	for (size_t i = 0; i < count; i++)
		if (settle_seen(batch, &tasks[i], &looks[i]))
			tasks[left++] = tasks[i];
	mem_free(looks);
	mem_free(names);
	return left;
}

/* ---- sending ---- */

/* Puts what is to be sent alone behind the rest; answers how many are before. */
static size_t
part(struct task *tasks, size_t count)
{
	size_t together = 0;

	for (size_t i = 0; i < count; i++) {
		struct task task = tasks[i];

		if (task.alone)
			continue;
		tasks[i] = tasks[together];
		tasks[together++] = task;
	}
	return together;
}

static void
push_parted(struct batch *batch, size_t at, size_t n, bool looked)
{
	size_t together = part(batch->tasks + at, n);

	for (size_t i = together; i < n; i++)
		push(batch, at + i, 1, true);
	push(batch, at, together, looked);
}

static void
push_halves(struct batch *batch, const struct range *range)
{
	size_t half = range->n / 2;

	push(batch, range->at + half, range->n - half, range->looked);
	push(batch, range->at, half, range->looked);
}

static void
set_all(struct batch *batch, const struct range *range, enum life_effect effect, const char *why)
{
	for (size_t i = 0; i < range->n; i++)
		publish_effect(batch->tasks[range->at + i].change, effect, "%s",
		    effect == LIFE_DONE ? "" : why);
}

/* One change, whose prerequisite does not hold: what is there? */
static void
settle_one(struct batch *batch, struct task *task)
{
	if (look_at(batch, task, 1) == 0)
		return;
	if (publish_compare(task->change, &task->there))
		publish_effect(task->change, LIFE_UNAVAILABLE,
		    "%.*s changes while it is looked at, or the server that answers is behind",
		    SPAN_ARG(task->change->name));
}

/* A prerequisite of one of them does not hold. */
static void
sort_out(struct batch *batch, struct range *range)
{
	if (range->n == 1) {
		settle_one(batch, &batch->tasks[range->at]);
	} else if (range->looked) {
		push_halves(batch, range);
	} else {
		range->n = look_at(batch, batch->tasks + range->at, range->n);
		push_parted(batch, range->at, range->n, true);
	}
}

static const char *
refusal_text(unsigned int rcode, bool with_key)
{
	switch (rcode) {
	case WIRE_NOTAUTH:
		return with_key ? "it is not the server of this zone (NOTAUTH)"
				: "it wants a signature, or is not the server of this zone "
				  "(NOTAUTH)";
	case WIRE_REFUSED:
		return "it does not let us change this (REFUSED)";
	case WIRE_NOTZONE:
		return "a name is not in this zone (NOTZONE)";
	case WIRE_NOTIMP:
		return "it takes no updates (NOTIMP)";
	default:
		return wire_rcode_text(rcode);
	}
}

/* The server does not want the update. A policy may be about single names, so halves are tried; but
 * not for ever, when it wants none. */
static void
refused(struct batch *batch, const struct range *range, const struct talk_reply *reply)
{
	const struct link *link = batch->talk->link;
	struct err err = ERR_NONE;

	err_set(&err, "%s: %s", link->servers[link->at].host,
	    refusal_text(reply->rcode, batch->talk->key != NULL));
	batch->refusals++;
	if (range->n > 1 && reply->rcode != WIRE_NOTAUTH && reply->rcode != WIRE_NOTIMP &&
	    (batch->accepted || batch->refusals < REFUSALS_MAX))
		push_halves(batch, range);
	else
		set_all(batch, range, LIFE_REFUSED, err.text);
}

static void
answered(struct batch *batch, struct range *range, const struct talk_reply *reply)
{
	switch (reply->rcode) {
	case WIRE_NOERROR:
		batch->accepted = true;
		set_all(batch, range, LIFE_DONE, "");
		return;
	case WIRE_NXDOMAIN:
	case WIRE_YXDOMAIN:
	case WIRE_YXRRSET:
	case WIRE_NXRRSET:
		batch->accepted = true;
		sort_out(batch, range);
		return;
	case WIRE_SERVFAIL:
		set_all(batch, range, LIFE_UNAVAILABLE, "the server failed (SERVFAIL)");
		return;
	default:
		refused(batch, range, reply);
	}
}

/* As many as one message takes, at least one; what is left is to be sent later. */
static void
write_range(struct batch *batch, struct range *range, struct wire_update *update)
{
	size_t n = 0;

	while (n < range->n) {
		const struct task *task = &batch->tasks[range->at + n];

		if (n > 0 &&
		    wire_update_size(update) + wire_change_size_max(task->change, task->rdata) >
			UPDATE_FULL)
			break;
		wire_update_add(update, task->change, task->rdata);
		n++;
	}
	push(batch, range->at + n, range->n - n, range->looked);
	range->n = n;
}

static void
send_range(struct batch *batch, struct range *range)
{
	struct wire_update update;
	struct talk_reply reply;

	wire_update_init(&update);
	write_range(batch, range, &update);
	talk_update(batch->talk, &update, batch->zone, &reply);
	wire_update_free(&update);
	if (reply.effect == LIFE_DONE)
		answered(batch, range, &reply);
	else
		set_all(batch, range, reply.effect, reply.err.text);
	/* Nobody answers, or nobody knows the key: it would be so for the rest. */
	while (batch->open_count > 0 && (batch->talk->link->fd < 0 || reply.of_key))
		set_all(batch, &batch->open[--batch->open_count],
		    reply.of_key ? LIFE_REFUSED : LIFE_UNAVAILABLE, reply.err.text);
}

/* What replaces or removes has to know what is there first; what adds needs not. */
static size_t
begin(struct batch *batch, struct publish_change *changes, size_t count)
{
	size_t known = 0, left;

	for (size_t i = 0; i < count; i++)
		if (changes[i].how != PUBLISH_ADD)
			batch->tasks[known++] = (struct task){.change = &changes[i]};
	left = look_at(batch, batch->tasks, known);
	for (size_t i = 0; i < count; i++)
		if (changes[i].how == PUBLISH_ADD)
			batch->tasks[left++] = (struct task){.change = &changes[i]};
	return left;
}

void
publish_batch_apply(
    struct talk *talk, struct span zone, struct publish_change *changes, size_t count)
{
	struct batch batch = {.talk = talk, .zone = zone};

	arena_init(&talk->arena, LOOKS_BYTES_MAX);
	batch.tasks = mem_zalloc(count + 1, sizeof(*batch.tasks));
	/* Ranges that are open never overlap, so there are no more of them than tasks. */
	batch.open = mem_zalloc(count + 1, sizeof(*batch.open));
	push(&batch, 0, begin(&batch, changes, count), false);
	while (batch.open_count > 0) {
		struct range range = batch.open[--batch.open_count];

		send_range(&batch, &range);
	}
	arena_free(&talk->arena);
	mem_free(batch.open);
	mem_free(batch.tasks);
}
