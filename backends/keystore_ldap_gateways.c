/*
 * keystore_ldap_gateways.c - what gateways say of themselves, each in an entry of its own below
 * ou=gateways.
 * Called through keystore_ops.report by gateways, .gateways and .forget by the administration.
 * It must never write another gateway's entry, nor touch epoch and changes.
 */
#include <inttypes.h>
#include <stdio.h>

#include "backends/keystore_ldap_private.h"

#define REPORT_CHANGES 9U

/* ---- all of them ---- */

struct crowd {
	struct ldapstore *store;
	struct keystore_rows *rows;
};

static enum status
take_gateway(void *context, const struct ldapentry *entry, struct err *err)
{
	struct crowd *crowd = context;
	struct store_gateway row;
	enum status status;

	if (entry->values[LDAPGATEWAY_NODE].count == 0)
		return ST_OK;
	status = ldapstore_gateway(entry, &row, err);
	if (status == ST_OK)
		keystore_rows_add_gateway(crowd->rows, &row);
	return status;
}

static enum status
no_place(const struct ldapstore *store, struct err *err)
{
	err_set(err,
	    "there is no \"ou=gateways,%.200s\", or LDAPBindUser may not see it: run signpost "
	    "store "
	    "init",
	    store->base);
	return ST_UNAVAILABLE;
}

static enum status
do_gateways(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct crowd *crowd = context;
	struct ldaplink_search search = {.filter = "(objectClass=signpostGateway)",
	    .scope = LDAPURL_ONE,
	    .attributes = ldapstore_gateway_attributes,
	    .entries_max = KEYSTORE_GATEWAYS_MAX,
	    .base_varies = true};
	struct buf name;
	enum status status = ldapstore_need_life(crowd->store, link, deadline_ms, end, err);

	if (status != ST_OK)
		return status;
	keystore_rows_release(crowd->rows);
	crowd->rows = keystore_rows_new();
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_gateways(&name, crowd->store->base);
	search.base = buf_text(&name);
	status = ldaplink_search(link, &search, deadline_ms, take_gateway, crowd, end, err);
	buf_free(&name);
	if (status == ST_ABSENT)
		return no_place(crowd->store, err);
	if (status == ST_OK && end->limited) {
		err_set(err, "more than %zu gateways ever reported; forget some", end->entries);
		return ST_TOO_BIG;
	}
	return status;
}

enum status
ldapstore_gateways(struct keystore *store, struct keystore_rows **out, struct err *err)
{
	struct crowd crowd = {store->state, NULL};
	enum status status = ldappool_run(&crowd.store->pool, do_gateways, &crowd, err);

	*out = NULL;
	if (status == ST_OK) {
		*out = crowd.rows;
		return ST_OK;
	}
	keystore_rows_release(crowd.rows);
	err_prefix(err, "%s", store->where);
	return status;
}

/* ---- one of them ---- */

struct report {
	struct ldapstore *store;
	const struct store_gateway *row;
	struct span node;
};

static enum status
do_forget(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct report *report = context;
	struct buf name;
	enum status status = ldapstore_need_life(report->store, link, deadline_ms, end, err);

	if (status != ST_OK)
		return status;
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_gateway(&name, report->store->base, report->node);
	status = ldaplink_change(
	    link, LDAPLINK_DELETE_ENTRY, buf_text(&name), NULL, 0, deadline_ms, end, err);
	buf_free(&name);
	return end->forbidden ? ST_DENIED : status;
}

