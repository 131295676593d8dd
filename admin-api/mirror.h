/*
 * mirror.h - foreign stores of plain keys that show the key that signs: whoever reads them signs,
 * too (Zimbra's opendkim, one on the tables of a panel). A mirror fills struct mirror_ops. It has
 * one key of a domain; a key that is there and is none of ours is never touched, by nobody, for no
 * reason.
 *
 * Mirrors stand in the file that KeyMirrors of signpost-admind.conf names, a line for each
 * (signpost-mirrors(5)):
 *
 *   NAME
 * zimbra:ldap[s|i]://HOST[:PORT]/[BASE]?binddn=DN&secretfile=/path[&starttls=yes][&cafile=/path]
 *   NAME
 * postfixadmin:mysql://USER@HOST[:PORT]/DATABASE?passwordfile=/path[&prefix=P][&tls=yes|no]
 *   NAME ispconfig:mysql://...
 *
 * Each of them may have tenants=NAME[,NAME...] or tenants=*: whose policies may name it. Without it
 * only who is of no tenant, an operator, may write its name into a policy.
 *
 * Private keys leave Signpost's store in plain for these, and only for those. One struct mirror may
 * be used by one thread at a time; blocking, bounded by MIRROR_TIMEOUT_S.
 */
#ifndef SIGNPOST_ADMIN_API_MIRROR_H
#define SIGNPOST_ADMIN_API_MIRROR_H

#include "admin-api/publish.h"

#define MIRROR_TIMEOUT_S 10

/* A key of the domain that Signpost made or took in: its p= value. */
struct mirror_known {
	struct span selector, public_key;
};

/* What is wanted of one domain. */
struct mirror_change {
	struct span domain, selector;
	struct span pem; /* of the private key; secret, borrowed; empty: none is to be there */
	struct span public_key; /* p= */
	struct span record;     /* the text of the TXT record */
	const struct mirror_known *known;
	size_t known_count;
	/* Out. DONE: it is so now, or was already. CONFLICT: there is a key that is none of known.
	 * REFUSED: an operator has to mend something. UNAVAILABLE: the next try finds out. */
	enum life_effect effect;
	char why[PUBLISH_WHY_BYTES]; /* a sentence, when it is not DONE; never a key */
	bool away; /* with UNAVAILABLE: it is so for all domains, not only for this one */
};

struct mirror;

struct mirror_ops {
	const char *kind; /* "zimbra", ... */
	/* value: what follows "kind:", without tenants=. Nothing is asked yet. ST_INVALID: err
	 * names the part. */
	enum status (*open)(struct mirror *mirror, struct span value, struct err *err);
	void (*close)(struct mirror *mirror);
	void (*apply)(struct mirror *mirror, struct mirror_change *change);
};

extern const struct mirror_ops mirror_zimbra, mirror_postfixadmin, mirror_ispconfig;

struct mirror {
	const struct mirror_ops *ops;
	char name[NAMED_LINE_NAME_MAX + 1];
	char *tenants; /* owned: "acme,beta", "*"; NULL: the line does not say */
	void *state;
};

/* All mirrors of a file; path NULL: none. ST_INVALID: err names file and line. ST_DENIED: others
 * than root and this user may write to it. ST_ABSENT, ST_UNAVAILABLE: it cannot be read. *out is
 * the caller's: mirrors_close(). */
enum status mirrors_read(
    const char *path, struct mirror ***out, size_t *count_out, struct err *err) MUST_USE;
/* The same of a text. */
enum status mirrors_read_text(
    struct span text, struct mirror ***out, size_t *count_out, struct err *err) MUST_USE;
void mirrors_close(struct mirror **mirrors, size_t count); /* NULL is fine */

/* ---- mirror_tenants.c: whose policies may name it ---- */

/* NULL: there is none of that name. Borrowed. */
struct mirror *mirror_find(struct mirror *const *mirrors, size_t count, const char *name);
/* A list of tenants= as it stands in a line, or "*". */
bool mirror_tenants_good(struct span list);
/* Does its line let this tenant have it? true, too, where it does not say: then an operator wrote
 * its name into the policy. */
bool mirror_serves(const struct mirror *mirror, struct span tenant);

/* ---- mirror_key.c: what a mirror has, and how it is reached ---- */

/* Does what is sent there stay on this machine? A name or an address without brackets, or the path
 * of a socket. */
bool mirror_is_near(struct span host);

void mirror_effect(struct mirror_change *change, enum life_effect effect, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Whose key is this: is pem, of this selector, one of change->known? */
bool mirror_is_ours(const struct mirror_change *change, struct span selector, struct span pem);
/* Is it the one that is wanted? */
bool mirror_is_wanted(const struct mirror_change *change, struct span selector, struct span pem);

#endif
