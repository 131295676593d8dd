/*
 * keystore_driver_audit.c - the words of keystore_driver about the audit: many rows of it, and
 * whether all of them are a chain; and what a tenant has counted.
 */
#include "tests/conformance/keystore_driver_audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"

void
driver_count(struct keystore *store, struct span tenant)
{
	struct store_count count;
	struct err err = ERR_NONE;
	enum status status = keystore_count(store, tenant, &count, &err);

	if (status != ST_OK)
		printf("= %s: %s\n", status_name(status), err.text);
	else
		printf("= ok domains=%" PRIu64 " keys=%" PRIu64 "\n", count.domains, count.keys);
}

void
driver_audit_load(struct keystore *store, long count, long batch)
{
	static struct keystore_write writes[KEYSTORE_BATCH_MAX];
	int64_t began = clock_mono_ms(), took;
	enum status status = ST_OK;
	struct err err = ERR_NONE;

	for (long done = 0; done < count && status == ST_OK;) {
		size_t n = 0, at;

		for (; n < (size_t)batch && done < count; n++, done++)
			writes[n] = (struct keystore_write){.what = STORE_AUDIT,
			    .how = WRITE_ADD,
			    .row.audit = {.actor = SPAN_LIT("system:reconciler"),
				.method = SPAN_LIT("system"),
				.tenant = SPAN_LIT("acme"),
				.action = SPAN_LIT("key.activate"),
				.object = SPAN_LIT("a.test s1"),
				.request = SPAN_LIT("r_0123456789abcdef"),
				.detail = SPAN_LIT("it was published, and all gateways have it"),
				.result = SPAN_LIT("ok")}};
		status = store->ops->apply(store, writes, n, &at, &err);
	}
	took = clock_mono_ms() - began;
	if (status != ST_OK)
		printf("= %s: %s\n", status_name(status), err.text);
	else
		printf("= ok rows_per_s=%.0f\n",
		    (double)count * 1000 / (double)(took == 0 ? 1 : took));
}

void
driver_verify(struct keystore *store, uint64_t seq, struct span hash)
{
	struct audit_question question = {.max = ADMINROW_AUDIT_PAGE};
	struct audit_head from = {.seq = seq}, head;
	struct audit_verifier verifier;
	struct err err = ERR_NONE;
	enum status status = keystore_audit_head(store, &head, &err);
	size_t count = 1;

	snprintf(from.hash, sizeof(from.hash), "%.*s", SPAN_ARG(hash));
	audit_verify_begin(&verifier, hash.n > 0 ? &from : NULL, NULL);
	while (status == ST_OK && count > 0) {
		struct keystore_rows *rows = NULL;

		question.seq = verifier.head.seq;
		status = keystore_audits(store, &question, &rows, &err);
		count = rows == NULL ? 0 : rows->audit_count;
		if (status == ST_OK)
			status = audit_verify(&verifier, rows->audits, count, &err);
		keystore_rows_release(rows);
	}
	if (status == ST_OK)
		status = audit_verify_end(&verifier, &head, &err);
	if (status != ST_OK)
		printf("= %s: %s\n", status_name(status), err.text);
	else
		printf("= ok seq=%" PRIu64 "\n", verifier.head.seq);
}
