/*
 * resolve.c - signpost resolve: what would sign a message of this sender, and why, or why not.
 * An operator asks it when mail goes unsigned. It asks what signpostd asks, in its order; it must
 * never open a private key, nor write to a store.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "backends/settings.h"
#include "lib/base/clock.h"
#include "lib/conf/values.h"
#include "lib/dkim/address.h"
#include "lib/store/keytable.h"
#include "lib/store/route.h"
#include "lib/store/signing.h"
#include "lib/store/tenant.h"
#include "tools/cli.h"
#include "tools/command.h"

#define MATCHES_MAX 16
#define ADDRESS_ROOM 8192

struct resolve {
	const char *program;
	/* options */
	const char *conf_path, *tenant, *login, *listener, *client, *host;
	/* while it works */
	struct conf *conf;
	struct backend_settings settings;
	struct keystore *store;
	struct table *map, *signing, *keys;
	enum conf_sender_match match;
	int exit_code;
};

static const struct cli_option options[] = {
    {"conf", 'x', "FILE", "the configuration of signpostd", offsetof(struct resolve, conf_path)},
    {"tenant", 't', "NAME", "the session speaks for this tenant", offsetof(struct resolve, tenant)},
    {"login", 'l', "NAME", "the client has logged in as NAME", offsetof(struct resolve, login)},
    {"listener", 'd', "NAME", "the MTA's {daemon_name}", offsetof(struct resolve, listener)},
    {"client", 'c', "ADDRESS", "the client's address", offsetof(struct resolve, client)},
    {"host", 'n', "NAME", "the client's name", offsetof(struct resolve, host)},
};
static const struct cli_usage usage = {"ADDRESS...",
    "Says which rule and which keys sign for a sender, and why not.", options,
    sizeof(options) / sizeof(options[0])};

/* ---- opening ---- */

static bool
open_table(struct resolve *r, enum conf_parameter parameter, unsigned flags, struct table **out)
{
	const char *spec = conf_string(r->conf, parameter);
	struct err err = ERR_NONE;

	if (spec == NULL || table_open(backend_registry_for(r->conf, &r->settings),
				conf_name(parameter), spec, flags, out, &err) == ST_OK)
		return true;
	cli_say(r->program, "%s", err.text);
	return false;
}

static bool
open_store(struct resolve *r)
{
	const char *spec = conf_string(r->conf, CONF_KEY_STORE);
	struct err err = ERR_NONE;

	if (spec == NULL || keystore_open(backend_keystores_for(r->conf, &r->settings), spec, false,
				&r->store, &err) == ST_OK)
		return true;
	cli_say(r->program, "%s", err.text);
	return false;
}

static bool
open_all(struct resolve *r)
{
	r->conf = cli_conf(r->program, r->conf_path);
	return r->conf != NULL &&
	       conf_sender_match(
		   conf_string(r->conf, CONF_REQUIRE_SENDER_MATCH), &r->match, NULL) == ST_OK &&
	       open_table(r, CONF_TENANT_MAP, TABLE_ICASE | TABLE_VALUE_NEEDED, &r->map) &&
	       open_table(r, CONF_SIGNING_TABLE,
		   TABLE_ICASE | TABLE_ASCII_ONLY | TABLE_VALUE_NEEDED, &r->signing) &&
	       open_table(r, CONF_KEY_TABLE, TABLE_SECRET | TABLE_VALUE_NEEDED, &r->keys) &&
	       open_store(r);
}

static void
close_all(struct resolve *r)
{
	keystore_close(r->store);
	table_close(r->map);
	table_close(r->signing);
	table_close(r->keys);
	if (r->conf != NULL)
		conf_free(r->conf);
}

/* ---- answers ---- */

