/*
 * publish_private.h - what the publishers share: options, secrets, names, effects, programs to run.
 * Nobody outside of admin-api/publish*.c includes it, but tests do.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_PRIVATE_H
#define SIGNPOST_ADMIN_API_PUBLISH_PRIVATE_H

#include "admin-api/publish.h"
#include "lib/base/buf.h"

extern const struct publisher_ops publish_rfc2136, publish_powerdns, publish_exec, publish_zonefile,
    publish_manual;

/* ---- effects ---- */

/* why: a sentence, NULL with LIFE_DONE; a longer one is cut. */
void publish_effect(struct publish_change *change, enum life_effect effect, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same for all of them. */
void publish_effect_all(struct publish_change *changes, size_t count, enum life_effect effect,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What is at a name now: how many TXT records, and the joined text of one of them. */
struct publish_there {
	size_t records;
	bool alias; /* a CNAME: nothing can be beside it */
	struct span text;
};
/* What a change still has to do, seen what is there. true: it is to be written. false: its effect
 * is set (DONE, or CONFLICT with a sentence). */
bool publish_compare(struct publish_change *change, const struct publish_there *there);

/* ---- names and values (publish_names.c) ---- */

#define PUBLISH_STRING_MAX 255U /* RFC 1035 section 3.3: a character-string */
#define PUBLISH_DOMAIN_MAX 253U /* octets of a name as text, without the final dot */

/* Labels of letters, digits, '-' and '_', each of 1 to 63 octets; no final dot. */
bool publish_name_good(struct span name);
/* 1 to PUBLISH_VALUE_MAX octets of printable ASCII. */
bool publish_value_good(struct span value);
/* Is name zone itself, or below it? Letters without case. */
bool publish_name_within(struct span name, struct span zone);
/* The next string of a text: at most PUBLISH_STRING_MAX octets. false: there is none left. */
bool publish_string_next(struct span *rest, struct span *string_out);
/* A character-string of a zone file in quotes: '"' and '\' have a '\' in front. */
void publish_quote(struct buf *out, struct span string);
/* All strings of a text, quoted, with between between two of them. */
void publish_quote_all(struct buf *out, struct span text, const char *between);
/* A JSON string of printable ASCII. */
void publish_json_string(struct buf *out, struct span text);

/* ---- options of a publisher: what?name=value&name=value (publish_options.c) ---- */

#define PUBLISH_SECRET_MAX 4096U

struct publish_option {
	const char *name;
	char **value_out; /* owned by whoever asked; NULL stays when it is not given */
};
/* Splits value, fills options (a list that ends with {NULL}), and *what_out with the part in front
 * of '?'. ST_INVALID: an option that is not in the list, or twice, or empty. "timeout" (seconds, 1
 * to 600) is known to all of them. */
enum status publish_options_read(struct publisher *publisher, struct span value,
    struct span *what_out, const struct publish_option *options, struct err *err) MUST_USE;
/* The one line of a file that others than its owner and group may not read, without blanks around
 * it; *room_out is its memory: secret_free(). */
/* The same of a publisher: its own secret (a copy), or that of the file at path. */
enum status publish_secret_of(const struct publisher *publisher, const char *path, char **room_out,
    struct span *text_out, struct err *err) MUST_USE;
/* What a publisher is asked with is given as its kind wants it: a file by the operator, the secret
 * by a tenant. option: "secretfile". wanted: it needs one. ST_INVALID. */
enum status publish_secret_check(const struct publisher *publisher, const char *option,
    const char *path, bool wanted, struct err *err) MUST_USE;
enum status publish_secret_read(
    const char *path, char **room_out, struct span *text_out, struct err *err) MUST_USE;
/* An absolute path. */
bool publish_path_good(struct span path);

/* publishers_read() of a text. */
enum status publishers_read_text(
    struct span text, struct publisher ***out, size_t *count_out, struct err *err) MUST_USE;

/* ---- hosts inside (publish_guard.c) ---- */

struct sockaddr;
/* Is it one of the Internet: no loopback, link-local, private, multicast, reserved or unspecified
 * address, nor one of IPv6 in which such a one of IPv4 is wrapped? */
bool publish_address_is_public(const struct sockaddr *address);
/* May a tenant's publisher have this host, a name or an address in any notation, without brackets?
 * Names are looked at again when their addresses are known. ST_INVALID: err says why not. */
enum status publish_host_check(struct span host, struct err *err) MUST_USE;
#define PUBLISH_INSIDE_SAYS                                                                        \
	"is an address of a host inside (loopback, link-local, private, multicast), which only "   \
	"the operator can allow a provider"

/* ---- a program (publish_program.c) ---- */

#define PUBLISH_PROGRAM_ERRORS_MAX 1024U /* octets of its stderr that are kept */

struct publish_program {
	const char *const *argv; /* ends with NULL; argv[0] is an absolute path */
	struct span input;       /* all of its stdin */
	int timeout_ms;
};
/* Runs it to its end, in a process group of its own, with a clean environment and no descriptors
 * but the first three. When its time is over the group is killed. What it says goes to out until
 * that is full, its stderr to errors (a short one will do). ST_OK: it exited with 0. ST_TOO_BIG:
 * out was full. ST_UNAVAILABLE: its time was over. ST_FAILED: anything else. err: a sentence.
 * Blocking. */
enum status publish_program_run(const struct publish_program *program, struct buf *out,
    struct buf *errors, struct err *err) MUST_USE;

#endif
