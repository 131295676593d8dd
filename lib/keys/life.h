/*
 * life.h - the life of a domain's keys: what is to be done next, and what is written when it was
 * done. Pure: the rows, the plan, what gateways reported and the time go in, a list of actions
 * comes out; every change of a row is made by a function of this file. The reconciler (admin-api/)
 * only carries out; the explorer (tests/unit/test_life_explorer.c) tries all orders of all that can
 * happen.
 *
 * A time in a row is an intent or a fact. Intents (publishing, revoking, removing) are committed
 * before anything is done in DNS, so that a program that died finds what it had begun. What is to
 * be written into DNS follows from the row: the name from selector and domain (or the slot), the
 * value from the public key. Nothing else in the store says what is under way.
 *
 *   PREPARED --survey--> PUBLISHING --publish--> PUBLISHED --prove..confirm--> PROVEN --load-->
 *   LOADED (stand-by) --activate--> ACTIVE --the successor's activation--> RETIRING
 *   --intend_revoke, revoke--> REVOKED --intend_remove, remove--> REMOVED --destroy--> DESTROYED
 *
 * The canary: gateways verify samples of what they signed (canary.h). What one of them says of a
 * key that is ACTIVE makes us look, and no more: a resolver of its own may be the only one that is
 * wrong (an inner view of the zone without the record is common), and it may lie. Only if the
 * authoritative servers, the recursive resolvers or a message of our own say the same (CHECK), the
 * key is ACTIVE for less than canary_window, and the one before it is RETIRING, was never revoked,
 * and was seen right by all authoritative servers within LIFE_CHECK_FRESH_S, that one signs again
 * (ROLLBACK): the failing one is HELD, and the domain is paused until an operator releases or
 * retires it. Everything else is said, in the log and in the row, and changes nothing: it is too
 * late, there is nothing to go back to, or all looks right from here. So a gateway that lies can
 * have DNS asked every few minutes; and what is wrong for its resolvers alone needs an operator.
 *
 * A mirror (the plan's) is a foreign store of plain keys whose readers sign, too. It has one key of
 * a domain. Before a key becomes ACTIVE it is there (MIRROR), while its predecessor is still
 * published; nothing is revoked or removed in peace while it is, or may be, there. So what readers
 * of the mirror sign can be verified at any moment.
 *
 * Invariants I1 to I8 of the life cycle, as they are kept here:
 *
 *   I1 no action leaves a domain that had an ACTIVE key without one of each algorithm it had
 *   I2 only a key that is proven for the value in its row becomes ACTIVE
 *   I3 nothing is published of a key whose row is not committed: survey needs a row
 *   I4 revoking is not written before sign_until + SIG + E; sign_until is frozen when retiring is
 *   I5 a selector is used once (the store's index); a slot again only after REMOVED + TTL + NEG:
 *      the key in it is not DESTROYED earlier, and what is not destroyed keeps its slot
 *   I6 each effect has its intent in the row, and is conditional on the value (publish.h)
 *   I7 once revoking is written there is no way back
 *   I8 now_utc is the store's clock; who calls sees to it that it does not go backwards
 */
#ifndef SIGNPOST_KEYS_LIFE_H
#define SIGNPOST_KEYS_LIFE_H

#include "lib/keys/plan.h"
#include "lib/keys/state.h"

#define LIFE_ID_MAX 64U
#define LIFE_TROUBLE_MAX 400U /* octets of a sentence about what is wrong */
#define LIFE_KEYS_MAX 64U     /* keys of one domain that are looked at; DESTROYED ones are not */
#define LIFE_ACTIONS_MAX 16U  /* of one look at a domain */
#define LIFE_TARGET_MAX 253U  /* octets of a name */
#define LIFE_TAGS_MAX 127U    /* octets of other tags of a record, on one side of p= */
#define LIFE_CHECK_FRESH_S 60 /* what was seen so long ago is what is there */
#define LIFE_TEXT_MAX 8192U   /* octets of the text of a row */

