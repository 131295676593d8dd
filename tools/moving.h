/*
 * moving.h - a site that moves in: who signs with which key elsewhere, as a reader found it, and
 * what becomes of that in a store. Readers fill a struct moving_site, moving_plan() makes rows of
 * it, moving_survey() compares with the store, moving_send() brings what is missing. One thread.
 */
#ifndef SIGNPOST_TOOLS_MOVING_H
#define SIGNPOST_TOOLS_MOVING_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/status.h"
#include "lib/crypto/key.h"
#include "lib/mailauth/dnsclient.h"
#include "lib/mailauth/finding.h"
#include "lib/store/keystore.h"

#define MOVING_NONE SIZE_MAX
#define MOVING_TEXT_MAX ((size_t)1 << 30)  /* octets of all names of a site */
#define MOVING_FILE_MAX ((size_t)64 << 20) /* octets of a map or of what redis-cli printed */
#define MOVING_SMALL_BITS 2048             /* RSA below it is said, RFC 8301 section 3.2 */

/* Whose mail a row of the site is about. */
enum moving_kind {
	MOVING_ADDRESS, /* "user@domain" */
	MOVING_DOMAIN,  /* "domain" */
	MOVING_SUFFIX,  /* ".domain": all below it */
	MOVING_PATTERN, /* of whole addresses, pattern.h */
	MOVING_ALL      /* everybody */
};

enum moving_dns { MOVING_UNASKED, MOVING_RIGHT, MOVING_WRONG, MOVING_SILENT };

enum moving_there {
	MOVING_NEW,
	MOVING_SAME,     /* the store has it, and nothing is to be done */
	MOVING_WAITING,  /* the store has it, and it does not sign yet */
	MOVING_ELSEWHERE /* the store has another in its place, or another tenant has it */
};

/* All spans live in the site's arena. */
struct moving_key {
	struct span domain, selector, where; /* where: a file, "(list)", ... for messages */
	struct span name;                    /* SELECTOR._domainkey.DOMAIN */
	struct span path;                    /* of its file; empty: it came in a row */
	unsigned line;
	char *pem; /* PKCS#8; secret memory; NULL: it cannot be used, which was said */
	enum key_algorithm algorithm;
	int bits;
	struct span public_key; /* p= */
	bool left_out;          /* there is another one in its place */
	bool stand_by; /* another one of its domain and algorithm signs: it comes, and does not */
	enum moving_dns dns;
	enum moving_there there;
	bool same_domain; /* its record says t=s */
	bool failed;      /* it was sent, and refused */
};

struct moving_sender {
	enum moving_kind kind;
	struct span written; /* as the site has it */
	struct span subject; /* as a rule has it */
	struct span identity, where;
	unsigned line;
	size_t key;    /* of the site */
	bool left_out; /* said why */
	bool rule;     /* it needs a rule; the row of its domain says the others */
	char id[32];   /* of the rule */
	enum moving_there there;
};

struct moving_domain {
	struct span name, tenant;
	bool subdomains;
	enum moving_there there;
	bool failed;
};

struct moving_finding {
	enum severity severity;
	const char *code; /* static: "two-keys", ... */
	struct span about, where, text;
	unsigned line;
};

struct moving_site {
	const char *program;
	struct arena arena;
	/* How the site decides: the first row that matches (a refile), or the most specific. */
	bool first_wins, many; /* many: more than one may sign (MultipleSignatures) */
	struct moving_key *keys;
	struct moving_sender *senders;
	struct moving_finding *findings;
	struct moving_domain *domains; /* of moving_plan(): sorted by name */
	size_t key_count, key_room, sender_count, sender_room, finding_count, finding_room,
	    domain_count;
	size_t weights[4]; /* findings of each severity */
};

/* ---- moving_site.c ---- */

