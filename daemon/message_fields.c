/*
 * message_fields.c - header fields into a message and out of it, as packets for the MTA.
 * Called by session.c with the keeper's signatures and by conclusion.c with results. It must never
 * use an index that an earlier packet has moved.
 */
#include "config.h"

#include <stdio.h>

#include "daemon/message.h"
#include "lib/dkim/signature.h"

/* From the last to the first, so that no index moves before it is used (CVE-2022-48521). */
static bool
delete_old_signatures(struct session *session)
{
	const struct header_list *headers = &session->message.headers;
	size_t count = header_list_count(headers, SPAN_LIT(SIGNATURE_FIELD_NAME));

	for (size_t i = count; i > 0; i--)
		if (milter_put_chgheader(&session->out, (uint32_t)i, SPAN_LIT(SIGNATURE_FIELD_NAME),
			SPAN_EMPTY) != ST_OK)
			return false;
	return true;
}

/* On top of all fields, where the protocol can say so. */
bool
message_put_field(struct session *session, struct span name, struct span value)
{
	if ((session->protocol & SMFIP_HDR_LEADSPC) == 0 && value.n > 0 && value.p[0] == ' ')
		value = span_from(value, 1);
	if (session->version < 3)
		return milter_put_addheader(&session->out, name, value) == ST_OK;
	return milter_put_insheader(&session->out, 0, name, value) == ST_OK;
}

bool
message_put_software_field(struct session *session)
{
	char value[512];
	int n = snprintf(value, sizeof(value), " Signpost v" PACKAGE_VERSION " %s %s",
	    session->host->settings->host_name, message_job_id(session));

	if (!session->host->settings->software_header)
		return true;
	return message_put_field(session, SPAN_LIT("DKIM-Filter"), span_of(value, (size_t)n));
}

bool
message_put_fields(struct session *session, const struct reply *reply)
{
	bool ok = !session->host->settings->remove_old_signatures || delete_old_signatures(session);

	ok = ok && message_put_software_field(session);
	/* Each goes on top of the one before, so that the first signature ends up first. */
	for (size_t i = reply->field_count; i > 0 && ok; i--)
		ok = message_put_field(
		    session, reply->fields[i - 1].name, reply->fields[i - 1].value);
	return ok;
}
