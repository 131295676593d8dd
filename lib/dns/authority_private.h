/*
 * authority_private.h - what the files of the asking of authoritative servers share: what an
 * answer says (authority_read.c), questions on the wire (authority_exchange.c), zones and their
 * servers (authority_zone.c), the way of one name (authority_name.c), and what follows from the
 * replies (authority_judge.c).
 *
 * A call works in rounds: everything that can be asked now is asked at once, and what the answers
 * lead to is asked in the next one.
 */
#ifndef SIGNPOST_DNS_AUTHORITY_PRIVATE_H
#define SIGNPOST_DNS_AUTHORITY_PRIVATE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/base/buf.h"
#include "lib/dns/authority.h"
#include "lib/dns/wire.h"

#define AUTHORITY_NAME_BYTES 256U /* a name as text without final dot, with its NUL */
#define AUTHORITY_NAME_MAX 253U
#define AUTHORITY_HOSTS_MAX 32U    /* names of servers of a zone; more: not asked at all */
#define AUTHORITY_WALK_HOSTS 4U    /* of a zone that only leads to another one */
#define AUTHORITY_ADDRESSES_MAX 8U /* of one server; more are left out */
#define AUTHORITY_RECORDS_MAX 16U  /* TXT records of one name that are read */
#define AUTHORITY_GLUE_MAX 64U     /* addresses in one referral */
#define AUTHORITY_STAGES_MAX 8U    /* aliases and referrals on the way of one name */
#define AUTHORITY_MESSAGE_MAX 65535U
#define AUTHORITY_TRIES 3U
#define AUTHORITY_RESOLVER_ROUNDS 2U
#define AUTHORITY_WALK_TRIES 6U /* servers of a zone that are asked for one that answers */

enum authority_type {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_TXT = 16,
	TYPE_AAAA = 28,
	TYPE_DS = 43
};

#define RCODE_NOERROR 0U
#define RCODE_FORMERR 1U
#define RCODE_NXDOMAIN 3U
#define RCODE_NOTIMP 4U

/* ---- names, as text without final dot, small letters ---- */

/* Letters, digits, '-' and '_', labels of 1 to 63 octets, at most AUTHORITY_NAME_MAX in all. */
bool authority_name_is_plain(struct span name);
/* Plain and small into out; false and "" when it is not plain. */
bool authority_name_take(struct span name, char out[AUTHORITY_NAME_BYTES]);
/* name is parent or below it. */
bool authority_name_in(const char *name, const char *parent);
/* Without its first label; "" of a single one. */
const char *authority_name_up(const char *name);
/* The domain of a selector: what is behind the last label "_domainkey"; without one, the name
 * without its first label. Only this may be asked of recursive resolvers, and what is above. */
const char *authority_name_base(const char *name);

