/*
 * moving_site.c - what readers found: keys, senders, and what is wrong with them.
 * Called by the readers and by import. It must never keep a private key in ordinary memory, nor
 * let a key in that cannot sign.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/dkim/address.h"
#include "lib/store/keyfile.h"
#include "tools/cli.h"
#include "tools/moving.h"

#define PUBLIC_MAX 4096U

void
moving_begin(struct moving_site *site, const char *program)
{
	memset(site, 0, sizeof(*site));
	site->program = program;
	arena_init(&site->arena, MOVING_TEXT_MAX);
}

void
moving_end(struct moving_site *site)
{
	for (size_t i = 0; i < site->key_count; i++)
		secret_free(site->keys[i].pem);
	mem_free(site->keys);
	mem_free(site->senders);
	mem_free(site->findings);
	mem_free(site->domains);
	arena_free(&site->arena);
}

struct span
moving_keep(struct moving_site *site, struct span text)
{
	return text.n == 0 ? SPAN_EMPTY : arena_copy(&site->arena, text);
}

static void *
grown(void *all, size_t count, size_t *room, size_t bytes)
{
	if (count < *room)
		return all;
	*room = *room == 0 ? 64 : *room * 2;
	return mem_resize(all, *room, bytes);
}

void
moving_find(struct moving_site *site, enum severity severity, const char *code, struct span about,
    struct span where, unsigned line, const char *fmt, ...)
{
	struct moving_finding *finding;
	char text[ERR_TEXT_MAX * 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	site->findings = grown(
	    site->findings, site->finding_count, &site->finding_room, sizeof(*site->findings));
	finding = &site->findings[site->finding_count++];
	*finding = (struct moving_finding){.severity = severity,
	    .code = code,
	    .about = moving_keep(site, about),
	    .where = moving_keep(site, where),
	    .text = moving_keep(site, span_str(text)),
	    .line = line};
	site->weights[severity]++;
}

/* ---- keys ---- */

static bool
names_fit(struct moving_site *site, struct span domain, struct span selector,
    struct moving_place place, struct span *domain_out, struct span *selector_out)
{
	char *lower = span_dup_lower(selector);

	*selector_out = moving_keep(site, span_str(lower));
	mem_free(lower);
	if (domain_normalise(domain, &site->arena, domain_out) != ST_OK) {
		moving_find(site, SEVERITY_ERROR, "bad-name", domain, place.where, place.line,
		    "\"%.*s\" is no name of a domain", SHOWN(domain));
		return false;
	}
	if (selector_is_valid(*selector_out) &&
	    selector_out->n + strlen("._domainkey.") + domain_out->n <= DOMAIN_BYTES_MAX)
		return true;
	moving_find(site, SEVERITY_ERROR, "bad-name", *domain_out, place.where, place.line,
	    "\"%.*s\" is no selector that DNS can have", SHOWN(selector));
	return false;
}

static struct span
public_of(struct moving_site *site, const struct key *key)
{
	struct span kept = SPAN_EMPTY;
	struct buf text;

	buf_init(&text, PUBLIC_MAX);
	if (key_public_base64(key, &text) == ST_OK)
		kept = moving_keep(site, buf_span(&text));
	buf_free(&text);
	return kept;
}

static void
set_name(struct moving_site *site, struct moving_key *key)
{
	struct buf text;

	buf_init(&text, DOMAIN_BYTES_MAX + 1);
	buf_add_fmt(&text, "%.*s._domainkey.%.*s", SPAN_ARG(key->selector), SPAN_ARG(key->domain));
	key->name = moving_keep(site, buf_span(&text));
	buf_free(&text);
}

static size_t
add_key(struct moving_site *site, struct key *key, const struct moving_key *named)
{
	struct moving_key *row;
	struct err err = ERR_NONE;

	site->keys = grown(site->keys, site->key_count, &site->key_room, sizeof(*site->keys));
	row = &site->keys[site->key_count++];
	*row = *named;
	row->algorithm = key_algorithm(key);
	row->bits = key_bits(key);
	row->public_key = public_of(site, key);
	if (row->public_key.n == 0 || key_private_pem(key, &row->pem, &err) != ST_OK)
		moving_find(site, SEVERITY_ERROR, "bad-key", row->domain, row->where, row->line,
		    "key %.*s: %s", SHOWN(row->selector),
		    err.text[0] != '\0' ? err.text : "it cannot be written down");
	else if (row->algorithm == KEY_RSA_SHA256 && row->bits < MOVING_SMALL_BITS)
		moving_find(site, SEVERITY_WARNING, "small-key", row->domain, row->where, row->line,
		    "key %.*s has %d bits; rotate it to %d soon", SHOWN(row->selector), row->bits,
		    MOVING_SMALL_BITS);
	return site->key_count - 1;
}

