/*
 * admin.h - what the sub-commands that speak to signpost-admind share: one table of words, a
 * connection, and how answers are shown. Main thread only.
 */
#ifndef SIGNPOST_TOOLS_ADMIN_H
#define SIGNPOST_TOOLS_ADMIN_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/buf.h"
#include "tools/cli.h"

#define ADMIN_FIELDS_MAX 8U
#define ADMIN_POSITIONS_MAX 3U

/* What an option or a word becomes in the request. */
enum admin_kind {
	ADMIN_TEXT,
	ADMIN_NUMBER,
	ADMIN_LIMIT,  /* a number, or "none": null */
	ADMIN_ON,     /* a switch: true */
	ADMIN_OFF,    /* a switch: false */
	ADMIN_JSON,   /* a file with a JSON object; "-": standard input */
	ADMIN_KEY,    /* a file with a private key */
	ADMIN_MESSAGE /* a file with a message: any octets; "-": standard input */
};

struct admin_field {
	const char *name; /* --name */
	char letter;
	const char *shown;    /* what the help calls its argument; NULL: a switch */
	const char *argument; /* of the operation; "quota.domains": a member of one */
	enum admin_kind kind;
	const char *help;
};

struct admin_position {
	const char *argument; /* NULL: no more */
	enum admin_kind kind;
	bool optional;
};

struct admin_client;
struct admin_request;

struct admin_word {
	const char *command, *name; /* "key", "show"; name NULL: the command has no words */
	const char *operation;      /* NULL: admin_word_ask()'s function knows the path */
	struct admin_position positions[ADMIN_POSITIONS_MAX];
	const char *shape; /* "DOMAIN SELECTOR" */
	const struct admin_field *fields;
	size_t field_count; /* at most ADMIN_FIELDS_MAX */
	bool changes;       /* has --dry-run */
	const char *list;   /* member of the result that comes in pages; NULL */
	void (*show)(const char *program, const json_t *result); /* NULL: admin_show_result() */
	const char *purpose;
};

/* All of them; static. */
const struct admin_word *admin_words(size_t *count_out);

/* What is more than asking for the operation and showing what it says; an exit status. */
typedef int admin_ask_function(struct admin_client *client, const char *program,
    const struct admin_request *given, json_t *request);
/* NULL: it is no more than that. */
admin_ask_function *admin_word_ask(const struct admin_word *word);

/* Options and words of one call. */
struct admin_request {
	bool json, dry_run;
	const char *socket, *conf, *url, *token_file, *ca, *cert, *key;
	const char *texts[ADMIN_FIELDS_MAX];
	bool switches[ADMIN_FIELDS_MAX];
};

/* From now on what jansson allocates is secret memory: a request may have a private key in it.
 * Before anything of it is used. */
void admin_json_in_secret(void);

/* ---- admin_target.c ---- */

#define ADMIN_TOKEN_BYTES 64U

struct admin_target {
	const char *socket; /* when url is NULL */
	char *url;          /* "https://host:8443" */
	const char *ca, *certificate, *key;
	char token[ADMIN_TOKEN_BYTES]; /* "": none */
	struct conf *conf;
};

/* Where to ask: --url, --socket, SIGNPOST_URL, AdminSocket of the configuration, in this order. An
 * exit status; said if it is not 0. Free it in any case. */
int admin_target_find(
    const char *program, const struct admin_request *given, struct admin_target *out);
void admin_target_free(struct admin_target *target);

/* ---- admin_client.c ---- */

/* Nothing is connected yet. NULL: said. target: borrowed. */
struct admin_client *admin_connect(const char *program, const struct admin_target *target);
void admin_disconnect(struct admin_client *client); /* NULL is fine */
/* Sends a request and waits for its answer; what is told meanwhile goes to stderr. If the
 * connection is lost, and nothing can be done twice by it, it is sent once more, with the same
 * Idempotency-Key. NULL: said; the daemon is gone. json_decref(). */
json_t *admin_ask(struct admin_client *client, const json_t *request);
/* The same with a body as it is, whose answer is lines: {"ok":true,"result":{"lines":[...]}}. The
 * body is moved, and wiped. */
json_t *admin_post_lines(
    struct admin_client *client, const char *path, const char *type, struct buf *body);

/* ---- words that are more than a question ---- */

admin_ask_function admin_bulk;            /* admin_bulk.c: "file", "idempotency_key" */
admin_ask_function admin_events;          /* admin_events.c: "types", "since" */
admin_ask_function admin_operations_list; /* admin_operations.c: "domain" */
admin_ask_function admin_operations_wait; /* the same: "operation", "timeout" */

/* ---- admin.c ---- */

/* One line to stdout, in ASCII. */
void admin_print_json(const json_t *json);

/* ---- admin_show_verify.c ---- */

/* Of verify: the verdict of each signature, and what broke it. */
void admin_show_verify(const char *program, const json_t *result);
/* Of domain.selftest. */
void admin_show_selftest(const char *program, const json_t *result);
/* What was asked says that something does not verify, or has drifted. */
bool admin_result_is_bad(const json_t *result);

/* ---- admin_show.c ---- */

/* Printable ASCII; other octets become \xNN. */
void admin_add_safe(struct buf *out, const char *text);
/* Members as "name: value", without those of objects and lists. */
void admin_show_scalar(const char *name, const json_t *value);

/* Columns of things that are known, else what is there. Nothing of it can harm a terminal. */
void admin_show_result(const char *program, const json_t *result);
/* A table of one list alone; header: with its head. */
void admin_show_list(const char *name, const json_t *list, bool header);
/* What was, or would be, changed: the plan of an answer. */
void admin_show_plan(const json_t *answer, bool dry_run);
void admin_show_record(const char *program, const json_t *result);
/* "text" of the result, alone. */
void admin_show_text(const char *program, const json_t *result);
/* Says a refusal; the exit status for it. */
int admin_show_refusal(const char *program, const json_t *answer);

#endif