/* What the row of a key has for its life cycle, beside its times: one text in the store. The
 * symbols are copied from the plan when they are first used, so that a later plan cannot shorten a
 * wait. */
struct key_life {
	char publisher[PLAN_NAME_MAX + 1]; /* where its record was put */
	/* The name where its record stands, if that is not SELECTOR._domainkey.DOMAIN: the plan's
	 * target when its publishing was written. "": it is. */
	char target[LIFE_TARGET_MAX + 1];
	int64_t ttl_s, neg_s, prev_s, lease_s, signature_s, error_s, tomb_s;
	int64_t removing;               /* the intent to delete the record */
	int64_t auth_first;             /* all authoritative servers had it, since; 0: not */
	int64_t auth_last;              /* the last time they did */
	int proofs;                     /* how often in a row, at most the plan's */
	int64_t looked;                 /* the last time that what is published was looked at */
	bool drifted;                   /* and it was not there, or another one */
	int tries;                      /* failures in a row of what is to be done now */
	int64_t next_try;               /* not before */
	char trouble[LIFE_TROUBLE_MAX]; /* what is in the way; "": nothing. Any octets */
	char failure[LIFE_TROUBLE_MAX]; /* why it is FAILED; stays for as long as the row */
	bool imported;                  /* published by others before it came here */
	/* And its record is theirs: what stands before the value of p=, and behind it. head "": it
	 * is as we write it. */
	char head[LIFE_TAGS_MAX + 1], tail[LIFE_TAGS_MAX + 1];
	/* What was begun last is somebody else's to do (LIFE_PENDING), or what is there was not
	 * what we thought: looked at, until it is done or can be tried again. */
	bool pending;
	/* Of an ACTIVE key, and of one that was rolled back: when we looked last because gateways
	 * say that its signatures do not verify, and whether we found the same. */
	int64_t checked;
	bool suspect;
	/* The foreign store that shows this key to its readers, and when it was written or looked
	 * at last; mirrored 0: it does not. mirroring: the intent to write it there, as long as
	 * nobody knows what came of it: it may be there. Failures in a row of that, and not before.
	 */
	char mirror[PLAN_NAME_MAX + 1];
	int64_t mirrored, mirroring;
	int mirror_tries;
	int64_t mirror_try;
};

/* What the row of a domain has for it. */
struct domain_life {
	int64_t
	    rotate_asked;  /* somebody wants new keys: those that were active then are replaced */
	int64_t rotate_at; /* not before; 0: at once */
	int64_t paused;    /* nothing is begun: no new key, no activation; what was begun ends */
	/* The last one that was taken back, and the last one whose keys gave way to those before:
	 * what rotate_asked was then. */
	int64_t rotate_aborted, rotate_undone;
	/* A key was rolled back by itself, and paused was written with it: equal to it as long as
	 * nobody paused or resumed the domain since. reason says why. */
	int64_t rolled_back;
	char reason[LIFE_TROUBLE_MAX];
};

/* The text in the store, JSON; "" is all zero. ST_INVALID: err says what; unknown fields are kept
 * out and ignored, so that an older program reads a newer one's. */
enum status key_life_parse(struct span text, struct key_life *out, struct err *err) MUST_USE;
void key_life_write(const struct key_life *life, struct buf *out);
enum status domain_life_parse(struct span text, struct domain_life *out, struct err *err) MUST_USE;
void domain_life_write(const struct domain_life *life, struct buf *out);

struct life_key {
	char id[LIFE_ID_MAX + 1];
	struct span selector; /* of its row; borrowed */
	char algorithm[16];
	int bits;
	struct key_times times;
	struct key_life life;
	uint64_t loading; /* the epoch at which gateways were asked to try it; 0: not */
	bool changed;     /* set by every function that changes it: write the row */
};

