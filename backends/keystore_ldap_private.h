/*
 * keystore_ldap_private.h - a key store in a directory, shared by the files keystore_ldap*.c that
 * ask servers.
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_LDAP_PRIVATE_H
#define SIGNPOST_BACKENDS_KEYSTORE_LDAP_PRIVATE_H

#include "backends/keystore_ldap.h"
#include "backends/ldap_pool.h"

/* A change is told again for so long: a replica may show the epoch before it shows the entries. */
#define LDAPSTORE_SETTLE_MS 10000
/* What a writer left behind longer ago than this, nobody finishes any more. */
#define LDAPSTORE_PENDING_S 600
/* Entries of an answer that are none of ours, but would pass for them: a gateway may have written
 * into its own what the server should not have let it. */
#define LDAPSTORE_STRANGERS_MAX 200U

struct ldapstore_names; /* keystore_ldap_list.c */

struct ldapstore {
	struct ldappool pool;
	const char *base, *where; /* of the URL; of the store */
	bool write;
	atomic_bool has_life; /* its schema has room for the life cycle; once seen it stays */
	/* Of all below. */
	pthread_mutex_t lock;
	bool asked_changes;
	uint64_t seen, settled; /* the epoch seen last; the last one seen for long enough */
	char identity[KEYSTORE_IDENTITY_BYTES]; /* of the store whose epochs these are */
	int64_t seen_ms;
	/* The same for loading(): what a gateway says that it has tried must not be ahead of the
	 * replica that it asks. */
	uint64_t load_seen, load_settled;
	int64_t load_seen_ms;
	char load_identity[KEYSTORE_IDENTITY_BYTES];
	int64_t ahead_s;               /* the server's clock before ours, when now() asked last */
	struct ldapstore_names *names; /* of the listing that goes on */
};

/* A question, and what came. */
struct ldapstore_question {
	struct ldapstore *store;
	const char *filter, *probe; /* probe: is there at least one? Or NULL */
	size_t entries_max;
	const struct span *names; /* that were asked for */
	size_t name_count;
	struct span tenant; /* wanted besides those of the rows, or empty */
	enum store_rule_kind kind;
	/* The answer. found: domains that wait for what their policies say. */
	struct keystore_rows *rows, *found;
	uint64_t epoch;
	bool has_store, store_first;
	size_t entries;
};

/* Asks, and puts the rows in order. */
enum status ldapstore_answer(
    struct ldapstore_question *q, struct keystore_rows **out, struct err *err) MUST_USE;

/* The first status that is not ST_OK wins; end collects what became of the connection. */
struct ldapstore_stage {
	struct ldaplink_search search;
	ldapentry_visit *visit;
	void *context;
	bool any_number; /* that there are more than entries_max is no error */
	int id;
	bool sent;
};

/* Sends all of the searches, then takes all answers. ST_TOO_BIG: more entries than may be.
 * ST_UNAVAILABLE also when a part of an answer is on another server. */
enum status ldapstore_ask(struct ldapstore *store, struct ldaplink *link,
    struct ldapstore_stage *stages, size_t count, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err) MUST_USE;

/* The answer had no entry of class signpostStore. */
enum status ldapstore_no_store(const struct ldapstore *store, struct err *err);

/* ST_UNAVAILABLE: the schema of the directory has no attributes for the life cycle; the sentence
 * says what to load. Asks only until it has. */
enum status ldapstore_need_life(struct ldapstore *store, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err) MUST_USE;
/* Writes something that says nothing, so that the server notes when in modifyTimestamp. A server
 * that does not let this user is ST_UNAVAILABLE with end->forbidden. */
enum status ldapstore_touch(struct ldapstore *store, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err) MUST_USE;
/* The server's clock, when modified_utc came from it just now. */
void ldapstore_set_clock(struct ldapstore *store, int64_t modified_utc);
int64_t ldapstore_clock(struct ldapstore *store);

/* What the policies of domains say, put into rows that are answered or listed. */
struct ldapstore_policies {
	struct keystore_rows *rows; /* of which there are only policies; NULL: none */
};

/* Asks for the policies that the domains of found name, and, if out is not NULL, for the tenants of
 * all domains and rules of found and those in rows; the tenants are added to out. */
