/*
 * plan.h - what the keys of a domain should be like, and how long each wait of their life is: the
 * "plan" of a policy, a JSON object. An empty plan, or one with "manage": false, is no plan:
 * nothing makes, publishes or rotates keys of domains with such a policy.
 *
 * Durations are seconds, or a text of numbers with units ("7d", "36h", "1d12h"; s, m, h, d, w).
 */
#ifndef SIGNPOST_KEYS_PLAN_H
#define SIGNPOST_KEYS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define PLAN_ALGORITHMS_MAX 2U
#define PLAN_WINDOWS_MAX 8U
#define PLAN_NAME_MAX 63U        /* octets of a publisher's name */
#define PLAN_TEMPLATE_MAX 100U   /* octets of a template of selectors */
#define PLAN_DELEGATION_MAX 253U /* octets of the domain that customers' CNAMEs lead to */
#define PLAN_SLOTS_MIN 3         /* one that signs, one that stands by, one that ends */
#define PLAN_SLOTS_MAX 16
#define PLAN_TEXT_MAX 65536U         /* octets of the JSON */
#define PLAN_SELECTOR_MAX 63U        /* octets of a selector that is made: one label */
#define PLAN_RANDOM_BYTES 8U         /* octets that should take {random}'s place */
#define PLAN_DURATION_MAX 3153600000 /* seconds; 100 years */

struct plan_algorithm {
	char name[16]; /* "rsa-sha256", "ed25519-sha256" */
	int bits;      /* 1024 (warned about) to 8192; 256 for Ed25519 */
};

/* When a key may become active: UTC, from first to last day of a week (0: Sunday), in minutes of
 * the day; until may be behind midnight only as 1440. */
struct plan_window {
	int first_day, last_day, from_min, until_min;
};

struct key_plan {
	bool manage;
	struct plan_algorithm algorithms[PLAN_ALGORITHMS_MAX]; /* "algorithms": ["rsa-2048"] */
	size_t algorithm_count;
	char mirror[PLAN_NAME_MAX + 1];    /* "mirror": of KeyMirrors; "": none */
	char publisher[PLAN_NAME_MAX + 1]; /* "publisher": of signpost-admind.conf; "manual" */
	/* "selector": "s{year}{month}-{random}"; {year} {month} {day} {random} and [a-z0-9-];
	 * must have {random}. With a delegation "sp{slot}". */
	char selector[PLAN_TEMPLATE_MAX + 1];
	/* "delegation": "dkim.provider.example", and "slots": 3. For domains whose DNS is not ours:
	 * the selectors are fixed, plan_slot() of 1 to slots, their customer has set a CNAME for
	 * each once (plan_target()), and the records stand where those lead. The template must
	 * then have {slot} in place of {random}, and no date. "" and 0: none. Without "slots":
	 * PLAN_SLOTS_MIN for each algorithm. Lower case. */
	char delegation[PLAN_DELEGATION_MAX + 1];
	int slots;          /* PLAN_SLOTS_MIN for each algorithm, to PLAN_SLOTS_MAX */
	int64_t interval_s; /* "interval": 180d; 0: rotated only when somebody asks */
	int jitter_percent; /* "jitter": 10; of the interval, by the domain's name */
	struct plan_window windows[PLAN_WINDOWS_MAX]; /* "windows": ["Mon-Fri 08:00-16:00"] */
	size_t window_count;                          /* 0: at any time */
	/* The symbols of a key's life; see life.h. */
	int64_t ttl_s;                  /* "ttl": 1h; of our TXT record */
	int64_t neg_floor_s, neg_cap_s; /* "negative_floor": 300, "negative_cap": 24h */
	int64_t lease_s;                /* "lease": 7d */
	int64_t signature_s;            /* "signature_life": 7d; SIG */
	int64_t error_s;                /* "clock_error": 300; E */
	int64_t tomb_s;                 /* "tombstone": 30d */
	int64_t activation_wait_s; /* "activation_wait": 24h; of scheduled runs, after the first
				      proof */
	int proofs;          /* "proofs": 3; how often all authoritative servers have to agree */
	int64_t proof_gap_s; /* "proof_interval": 60; between two of them */
	int64_t timed_ack_s; /* "timed_ack": 10m; in place of gateways that report nothing */
	int64_t drift_s;     /* "drift_interval": 6h; how often what is published is looked at */
	/* "canary_window": 1h; 0: never. For so long after its activation a key whose signatures
	 * cannot be verified is rolled back without asking anybody; see life.h. */
	int64_t canary_window_s;
	int64_t retry_s, retry_max_s; /* "retry": 30, "retry_max": 1h; doubled after each failure */
	/* "give_up": 7d; of a key that never gets proven; 0: never. One that somebody is to publish
	 * by hand is waited for. */
	int64_t give_up_s;
};

/* The defaults; manage is false, no publisher. A plan that manages must name one. */
void key_plan_default(struct key_plan *out);
/* text: JSON, or empty. signature_ttl_s: x= of the policy (-1: none); without "signature_life" SIG
 * is then that and two days. Unknown fields, wrong types, and values that would break an invariant
 * (lease below clock_error, fewer than 1 proof, ...) are ST_INVALID: err names the field. Any
 * thread; no state. */
enum status key_plan_parse(
    struct span text, int64_t signature_ttl_s, struct key_plan *out, struct err *err) MUST_USE;
/* Appends the plan as JSON with all its fields; parse() reads it back to the same. */
void key_plan_write(const struct key_plan *plan, struct buf *out);

/* "7d" or "3600": ST_INVALID. */
enum status plan_duration(struct span text, int64_t *seconds_out) MUST_USE;
/* Appends "7d", "1d12h", "1m30s", "0s"; plan_duration() reads it back. */
void plan_duration_write(int64_t seconds, struct buf *out);
/* Is now in a window (or are there none)? Else *next_out is when the next one begins. */
bool plan_window_open(const struct key_plan *plan, int64_t now_utc, int64_t *next_out);
/* interval_s, moved by the jitter that the domain's name has. The same on every machine. */
int64_t plan_interval_of(const struct key_plan *plan, struct span domain);
/* Appends a selector by the template. random: lower-case letters and digits that take {random}'s
 * place. ST_TOO_BIG: longer than PLAN_SELECTOR_MAX, and nothing is appended. */
enum status plan_selector(
    const struct key_plan *plan, int64_t now_utc, struct span random, struct buf *out) MUST_USE;

/* ---- slots (plan_slots.c) ---- */

/* Of a plan with a delegation: appends the selector of a slot, 1 to slots. ST_TOO_BIG. */
enum status plan_slot(const struct key_plan *plan, int slot, struct buf *out) MUST_USE;
/* Which slot has this selector? 0: none, or no delegation. */
int plan_slot_of(const struct key_plan *plan, struct span selector);
/* Of a plan with a delegation: appends the name where the record of a selector of domain stands,
 * "SELECTOR.DOMAIN.DELEGATION". ST_TOO_BIG: no name may be so long; nothing is appended. */
enum status plan_target(const struct key_plan *plan, struct span selector, struct span domain,
    struct buf *out) MUST_USE;
/* For how long the slot of a key that stops signing is still taken: lease, signatures, tombstone,
 * and what caches keep. */
int64_t plan_slot_ends_s(const struct key_plan *plan);
/* Appends what an operator should know of a plan that is valid: an interval that is too short for
 * its slots. false: nothing. */
bool plan_slots_warn(const struct key_plan *plan, struct buf *out);

#endif