struct life_domain {
	struct span name;
	bool enabled; /* and its tenant */
	struct key_plan plan;
	struct domain_life life;
	struct life_key *keys; /* borrowed */
	size_t count;          /* LIFE_KEYS_MAX at most */
	bool changed;          /* life */
};

/* Gateways that say so, how many report at all, and what one of them says: valid in its thread
 * until the next question. */
struct life_failing {
	size_t gateways, of;
	const char *node, *why;
};

/* What the gateways said lately. */
struct life_gateways {
	size_t live;     /* that report; 0: none does, and timed_ack_s is waited in place of them */
	uint64_t tested; /* each of them has opened, and signed with, all keys up to this epoch */
	/* Has one of them reported that it cannot use this key? *node_out: which. NULL: none has.
	 */
	bool (*failed)(const void *context, const char *id, const char **node_out);
	/* Do some of them say that signatures of this key, since it is active, cannot be verified
	 * (CANARY_FAILURES in a row)? NULL: none does. */
	bool (*failing)(const void *context, const struct life_key *key, struct life_failing *out);
	const void *context;
};

enum life_what {
	LIFE_GENERATE, /* a key of algorithms[algorithm], then life_prepared(); with a delegation in
			  a slot that is not taken */
	LIFE_SURVEY,   /* what is at its name (and target) now, and the zones' SOA; then
			  life_surveyed() */
	LIFE_PUBLISH,  /* add the record; then life_published() */
	LIFE_PROVE,    /* ask all authoritative servers; then life_looked() */
	LIFE_CONFIRM,  /* ask the recursive resolvers, verify a message; then life_confirmed() */
	LIFE_LOAD,     /* gateways have it: life_loaded() */
	LIFE_ACTIVATE, /* life_activate(): also retires the one before it */
	LIFE_INTEND_REVOKE, /* life_intend_revoke() */
	LIFE_REVOKE,        /* replace the record by "v=DKIM1; p="; then life_revoked() */
	LIFE_INTEND_REMOVE, /* life_intend_remove() */
	LIFE_REMOVE,        /* delete the record; then life_removed() */
	LIFE_DESTROY,       /* forget the private key for good: life_destroyed() */
	LIFE_FAIL,          /* give it up: life_failed() */
	LIFE_LOOK,          /* is what should be published there? then life_looked() */
	LIFE_CHECK,         /* all of it: servers, resolvers, a message; then life_checked() */
	LIFE_ROLLBACK,      /* life_rolled_back() */
	LIFE_INTEND_MIRROR, /* life_intend_mirror() */
	LIFE_MIRROR,        /* the plan's mirror is to have this key alone; then life_mirrored() */
	LIFE_UNMIRROR       /* life.mirror is not to have it any more; then life_unmirrored() */
};

struct life_action {
	enum life_what what;
	size_t key;       /* in keys; of GENERATE: unused */
	size_t algorithm; /* of GENERATE: in plan.algorithms */
};

/* Why nothing can be done for a key now, for people and for "status". */
#define LIFE_NO_KEY SIZE_MAX
struct life_wait {
	size_t key;          /* LIFE_NO_KEY: a new one, of GENERATE */
	enum life_what next; /* what it waits to do */
	int64_t earliest;    /* not before; 0: whenever what blocks it ends */
	/* "AuthoritativeServers", "NegativeCaches", "Resolvers", "Gateways", "Window", "Paused",
	 * "Held", "Lease", "Tombstone", "Retry", "Successor", "Schedule", "Customer", "Mirror":
	 * static; NULL: only the time */
	const char *blocked_by;
};

struct life_decision {
	struct life_action actions[LIFE_ACTIONS_MAX];
	size_t count;
	/* Of keys that have a next step, and now no action or one that only looks at DNS. */
	struct life_wait waits[LIFE_KEYS_MAX + PLAN_ALGORITHMS_MAX];
	size_t wait_count;
	int64_t due;   /* when to look again if nothing happens; INT64_MAX: never */
	int64_t later; /* the same if no action is carried out */
};

