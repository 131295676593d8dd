/*
 * audit_verify.c - signpost audit verify: reads the chain of the audit out of the store itself, and
 * says where it is broken.
 * Operators and monitors call it. It must never ask signpost-admind, whose word is what is looked
 * at, nor write, nor go on behind a row that is wrong.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/store/adminrows.h"
#include "tools/command.h"
#include "tools/store.h"

struct verify {
	struct store_tool tool; /* first: options are read into it */
	const char *from_text, *known_text;
	struct audit_head from, known; /* seq 0: not given */
};

/* ---- heads on the command line ---- */

static bool
is_hash(struct span text)
{
	if (text.n != ADMINROW_HASH_BYTES - 1)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (strchr("0123456789abcdef", text.p[i]) == NULL || text.p[i] == '\0')
			return false;
	return true;
}

/* "SEQ:HASH". */
static bool
take_head(const char *program, const char *option, const char *text, struct audit_head *out)
{
	struct span hash = span_str(text), seq;

	if (text == NULL)
		return true;
	if (!span_cut(&hash, ':', &seq) || !span_number(seq, INT64_MAX, &out->seq) ||
	    out->seq == 0 || !is_hash(hash)) {
		cli_say(program,
		    "--%s=%s: the number of a row, a colon and its hash are needed: 64 digits of "
		    "0-9 and a-f",
		    option, text);
		return false;
	}
	memcpy(out->hash, hash.p, hash.n);
	out->hash[hash.n] = '\0';
	return true;
}

/* ---- reading ---- */

static enum status
read_page(
    struct verify *verify, struct audit_verifier *verifier, size_t *count_out, struct err *err)
{
	struct audit_question question = {.seq = verifier->head.seq, .max = ADMINROW_AUDIT_PAGE};
	struct keystore_rows *rows = NULL;
	enum status status = keystore_audits(verify->tool.store, &question, &rows, err);

	if (status != ST_OK)
		return status == ST_INVALID ? ST_FAILED : status;
	*count_out = rows->audit_count;
	status = audit_verify(verifier, rows->audits, rows->audit_count, err);
	keystore_rows_release(rows);
	return status;
}

/* Others write while it reads. The head is asked for before the page that has no row more: rows
 * that came since are behind it, and it is reached nonetheless. */
static enum status
read_all(struct verify *verify, struct audit_verifier *verifier, struct err *err)
{
	struct audit_head head;
	size_t count = 1;
	enum status status = ST_OK;

	while (status == ST_OK && count > 0) {
		status = keystore_audit_head(verify->tool.store, &head, err);
		if (status == ST_OK)
			status = read_page(verify, verifier, &count, err);
	}
	return status == ST_OK ? audit_verify_end(verifier, &head, err) : status;
}

/* ---- what is told ---- */

static void
tell_json(const struct audit_verifier *verifier, const struct err *err)
{
	struct buf why;

	printf("{\"ok\": %s, \"seq\": %llu, \"hash\": \"%s\"",
	    verifier->broken == 0 ? "true" : "false", (unsigned long long)verifier->head.seq,
	    verifier->head.hash);
	if (verifier->broken != 0) {
		buf_init(&why, 8192);
		cli_json_string(&why, span_str(err->text));
		printf(", \"broken\": %llu, \"why\": %s", (unsigned long long)verifier->broken,
		    buf_text(&why));
		buf_free(&why);
	}
	printf("}\n");
}

static void
tell(const struct verify *verify, const struct audit_verifier *verifier, const struct err *err)
{
	if (verify->tool.json)
		tell_json(verifier, err);
	else if (verifier->broken != 0)
		cli_say(verify->tool.program, "%s: %s", verify->tool.store->where, err->text);
	else
		cli_tell(verify->tool.program, "%s: the audit is whole up to %llu:%s",
		    verify->tool.store->where, (unsigned long long)verifier->head.seq,
		    verifier->head.hash);
}

static int
verify_opened(struct verify *verify)
{
	struct audit_verifier verifier;
	struct err err = ERR_NONE;
	enum status status;

	audit_verify_begin(&verifier, verify->from.seq > 0 ? &verify->from : NULL,
	    verify->known.seq > 0 ? &verify->known : NULL);
	status = read_all(verify, &verifier, &err);
	if (status != ST_OK && verifier.broken == 0)
		return store_tool_failed(&verify->tool, status, &err);
	tell(verify, &verifier, &err);
	return verifier.broken == 0 ? EX_OK : EX_DATAERR;
}

int
audit_verify_run(const char *program, int argc, char **argv)
{
	static const struct cli_option options[] = {STORE_OPTIONS,
	    {"from", 'f', "SEQ:HASH", "a head that is trusted: only rows behind it are read",
		offsetof(struct verify, from_text)},
	    {"known", 'K', "SEQ:HASH", "a head that was kept elsewhere: the chain has to have it",
		offsetof(struct verify, known_text)}};
	static const struct cli_usage usage = {"",
	    "Reads the audit of a key store, and tells whether its chain is whole.", options,
	    sizeof(options) / sizeof(options[0])};
	struct verify verify = {.tool.program = program};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &verify);
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (!store_tool_no_words(&verify.tool, argc, argv) ||
	    !take_head(program, "from", verify.from_text, &verify.from) ||
	    !take_head(program, "known", verify.known_text, &verify.known))
		return EX_USAGE;
	if (verify.known.seq > 0 && verify.known.seq <= verify.from.seq) {
		cli_say(program, "--known has to be behind --from");
		return EX_USAGE;
	}
	exit_code = store_tool_open(&verify.tool, false);
	if (exit_code != EX_OK)
		return exit_code;
	exit_code = verify_opened(&verify);
	store_tool_close(&verify.tool);
	return exit_code;
}
