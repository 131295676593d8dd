/* SPF records that are published, one a line, merged: what comes out is one that can be read, and
 * merging it again changes nothing. Records in every notation are printable, whatever was there. */
#include <stdlib.h>
#include <string.h>

#include "lib/mailauth/compose.h"
#include "lib/mailauth/spf_syntax.h"
#include "lib/mailauth/zonerecord.h"

#define TEXTS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_merged(const struct spf_wanted *wanted, struct span text)
{
	struct spf_record record;
	struct buf again;

	if (spf_parse(text, &record, NULL) == ST_OK)
		for (size_t i = 0; i < record.count; i++)
			if (record.terms[i].fault != NULL)
				abort();
	buf_init(&again, COMPOSE_TEXT_MAX);
	if (spf_compose(wanted, &text, 1, &again, NULL) == ST_OK &&
	    !span_eq(buf_span(&again), text))
		abort();
	buf_free(&again);
}

static void
check_notations(const struct span *texts, size_t count)
{
	struct zone_records records;
	struct zone_record *record;
	struct buf out;

	zone_records_begin(&records, SPAN_LIT("example.com"), SPAN_LIT("example.com"));
	record = zone_records_add(
	    &records, ZONE_TXT, SPAN_LIT("example.com"), SPAN_LIT("v=spf1 -all"), 60, "SPF");
	for (size_t i = 0; i < count; i++)
		zone_record_add_text(record, texts[i], i % 2 == 0);
	record->seen = ZONE_OTHER;
	for (int notation = ZONE_BIND; notation <= ZONE_JSON; notation++) {
		buf_init(&out, 1U << 20);
		if (zone_records_write(&records, (enum zone_notation)notation, &out, NULL) == ST_OK)
			for (size_t i = 0; i < out.n; i++)
				if ((out.p[i] < ' ' && out.p[i] != '\n' && out.p[i] != '\t') ||
				    out.p[i] > '~')
					abort();
		buf_free(&out);
	}
	zone_records_free(&records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct spf_wanted wanted = {.mx = true};
	struct span rest = span_of(data, size), texts[TEXTS_MAX];
	size_t count = 0, records = 0;
	struct span spf[TEXTS_MAX];
	struct buf out;

	while (rest.n > 0 && count < TEXTS_MAX)
		(void)span_cut(&rest, '\n', &texts[count++]);
	for (size_t i = 0; i < count; i++)
		if (spf_is_record(texts[i]))
			spf[records++] = texts[i];
	buf_init(&out, COMPOSE_TEXT_MAX);
	if (spf_compose(&wanted, spf, records, &out, NULL) == ST_OK)
		check_merged(&wanted, buf_span(&out));
	buf_reset(&out);
	(void)!spf_network(span_of(data, size), &out, NULL);
	buf_free(&out);
	check_notations(texts, count);
	return 0;
}
