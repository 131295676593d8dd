/*
 * fuzz_canary.c - any octets as what gateways say of signatures that they verified, of mail that
 * was not signed, and of mail by domain: what is read can be written, and read again as the same;
 * the other lines are all that is left.
 */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/keys/canary.h"
#include "lib/keys/mailword.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
write_and_read(const struct canary_word *word)
{
	struct canary_word again;
	struct span lines;
	struct buf out;

	buf_init(&out, 1024);
	must(canary_word_write(word, &out));
	lines = buf_span(&out);
	must(canary_word_next(&lines, &again) && lines.n == 0);
	must(span_eq(again.id, word->id) && span_eq(again.domain, word->domain) &&
	     again.active == word->active && again.good == word->good &&
	     again.failures == word->failures && span_eq(again.why, word->why));
	buf_free(&out);
}

static void
read_mail(struct span lines)
{
	struct mail_word word, again;
	struct gateway_figures figures;

	if (gateway_figures_read(lines, &figures))
		must(figures.cache_per_mille <= 1000 && figures.sign_p99_us >= 0);
	while (mail_word_next(&lines, &word)) {
		struct span written;
		struct buf out;

		buf_init(&out, 1024);
		must(mail_word_write(&word, &out));
		written = buf_span(&out);
		must(mail_word_next(&written, &again) && written.n == 0);
		must(again.deferred == word.deferred && again.count == word.count &&
		     span_eq(again.tenant, word.tenant) && span_eq(again.cause, word.cause));
		written = buf_span(&out);
		must(!canary_word_next(&written, &(struct canary_word){.active = 0}));
		buf_free(&out);
	}
}

static void
read_domains(struct span lines)
{
	struct counted_word others;
	struct domain_word word, again;

	if (counted_word_read(lines, &others))
		must(others.since_s <= 3600 && others.more <= MAILWORD_COUNT_MAX);
	while (domain_word_next(&lines, &word)) {
		struct span written;
		struct buf out;

		buf_init(&out, 1024);
		must(domain_word_write(&word, &out));
		written = buf_span(&out);
		must(domain_word_next(&written, &again) && written.n == 0);
		must(span_eq(again.domain, word.domain) && again.more == word.more);
		for (unsigned i = 0; i < MAIL_FATES; i++)
			must(again.count[i] == word.count[i] &&
			     span_eq(again.cause[i], word.cause[i]));
		written = buf_span(&out);
		must(!mail_word_next(&written, &(struct mail_word){.count = 0}));
		buf_free(&out);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = mem_alloc(size + 1);
	struct span lines, line;
	struct canary_word word;

	memcpy(copy, data, size);
	copy = mem_resize(copy, size == 0 ? 1 : size, 1);
	lines = span_of(copy, size);
	while (canary_word_next(&lines, &word)) {
		must(word.id.n > 0 && word.id.n <= CANARY_ID_MAX && word.active > 0);
		must(word.why.n <= CANARY_WHY_MAX);
		write_and_read(&word);
	}
	lines = span_of(copy, size);
	while (canary_other_next(&lines, &line))
		must(line.n > 0 && line.p[0] != '=');
	read_mail(span_of(copy, size));
	read_domains(span_of(copy, size));
	mem_free(copy);
	return 0;
}
