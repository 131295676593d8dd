/*
 * events_mail.c - unsigned.mail: that gateways let mail go without a signature, or deferred it,
 * which nobody wanted.
 * Called by the thread of events. It must never tell a tenant of another one's mail, nor whoever
 * may see some domains only, since these are figures of all of them.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/events_private.h"
#include "admin-api/mail_sums.h"
#include "admin-api/operation_call.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define TEXT_MAX 1024U

struct told {
	char tenant[MAILWORD_TENANT_MAX + 1], cause[MAILWORD_CAUSE_MAX + 1];
	bool deferred;
	uint64_t said; /* messages that were told of, less what has left the hour since */
	int64_t at_ms; /* when */
};

struct events_mail {
	struct told list[MAIL_SUMS_MAX];
	size_t count;
	struct mail_sums sums;
};

static bool
is_of(const struct told *told, const struct mail_word *word)
{
	return told->deferred == word->deferred && span_eq_str(word->tenant, told->tenant) &&
	       span_eq_str(word->cause, told->cause);
}

/* With the lock. */
static void
tell(struct events *events, const struct mail_word *word)
{
	json_t *data = json_pack("{s:s, s:o, s:s, s:o, s:I}", "type", "unsigned.mail", "tenant",
	    word->tenant.n == 0 ? json_null() : json_span(word->tenant), "what",
	    word->deferred ? "deferred" : "unsigned", "cause", json_span(word->cause), "messages",
	    (json_int_t)word->count);
	unsigned bit = event_type_bit("unsigned.mail");
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_add_str(&text, "event: unsigned.mail\ndata: ");
	(void)!json_write(data, &text);
	buf_add_str(&text, "\n\n");
	for (struct listener *l = events->listeners; l != NULL; l = l->next)
		if ((l->types >> bit & 1) != 0 && (l->principal.scopes & SCOPE_NODES_READ) != 0 &&
		    l->principal.domains[0] == '\0' &&
		    (l->principal.tenant[0] == '\0' ||
			span_eq_str(word->tenant, l->principal.tenant)))
			listener_tell(l, buf_span(&text));
	buf_free(&text);
	json_decref(data);
}

/* Is it new, or more than was told, and was that a while ago? */
static bool
is_news(struct told *told, uint64_t count, int64_t now_ms)
{
	if (count < told->said)
		told->said = count;
	if (count == told->said || (told->at_ms > 0 && now_ms - told->at_ms < EVENTS_MAIL_AGAIN_MS))
		return false;
	told->said = count;
	told->at_ms = now_ms;
	return true;
}

static struct told *
remember(struct events_mail *mail, const struct mail_word *word)
{
	struct told *told;

	for (size_t i = 0; i < mail->count; i++)
		if (is_of(&mail->list[i], word))
			return &mail->list[i];
	if (mail->count == MAIL_SUMS_MAX)
		return NULL;
	told = &mail->list[mail->count++];
	*told = (struct told){.deferred = word->deferred};
	snprintf(told->tenant, sizeof(told->tenant), "%.*s", SPAN_ARG(word->tenant));
	snprintf(told->cause, sizeof(told->cause), "%.*s", SPAN_ARG(word->cause));
	return told;
}

/* Of which nothing is said any more. */
static void
forget(struct events_mail *mail)
{
	size_t kept = 0;

	for (size_t i = 0; i < mail->count; i++) {
		bool there = false;

		for (size_t k = 0; !there && k < mail->sums.count; k++)
			there = is_of(&mail->list[i], &mail->sums.words[k]);
		if (there)
			mail->list[kept++] = mail->list[i];
	}
	mail->count = kept;
}

static void
compare(struct events *events, struct events_mail *mail)
{
	int64_t now_ms = clock_mono_ms();

	forget(mail);
	pthread_mutex_lock(&events->lock);
	for (size_t i = 0; i < mail->sums.count; i++) {
		const struct mail_word *word = &mail->sums.words[i];
		struct told *told = mail_is_as_configured(word) ? NULL : remember(mail, word);

		if (told != NULL && is_news(told, word->count, now_ms))
			tell(events, word);
	}
	pthread_cond_broadcast(&events->wake);
	pthread_mutex_unlock(&events->lock);
}

void
events_mail_look(struct events *events, struct events_mail **mail)
{
	struct keystore *store = events->admin->store;
	struct keystore_rows *rows = NULL;
	struct err ignored = ERR_NONE;
	int64_t now_utc;

	if (store->ops->gateways == NULL || store->ops->now(store, &now_utc, &ignored) != ST_OK ||
	    store->ops->gateways(store, &rows, &ignored) != ST_OK)
		return;
	if (*mail == NULL)
		*mail = mem_zalloc(1, sizeof(**mail));
	(*mail)->sums = (struct mail_sums){.count = 0};
	mail_sums_make(&(*mail)->sums, rows, now_utc);
	compare(events, *mail);
	keystore_rows_release(rows);
}

void
events_mail_free(struct events_mail *mail)
{
	mem_free(mail);
}
