/*
 * negotiate.c - what to answer to an MTA's offer: the first packet of every connection.
 * Called by the session once per connection. Pure.
 * It must never answer a bit that was not offered or that the agreed version does not know: MTAs
 * (Sendmail, Postfix) then drop the filter.
 */
#include "daemon/milter/milter.h"

static uint32_t
known_actions(uint32_t version)
{
	return version >= 6 ? SMFIF_V6 : SMFIF_V2;
}

/* Version 5 was never released; an MTA that says so is treated as version 4. */
static uint32_t
known_protocol(uint32_t version)
{
	static const uint32_t known[] = {[2] = SMFIP_V2,
	    [3] = SMFIP_V3,
	    [4] = SMFIP_V4,
	    [5] = SMFIP_V4,
	    [MILTER_VERSION_MAX] = SMFIP_V6};

	return known[version];
}

static uint32_t
agreed_protocol(uint32_t both, bool pipelining)
{
	if (!pipelining)
		both &= ~SMFIP_NR_ALL;
	if ((both & SMFIP_MDS_1M) != 0)
		both &= ~SMFIP_MDS_256K;
	return both;
}

enum status
milter_negotiate(const struct milter_options *offer, const struct milter_want *want,
    struct milter_options *result_out, struct err *err)
{
	uint32_t version =
	    offer->version < MILTER_VERSION_MAX ? offer->version : MILTER_VERSION_MAX;
	uint32_t actions;
	uint32_t missing;

	if (version < MILTER_VERSION_MIN) {
		err_set(err,
		    "milter: the MTA speaks version %u of the protocol, at least %u is needed",
		    (unsigned int)offer->version, MILTER_VERSION_MIN);
		return ST_DENIED;
	}
	actions = offer->actions & known_actions(version);
	missing = want->actions_needed & ~actions;
	if (missing != 0) {
		err_set(err,
		    "milter: the MTA (protocol version %u) does not allow actions 0x%x, which "
		    "are needed; it offers 0x%x",
		    (unsigned int)offer->version, (unsigned int)missing,
		    (unsigned int)offer->actions);
		return ST_DENIED;
	}
	*result_out = (struct milter_options){.version = version,
	    .actions = actions & (want->actions_needed | want->actions_liked),
	    .protocol = agreed_protocol(
		offer->protocol & want->protocol & known_protocol(version), want->pipelining)};
	return ST_OK;
}