enum status ldapstore_ask_owners(struct ldapstore *store, struct ldaplink *link,
    const struct keystore_rows *found, struct keystore_rows *out, struct span tenant,
    struct ldapstore_policies *policies, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err) MUST_USE;
/* Adds the domains of found to out, with what their policies say. */
void ldapstore_add_domains(const struct keystore_rows *found,
    const struct ldapstore_policies *policies, struct keystore_rows *out);
void ldapstore_policies_free(struct ldapstore_policies *policies);

/* ---- writing ---- */

/* What is known of an entry: as it is in the directory, or as it will be when the writes that stand
 * before have been done. */
struct ldapstore_known {
	char *dn;
	bool there, published, mirror, mirrored;
	uint64_t revision, key_revision;
	struct key_times times;                                       /* of a key */
	char *owner, *id, *subject, *mirror_selector, *mirror_public; /* owned; NULL: none */
	char *algorithm, *public_key;                                 /* of a key; owned */
};

/* Another key comes into a slot (keystore.h). */
static inline bool
ldapstore_is_slot(const struct keystore_write *w)
{
	return w->life && w->what == STORE_KEY && w->how == WRITE_PUT;
}

/* One write on its way. */
struct ldapstore_step {
	const struct keystore_write *write;
	size_t at;        /* its place in the batch */
	char *dn;         /* owned */
	bool add;         /* the entry is not there yet */
	bool arrives;     /* of a rule: its subject has one more */
	uint64_t old;     /* its revision otherwise; 0: it has none */
	uint64_t new;     /* its revision then */
	uint64_t loading; /* life: signpostLoading then */
	/* What the key is, when the write does not say it: owned; NULL: as in the write. */
	char *algorithm, *public_key;
	int phase;
	/* The domain of a key shows this key to Zimbra from now on; or shows none any more. */
	bool mirror, unmirror, mirror_class;
	/* That domain, if it is to show a key; and the key that it shows now, if it is another one.
	 */
	const struct ldapstore_known *domain, *shown;
};

struct ldapstore_plan {
	struct ldapstore *store;
	const struct keystore_write *writes;
	size_t count, at; /* at: the one that is looked at */
	int64_t now_utc;
	uint64_t epoch;                  /* when all was looked at */
	const struct store_lease *lease; /* under which it is done; NULL: none */
	int64_t lease_until;             /* of it, when it was looked at last */
	bool loads;                      /* gateways are asked to try keys */
	struct ldapstore_step *steps;
	struct ldapstore_known *known;
	size_t known_count;
	/* Rules with this subject (owned), as far as the batch has been looked at. */
	char *crowd_subject;
	enum store_rule_kind crowd_kind;
	size_t crowd;
	char (*subjects)[KEYSTORE_DOMAIN_MAX + 3]; /* what caches are told */
	size_t subject_count;
};

/* The questions of a check go over one connection. */
struct ldapstore_check {
	struct ldapstore_plan *plan;
	struct ldaplink *link;
	int64_t deadline_ms;
	struct ldaplink_end *end;
	struct err *err;
};

/* ---- what is there (keystore_ldap_known.c) ---- */

/* Sets "DN: why"; status. */
enum status ldapstore_refuse(
    struct ldapstore_check *c, enum status status, const char *dn, const char *why);
/* Has somebody out there perhaps seen the key? */
bool ldapstore_was_published(const struct key_times *times);
/* That there are more than entries_max is no error. */
enum status ldapstore_check_search(struct ldapstore_check *c, const char *base,
    enum ldapurl_scope scope, const char *filter, size_t entries_max, ldapentry_visit *visit,
    void *context) MUST_USE;
/* The entry as it will be when the writes before this one are done; *out stays the plan's. */
enum status ldapstore_know(
    struct ldapstore_check *c, const char *dn, struct ldapstore_known **out) MUST_USE;
/* ST_DENIED: an entry has this value of the attribute (owner: and this owner, if not empty), and
 * none of the earlier writes removes it. */
enum status ldapstore_none_hangs(struct ldapstore_check *c, const char *dn, const char *attribute,
    struct span value, struct span owner) MUST_USE;
/* ST_DENIED: an earlier write adds a row of this owner. */
enum status ldapstore_none_added(
    struct ldapstore_check *c, const char *dn, struct span owner) MUST_USE;

