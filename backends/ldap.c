/*
 * ldap.c - tables in a directory (ldap:, ldaps:, ldapi:): one search for each query.
 * Looked up by the keeper's workers, each with a connection of its own; idle ones wait in a list.
 * It must never hold its lock while a server is asked, let more than one thread wait for a server
 * that is known to be silent, or tell "could not ask" as "there is none".
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "backends/breaker.h"
#include "backends/ldap_link.h"
#include "backends/registry.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* An older connection may have been forgotten by a firewall; a new one costs less than to wait. */
#define IDLE_MOST_MS 60000

struct directory {
	struct ldapurl url;
	struct ldaplink_config config;
	const struct table *table;
	bool secret;
	atomic_bool said_many, said_referred;
	/* Of all below; held for a few instructions. */
	pthread_mutex_t lock;
	struct ldaplink *idle; /* the last one used comes first */
	size_t current;        /* the server that answered last */
	size_t silent;         /* servers that were left one after the other */
	struct breaker breaker;
	char reason[ERR_TEXT_MAX]; /* why the breaker is open */
};

static void
close_links(struct ldaplink *link)
{
	while (link != NULL) {
		struct ldaplink *next = link->next;

		ldaplink_close(link);
		link = next;
	}
}

static void
close_idle(struct directory *directory)
{
	struct ldaplink *idle;

	pthread_mutex_lock(&directory->lock);
	idle = directory->idle;
	directory->idle = NULL;
	pthread_mutex_unlock(&directory->lock);
	close_links(idle);
}

/* NULL: there is none that is fresh enough. */
static struct ldaplink *
take_idle(struct directory *directory, int64_t now_ms)
{
	struct ldaplink *link;

	pthread_mutex_lock(&directory->lock);
	link = directory->idle;
	if (link != NULL)
		directory->idle = link->next;
	pthread_mutex_unlock(&directory->lock);
	if (link == NULL || now_ms - link->used_ms < IDLE_MOST_MS)
		return link;
	/* The others are older still. */
	ldaplink_close(link);
	close_idle(directory);
	return NULL;
}

static void
put_idle(struct directory *directory, struct ldaplink *link)
{
	pthread_mutex_lock(&directory->lock);
	link->next = directory->idle;
	directory->idle = link;
	pthread_mutex_unlock(&directory->lock);
}

static void
set_current(struct directory *directory, size_t at)
{
	size_t before;

	pthread_mutex_lock(&directory->lock);
	before = directory->current;
	directory->current = at;
	pthread_mutex_unlock(&directory->lock);
	if (before != at)
		log_line(LOG_LEVEL_NOTICE, "%s: %s is asked from now on",
		    directory->table->parameter, directory->url.servers[at].uri);
}

/* The servers in turn, first the one that answered last; each has its share of what time is left,
 * so that a silent one does not take all. */
static enum status
open_any(struct directory *directory, int64_t deadline_ms, struct ldaplink **out, struct err *err)
{
	size_t count = directory->url.server_count, first;
	char before[ERR_TEXT_MAX] = "";

	pthread_mutex_lock(&directory->lock);
	first = directory->current;
	pthread_mutex_unlock(&directory->lock);
	for (size_t i = 0; i < count; i++) {
		size_t at = (first + i) % count;
		int64_t now_ms = clock_mono_ms();
		int64_t share_ms = (deadline_ms - now_ms) / (int64_t)(count - i);
		struct err each = ERR_NONE;

		if (ldaplink_open(&directory->config, &directory->url.servers[at],
			now_ms + share_ms, out, &each) == ST_OK) {
			set_current(directory, at);
			return ST_OK;
		}
		err_set(err, "%s%s%s", before, i == 0 ? "" : "; ", each.text);
		snprintf(before, sizeof(before), "%s", err == NULL ? "" : err->text);
	}
	return ST_UNAVAILABLE;
}

/* What a question says about the servers. */
enum outcome {
	SERVER_THERE,
	SERVER_MOVED, /* one is silent; the next of them is asked from now on */
	SERVERS_AWAY
};

/* The server at uri is silent. SERVERS_AWAY when all of them have been, one after the other. */
static enum outcome
leave_server(struct directory *directory, const char *uri)
{
	size_t count = directory->url.server_count;
	enum outcome outcome = SERVER_MOVED;

	pthread_mutex_lock(&directory->lock);
	if (directory->url.servers[directory->current].uri == uri) {
		directory->current = (directory->current + 1) % count;
		if (++directory->silent >= count)
			outcome = SERVERS_AWAY;
	}
	pthread_mutex_unlock(&directory->lock);
	close_idle(directory);
	return outcome;
}