static size_t
take_key(struct moving_site *site, struct span text, const struct moving_key *named)
{
	struct err err = ERR_NONE;
	struct key *key = NULL;
	size_t at;

	if (key_parse(text, &key, &err) != ST_OK) {
		moving_find(site, SEVERITY_ERROR, "bad-key", named->domain, named->where,
		    named->line, "key %.*s cannot be used: %s", SHOWN(named->selector), err.text);
		return MOVING_NONE;
	}
	at = add_key(site, key, named);
	key_free(key);
	return at;
}

size_t
moving_add_key(struct moving_site *site, struct span domain, struct span selector, struct span text,
    struct moving_place place)
{
	struct moving_key named = {.line = place.line};

	if (!names_fit(site, domain, selector, place, &named.domain, &named.selector))
		return MOVING_NONE;
	set_name(site, &named);
	named.where = moving_keep(site, place.where);
	return take_key(site, text, &named);
}

size_t
moving_add_key_file(struct moving_site *site, struct span domain, struct span selector,
    const char *path, struct moving_place place)
{
	struct moving_key named = {.line = place.line};
	struct keyfile_stamp stamp;
	struct err err = ERR_NONE;
	char *text = NULL;
	size_t n = 0, at;

	if (!names_fit(site, domain, selector, place, &named.domain, &named.selector))
		return MOVING_NONE;
	set_name(site, &named);
	named.where = moving_keep(site, place.where);
	named.path = moving_keep(site, span_str(path));
	if (keyfile_read(path, false, &text, &n, &stamp, &err) != ST_OK) {
		moving_find(site, SEVERITY_ERROR, "bad-key", named.domain, place.where, place.line,
		    "key %.*s: %s", SHOWN(named.selector), err.text);
		return MOVING_NONE;
	}
	if (err.text[0] != '\0')
		moving_find(site, SEVERITY_WARNING, "unsafe-file", named.domain, place.where,
		    place.line, "key %.*s: %s; whoever could read it can sign: rotate it",
		    SHOWN(named.selector), err.text);
	at = take_key(site, span_of(text, n), &named);
	secret_free(text);
	return at;
}

/* ---- senders ---- */

void
moving_add_sender(struct moving_site *site, enum moving_kind kind, struct span written,
    struct span subject, struct span identity, size_t key, struct moving_place place)
{
	if (key == MOVING_NONE) {
		moving_find(site, SEVERITY_ERROR, "no-key", written, place.where, place.line,
		    "its key cannot be used, so it is left out");
		return;
	}
	if (subject.n == 0 || subject.n > KEYSTORE_SUBJECT_MAX) {
		moving_find(site, SEVERITY_ERROR, "no-rule", written, place.where, place.line,
		    "it is empty, or has more than %u octets", KEYSTORE_SUBJECT_MAX);
		return;
	}
	site->senders =
	    grown(site->senders, site->sender_count, &site->sender_room, sizeof(*site->senders));
	site->senders[site->sender_count++] = (struct moving_sender){.kind = kind,
	    .written = moving_keep(site, written),
	    .subject = kind == MOVING_ALL ? SPAN_LIT("*") : moving_keep(site, subject),
	    .identity = moving_keep(site, identity),
	    .where = moving_keep(site, place.where),
	    .line = place.line,
	    .key = key};
}

/* ---- files ---- */

enum status
moving_slurp(const char *path, struct buf *out, struct err *err)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	enum status status;
	bool failed;

	buf_init_secret(out, MOVING_FILE_MAX);
	if (file == NULL) {
		err_set(err, "%s: %s", path, strerror(errno));
		return ST_UNAVAILABLE;
	}
	(void)setvbuf(file, NULL, _IONBF, 0); /* there may be keys in it */
	for (;;) {
		char *room = buf_reserve(out, 65536);
		size_t n = room == NULL ? 0 : fread(room, 1, 65536, file);

		out->n += n;
		if (n == 0)
			break;
	}
	failed = ferror(file) != 0;
	status = failed ? ST_UNAVAILABLE : buf_status(out);
	if (status != ST_OK)
		err_set(err, "%s: %s", path, failed ? strerror(errno) : "it is too long");
	if (file != stdin)
		fclose(file);
	return status;
}
