/*
 * testmsg_sign.c - one message signed, as the keeper would sign it with the default header fields.
 * Called by testmsg.c. It must never print a message whose signature it has not finished.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/dkim/address.h"
#include "lib/dkim/select.h"
#include "lib/dkim/signature.h"
#include "lib/mailauth/message_check.h"
#include "tools/cli.h"
#include "tools/keywalk.h"
#include "tools/testmsg.h"

#define ARENA_BYTES (8u << 20)

struct signing {
	const struct testmsg *request;
	struct key *key;
	struct digest *digest;
	struct arena arena;
	struct header_list list;
	struct buf text;      /* the message as it came */
	struct buf canonical; /* what is signed of its header */
	struct buf names;     /* h= */
	struct buf value;     /* of the field */
	uint8_t body_hash[SHA256_BYTES];
};

static void
signing_init(struct signing *signing, const struct testmsg *request)
{
	*signing = (struct signing){.request = request, .digest = digest_new()};
	arena_init(&signing->arena, ARENA_BYTES);
	buf_init(&signing->text, MESSAGE_BYTES_MAX);
	buf_init(&signing->canonical, 2 * MESSAGE_HEADER_BYTES_MAX);
	buf_init(&signing->names, SIGNATURE_NAMES_MAX);
	buf_init(&signing->value, SIGNATURE_VALUE_MAX);
}

static void
signing_free(struct signing *signing)
{
	key_free(signing->key);
	digest_free(signing->digest);
	arena_free(&signing->arena);
	buf_free(&signing->text);
	buf_free(&signing->canonical);
	buf_free(&signing->names);
	buf_free(&signing->value);
}

static void
feed(void *context, struct span piece)
{
	canon_body_update(context, piece);
}

static void
hash_body(struct signing *signing, struct span body)
{
	struct canon_body canon;
	char last = '\0';

	canon_body_init(&canon, signing->request->body_canon, signing->digest, -1, false);
	message_crlf(body, &last, feed, &canon);
	canon_body_finish(&canon, signing->body_hash, NULL);
}

static enum status
choose_fields(struct signing *signing, struct err *err)
{
	const struct header_policy_config defaults = {NULL, NULL, NULL};
	struct header_selection selection;
	struct header_policy *policy = NULL;
	enum status status = header_policy_new(&defaults, &policy, err);

	if (status == ST_OK)
		status = header_policy_select(policy, &signing->list, &signing->arena, &selection);
	if (status == ST_OK) {
		header_selection_canon(&selection, &signing->list, signing->request->header_canon,
		    &signing->canonical);
		header_selection_names(&selection, &signing->names);
		status = buf_status(&signing->canonical);
	}
	header_policy_free(policy);
	return status;
}

static enum status
read_message(struct signing *signing, struct err *err)
{
	size_t body_at = 0;
	enum status status =
	    header_list_init(&signing->list, &signing->arena, MESSAGE_HEADER_BYTES_MAX);

	if (status == ST_OK)
		status =
		    header_block_parse(buf_span(&signing->text), &signing->list, &body_at, err);
	if (status == ST_OK && header_list_find(&signing->list, SPAN_LIT("From")) == NULL) {
		err_set(err, "the message has no From field");
		status = ST_INVALID;
	}
	if (status == ST_OK)
		status = choose_fields(signing, err);
	if (status == ST_OK)
		hash_body(signing, span_from(buf_span(&signing->text), body_at));
	return status;
}

/* "joe@EXAMPLE.com" or "@example.com"; d= and i= as A-labels. */
static struct signature_params
params_of(const struct signing *signing, struct span domain)
{
	const struct testmsg *request = signing->request;
	struct signature_params params = SIGNATURE_PARAMS_INIT;

	params.algorithm = key_algorithm(signing->key);
	params.header_canon = request->header_canon;
	params.body_canon = request->body_canon;
	params.domain = domain;
	params.selector = span_str(request->selector);
	params.identity = span_str(request->identity);
	params.header_names = buf_span(&signing->names);
	params.body_hash = span_of(signing->body_hash, SHA256_BYTES);
	params.time_utc = clock_utc_s();
	if (request->ttl_s > 0)
		params.expires_utc = params.time_utc + request->ttl_s;
	return params;
}

