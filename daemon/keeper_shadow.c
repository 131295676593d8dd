/*
 * keeper_shadow.c - the keeper's part of shadow mode: the report, and answers that go into it.
 * Called by keeper_open.c and keeper.c. It must never have a message signed, deferred or refused.
 */
#include "daemon/keeper_private.h"
#include "lib/base/log.h"

enum status
keeper_shadow_open(struct keeper *keeper, const struct conf *conf, struct err *err)
{
	const char *where = conf_string(conf, CONF_SHADOW_REPORT);

	if (where == NULL)
		return ST_OK;
	return shadowlog_open(where, conf_int(conf, CONF_SHADOW_REPORT_SIZE), &keeper->report, err);
}

enum status
keeper_shadow_start(struct keeper *keeper, const struct conf *conf, struct err *err)
{
	enum status status;

	if (keeper->report == NULL)
		return ST_OK;
	status = shadowlog_start(keeper->report, err);
	if (status == ST_OK)
		log_line(LOG_LEVEL_NOTICE,
		    "shadow mode: nothing is signed, changed or refused; what would have been is "
		    "in "
		    "ShadowReport %s",
		    conf_string(conf, CONF_SHADOW_REPORT));
	return status;
}

/* ---- answers ---- */

/* PeerList is asked in the connection else, for which an MTA waits. */
void
keeper_shadow_decide(
    const struct keeper *keeper, const struct request *request, struct decision *decision)
{
	decision_make(keeper->rules, request, decision);
	if (!decision_peer(keeper->rules, request))
		return;
	decision->verdict = VERDICT_PASS;
	decision->reason = METRIC_UNSIGNED_PEER;
}

void
keeper_shadow_answer(const struct keeper *keeper, const struct request *request,
    const struct decision *decision, struct reply *reply)
{
	struct span rest = request->signers, signer;

	reply->would = reply->verdict;
	reply->verdict = VERDICT_SHADOW;
	reply->trusted = 0;
	for (uint32_t bit = 0; bit < FRAME_SIGNERS_MAX && frame_list_next(&rest, &signer); bit++)
		if (decision_trusts(keeper->rules, request, decision, signer))
			reply->trusted |= (uint32_t)1 << bit;
	if (reply->would != VERDICT_SIGN)
		reply->text =
		    span_str(metrics_label_value(METRIC_UNSIGNED, (unsigned int)decision->reason));
	else if (reply->field_count == 0)
		reply->would = VERDICT_TEMPFAIL;
}