/* An idle connection that turns out to be lost gets one retry, on a fresh one. */
static enum status
ask_directory(struct directory *directory, struct ldaplink *link,
    const struct ldaplink_question *question, int64_t deadline_ms, struct ldaplink_answer *answer,
    enum outcome *outcome_out, struct err *err)
{
	bool fresh = link == NULL;
	enum status status;

	*outcome_out = SERVERS_AWAY;
	for (;;) {
		if (link == NULL && open_any(directory, deadline_ms, &link, err) != ST_OK)
			return ST_UNAVAILABLE;
		status = ldaplink_ask(link, question, deadline_ms, answer, err);
		if (!answer->lost && !answer->silent) {
			*outcome_out = SERVER_THERE;
			put_idle(directory, link);
			return status;
		}
		if (answer->silent)
			*outcome_out = leave_server(directory, link->uri);
		ldaplink_close(link);
		link = NULL;
		if (fresh || answer->silent)
			return ST_UNAVAILABLE;
		close_idle(directory);
		fresh = true;
	}
}

static void
note_away(struct directory *directory, enum breaker_turn turn, int64_t began_ms, const char *why)
{
	bool news;

	pthread_mutex_lock(&directory->lock);
	news = breaker_bad(&directory->breaker, turn, began_ms, clock_mono_ms());
	snprintf(directory->reason, sizeof(directory->reason), "%s", why);
	pthread_mutex_unlock(&directory->lock);
	close_idle(directory);
	if (news)
		log_line(LOG_LEVEL_WARNING,
		    "%s %s cannot be asked, and mail that needs it is tempfailed until it can: "
		    "%s",
		    directory->table->parameter, directory->table->where, why);
}

static void
note_there(struct directory *directory)
{
	bool news;

	pthread_mutex_lock(&directory->lock);
	news = breaker_good(&directory->breaker);
	directory->silent = 0;
	pthread_mutex_unlock(&directory->lock);
	if (news)
		log_line(LOG_LEVEL_NOTICE, "%s %s answers again", directory->table->parameter,
		    directory->table->where);
}

/* Once for each table: the data is to be mended, not each message to be blamed. */
static void
note_oddities(struct directory *directory, const struct ldaplink_answer *answer, const char *filter)
{
	if (answer->many && !atomic_exchange(&directory->said_many, true))
		log_line(LOG_LEVEL_WARNING,
		    "%s %s: more than one entry for %.200s; the first one counts (said once)",
		    directory->table->parameter, directory->table->where, filter);
	if (answer->referred && !atomic_exchange(&directory->said_referred, true))
		log_line(LOG_LEVEL_WARNING,
		    "%s %s refers to another server for a part of the answer, which is not "
		    "followed; name that server in the URL (said once)",
		    directory->table->parameter, directory->table->where);
}

/* Whether to ask, and with what; on BREAKER_REFUSE the sentence is set. */
static enum breaker_turn
begin(struct directory *directory, int64_t now_ms, struct err *err)
{
	enum breaker_turn turn;

	pthread_mutex_lock(&directory->lock);
	turn = breaker_turn(&directory->breaker, now_ms);
	if (turn == BREAKER_REFUSE)
		err_set(err, "%s", directory->reason);
	pthread_mutex_unlock(&directory->lock);
	return turn;
}

static enum status
look_up(struct directory *directory, const struct ldaplink_question *question,
    struct table_value *out, struct err *err)
{
	int64_t now_ms = clock_mono_ms(), limit_ms = directory->config.timeout_ms;
	enum breaker_turn turn = begin(directory, now_ms, err);
	struct ldaplink *link = NULL;
	struct ldaplink_answer answer = {.value = TABLE_VALUE_NONE};
	struct err why = ERR_NONE;
	enum status status;
	enum outcome outcome;

	if (turn == BREAKER_REFUSE)
		return ST_UNAVAILABLE;
	if (turn == BREAKER_TRY && limit_ms > BREAKER_MOST_MS)
		limit_ms = BREAKER_MOST_MS;
	if (turn == BREAKER_ASK)
		link = take_idle(directory, now_ms);
	status =
	    ask_directory(directory, link, question, now_ms + limit_ms, &answer, &outcome, &why);
	if (outcome == SERVERS_AWAY || (outcome == SERVER_MOVED && turn == BREAKER_TRY))
		note_away(directory, turn, now_ms, why.text);
	else if (outcome == SERVER_THERE)
		note_there(directory);
	note_oddities(directory, &answer, question->filter);
	*out = answer.value;
	if (status != ST_OK && status != ST_ABSENT)
		err_set(err, "%s", why.text);
	return status;
}