/* ST_DENIED: the step's rule arrives at a subject that has KEYSTORE_RULES_MAX already. known: the
 * rule as it is before. */
enum status ldapstore_check_crowd(struct ldapstore_check *c, struct ldapstore_step *step,
    const struct ldapstore_known *known) MUST_USE;

/* ---- what will be (keystore_ldap_plan.c) ---- */

/* What caches are told of a write; old_subject: of a rule that is changed, or NULL. */
void ldapstore_plan_subjects(
    struct ldapstore_plan *plan, const struct keystore_write *w, const char *old_subject);
/* Whether the write may change what the domain of its key shows to Zimbra. name: room; known: the
 * key as it is before. */
enum status ldapstore_plan_mirror(struct ldapstore_check *c, struct ldapstore_step *step,
    struct buf *name, const struct ldapstore_known *known) MUST_USE;
/* Which writes do, when all of them are known. ST_INVALID: the PEM of that of plan->at is missing.
 */
enum status ldapstore_plan_mirrors(struct ldapstore_check *c) MUST_USE;
int ldapstore_plan_phase(const struct keystore_write *w, int64_t now_utc);
/* Puts the steps in the order in which they are to be written. */
void ldapstore_plan_order(struct ldapstore_plan *plan);

/* Looks up all that the writes need and fills the steps; nothing is written. What failed is
 * plan->at. */
enum status ldapstore_check(struct ldapstore_plan *plan, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err) MUST_USE;
void ldapstore_plan_free(struct ldapstore_plan *plan);

/* A batch on its way. */
struct ldapstore_writer {
	struct ldapstore_plan plan;
	struct ldapstore *own;
	struct ldaplink *link;
	struct buf store_dn;
	char *pending; /* one text of room for each subject */
	struct span *pending_values;
	bool begun;
	const char *identity; /* the store is to have this one from now on; NULL: its own */
	struct ldapadmin_batch *admin; /* what is written besides; NULL: nothing */
	struct err *err;
};

/* ST_DENIED: the lease of the batch is not held, or not any more. Asks again when the time that was
 * seen is over. */
enum status ldapstore_hold_lease(struct ldapstore_writer *w, struct ldaplink_end *end) MUST_USE;
/* The same of what cn=store says in entry. */
enum status ldapstore_check_lease(
    struct ldapstore_plan *plan, const struct ldapentry *entry, struct err *err) MUST_USE;
/* A modification of cn=store fails with ST_DENIED if the lease of the batch has got another holder:
 * adds two changes that leave all as it is. none if the batch has no lease. value: room. */
struct ldapstore_fence {
	char text[LDAPSTORE_LEASE_BYTES];
	struct span value;
};
size_t ldapstore_fence(const struct ldapstore_plan *plan, struct ldapstore_fence *room,
    struct ldaplink_change changes[2]);

/* The end of the time that one write has. */
int64_t ldapstore_step_deadline(const struct ldapstore_writer *w);
/* Writes what is going to be changed. ST_ABSENT: there is no cn=store. ST_DENIED: the lease of the
 * batch is somebody else's. */
enum status ldapstore_say_pending(struct ldapstore_writer *w, struct ldaplink_end *end) MUST_USE;
/* Raises the epoch, lists what was changed, takes back what was pending. ST_UNAVAILABLE; ST_DENIED:
 * as above. */
enum status ldapstore_raise_epoch(struct ldapstore_writer *w, struct ldaplink_end *end) MUST_USE;

/* What becomes of the leases when the store is renewed (keystore_ldap_renew.c): values of cn=store,
 * owned. All zero: nothing. */
struct ldapstore_renewal {
	struct span *seen, *raised; /* signpostLeaseHolder, before and after */
	struct span *untils;        /* signpostLeaseUntil: they go */
	size_t count, until_count;
};
#define LDAPSTORE_RENEWAL_CHANGES 3
void ldapstore_renewal_take(struct ldapstore_renewal *renewal, const struct ldapentry *entry);
/* Into the modification that raises the epoch: how many. */
size_t ldapstore_renewal_changes(const struct ldapstore_renewal *renewal,
    struct ldaplink_change changes[LDAPSTORE_RENEWAL_CHANGES]);
void ldapstore_renewal_free(struct ldapstore_renewal *renewal);