enum status
ldapstore_forget(struct keystore *store, struct span node, struct err *err)
{
	struct report report = {store->state, NULL, node};
	const struct store_gateway named = {.node = node};
	enum status status;

	if (!report.store->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	/* A name that cannot be is not there. */
	if (keystore_gateway_check(&named, err) != ST_OK)
		return ST_ABSENT;
	status = ldappool_run_once(
	    &report.store->pool, do_forget, &report, report.store->pool.config.timeout_ms, err);
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	return status;
}

/* What is written of a gateway; texts hold the values. */
struct words {
	struct ldaplink_change changes[REPORT_CHANGES];
	struct span values[REPORT_CHANGES], classes[2];
	char texts[4][24], digest[KEYSTORE_DIGEST_BYTES];
	size_t count;
};

/* adds: an entry that is made has only what has a value. */
static void
say(struct words *words, bool adds, const char *attribute, struct span value)
{
	struct ldaplink_change *change = &words->changes[words->count];

	if (adds && value.n == 0)
		return;
	words->values[words->count] = value;
	*change = (struct ldaplink_change){adds ? LDAPLINK_ADD : LDAPLINK_REPLACE, attribute,
	    &words->values[words->count], value.n > 0 ? 1 : 0};
	words->count++;
}

static void
say_names(struct words *words, const struct store_gateway *row)
{
	words->classes[0] = SPAN_LIT("top");
	words->classes[1] = SPAN_LIT("signpostGateway");
	words->changes[words->count++] =
	    (struct ldaplink_change){LDAPLINK_ADD, "objectClass", words->classes, 2};
	say(words, true, "signpostNode", row->node);
	if (ldapstore_digest(row->node, words->digest))
		say(words, true, "signpostDigest", span_str(words->digest));
}

static void
put_words(struct words *words, bool adds, const struct store_gateway *row)
{
	memset(words, 0, sizeof(*words));
	(void)snprintf(words->texts[0], sizeof(words->texts[0]), "%" PRIu64, row->epoch);
	(void)snprintf(words->texts[1], sizeof(words->texts[1]), "%" PRIu64, row->tested);
	(void)snprintf(words->texts[2], sizeof(words->texts[2]), "%" PRId64, row->offset_ms);
	if (row->started > 0 && row->started <= LDAPSTORE_TIME_MAX)
		ldapstore_write_time(row->started, words->texts[3]);
	if (adds)
		say_names(words, row);
	say(words, adds, "signpostVersion", row->version);
	say(words, adds, "signpostEpoch", span_str(words->texts[0]));
	say(words, adds, "signpostTested", span_str(words->texts[1]));
	say(words, adds, "signpostFailedKeys", row->failed);
	say(words, adds, "signpostClockOffset", span_str(words->texts[2]));
	say(words, adds, "signpostStartedAt", span_str(words->texts[3]));
}

/* Changed, or made if it is not there; the server notes when (modifyTimestamp). Two programs of one
 * name may both find that it is not there. */
static enum status
do_report(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct report *report = context;
	struct words words;
	struct buf name;
	enum status status = ldapstore_need_life(report->store, link, deadline_ms, end, err);

	if (status != ST_OK)
		return status;
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_gateway(&name, report->store->base, report->row->node);
	status = ST_ABSENT;
	for (size_t turn = 0; turn < 3 && (status == ST_ABSENT || status == ST_DENIED); turn++) {
		bool adds = turn == 1;

		put_words(&words, adds, report->row);
		status = ldaplink_change(link, adds ? LDAPLINK_ADD_ENTRY : LDAPLINK_MODIFY_ENTRY,
		    buf_text(&name), words.changes, words.count, deadline_ms, end, err);
		if (adds && status == ST_ABSENT) {
			status = no_place(report->store, err);
			break;
		}
	}
	buf_free(&name);
	return end->forbidden ? ST_DENIED : status;
}

enum status
ldapstore_report(struct keystore *store, const struct store_gateway *row, struct err *err)
{
	struct report report = {store->state, row, row->node};
	enum status status;

	if (!report.store->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	status = keystore_gateway_check(row, err);
	if (status != ST_OK)
		return status;
	status = ldappool_run(&report.store->pool, do_report, &report, err);
	if (status == ST_ABSENT)
		status = ST_UNAVAILABLE;
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	return status;
}
