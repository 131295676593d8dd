/*
 * mail_sums.c - mail that was not signed, and mail of a domain, added up over all gateways.
 * Called by operation_unsigned.c, operation_domain_stats.c and the thread of events. It must never
 * count what a gateway said that is silent since.
 */
#include "config.h"

#include "admin-api/mail_sums.h"
#include "admin-api/operation_lives.h"

bool
mail_is_as_configured(const struct mail_word *word)
{
	static const char *const causes[] = {"not_ours", "exempt", "recipient", "peer", "mode"};

	for (size_t i = 0; !word->deferred && i < sizeof(causes) / sizeof(causes[0]); i++)
		if (span_eq_str(word->cause, causes[i]))
			return true;
	return false;
}

static void
add_word(struct mail_sums *sums, const struct mail_word *word)
{
	size_t i = 0;

	if (!mail_is_as_configured(word))
		sums->total[word->deferred] += word->count;
	while (i < sums->count && (sums->words[i].deferred != word->deferred ||
				      !span_eq(sums->words[i].cause, word->cause) ||
				      !span_eq(sums->words[i].tenant, word->tenant)))
		i++;
	if (i < sums->count)
		sums->words[i].count += word->count;
	else if (sums->count < MAIL_SUMS_MAX)
		sums->words[sums->count++] = *word;
}

static bool
is_silent(const struct store_gateway *gateway, int64_t now_utc)
{
	return gateway->at + GATEWAY_SILENCE_S < now_utc;
}

static void
add_gateway(struct mail_sums *sums, const struct store_gateway *gateway, int64_t now_utc)
{
	struct span lines = gateway->failed;
	struct mail_word word;

	if (is_silent(gateway, now_utc)) {
		sums->silent++;
		return;
	}
	sums->gateways++;
	while (mail_word_next(&lines, &word))
		if (sums->only.n == 0 || span_eq(sums->only, word.tenant))
			add_word(sums, &word);
}

void
mail_sums_make(struct mail_sums *sums, const struct keystore_rows *rows, int64_t now_utc)
{
	for (size_t i = 0; i < rows->gateway_count; i++)
		add_gateway(sums, &rows->gateways[i], now_utc);
}

bool
mail_of_gateway(const struct store_gateway *gateway, struct span domain, int64_t now_utc,
    struct domain_word *out, uint32_t *since_s_out)
{
	struct span lines = gateway->failed;
	struct counted_word others;

	if (is_silent(gateway, now_utc) || !counted_word_read(gateway->failed, &others))
		return false;
	*since_s_out = others.since_s;
	while (domain_word_next(&lines, out))
		if (span_eq(out->domain, domain))
			return true;
	*out = (struct domain_word){.domain = domain, .more = others.more};
	return true;
}

void
mail_of_domain_make(struct mail_of_domain *out, const struct keystore_rows *rows,
    struct span domain, int64_t now_utc)
{
	uint64_t most[MAIL_FATES] = {0};

	*out = (struct mail_of_domain){.since_s = UINT32_MAX};
	for (size_t i = 0; i < rows->gateway_count; i++) {
		const struct store_gateway *gateway = &rows->gateways[i];
		struct domain_word word;
		uint32_t since_s;

		if (!mail_of_gateway(gateway, domain, now_utc, &word, &since_s)) {
			(*(is_silent(gateway, now_utc) ? &out->silent : &out->without))++;
			continue;
		}
		out->gateways++;
		out->since_s = since_s < out->since_s ? since_s : out->since_s;
		out->more += word.more;
		for (unsigned fate = 0; fate < MAIL_FATES; fate++) {
			out->count[fate] += word.count[fate];
			if (word.count[fate] <= most[fate])
				continue;
			most[fate] = word.count[fate];
			out->cause[fate] = word.cause[fate];
		}
	}
	if (out->gateways == 0)
		out->since_s = 0;
}