static enum status
sign(struct signing *signing, struct err *err)
{
	uint8_t digest[SHA256_BYTES], raw[KEY_SIGNATURE_MAX];
	struct signature_params params;
	struct span domain;
	enum status status;
	size_t n = 0;

	status = domain_normalise(span_str(signing->request->domain), &signing->arena, &domain);
	if (status != ST_OK) {
		err_set(err, "\"%s\" is not the name of a domain", signing->request->domain);
		return status;
	}
	params = params_of(signing, domain);
	status = signature_build(&params, &signing->value, err);
	if (status != ST_OK)
		return status;
	signature_digest(signing->digest, buf_span(&signing->canonical), params.header_canon,
	    buf_span(&signing->value), digest);
	status = key_sign(signing->key, digest, raw, &n, err);
	if (status == ST_OK)
		status = signature_finish(&signing->value, span_of(raw, n));
	return status;
}

/* ---- output ---- */

/* The message's own kind of line end. */
static bool
message_has_crlf(struct span text)
{
	size_t lf = span_find(text, '\n');

	return lf != SIZE_MAX && lf > 0 && text.p[lf - 1] == '\r';
}

static int
print_message(struct signing *signing)
{
	struct span text = buf_span(&signing->text), value = buf_span(&signing->value);
	bool crlf = signing->request->crlf || message_has_crlf(text);

	fputs(SIGNATURE_FIELD_NAME ":", stdout);
	for (size_t i = 0; i < value.n; i++)
		if (crlf || value.p[i] != '\r')
			putchar(value.p[i]);
	fputs(crlf ? "\r\n" : "\n", stdout);
	return fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0 ? EX_OK
										  : EX_OSERR;
}

static int
print_json(const struct signing *signing)
{
	struct span value = buf_span(&signing->value);
	struct buf line;

	buf_init(&line, SIGNATURE_VALUE_MAX * 2);
	buf_add_str(&line, "{\"name\":\"" SIGNATURE_FIELD_NAME "\",\"domain\":");
	cli_json_string(&line, span_str(signing->request->domain));
	buf_add_str(&line, ",\"selector\":");
	cli_json_string(&line, span_str(signing->request->selector));
	buf_add_fmt(&line,
	    ",\"algorithm\":\"%s\",\"value\":", key_algorithm_name(key_algorithm(signing->key)));
	cli_json_string(&line, value);
	buf_add_str(&line, "}\n");
	fputs(buf_text(&line), stdout);
	buf_free(&line);
	return EX_OK;
}

/* ---- in order ---- */

static int
load_key(struct signing *signing)
{
	const struct testmsg *request = signing->request;
	struct err warning = ERR_NONE, err = ERR_NONE;
	enum key_algorithm wanted;
	enum status status = keywalk_load(request->key_path, &signing->key, &warning, &err);

	if (status != ST_OK) {
		cli_say(request->program, "%s", err.text);
		return status == ST_INVALID ? EX_SOFTWARE : EX_OSERR;
	}
	if (warning.text[0] != '\0')
		cli_say(request->program, "warning: %s", warning.text);
	if (request->algorithm == NULL)
		return EX_OK;
	if (key_algorithm_by_name(span_str(request->algorithm), &wanted) != ST_OK) {
		cli_say(request->program, "-a: \"%s\" is not rsa-sha256 or ed25519-sha256",
		    request->algorithm);
		return EX_CONFIG;
	}
	if (wanted == key_algorithm(signing->key))
		return EX_OK;
	cli_say(request->program, "-a: %s is a key for %s", request->key_path,
	    key_algorithm_name(key_algorithm(signing->key)));
	return EX_DATAERR;
}

int
testmsg_sign(const struct testmsg *request)
{
	const char *path = request->files[0] != NULL ? request->files[0] : "-";
	struct err err = ERR_NONE;
	struct signing signing;
	int exit_code = EX_OSERR;

	if (key_memory_secure() != ST_OK) {
		cli_say(request->program, "there is no protected memory for keys");
		return EX_OSERR;
	}
	signing_init(&signing, request);
	exit_code = load_key(&signing);
	if (exit_code == EX_OK && message_read(path, &signing.text, &err) != ST_OK) {
		cli_say(request->program, "%s", err.text);
		exit_code = EX_OSERR;
	}
	if (exit_code == EX_OK &&
	    (read_message(&signing, &err) != ST_OK || sign(&signing, &err) != ST_OK)) {
		cli_say(request->program, "%s",
		    err.text[0] != '\0' ? err.text : "the message is too big to be signed");
		exit_code = EX_SOFTWARE;
	}
	if (exit_code == EX_OK)
		exit_code = request->json ? print_json(&signing) : print_message(&signing);
	signing_free(&signing);
	return exit_code;
}