/* Gives cn=store an identity if it has none. Nothing else depends on it, so that a directory with
 * the schema of before stays what it was. ST_UNAVAILABLE: the connection is lost. */
enum status ldapstore_make_identity(struct ldapstore *own, struct ldaplink *link,
    struct ldaplink_end *end, struct err *err) MUST_USE;

/* The attributes of a row, for adding or for changing its entry. */
struct ldapstore_entry {
	struct ldaplink_change changes[LDAPLINK_CHANGES_MAX];
	size_t count;
	struct span values[LDAPLINK_CHANGES_MAX];
	char texts[LDAPLINK_CHANGES_MAX][24]; /* numbers and times */
	char digest[KEYSTORE_DIGEST_BYTES];
	struct span classes[2];
};

/* Spans point into the step's write and into *out. */
void ldapstore_entry(const struct ldapstore_step *step, struct ldapstore_entry *out);
/* The key of a step as it will be; its algorithm and public key are told in any case. */
struct store_key ldapstore_step_key(const struct ldapstore_step *step);
/* DKIMPublicKey of a key: a line of a zone file. */
void ldapstore_mirror_record(const struct store_key *row, struct buf *out);
/* What the domain of a key shows to Zimbra. record: initialized; holds a value. */
void ldapstore_entry_mirror(
    const struct ldapstore_step *step, struct buf *record, struct ldapstore_entry *out);

/* ---- listing ---- */

/* How rows of a kind are found, and the attributes that name one; second: NULL if one does. */
struct ldapstore_listing {
	const char *filter, *first, *second;
};
extern const struct ldapstore_listing ldapstore_listings[STORE_BINDING + 1];

/* Rows of one kind of an answer. */
size_t ldapstore_row_count(const struct keystore_rows *rows, enum store_what what);
/* Its name, or the first part of it; the second, or empty. */
struct span ldapstore_row_name(
    const struct keystore_rows *rows, enum store_what what, size_t i, struct span *second);
/* Adds the rows of these names ("first second") to out, in this order; what is gone is left out. */
enum status ldapstore_read_rows(struct ldapstore *own, enum store_what what,
    const struct span *names, size_t count, struct keystore_rows *out, struct err *err) MUST_USE;

/* ops of keystore.h */
enum status ldapstore_changes(struct keystore *store, uint64_t since, size_t max,
    struct store_change *out, size_t *count_out, struct store_state *state_out,
    struct err *err) MUST_USE;
enum status ldapstore_now(struct keystore *store, int64_t *utc_s_out, struct err *err) MUST_USE;
enum status ldapstore_list(struct keystore *store, enum store_what what, struct span after,
    size_t max, struct keystore_rows **out, struct err *err) MUST_USE;
enum status ldapstore_domains_of(struct keystore *store, struct span tenant, struct span after,
    size_t max, struct keystore_rows **out, struct err *err) MUST_USE;
enum status ldapstore_find(struct keystore *store, enum store_what what, const struct span *names,
    size_t count, struct keystore_rows **out, struct err *err) MUST_USE;
void ldapstore_names_free(struct ldapstore_names *names);
/* names, or NULL, are the listing that goes on. */
void ldapstore_keep_names(struct ldapstore *own, struct ldapstore_names *names);
enum status ldapstore_migrate(
    struct keystore *store, int *from_out, int *to_out, struct err *err) MUST_USE;
enum status ldapstore_renew(
    struct keystore *store, struct store_state *state_out, struct err *err) MUST_USE;
enum status ldapstore_apply(struct keystore *store, const struct keystore_write *writes,
    size_t count, size_t *at_out, struct err *err) MUST_USE;
enum status ldapstore_apply_fenced(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err) MUST_USE;
enum status ldapstore_due(struct keystore *store, int64_t now_utc, size_t max,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status ldapstore_lives(struct keystore *store, const struct span *domains, size_t count,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status ldapstore_loading(struct keystore *store, uint64_t since, size_t max,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status ldapstore_gateways(
    struct keystore *store, struct keystore_rows **out, struct err *err) MUST_USE;
enum status ldapstore_forget(struct keystore *store, struct span node, struct err *err) MUST_USE;
enum status ldapstore_report(
    struct keystore *store, const struct store_gateway *row, struct err *err) MUST_USE;
enum status ldapstore_lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err) MUST_USE;

#endif
