/*
 * pattern.h - one pattern of a refile table or of a tenant: opendkim's glob, which is an extended
 * regular expression in disguise, as PCRE2 with limits; or, when it has no live metacharacter, as
 * what it really is: a literal or a glob of '*'.
 */
#ifndef SIGNPOST_STORE_PATTERN_H
#define SIGNPOST_STORE_PATTERN_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define PATTERN_MATCH_LIMIT 200000 /* steps of PCRE2's matcher for one query and one pattern */
#define PATTERN_DEPTH_LIMIT 20000  /* nested backtracking points */
#define PATTERN_HEAP_LIMIT_KIB 8192

enum pattern_kind {
	PATTERN_LITERAL, /* matches itself only */
	PATTERN_GLOB,    /* literals and '*' */
	PATTERN_REGEX    /* has one of []{}()?|^$\ */
};

struct pattern_regex;

enum pattern_kind pattern_kind(struct span pattern);

/* '*' matches any octets, '@' and '.' too; everything else itself. Both lower-cased by the caller
 * when case does not count. Time is at most pattern.n * key.n. */
bool pattern_glob_match(struct span pattern, struct span key);

/* The part of a glob behind its last '*', from its first '@' or '.' on; empty when there is none.
 * Every key that matches ends in it. */
struct span pattern_glob_suffix(struct span pattern);

/* Can it be matched with? Only a regular expression cannot: ST_INVALID with PCRE2's reason. */
enum status pattern_check(struct span pattern, struct err *err) MUST_USE;

/* opendkim's translation: '*' to ".*", '+' and '.' escaped, all in "^...$". */
void pattern_to_ere(struct span pattern, struct buf *ere);
/* The same language in PCRE2's syntax. ST_INVALID: what an ERE does not allow. */
enum status pattern_ere_to_pcre(struct span ere, struct buf *pcre, struct err *err) MUST_USE;

/* ST_INVALID with PCRE2's reason. Free with pattern_regex_free. */
enum status pattern_regex_compile(
    struct span pattern, bool icase, struct pattern_regex **out, struct err *err) MUST_USE;
void pattern_regex_free(struct pattern_regex *regex); /* NULL is fine */
/* From now on only whole keys match ("a|b" is "^a|b$" in opendkim's words, which begins with a or
 * ends in b), in at most so many steps. Before anybody matches with it. */
void pattern_regex_whole(struct pattern_regex *regex, unsigned steps);
size_t pattern_regex_bytes(const struct pattern_regex *regex); /* of its compiled form */

/* ST_OK matches, ST_ABSENT does not, ST_INVALID: a limit was reached. Any thread. */
enum status pattern_regex_match(const struct pattern_regex *regex, struct span key) MUST_USE;

#endif
