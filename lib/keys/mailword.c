/*
 * mailword.c - lines about mail that a gateway signed, did not sign, or deferred, written and read.
 * Gateways write them into their rows, signpost-admind reads the rows of all. It must never believe
 * a line that it cannot read whole: a row may be anybody's.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/keys/mailword.h"

#define LINE_MAX (MAILWORD_DOMAIN_MAX + 2 * MAILWORD_CAUSE_MAX + 96U)
#define HOUR_S 3600U
#define MARK "=!"
#define NOBODY "-"

static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
tenant_is_valid(struct span tenant)
{
	for (size_t i = 0; i < tenant.n; i++) {
		char c = tenant.p[i];

		if (!is_letter_or_digit(c) && (i == 0 || (c != '-' && c != '_' && c != '.')))
			return false;
	}
	return tenant.n > 0 && tenant.n <= MAILWORD_TENANT_MAX;
}

static bool
cause_is_valid(struct span cause)
{
	for (size_t i = 0; i < cause.n; i++)
		if ((cause.p[i] < 'a' || cause.p[i] > 'z') && cause.p[i] != '_')
			return false;
	return cause.n > 0 && cause.n <= MAILWORD_CAUSE_MAX;
}

static bool
domain_is_valid(struct span domain)
{
	for (size_t i = 0; i < domain.n; i++) {
		char c = domain.p[i];

		if (!is_letter_or_digit(c) && c != '-' && c != '_' && (i == 0 || c != '.'))
			return false;
	}
	return domain.n > 0 && domain.n <= MAILWORD_DOMAIN_MAX;
}

static uint64_t
at_most(uint64_t count)
{
	return count < MAILWORD_COUNT_MAX ? count : MAILWORD_COUNT_MAX;
}

/* One line, or nothing. */
static bool PRINTF_LIKE(2, 3) write_line(struct buf *out, const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line) || (size_t)n > out->max - out->n)
		return false;
	buf_add(out, span_of(line, (size_t)n));
	return true;
}

/* Takes the mark and the first word of a line; is it this one? */
static bool
line_says(struct span *line, const char *wanted)
{
	struct span mark, what;

	return span_word(line, &mark) && span_eq_str(mark, MARK) && span_word(line, &what) &&
	       span_eq_str(what, wanted);
}

/* The next word is a number, 0 and max included. */
static bool
next_number(struct span *line, uint64_t max, uint64_t *out)
{
	struct span word;

	return span_word(line, &word) && span_number(word, max, out);
}

/* Nothing but white space. */
static bool
line_is_over(struct span line)
{
	struct span more;

	return !span_word(&line, &more);
}

bool
mail_word_write(const struct mail_word *word, struct buf *out)
{
	if (!cause_is_valid(word->cause) || word->count == 0 ||
	    (word->tenant.n > 0 && !tenant_is_valid(word->tenant)))
		return false;
	return write_line(out, MARK " %s %.*s %.*s %" PRIu64 "\n",
	    word->deferred ? "deferred" : "unsigned",
	    SPAN_ARG(word->tenant.n > 0 ? word->tenant : SPAN_LIT(NOBODY)), SPAN_ARG(word->cause),
	    at_most(word->count));
}

static bool
read_line(struct span line, struct mail_word *out)
{
	struct span mark, what;

	if (!span_word(&line, &mark) || !span_eq_str(mark, MARK) || !span_word(&line, &what) ||
	    !span_word(&line, &out->tenant) || !span_word(&line, &out->cause) ||
	    !next_number(&line, MAILWORD_COUNT_MAX, &out->count) || !line_is_over(line))
		return false;
	out->deferred = span_eq_str(what, "deferred");
	if (span_eq_str(out->tenant, NOBODY))
		out->tenant = SPAN_EMPTY;
	return (out->deferred || span_eq_str(what, "unsigned")) &&
	       (out->tenant.n == 0 || tenant_is_valid(out->tenant)) && cause_is_valid(out->cause) &&
	       out->count > 0;
}

bool
mail_word_next(struct span *lines, struct mail_word *out)
{
	struct span line;

	while (lines->n > 0) {
		(void)span_cut(lines, '\n', &line);
		if (read_line(line, out))
			return true;
	}
	return false;
}