void moving_begin(struct moving_site *site, const char *program);
void moving_end(struct moving_site *site); /* wipes the keys */
/* A copy in the arena. */
struct span moving_keep(struct moving_site *site, struct span text);
void moving_find(struct moving_site *site, enum severity severity, const char *code,
    struct span about, struct span where, unsigned line, const char *fmt, ...) PRINTF_LIKE(7, 8);
/* Where something stands; spans are copied. */
struct moving_place {
	struct span where;
	unsigned line;
};
/* A key out of a text (PEM, base64, DER), or of a file. What is wrong with names or key is found
 * ("bad-name", "bad-key", "unsafe-file", "small-key"). Answers its place in keys, or MOVING_NONE.
 */
size_t moving_add_key(struct moving_site *site, struct span domain, struct span selector,
    struct span text, struct moving_place place);
size_t moving_add_key_file(struct moving_site *site, struct span domain, struct span selector,
    const char *path, struct moving_place place);
/* subject: "user@domain", "domain", ".domain", a pattern, or "*". */
void moving_add_sender(struct moving_site *site, enum moving_kind kind, struct span written,
    struct span subject, struct span identity, size_t key, struct moving_place place);
/* A text file into secret memory. ST_OK: secret buffer, to be freed in any case. "-": stdin. */
enum status moving_slurp(const char *path, struct buf *out, struct err *err) MUST_USE;

/* ---- readers: an exit status; 0 also when single rows could not be used, which are findings ----
 */

/* names_file: domains and addresses to ask tables for that cannot be listed; NULL. */
int moving_read_opendkim(struct moving_site *site, const char *path, const char *names_file);
/* selector: of files whose name has none; NULL. */
int moving_read_directory(struct moving_site *site, const char *path, const char *selector);
/* A folder with dkim_signing's maps, or PATH_MAP and SELECTOR_MAP themselves. */
int moving_read_rspamd(
    struct moving_site *site, char *const *paths, size_t count, const char *selector);
int moving_read_redis(struct moving_site *site, const char *path);
/* The parsers of the last two, for texts; where: for messages. Borrowed. */
typedef void moving_pair(void *context, struct span name, struct span value, unsigned line);
void moving_parse_map(struct span text, moving_pair *pair, void *context);
/* false: it is in none of the forms; err says where. */
bool moving_parse_redis(struct span text, moving_pair *pair, void *context, struct err *err);
/* Keys and selectors out of such a text. */
bool moving_take_redis(
    struct moving_site *site, struct span text, struct span where, struct err *err);
/* What the name of a file of keys says: "a.example/s1.private", "a.example.s1.key",
 * "a.example.dkim", "a.example.pem". selector: for the last two; may be empty. false: nothing. */
bool moving_name_of_file(struct span folder, struct span name, struct span selector,
    struct span *domain_out, struct span *selector_out);
/* "user@host" and the other forms of a SigningTable's key; first_wins: those of a refile. */
enum moving_kind moving_kind_of(
    struct arena *arena, struct span written, bool first_wins, struct span *subject_out);

/* ---- moving_plan.c ---- */

/* Rows for a store: what is twice or cannot be said there is left out and found. tenant NULL: one
 * for each domain. */
void moving_plan(struct moving_site *site, const char *tenant);
/* Of moving_plan(): its row; NULL. */
struct moving_domain *moving_domain_of(const struct moving_site *site, struct span name);

/* ---- moving_cover.c ---- */

/* Rows of a table of patterns in their order: leaves out what is never matched, and what the store,
 * where the most specific wins, would match too late. */
void moving_cover(struct moving_site *site);
/* "x@a.example" -> "a.example"; the whole of a name. */
struct span moving_host_of(struct span subject);

/* ---- moving_dns.c ---- */
void moving_ask_dns(struct moving_site *site, struct dnsclient *dns);

/* ---- moving_show.c ---- */
void moving_show(const struct moving_site *site, bool json);
/* Lines for "signpost store load"; keys that came in rows are written into folder. An exit status.
 */
int moving_print_lines(
    struct moving_site *site, const char *tenant, const char *policy, const char *folder);

#endif