/* out: AUTHORITY_WHY_BYTES; what does not fit is cut. */
void authority_say(char *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- what an answer says (authority_read.c; pure) ---- */

struct authority_glue {
	char name[AUTHORITY_NAME_BYTES];
	unsigned family; /* AF_INET, AF_INET6 */
	uint8_t octets[16];
};

/* Of one question; big: one for many answers, one after the other. */
struct authority_answer {
	unsigned rcode;
	bool authoritative, validated; /* AA, AD */

	/* At the name itself, aliases not followed. */
	unsigned records;                         /* TXT; more than are in texts: too many */
	struct span texts[AUTHORITY_RECORDS_MAX]; /* strings joined, in room */
	bool aliased;
	char alias[AUTHORITY_NAME_BYTES]; /* of a CNAME; "" when that is no plain name */
	unsigned ds;
	uint32_t ttl_s; /* the longest of TXT and CNAME */

	bool soa;       /* there is one, in the answer or the authority section */
	uint32_t neg_s; /* min(its TTL, its MINIMUM) */

	/* NS records, of the answer section or else of the authority section. */
	char ns_owner[AUTHORITY_NAME_BYTES];
	char ns[AUTHORITY_HOSTS_MAX][AUTHORITY_NAME_BYTES];
	unsigned ns_count;
	bool ns_too_many, ns_answered; /* answered: in the answer section */

	/* A and AAAA records: of the answer section whatever their owner is (a resolver followed
	 * aliases), and of the additional one. */
	struct authority_glue glue[AUTHORITY_GLUE_MAX];
	unsigned glue_count;

	char room[AUTHORITY_MESSAGE_MAX];
};

/* ST_INVALID: torn. message begins with the header; that it answers the question is known. */
enum status authority_answer_read(struct span message, struct authority_answer *out) MUST_USE;

/* ---- questions on the wire (authority_exchange.c) ---- */

/* One address. Found once, asked in many exchanges. */
struct authority_server {
	struct sockaddr_storage address;
	socklen_t address_bytes;
	char text[INET6_ADDRSTRLEN + 8]; /* without port unless it is a special one */
	char name[AUTHORITY_NAME_BYTES]; /* the NS name with which it came; "": a resolver */
	unsigned flying;                 /* questions */
	unsigned silent;                 /* tries without answer since its last one */
	unsigned bad;                    /* how often it was of no use: others are asked first */
	bool heard, no_route;
};

enum authority_outcome {
	AUTHORITY_ANSWERED,
	AUTHORITY_SILENT,   /* no answer to any try */
	AUTHORITY_REFUSED,  /* no program takes questions there (ICMP) */
	AUTHORITY_NO_TCP,   /* the answer does not fit into UDP, and TCP does not work */
	AUTHORITY_NO_ROUTE, /* this machine has no way there */
	AUTHORITY_TORN,     /* an answer came that cannot be read */
	AUTHORITY_NO_SOCKET /* this process cannot open more */
};

struct authority_call;
struct authority_exchange;

/* answer: NULL unless the outcome is AUTHORITY_ANSWERED. */
typedef void authority_done(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer);

#define AUTHORITY_QUERY_BYTES 320U

struct authority_exchange {
	struct authority_server *server;
	char name[AUTHORITY_NAME_BYTES];
	enum authority_type type;
	bool recursive; /* RD=1 and AD=1 */
	unsigned tries;
	authority_done *done;
	void *owner;
	size_t index; /* the owner's */
	enum authority_outcome outcome;
	struct span message; /* valid in done */

	/* On the wire. */
	int fd; /* -1: none */
	bool tcp, plain, connected;
	unsigned tried;
	int64_t until_ms;
	uint16_t id;
	uint8_t query[AUTHORITY_QUERY_BYTES]; /* two octets of length for TCP in front */
	size_t query_bytes, sent;
	uint8_t *in; /* TCP: owned */
	size_t in_bytes;
};

/* Builds the question anew, with another id and spelling; also RFC 6891's OPT unless plain. */
void authority_query_build(struct authority_exchange *exchange);

enum authority_fit {
	AUTHORITY_FIT,
	AUTHORITY_NOT_OURS,    /* another id, another question: go on waiting */
	AUTHORITY_TRUNCATED,   /* ask over TCP */
	AUTHORITY_RESPELLED,   /* the spelling was not kept: ask over TCP, where nobody guesses */
	AUTHORITY_NO_EXTENSION /* ask without OPT */
};
/* Whether message answers what was built last. Pure. */
enum authority_fit authority_query_fits(
    const struct authority_exchange *exchange, struct span message);

/* All of them, until each is done; done is called from within. */
void authority_exchange_run(struct authority_call *call, struct authority_exchange **exchanges,
    size_t count, int timeout_ms);
const char *authority_outcome_words(enum authority_outcome outcome); /* "does not answer" */

/* ---- replies about one name, and what follows (authority_judge.c; pure) ---- */

enum authority_reply_kind {
	REPLY_NOTHING_YET, /* not asked; nothing to be judged has it */
	REPLY_NONE,        /* NXDOMAIN, or no TXT */
	REPLY_VALUE,
	REPLY_OTHER,
	REPLY_FOREIGN,
	REPLY_WILDCARD,
	REPLY_ALIAS,    /* to a name; judged only if that is not where the others lead */
	REPLY_REFERRAL, /* to servers of a zone below; never judged */
	REPLY_NO_ROUTE, /* counts as not there */
	REPLY_FAULT
};

struct authority_reply {
	enum authority_reply_kind kind;
	const struct authority_server *server; /* NULL: a name of a server without any address */
	const char *host;                      /* then this one; borrowed */
	const char *fault;                     /* "does not answer"; static */
	bool nxdomain;
	bool kept; /* about the name that an alias has led away from; stays as it is */
	unsigned records;
	uint32_t ttl_s;
	uint64_t digest; /* of all texts or the alias, whatever their order */
	char *texts;     /* the first ones, owned, one behind the other */
	size_t text_bytes[AUTHORITY_TEXTS_MAX];
	unsigned text_count;
	char alias[AUTHORITY_NAME_BYTES];
};

/* The kind of an authoritative answer; takes over its texts. */
void authority_reply_read(struct authority_reply *reply, const struct authority_answer *answer,
    struct span value, struct span other);
void authority_reply_free(struct authority_reply *reply);
/* From replies to seen, servers, right, ttl_s, why, texts. */
void authority_judge(
    struct authority_question *question, const struct authority_reply *replies, size_t count);
/* Octets that are printable ASCII as they are, others as \DDD; cut at the end of out. */
void authority_printable(struct span text, char *out, size_t out_bytes);

/* ---- zones and servers (authority_zone.c) ---- */

struct authority_host {
	char name[AUTHORITY_NAME_BYTES];
	struct authority_server *servers[AUTHORITY_ADDRESSES_MAX];
	unsigned count;
	struct {
		bool asked, known; /* asked: in this round */
		unsigned tries;
	} lookups[2]; /* A, AAAA */
	bool failed;  /* no resolver could say */
};

enum authority_ds { DS_UNKNOWN, DS_NONE, DS_THERE };

struct authority_zone {
	char name[AUTHORITY_NAME_BYTES];
	struct authority_zone *parent; /* NULL: found by recursion */
	struct authority_host *hosts[AUTHORITY_HOSTS_MAX];
	unsigned host_count;
	bool too_many;
	struct authority_server *servers[AUTHORITY_SERVERS_MAX];
	bool asked[AUTHORITY_SERVERS_MAX]; /* for NS and SOA */
	unsigned server_count;
	bool all;              /* all of its servers are needed: a record is there */
	bool walkable;         /* some servers are known, or nothing more will be */
	bool ready, ready_all; /* nothing more will be known; with all */
	uint32_t neg_s;
	enum authority_ds ds;
	unsigned ds_tries;
};

/* In which zone a name is: of each name on the way down, once in a call. */
struct authority_cut {
	char name[AUTHORITY_NAME_BYTES];
	struct authority_cut *up; /* NULL: a top-level name */
	struct authority_zone *zone;
	bool done, failed; /* failed: nothing below it can be found either */
	unsigned tries;
	char why[AUTHORITY_WHY_BYTES]; /* done without zone */
};

struct authority_list {
	void **items; /* owned, and each of them too */
	size_t count, room;
};
void authority_list_add(struct authority_list *list, void *item);

struct authority {
	struct authority_server *resolvers[AUTHORITY_RESOLVERS_MAX];
	unsigned resolver_count;
	char *resolver_texts[AUTHORITY_RESOLVERS_MAX]; /* "ADDRESS@PORT" */
	char *trust_anchors;
	uint16_t port;
	int timeout_ms;
	bool no_ipv6;
};

struct authority_call {
	struct authority *authority;
	struct authority_list servers, hosts, zones, cuts, names;
	struct authority_list waiting; /* exchanges of the next round */
	struct authority_answer *answer;
	bool moved; /* something went on without asking */
};

/* An exchange of the next round; done is called at its end. tries: 1 where another server can be
 * asked, else AUTHORITY_TRIES. */
void authority_call_ask(struct authority_call *call, struct authority_server *server,
    const char *name, enum authority_type type, unsigned tries, authority_done *done, void *owner,
    size_t index);
struct authority_server *authority_server_get(
    struct authority_call *call, const char *host, unsigned family, const uint8_t *octets);
/* The least bad one of those, or NULL. */
struct authority_server *authority_server_choose(
    struct authority_server *const *servers, unsigned count);
/* A recursive resolver is asked; RD=1. */
void authority_call_recurse(struct authority_call *call, const char *name, enum authority_type type,
    authority_done *done, void *owner, size_t index);
unsigned authority_resolver_tries(const struct authority_call *call);

struct authority_cut *authority_cut_get(struct authority_call *call, const char *name);
/* A zone that a referral or an answer with NS records shows. */
struct authority_zone *authority_zone_get(struct authority_call *call, const char *name,
    struct authority_zone *parent, const struct authority_answer *answer);
void authority_zone_add_hosts(struct authority_call *call, struct authority_zone *zone,
    const struct authority_answer *answer);
void authority_zone_step(struct authority_call *call, struct authority_zone *zone);
void authority_cut_step(struct authority_call *call, struct authority_cut *cut);
bool authority_zone_is_signed(const struct authority_zone *zone);

/* ---- hosts (authority_host.c) ---- */

struct authority_host *authority_host_get(struct authority_call *call, const char *name);
void authority_host_add(struct authority_call *call, struct authority_host *host, unsigned family,
    const uint8_t *octets);
/* Asks for what is not known yet: true when something is under way. */
bool authority_host_step(struct authority_call *call, struct authority_host *host);

/* ---- the way of one name (authority_name.c) ---- */

/* The text of p= without blanks into out; false: there is none. Pure. */
bool authority_text_key(struct span text, struct buf *out);

/* ---- wrong names (authority_mistake.c; pure) ---- */

#define AUTHORITY_MISTAKES 4U
const char *authority_mistake_words(unsigned mistake);
/* name: "SELECTOR._domainkey.DOMAIN" in the zone; out is "" when it cannot be that mistake. */
void authority_mistake_name(
    unsigned mistake, const char *name, const char *zone, char out[AUTHORITY_NAME_BYTES]);
/* The key of value is in one of the texts: there it is. */
/* Is it a CNAME that leads there? */
bool authority_mistake_leads(const struct authority_answer *answer, struct span leads_to);
bool authority_mistake_has(const struct authority_answer *answer, struct span value);

struct authority_way;
struct authority_way *authority_way_begin(
    struct authority_call *call, struct authority_question *question);
void authority_way_step(struct authority_call *call, struct authority_way *way);
/* Answers "unavailable" if it is not done. */
void authority_way_end(struct authority_way *way);

#endif