/* ---- of domains ---- */

static struct span
cause_or_none(struct span cause)
{
	return cause.n > 0 ? cause : SPAN_LIT(NOBODY);
}

bool
domain_word_write(const struct domain_word *word, struct buf *out)
{
	for (unsigned i = MAIL_UNSIGNED; i < MAIL_FATES; i++)
		if (word->cause[i].n > 0 && !cause_is_valid(word->cause[i]))
			return false;
	if (!domain_is_valid(word->domain))
		return false;
	return write_line(out,
	    MARK " domain %.*s %" PRIu64 " %" PRIu64 " %.*s %" PRIu64 " %.*s %" PRIu64 "\n",
	    SPAN_ARG(word->domain), at_most(word->count[MAIL_SIGNED]),
	    at_most(word->count[MAIL_UNSIGNED]),
	    SPAN_ARG(cause_or_none(word->cause[MAIL_UNSIGNED])),
	    at_most(word->count[MAIL_DEFERRED]),
	    SPAN_ARG(cause_or_none(word->cause[MAIL_DEFERRED])), at_most(word->more));
}

/* A number, and why. */
static bool
read_failures(struct span *line, uint64_t *count, struct span *cause)
{
	if (!next_number(line, MAILWORD_COUNT_MAX, count) || !span_word(line, cause))
		return false;
	if (!span_eq_str(*cause, NOBODY))
		return cause_is_valid(*cause);
	*cause = SPAN_EMPTY;
	return true;
}

static bool
read_domain(struct span line, struct domain_word *out)
{
	out->cause[MAIL_SIGNED] = SPAN_EMPTY;
	return line_says(&line, "domain") && span_word(&line, &out->domain) &&
	       domain_is_valid(out->domain) &&
	       next_number(&line, MAILWORD_COUNT_MAX, &out->count[MAIL_SIGNED]) &&
	       read_failures(&line, &out->count[MAIL_UNSIGNED], &out->cause[MAIL_UNSIGNED]) &&
	       read_failures(&line, &out->count[MAIL_DEFERRED], &out->cause[MAIL_DEFERRED]) &&
	       next_number(&line, MAILWORD_COUNT_MAX, &out->more) && line_is_over(line);
}

bool
domain_word_next(struct span *lines, struct domain_word *out)
{
	struct span line;

	while (lines->n > 0) {
		(void)span_cut(lines, '\n', &line);
		if (read_domain(line, out))
			return true;
	}
	return false;
}

bool
counted_word_write(const struct counted_word *word, struct buf *out)
{
	return write_line(out, MARK " counted %" PRIu32 " %" PRIu64 "\n",
	    word->since_s < HOUR_S ? word->since_s : HOUR_S, at_most(word->more));
}

bool
counted_word_read(struct span lines, struct counted_word *out)
{
	struct span line;
	uint64_t since_s;

	while (lines.n > 0) {
		(void)span_cut(&lines, '\n', &line);
		if (!line_says(&line, "counted") || !next_number(&line, HOUR_S, &since_s) ||
		    !next_number(&line, MAILWORD_COUNT_MAX, &out->more) || !line_is_over(line))
			continue;
		out->since_s = (uint32_t)since_s;
		return true;
	}
	return false;
}

/* ---- of the gateway ---- */

bool
gateway_figures_write(const struct gateway_figures *figures, struct buf *out)
{
	return write_line(out, MARK " figures %" PRIu32 " %" PRId64 "\n", figures->cache_per_mille,
	    figures->sign_p99_us);
}

static bool
read_figures(struct span line, struct gateway_figures *out)
{
	uint64_t per_mille, us;

	if (!line_says(&line, "figures") || !next_number(&line, 1000, &per_mille) ||
	    !next_number(&line, MAILWORD_COUNT_MAX, &us) || !line_is_over(line))
		return false;
	*out = (struct gateway_figures){(uint32_t)per_mille, (int64_t)us};
	return true;
}

bool
gateway_figures_read(struct span lines, struct gateway_figures *out)
{
	struct span line;

	while (lines.n > 0) {
		(void)span_cut(&lines, '\n', &line);
		if (read_figures(line, out))
			return true;
	}
	return false;
}
