/*
 * plan_private.h - what plan.c and plan_text.c say to each other: the small grammars inside a plan.
 * All pure; any thread.
 */
#ifndef SIGNPOST_KEYS_PLAN_PRIVATE_H
#define SIGNPOST_KEYS_PLAN_PRIVATE_H

#include "lib/keys/plan.h"

#define PLAN_HOUR 3600
#define PLAN_DAY 86400
#define PLAN_DAY_MIN 1440 /* minutes of a day */

/* "rsa-2048", "ed25519". */
bool plan_algorithm_parse(struct span text, struct plan_algorithm *out);
void plan_algorithm_write(const struct plan_algorithm *algorithm, struct buf *out);
/* "Mon-Fri 08:00-16:00", "Sun 00:00-24:00", "22:00-24:00" (each day). */
bool plan_window_parse(struct span text, struct plan_window *out);
void plan_window_write(const struct plan_window *window, struct buf *out);
/* [A-Za-z0-9._-]; the empty name too. */
bool plan_name_is_valid(struct span name);
/* A template that makes valid selectors, with PLAN_RANDOM_BYTES of random letters, or with the
 * number of a slot. */
bool plan_template_is_valid(struct span text);
bool plan_template_has_slot(struct span text);
/* Appends the selector of a template with the number of a slot. ST_TOO_BIG, also for one without
 * {slot}. */
enum status plan_template_slot(struct span text, int slot, struct buf *out) MUST_USE;
/* Labels of letters, digits and '-' (or '_' in front), two at least, no final dot. */
bool plan_domain_is_valid(struct span name);

#endif
