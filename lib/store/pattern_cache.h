/*
 * pattern_cache.h - compiled patterns, kept for a while: the patterns of tenants come with the
 * rows of a store, a few for each message, and compiling one costs as much as a hundred matches.
 * An entry is known by the text of its pattern alone and is a pure function of it, so it does not
 * matter whose pattern it was.
 */
#ifndef SIGNPOST_STORE_PATTERN_CACHE_H
#define SIGNPOST_STORE_PATTERN_CACHE_H

#include "lib/base/span.h"
#include "lib/base/status.h"

#define PATTERN_CACHE_ENTRIES 4096U
/* A few letters can be a program of 64 KiB: larger ones than this are not kept. */
#define PATTERN_CACHE_REGEX_MAX 4096U
/* Steps of PCRE2's matcher for one pattern and one address: a tenth of what a table may spend,
 * since there may be a thousand patterns and their writer pays for none of it. */
#define PATTERN_CACHE_STEPS 20000U

struct pattern_cache;

struct pattern_cache *pattern_cache_new(void);
void pattern_cache_free(struct pattern_cache *cache); /* nobody may be inside; NULL is fine */

/* Does the pattern match the whole key? Both in lower case. ST_OK, ST_ABSENT; ST_INVALID: it is no
 * pattern, or it took too long; *err says which. cache may be NULL: compiled for this once. Any
 * thread; no lock is held while matching. */
enum status pattern_cache_match(
    struct pattern_cache *cache, struct span pattern, struct span key, struct err *err) MUST_USE;

#endif
