/*
 * mail_sums.c - mail that was not signed, added up over all gateways.
 * Called by operation_unsigned.c and by the thread of events. It must never count what a gateway
 * said that is silent since.
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

static void
add_gateway(struct mail_sums *sums, const struct store_gateway *gateway, int64_t now_utc)
{
	struct span lines = gateway->failed;
	struct mail_word word;

	if (gateway->at + GATEWAY_SILENCE_S < now_utc) {
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