static enum status
ldap_table_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct directory *directory = table->state;
	struct ldaplink_question question = {.url = &directory->url, .secret = directory->secret};
	struct buf base, filter;
	enum status status;

	*out = TABLE_VALUE_NONE;
	buf_init(&base, LDAPURL_TEXT_MAX);
	buf_init(&filter, LDAPURL_TEXT_MAX);
	status = ldapurl_base(&directory->url, key, &base);
	if (status == ST_OK)
		status = ldapurl_filter(&directory->url, key, &filter);
	if (status == ST_OK) {
		question.base = base.p;
		question.filter = filter.p;
		status = look_up(directory, &question, out, err);
		if (status != ST_OK && status != ST_ABSENT)
			err_prefix(err, "%s", table->parameter);
	} else if (status != ST_ABSENT) {
		err_set(err, "%s: a query of %zu octets is too long", table->parameter, key.n);
	}
	buf_free(&base);
	buf_free(&filter);
	return status;
}

/* "ldap://host (DKIMDomain,DKIMSelector,DKIMKey)": what the sentences name. */
static char *
describe(const struct ldapurl *url)
{
	struct buf text;
	char *where;

	buf_init(&text, LDAPURL_BYTES_MAX);
	buf_add_str(&text, url->servers[0].uri);
	for (size_t i = 0; i < url->attribute_count; i++) {
		buf_add_str(&text, i == 0 ? " (" : ",");
		buf_add_str(&text, url->attributes[i]);
	}
	buf_add_char(&text, ')');
	where = mem_strdup(buf_text(&text));
	buf_free(&text);
	return where;
}

static void
ldap_table_close(struct table *table)
{
	struct directory *directory = table->state;

	close_links(directory->idle);
	ldapurl_free(&directory->url);
	ldaplink_config_free(&directory->config);
	pthread_mutex_destroy(&directory->lock);
	mem_free(directory);
}

/* A server that is not there yet is no reason not to start: lookups say so until it is. */
static void
try_at_start(struct directory *directory)
{
	int64_t now_ms = clock_mono_ms(), limit_ms = directory->config.timeout_ms;
	struct ldaplink *link = NULL;
	struct err err = ERR_NONE;

	if (limit_ms > BREAKER_MOST_MS)
		limit_ms = BREAKER_MOST_MS;
	if (open_any(directory, now_ms + limit_ms, &link, &err) == ST_OK) {
		link->used_ms = now_ms;
		put_idle(directory, link);
	} else {
		note_away(directory, BREAKER_ASK, now_ms, err.text);
	}
}

static enum status
ldap_table_open(struct table *table, struct span value, struct err *err)
{
	struct directory *directory = mem_zalloc(1, sizeof(*directory));
	enum status status;

	status = ldapurl_parse(table->ops->type, value, &directory->url, err);
	if (status == ST_OK)
		status = ldaplink_config_read(table->settings, &directory->config, err);
	if (status != ST_OK) {
		ldapurl_free(&directory->url);
		ldaplink_config_free(&directory->config);
		mem_free(directory);
		return status;
	}
	directory->table = table;
	directory->secret = (table->flags & TABLE_SECRET) != 0;
	pthread_mutex_init(&directory->lock, NULL);
	table->state = directory;
	table->where = describe(&directory->url);
	if (!directory->url.asks)
		log_line(LOG_LEVEL_WARNING,
		    "%s %s: neither base nor filter has $d or $D, so all queries have one answer",
		    table->parameter, table->where);
	try_at_start(directory);
	return ST_OK;
}

#define LDAP_TABLE_OPS(name)                                                                       \
	{                                                                                          \
		.type = (name), .open = ldap_table_open, .lookup = ldap_table_lookup,              \
		.close = ldap_table_close,                                                         \
		.no_walk = "failed to generate DB array: a directory is asked, not listed; use "   \
			   "file: or csl:",                                                        \
		.distant = true,                                                                   \
	}

const struct table_ops ldap_table_ops = LDAP_TABLE_OPS("ldap");
const struct table_ops ldaps_table_ops = LDAP_TABLE_OPS("ldaps");
const struct table_ops ldapi_table_ops = LDAP_TABLE_OPS("ldapi");
