/*
 * mailword.c - lines about mail that a gateway did not sign, or deferred, written and read.
 * Gateways write them into their rows, signpost-admind reads the rows of all. It must never believe
 * a line that it cannot read whole: a row may be anybody's.
 */
#include <inttypes.h>

#include "lib/keys/mailword.h"

#define LINE_MAX (MAILWORD_TENANT_MAX + MAILWORD_CAUSE_MAX + 48U)
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

bool
mail_word_write(const struct mail_word *word, struct buf *out)
{
	uint64_t count = word->count < MAILWORD_COUNT_MAX ? word->count : MAILWORD_COUNT_MAX;
	struct buf line;
	bool fits;

	if (!cause_is_valid(word->cause) || count == 0 ||
	    (word->tenant.n > 0 && !tenant_is_valid(word->tenant)))
		return false;
	buf_init(&line, LINE_MAX);
	buf_add_fmt(&line, MARK " %s %.*s %.*s %" PRIu64 "\n",
	    word->deferred ? "deferred" : "unsigned",
	    SPAN_ARG(word->tenant.n > 0 ? word->tenant : SPAN_LIT(NOBODY)), SPAN_ARG(word->cause),
	    count);
	fits = buf_status(&line) == ST_OK && line.n <= out->max - out->n;
	if (fits)
		buf_add(out, buf_span(&line));
	buf_free(&line);
	return fits;
}

static bool
read_line(struct span line, struct mail_word *out)
{
	struct span mark, what, count, more;

	if (!span_word(&line, &mark) || !span_eq_str(mark, MARK) || !span_word(&line, &what) ||
	    !span_word(&line, &out->tenant) || !span_word(&line, &out->cause) ||
	    !span_word(&line, &count) || span_word(&line, &more))
		return false;
	out->deferred = span_eq_str(what, "deferred");
	if (span_eq_str(out->tenant, NOBODY))
		out->tenant = SPAN_EMPTY;
	return (out->deferred || span_eq_str(what, "unsigned")) &&
	       (out->tenant.n == 0 || tenant_is_valid(out->tenant)) && cause_is_valid(out->cause) &&
	       span_number(count, MAILWORD_COUNT_MAX, &out->count) && out->count > 0;
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

bool
gateway_figures_write(const struct gateway_figures *figures, struct buf *out)
{
	struct buf line;
	bool fits;

	buf_init(&line, LINE_MAX);
	buf_add_fmt(&line, MARK " figures %" PRIu32 " %" PRId64 "\n", figures->cache_per_mille,
	    figures->sign_p99_us);
	fits = buf_status(&line) == ST_OK && line.n <= out->max - out->n;
	if (fits)
		buf_add(out, buf_span(&line));
	buf_free(&line);
	return fits;
}

static bool
read_figures(struct span line, struct gateway_figures *out)
{
	struct span mark, what, cache, sign, more;
	uint64_t per_mille, us;

	if (!span_word(&line, &mark) || !span_eq_str(mark, MARK) || !span_word(&line, &what) ||
	    !span_eq_str(what, "figures") || !span_word(&line, &cache) ||
	    !span_word(&line, &sign) || span_word(&line, &more) ||
	    !span_number(cache, 1000, &per_mille) || !span_number(sign, MAILWORD_COUNT_MAX, &us))
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
