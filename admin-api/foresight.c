/*
 * foresight.c - records of keys that are about to be imported, looked for all at once.
 * Called by bulk.c before it runs lines, and by dns_look_ask(). It must never answer a question
 * that was not asked in all its parts: a record is right only for the key that it was compared
 * with.
 */
#include "config.h"

#include <string.h>

#include "admin-api/foresight.h"
#include "admin-api/operation_dns.h"
#include "admin-api/record.h"
#include "admin-api/scope.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/crypto/key.h"

/* A key that a line brings, and its records: as Signpost writes it, and as others have. */
struct foreseen {
	char public_key[PUBLISH_VALUE_MAX];
	struct store_key row; /* names: of the line */
	struct dns_look look, adopted;
	bool asked, other; /* which of both were asked for */
};

struct foresight {
	int64_t asked_ms; /* by the monotonic clock */
	size_t count;
	struct foreseen keys[FORESIGHT_MAX];
};

static struct span
text_of(const json_t *arguments, const char *name)
{
	const json_t *value = json_object_get(arguments, name);

	return span_of(json_string_value(value), json_string_length(value));
}

static bool
is_true(const json_t *arguments, const char *name)
{
	return json_is_true(json_object_get(arguments, name));
}

static bool
looks_at_dns(const json_t *line)
{
	const char *name = json_string_value(json_object_get(line, "operation"));
	const json_t *arguments = json_object_get(line, "arguments");

	return name != NULL && strcmp(name, "key.import") == 0 &&
	       (is_true(arguments, "published") || is_true(arguments, "active")) &&
	       !is_true(arguments, "unproven");
}

/* Names only as rows have them, so that it is not another question that is asked later. */
static bool
take_names(const struct operation_caller *caller, const json_t *line, struct store_key *row)
{
	const json_t *arguments = json_object_get(line, "arguments");

	row->domain = text_of(arguments, "domain");
	row->selector = text_of(arguments, "selector");
	return keystore_domain_is_valid(row->domain) && keystore_domain_is_valid(row->selector) &&
	       row->selector.n <= KEYSTORE_SELECTOR_MAX &&
	       (caller->scopes & (uint32_t)SCOPE_KEYS_WRITE) != 0 &&
	       (caller->domains.n == 0 || scope_domain_fits(caller->domains, row->domain));
}

static bool
take_public_key(const json_t *line, struct foreseen *out)
{
	struct span pem = text_of(json_object_get(line, "arguments"), "pem");
	struct err ignored = ERR_NONE;
	struct key *key = NULL;
	struct buf text;
	bool good = pem.n > 0 && pem.n <= KEY_TEXT_MAX && key_parse(pem, &key, &ignored) == ST_OK;

	buf_init(&text, sizeof(out->public_key) - 1);
	good = good && key_public_base64(key, &text) == ST_OK;
	if (good) {
		memcpy(out->public_key, buf_text(&text), text.n + 1);
		out->row.public_key = span_of(out->public_key, text.n);
		out->row.algorithm = span_str(key_algorithm_name(key_algorithm(key)));
	}
	buf_free(&text);
	key_free(key);
	return good;
}

static bool
take(const struct operation_caller *caller, const json_t *line, struct foreseen *out)
{
	const struct key_life life = {.head = ""};

	out->asked = looks_at_dns(line) && take_names(caller, line, &out->row) &&
		     take_public_key(line, out) &&
		     dns_look_make(&out->look, &out->row, &out->row.times, &life);
	return out->asked;
}

/* Is what stands there this key's with tags of others? Then operation_make.c asks for it, too. */
static void
adopt(struct foreseen *key)
{
	const struct authority_question *seen = &key->look.question;
	struct key_life life = {.head = ""};
	struct err ignored = ERR_NONE;

	key->other = key->asked && seen->seen == AUTHORITY_FOREIGN && seen->text_count == 1 &&
		     record_adopt(span_str(seen->texts[0]), &key->row, &life, &ignored) == ST_OK &&
		     dns_look_make(&key->adopted, &key->row, &key->row.times, &life);
}

/* Asks for one record of each key: the first, or the second. */
static void
ask(struct foresight *foresight, struct authority *authority, bool other)
{
	struct dns_look *looks[FORESIGHT_MAX];
	size_t count = 0;

	for (size_t i = 0; i < foresight->count; i++) {
		struct foreseen *key = &foresight->keys[i];

		if (other ? key->other : key->asked)
			looks[count++] = other ? &key->adopted : &key->look;
	}
	dns_look_all(authority, looks, count);
}

struct foresight *
foresight_new(
    struct admin *admin, const struct operation_caller *caller, json_t *const *lines, size_t count)
{
	struct foresight *foresight = mem_zalloc(1, sizeof(*foresight));
	struct authority *authority = NULL;
	struct err ignored = ERR_NONE;

	for (size_t i = 0; i < count && foresight->count < FORESIGHT_MAX; i++)
		foresight->count += take(caller, lines[i], &foresight->keys[foresight->count]);
	if (foresight->count == 0 ||
	    authority_open(&admin->authority, &authority, &ignored) != ST_OK) {
		foresight_free(foresight);
		return NULL;
	}
	foresight->asked_ms = clock_mono_ms();
	ask(foresight, authority, false);
	for (size_t i = 0; i < foresight->count; i++)
		adopt(&foresight->keys[i]);
	ask(foresight, authority, true);
	authority_close(authority);
	return foresight;
}

static bool
is_same(const struct authority_question *a, const struct authority_question *b)
{
	return span_eq(a->name, b->name) && span_eq(a->value, b->value) &&
	       span_eq(a->other, b->other) && span_eq(a->leads_to, b->leads_to) &&
	       a->quiet == b->quiet;
}

/* The texts that the question borrows stay its own. */
static void
take_over(const struct authority_question *from, struct authority_question *to)
{
	struct authority_question asked = *to;

	*to = *from;
	to->name = asked.name;
	to->value = asked.value;
	to->other = asked.other;
	to->leads_to = asked.leads_to;
}

bool
foresight_answers(const struct foresight *foresight, struct authority_question *question)
{
	if (foresight == NULL || clock_mono_ms() - foresight->asked_ms > FORESIGHT_AGE_MS)
		return false;
	for (size_t i = 0; i < foresight->count; i++) {
		const struct foreseen *key = &foresight->keys[i];

		if (key->asked && is_same(&key->look.question, question)) {
			take_over(&key->look.question, question);
			return true;
		}
		if (key->other && is_same(&key->adopted.question, question)) {
			take_over(&key->adopted.question, question);
			return true;
		}
	}
	return false;
}

void
foresight_free(struct foresight *foresight)
{
	mem_free(foresight);
}
