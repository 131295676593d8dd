/*
 * store_state.c - signpost store status and renew: what a store is, and that it is another one now.
 * Operators call them, renew after a backup was put back. They must never touch a row: what the
 * store holds is right as it is.
 */
#include "config.h"

#include <stdio.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "tools/store.h"

#define CLOCK_ERROR_S 5 /* more is worth a word */

static const struct cli_option plain_options[] = {STORE_OPTIONS};

/* ---- status ---- */

static void
print_json(const struct store_tool *tool, const struct store_state *state, int64_t ahead_s)
{
	struct buf where;

	buf_init(&where, 8192);
	cli_json_string(&where, span_str(tool->store->where));
	printf("{\"store\": %s, \"epoch\": %llu, \"schema\": %d, \"identity\": \"%s\", "
	       "\"clock_ahead_s\": %lld}\n",
	    buf_text(&where), (unsigned long long)state->epoch, state->schema, state->identity,
	    (long long)ahead_s);
	buf_free(&where);
}

static void
print_text(const struct store_tool *tool, const struct store_state *state, int64_t ahead_s)
{
	char schema[40] = "";

	if (state->schema > 0)
		snprintf(schema, sizeof(schema), " schema %d,", state->schema);
	cli_tell(tool->program, "%s: epoch %llu,%s %s%s; its clock is %lld s %s ours",
	    tool->store->where, (unsigned long long)state->epoch, schema,
	    state->identity[0] == '\0' ? "no identity" : "identity ", state->identity,
	    (long long)(ahead_s < 0 ? -ahead_s : ahead_s), ahead_s < 0 ? "behind" : "ahead of");
}

static void
print_status(const struct store_tool *tool, const struct store_state *state, int64_t ahead_s)
{
	if (tool->json)
		print_json(tool, state, ahead_s);
	else
		print_text(tool, state, ahead_s);
	if (ahead_s > CLOCK_ERROR_S || ahead_s < -CLOCK_ERROR_S)
		cli_say(tool->program,
		    "warning: the clocks differ by %lld s; keys become active "
		    "and end by the time",
		    (long long)ahead_s);
}

static int
ask_status(const struct store_tool *tool)
{
	struct err err = ERR_NONE;
	struct store_change none;
	struct store_state state = {.epoch = 0};
	size_t count = 0;
	int64_t now = 0;
	enum status status;

	/* Nothing comes behind the last epoch that can be. */
	status = keystore_changes(tool->store, INT64_MAX, 1, &none, &count, &state, &err);
	if (status == ST_OK || status == ST_TOO_BIG)
		status = tool->store->ops->now(tool->store, &now, &err);
	if (status != ST_OK)
		return store_tool_failed(tool, status, &err);
	print_status(tool, &state, now - clock_utc_s());
	return EX_OK;
}

/* A sub-command without words: opens the store, does it, and closes the store. */
static int
run_plain(struct store_tool *tool, const char *about, int argc, char **argv,
    int (*action)(const struct store_tool *tool))
{
	const struct cli_usage usage = {
	    "", about, plain_options, sizeof(plain_options) / sizeof(plain_options[0])};
	enum cli_answer answer = cli_options(tool->program, &usage, argc, argv, tool);
	int exit_code;

	if (answer != CLI_GO_ON || !store_tool_no_words(tool, argc, argv))
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	exit_code = store_tool_open(tool, false);
	if (exit_code != EX_OK)
		return exit_code;
	exit_code = action(tool);
	store_tool_close(tool);
	return exit_code;
}

int
store_status_run(const char *program, int argc, char **argv)
{
	struct store_tool tool = {.program = program};

	return run_plain(&tool, "Asks a key store for its epoch, schema, identity and clock.", argc,
	    argv, ask_status);
}

/* ---- renew ---- */

static int
renew(const struct store_tool *tool)
{
	struct store_state state = {.epoch = 0};
	struct err err = ERR_NONE;
	enum status status;

	if (!store_tool_can(tool, tool->store->ops->renew != NULL, "given another identity"))
		return EX_UNAVAILABLE;
	status = tool->store->ops->renew(tool->store, &state, &err);
	if (status != ST_OK)
		return store_tool_failed(tool, status, &err);
	if (tool->json)
		printf("{\"epoch\": %llu, \"identity\": \"%s\"}\n", (unsigned long long)state.epoch,
		    state.identity);
	else
		cli_tell(tool->program,
		    "%s: epoch %llu, identity %s; gateways forget what they know of it when they "
		    "next ask (KeyStorePollInterval), and take it as it is from then on",
		    tool->store->where, (unsigned long long)state.epoch, state.identity);
	return EX_OK;
}

int
store_renew_run(const char *program, int argc, char **argv)
{
	struct store_tool tool = {.program = program, .write = true};

	return run_plain(&tool,
	    "Gives a key store another identity, after a backup of it was put back.", argc, argv,
	    renew);
}
