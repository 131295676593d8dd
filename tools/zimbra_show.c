/*
 * zimbra_show.c - what "signpost zimbra" prints of the directory: the blocks of -q, the rows of
 * --all, JSON.
 * Called by zimbra.c. It must never print a private key that was not asked for, nor an octet that
 * could do something to a terminal.
 */
#include "config.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/crypto/key.h"
#include "tools/cli.h"
#include "tools/publication.h"
#include "tools/zimbra.h"

#define SHOWN_MAX (1U << 20) /* octets of a value, escaped */

void
zimbra_tell(const struct zimbra_request *request, const char *fmt, ...)
{
	struct buf shown;
	char text[16384];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_init(&shown, SHOWN_MAX);
	zimbra_safe(&shown, span_str(text));
	fprintf(request->json ? stderr : stdout, "%s\n", buf_text(&shown));
	buf_free(&shown);
}

const char *
zimbra_state(const struct zimbra_entry *entry)
{
	if (entry->selector == NULL && !entry->has_class)
		return "none";
	return entry->selector != NULL && entry->has_class && entry->domain != NULL &&
		       entry->identity != NULL
		   ? "enabled"
		   : "incomplete";
}

/* ---- the public half ---- */

/* Of the private key, where the directory does not show it. ST_ABSENT: neither is there. */
static enum status
public_text(const struct zimbra_entry *entry, struct buf *out, struct err *err)
{
	const char *domain = entry->domain != NULL ? entry->domain : entry->name;
	struct publication record = {.hashes = "", .selector = entry->selector, .domain = domain};
	struct key *key = NULL;
	struct buf value;
	enum status status;

	if (entry->public_text != NULL) {
		buf_add_str(out, entry->public_text);
		return buf_status(out);
	}
	if (entry->key == NULL)
		return ST_ABSENT;
	status = key_parse(span_str(entry->key), &key, err);
	buf_init(&value, PUBLICATION_TEXT_MAX);
	if (status == ST_OK)
		status = publication_value(&record, key, &value);
	if (status == ST_OK)
		zimbra_record_text(
		    span_str(entry->selector), span_str(domain), buf_span(&value), out);
	key_free(key);
	buf_free(&value);
	return status == ST_OK ? buf_status(out) : status;
}

/* ---- blocks ---- */

static void
print_block(const char *head, struct span text, bool secret)
{
	struct buf shown;

	if (secret)
		buf_init_secret(&shown, SHOWN_MAX);
	else
		buf_init(&shown, SHOWN_MAX);
	zimbra_safe(&shown, text);
	if (text.n == 0 || text.p[text.n - 1] != '\n')
		buf_add_char(&shown, '\n');
	printf("%s\n", head);
	fwrite(shown.p, 1, shown.n, stdout);
	putchar('\n');
	buf_free(&shown);
}

static void
print_blocks(
    const struct zimbra_request *request, const struct zimbra_entry *entry, struct span public)
{
	print_block("DKIM Domain:", span_str(entry->domain), false);
	print_block("DKIM Selector:", span_str(entry->selector), false);
	if (request->show_key)
		print_block("DKIM Private Key:",
		    entry->key != NULL ? span_str(entry->key) : SPAN_LIT("(may not be read)"),
		    true);
	else
		print_block("DKIM Private Key:",
		    SPAN_LIT("(not shown; --show-private-key shows it)"), false);
	print_block("DKIM Public signature:", public, false);
	print_block("DKIM Identity:", span_str(entry->identity), false);
}

/* ---- JSON ---- */

static json_t *
text_json(const char *text)
{
	json_t *json = text == NULL ? json_null() : json_string(text);
	struct buf shown;

	if (json != NULL)
		return json;
	buf_init(&shown, SHOWN_MAX); /* not UTF-8 */
	zimbra_safe(&shown, span_str(text));
	json = json_string(buf_text(&shown));
	buf_free(&shown);
	return json;
}

static json_t *
entry_json(const struct zimbra_entry *entry)
{
	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o}", "domain", text_json(entry->name), "type",
	    text_json(entry->type), "dkim", zimbra_state(entry), "selector",
	    text_json(entry->selector), "dkim_domain", text_json(entry->domain), "identity",
	    text_json(entry->identity));
}

static int
put_text(const char *text, size_t n, void *context)
{
	return fwrite(text, 1, n, context) == n ? 0 : -1;
}

static void
print_json(json_t *json)
{
	(void)!json_dump_callback(json, put_text, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(json);
}

/* ---- both ---- */

int
zimbra_show_entry(
    const char *program, const struct zimbra_request *request, const struct zimbra_entry *entry)
{
	struct err err = ERR_NONE;
	enum status status;
	struct buf public;

	buf_init(&public, SHOWN_MAX);
	status = public_text(entry, &public, &err);
	if (status == ST_ABSENT)
		cli_say(program, "%s: this user may read neither DKIMPublicKey nor DKIMKey",
		    entry->name);
	else if (status != ST_OK)
		cli_say(program, "%s: the DKIMKey of the directory is no key: %s", entry->name,
		    err.text);
	if (request->json) {
		json_t *json = entry_json(entry);

		json_object_set_new(
		    json, "public", public.n == 0 ? json_null() : text_json(buf_text(&public)));
		if (request->show_key)
			json_object_set_new(json, "private_key", text_json(entry->key));
		print_json(json);
	} else {
		print_blocks(request, entry, buf_span(&public));
	}
	buf_free(&public);
	return status == ST_OK ? EX_OK : 1;
}

void
zimbra_show_row(const struct zimbra_request *request, const struct zimbra_entry *entry)
{
	struct buf line;

	if (request->json) {
		print_json(entry_json(entry));
		return;
	}
	buf_init(&line, SHOWN_MAX);
	buf_add_fmt(
	    &line, "%-40s %-10s ", entry->name == NULL ? "-" : entry->name, zimbra_state(entry));
	buf_add_fmt(&line, "%-6s %s\n", entry->type == NULL ? "-" : entry->type,
	    entry->selector == NULL ? "-" : entry->selector);
	for (size_t i = 0; i + 1 < line.n; i++)
		putchar(line.p[i] >= ' ' && line.p[i] <= '~' ? line.p[i] : '?');
	putchar('\n');
	buf_free(&line);
}