/* What is to be done for this domain now. Never more than one action for a key. Actions do not
 * depend on each other: any subset may be carried out, in any order. A domain without plan.manage,
 * or not enabled, still ends what was begun (revocation, removal), and begins nothing. */
void life_decide(const struct life_domain *domain, const struct life_gateways *gateways,
    int64_t now_utc, struct life_decision *out);

/* ---- what happened: changes of rows. Each leaves a row that life_decide() goes on with, whatever
 * order they come in; one that does not fit the state of the key any more changes nothing and
 * answers false. ---- */

/* What a survey or a look at the authoritative servers found. */
enum life_seen {
	LIFE_SEEN_RIGHT,      /* all servers: exactly one TXT record, exactly this value */
	LIFE_SEEN_ABSENT,     /* all servers: none */
	LIFE_SEEN_TOMBSTONE,  /* all servers: exactly "v=DKIM1; p=" */
	LIFE_SEEN_MIXED,      /* some have it, some not yet, nothing foreign */
	LIFE_SEEN_FOREIGN,    /* a record that is not ours, somewhere */
	LIFE_SEEN_WILDCARD,   /* survey: nothing at the name, but something synthesized (prev_s) */
	LIFE_SEEN_UNAVAILABLE /* a server did not answer, or not usefully */
};

struct life_sight {
	enum life_seen seen;
	int64_t neg_s,
	    prev_s;      /* min(SOA TTL, SOA MINIMUM), max over the zones; TTL of what is there */
	const char *why; /* a sentence: which server, what it said; "" when all is well */
	/* Of a survey: where the record would stand; NULL or "": at its own name. */
	const char *target;
	/* It is right where it stands, and not at its own name: the customer's CNAME does not lead
	 * there, or their servers do not answer. It is waited for, as for all that others do. */
	bool customer;
};

/* How an attempt to change DNS ended (admin-api/publish.h). */
enum life_effect {
	LIFE_DONE,        /* it is so at the provider now, or was already */
	LIFE_PENDING,     /* somebody else does it (manual): look whether it is there */
	LIFE_CONFLICT,    /* a record whose value is not ours is in the way; nothing was touched */
	LIFE_UNAVAILABLE, /* try again later */
	LIFE_REFUSED /* the provider says no: an operator has to mend something; tried again, slowly
		      */
};

/* A new row, PREPARED. */
void life_prepared(struct life_key *key, const struct key_plan *plan, int64_t now_utc);
/* RIGHT, ABSENT, WILDCARD: publishing is written, with all symbols. FOREIGN: failed. */
bool life_surveyed(struct life_key *key, const struct key_plan *plan,
    const struct life_sight *sight, int64_t now_utc);
bool life_published(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc);
/* Of PROVE and of LOOK. A stand-by key whose record is gone or foreign loses its proofs (it is
 * published again, or fails); of an ACTIVE one drifted and trouble are set, and it signs on. */
bool life_looked(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc);
/* ok: at least 2 of 3 resolvers (all, where fewer are configured) agree, validated if the zone is
 * signed, and a message signed with the private key verifies with what they gave. */
bool life_confirmed(
    struct life_key *key, const struct key_plan *plan, bool ok, const char *why, int64_t now_utc);
/* Of CHECK, of an ACTIVE key: what the servers were seen to say; if that is RIGHT, what resolvers
 * and a message of our own said; and what gateways say. */
enum life_found { LIFE_FOUND_RIGHT, LIFE_FOUND_WRONG, LIFE_FOUND_UNAVAILABLE };
bool life_checked(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    enum life_found found, const char *why, const struct life_failing *failing, int64_t now_utc);
/* keys[index] is ACTIVE and suspect, and the one before it was seen right just now: that one is
 * ACTIVE again, this one HELD, the domain paused. One transaction. false: a guard does not hold. */
