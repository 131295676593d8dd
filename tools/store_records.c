/*
 * store_records.c - signpost store records: what DNS has to say about the keys of a store.
 * Operators put it into a zone before a key becomes active, and compare it later. It reads public
 * halves only; it must never print a record for a key that DNS must not have any more.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dns/txt.h"
#include "tools/store.h"

#define VALUE_MAX (KEYSTORE_TEXT_MAX + 64U)
#define LINE_MAX_BYTES (VALUE_MAX * 4U)

struct records {
	struct store_tool tool;
	int64_t now_utc;
	unsigned long printed, without;
};

static const struct cli_option options[] = {STORE_OPTIONS};
static const struct cli_usage usage = {"[DOMAIN]...",
    "Prints the DNS records of the keys of domains, or of all.", options,
    sizeof(options) / sizeof(options[0])};

static void
make_value(const struct store_key *key, enum key_state state, struct buf *value)
{
	bool rsa = span_eq_str(key->algorithm, "rsa-sha256");

	/* RFC 6376 section 3.6.1: an empty p= says that the key is revoked. */
	if (state == KEY_REVOKED)
		buf_add_str(value, "v=DKIM1; p=");
	else
		buf_add_fmt(value, "v=DKIM1; k=%s; p=%.*s", rsa ? "rsa" : "ed25519",
		    SPAN_ARG(key->public_key));
}

static void
print_json(const struct store_key *key, enum key_state state, struct span value)
{
	struct buf text;

	buf_init(&text, LINE_MAX_BYTES);
	buf_add_fmt(&text, "{\"name\": \"%.*s._domainkey.%.*s\", \"state\": \"%s\", \"value\": ",
	    SPAN_ARG(key->selector), SPAN_ARG(key->domain), key_state_name(state));
	cli_json_string(&text, value);
	printf("%s}\n", buf_text(&text));
	buf_free(&text);
}

static void
print_line(const struct store_key *key, enum key_state state, struct span value)
{
	struct buf text;

	buf_init(&text, LINE_MAX_BYTES);
	(void)!txt_write(value, TXT_STRING_BYTES_MAX, " ", &text);
	printf("%.*s._domainkey.%.*s.\tIN\tTXT\t( %s )\t; %s\n", SPAN_ARG(key->selector),
	    SPAN_ARG(key->domain), buf_text(&text), key_state_name(state));
	buf_free(&text);
}

static void
print_key(struct records *records, const struct store_key *key)
{
	enum key_state state = key_state_at(&key->times, records->now_utc);
	struct buf value;

	if (state == KEY_REMOVED || state == KEY_DESTROYED || state == KEY_FAILED)
		return;
	if (key->public_key.n == 0 && state != KEY_REVOKED) {
		cli_say(records->tool.program, "key %.*s %.*s: there is no public key in its row",
		    SPAN_ARG(key->domain), SPAN_ARG(key->selector));
		records->without++;
		return;
	}
	buf_init(&value, VALUE_MAX);
	make_value(key, state, &value);
	(records->tool.json ? print_json : print_line)(key, state, buf_span(&value));
	records->printed++;
	buf_free(&value);
}

/* domain NULL: all. */
static enum status
print_keys(struct records *records, const char *domain, struct err *err)
{
	struct store_walk walk;
	unsigned long before = records->printed + records->without;
	enum status status;
	size_t index;

	store_walk_begin(&walk, records->tool.store, STORE_KEY);
	/* In front of its first selector. */
	if (domain != NULL)
		snprintf(walk.after, sizeof(walk.after), "%s ", domain);
	while ((status = store_walk_next(&walk, &index, err)) == ST_OK) {
		const struct store_key *key = &walk.page->keys[index];

		if (domain != NULL && !span_eq_str(key->domain, domain))
			break;
		print_key(records, key);
	}
	store_walk_end(&walk);
	if (domain != NULL && (status == ST_OK || status == ST_ABSENT) &&
	    records->printed + records->without == before)
		cli_say(records->tool.program, "%s: no key that DNS should know", domain);
	return status == ST_ABSENT ? ST_OK : status;
}

static int
print_all(struct records *records, int argc, char **argv)
{
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	if (optind >= argc)
		status = print_keys(records, NULL, &err);
	for (int i = optind; i < argc && status == ST_OK; i++) {
		char *name = span_dup_lower(span_str(argv[i]));

		if (keystore_domain_is_valid(span_str(name)))
			status = print_keys(records, name, &err);
		else
			cli_say(records->tool.program, "\"%s\" is no domain (A-labels)", argv[i]);
		mem_free(name);
	}
	if (status != ST_OK)
		return store_tool_failed(&records->tool, status, &err);
	return records->printed == 0 || records->without > 0 ? EX_DATAERR : EX_OK;
}

int
store_records_run(const char *program, int argc, char **argv)
{
	struct records records = {.tool.program = program, .now_utc = clock_utc_s()};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &records.tool);
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	exit_code = store_tool_open(&records.tool, false);
	if (exit_code != EX_OK)
		return exit_code;
	if (store_tool_can(&records.tool, records.tool.store->ops->list != NULL, "listed"))
		exit_code = print_all(&records, argc, argv);
	else
		exit_code = EX_UNAVAILABLE;
	store_tool_close(&records.tool);
	return cli_end(program, exit_code);
}