static void
line(const struct address *sender, const char *source, struct span text)
{
	struct buf printable;

	/* Names come from stores and from the command line. */
	buf_init(&printable, ADDRESS_ROOM);
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(&printable, text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?');
	printf("%.*s@%.*s: %s: %s\n", SPAN_ARG(sender->user), SPAN_ARG(sender->domain), source,
	    buf_text(&printable));
	buf_free(&printable);
}

static void
failed(struct resolve *r, const struct address *sender, const char *source, enum status status,
    const struct err *err)
{
	line(sender, source, span_str(err->text));
	r->exit_code = status == ST_UNAVAILABLE ? EX_UNAVAILABLE : EX_DATAERR;
}

static void
print_keys(const struct route *route, const struct address *sender, int64_t now_utc)
{
	for (size_t i = 0; i < route->key_count; i++) {
		const struct store_key *key = route->keys[i];
		char text[1024];

		snprintf(text, sizeof(text), "d=%.*s s=%.*s%s%.*s, %.*s, %s",
		    SPAN_ARG(route->domain), SPAN_ARG(key->selector),
		    route->identity.n > 0 ? " i=" : "", SPAN_ARG(route->identity),
		    SPAN_ARG(key->algorithm), key_state_name(key_state_at(&key->times, now_utc)));
		line(sender, "key", span_str(text));
	}
}

static enum status
session_tenant(struct resolve *r, char tenant[KEYSTORE_TENANT_MAX + 1], struct err *err)
{
	const struct tenant_facts facts = {
	    .login = r->login, .listener = r->listener, .client = r->client, .host = r->host};

	if (r->tenant == NULL)
		return tenant_of_facts(r->map, r->store, &facts, tenant, err);
	snprintf(tenant, KEYSTORE_TENANT_MAX + 1, "%s", r->tenant);
	return ST_OK;
}

/* false: the store says nothing about the sender. */
static bool
by_store(struct resolve *r, const struct address *sender)
{
	char tenant[KEYSTORE_TENANT_MAX + 1];
	struct err err = ERR_NONE;
	enum status status = session_tenant(r, tenant, &err);
	struct route_question question = {.user = sender->user,
	    .domain = sender->domain,
	    .tenant = span_str(tenant),
	    .required = conf_bool(r->conf, CONF_REQUIRE_TENANT),
	    .now_utc = clock_utc_s()};
	struct route route;
	bool said = true;

	if (status != ST_OK && status != ST_ABSENT) {
		failed(r, sender, "session", status, &err);
		return true;
	}
	line(sender, "session",
	    tenant[0] == '\0' ? SPAN_LIT("speaks for no tenant") : span_str(tenant));
	status = route_find(r->store, &question, &route, &err);
	if (status != ST_OK) {
		failed(r, sender, "KeyStore", status, &err);
	} else {
		line(sender, "KeyStore", span_str(route.why));
		print_keys(&route, sender, question.now_utc);
		said = route.answer != ROUTE_NO_RULE;
		if (said && route.answer != ROUTE_SIGN)
			r->exit_code = EX_DATAERR;
	}
	route_release(&route);
	return said;
}

static void
print_match(struct resolve *r, const struct address *sender, const struct signing_match *match)
{
	struct keytable_entry entry = {.line = 0};
	struct err err = ERR_NONE;
	enum status status = keytable_lookup(r->keys, match->keyname, sender->domain, &entry, &err);
	char text[1024];

	snprintf(text, sizeof(text), "line %u: key %.*s", match->line, SPAN_ARG(match->keyname));
	line(sender, "SigningTable", span_str(text));
	if (status != ST_OK) {
		failed(r, sender, "KeyTable", status, &err);
		return;
	}
	snprintf(text, sizeof(text), "d=%.*s s=%.*s, %.*s", SPAN_ARG(entry.domain),
	    SPAN_ARG(entry.selector),
	    SPAN_ARG(entry.key_is_path ? entry.key : SPAN_LIT("a key in the table")));
	line(sender, "KeyTable", span_str(text));
	keytable_entry_release(&entry);
}

static void
by_tables(struct resolve *r, const struct address *sender)
{
	struct signing_match matches[MATCHES_MAX];
	struct err err = ERR_NONE;
	size_t count = 0;
	enum status status;

	if (r->login != NULL && r->match != CONF_SENDER_ANY &&
	    tenant_sender_match(span_str(r->login), sender->user, sender->domain,
		r->match == CONF_SENDER_ADDRESS) != ST_OK) {
		line(sender, "RequireSenderMatch", SPAN_LIT("not this login's sender"));
		r->exit_code = EX_DATAERR;
		return;
	}
	status = signing_lookup(r->signing, sender->user, sender->domain,
	    conf_bool(r->conf, CONF_MULTIPLE_SIGNATURES) ? MATCHES_MAX : 1, matches, &count, &err);
	if (status == ST_ABSENT)
		err_set(&err, "no line is about this sender");
	if (status != ST_OK) {
		failed(r, sender, "SigningTable", status, &err);
		return;
	}
	for (size_t i = 0; i < count; i++)
		print_match(r, sender, &matches[i]);
	signing_matches_release(matches, count);
}

static void
resolve_one(struct resolve *r, const char *text, struct arena *arena)
{
	struct address sender;
	struct err err = ERR_NONE;
	size_t count;

	if (address_parse(span_str(text), arena, &sender, &count, &err) != ST_OK || count != 1) {
		cli_say(r->program, "\"%s\" is not one address", text);
		r->exit_code = EX_USAGE;
		return;
	}
	if (r->store != NULL && by_store(r, &sender))
		return;
	if (r->signing != NULL && r->keys != NULL) {
		by_tables(r, &sender);
	} else {
		line(&sender, "SigningTable",
		    SPAN_LIT("there is none; only Domain and KeyFile sign"));
		r->exit_code = EX_DATAERR;
	}
}

int
resolve_run(const char *program, int argc, char **argv)
{
	struct resolve r = {.program = program};
	struct arena arena;
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &r);

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (optind >= argc) {
		cli_say(program, "an address is needed");
		return EX_USAGE;
	}
	if (!open_all(&r)) {
		close_all(&r);
		return EX_CONFIG;
	}
	arena_init(&arena, ADDRESS_ROOM * 8);
	for (int i = optind; i < argc; i++) {
		resolve_one(&r, argv[i], &arena);
		arena_reset(&arena);
	}
	arena_free(&arena);
	close_all(&r);
	return cli_end(program, r.exit_code);
}