bool life_rolled_back(struct life_domain *domain, size_t index, int64_t now_utc);
/* Written before the first attempt: from now on it may be there, and of no other key it is sure. */
bool life_intend_mirror(struct life_domain *domain, size_t index, int64_t now_utc);
/* Of MIRROR, of a LOADED key that is about to sign, or of an ACTIVE one; and of UNMIRROR. DONE: it
 * is so now, or was already. CONFLICT: the mirror has a key that is not ours; nothing was touched.
 */
bool life_mirrored(struct life_domain *domain, size_t index, enum life_effect effect,
    const char *why, int64_t now_utc);
bool life_unmirrored(struct life_domain *domain, size_t index, enum life_effect effect,
    const char *why, int64_t now_utc);
bool life_loaded(struct life_key *key, int64_t now_utc);
/* keys[index] becomes ACTIVE; those of the same algorithm that are ACTIVE become RETIRING, their
 * sign_until is frozen at now + the lease. One transaction. false: a guard does not hold. */
bool life_activate(struct life_domain *domain, size_t index, int64_t now_utc);
/* keys[index] was imported, is PUBLISHED, and has signed elsewhere until now: it is ACTIVE, and
 * signs on here. Who calls has seen its record at all servers, or answers for it. false: another
 * key of its algorithm is ACTIVE, or it is in another state. */
bool life_adopted(struct life_domain *domain, size_t index, int64_t now_utc);
bool life_intend_revoke(struct life_domain *domain, size_t index, int64_t now_utc);
bool life_revoked(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc);
bool life_intend_remove(struct life_domain *domain, size_t index, int64_t now_utc);
bool life_removed(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc);
bool life_destroyed(struct life_key *key, int64_t now_utc); /* who calls empties private_key */
bool life_failed(struct life_key *key, const char *why, int64_t now_utc);

/* ---- slots ---- */

/* Does a key of this domain that is not destroyed have the selector of this slot? */
bool life_slot_is_taken(const struct life_domain *domain, int slot, int64_t now_utc);
/* When the slot of a key that is DESTROYED can be used again (I5): what was there is in no cache
 * then. 0: nothing of it ever was in DNS. */
int64_t life_slot_free_at(const struct life_key *key);
/* A row that is to be PREPARED in the slot of a key that was destroyed: its caches are waited for,
 * should one of its servers have had it until now. */
void life_slot_follow(struct life_key *key, const struct life_key *destroyed);

/* ---- what operators ask for; false: *why says why not, and nothing has changed ---- */

bool life_hold(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why);
/* Of one that was rolled back by itself: the domain goes on, too; so it does after life_retire().
 */
bool life_release(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why);
/* ACTIVE -> RETIRING without a successor's activation: refused if it would leave mail unsigned. A
 * stand-by or held key retires too; one that is not proven yet is given up (FAILED). */
bool life_retire(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why);
/* PREPARED, FAILED or REMOVED -> DESTROYED, at once: who calls empties private_key. Refused as long
 * as anything of it may be in DNS, in a cache or in a mirror. */
bool life_discard(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why);
/* The key is known to others: it becomes COMPROMISED, and in the same change a stand-by key ACTIVE.
 * Without one: refused, unless force (then mail goes unsigned or is deferred by FailurePolicy). */
bool life_emergency(
    struct life_domain *domain, size_t index, bool force, int64_t now_utc, struct err *why);
/* keys[index] is ACTIVE: back to the key of its algorithm that it took over from, which is ACTIVE
 * again, this one HELD. Only before that one's revoking. */
bool life_rollback(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why);
bool life_rotate(struct life_domain *domain, int64_t not_before, const char *reason,
    int64_t now_utc, struct err *why);
/* A rotation was asked for, and not all keys that sign are younger than that. */
bool life_is_rotating(const struct life_domain *domain, int64_t now_utc);

/* "publish", "prove", ...; static. */
const char *life_what_name(enum life_what what);

#endif
