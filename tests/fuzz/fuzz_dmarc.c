/* DMARC records: what was read lies inside the text; there is always something to say. */
#include <stdlib.h>

#include "lib/mailauth/dmarc_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_inside(struct span part, struct span text)
{
	if (part.n > 0 && part.p != NULL && (part.p < text.p || part.p + part.n > text.p + text.n))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct findings findings = FINDINGS_NONE;
	struct dmarc_record record;
	struct dmarc_uri uri;

	if (dmarc_parse(text, &record, NULL) == ST_OK) {
		struct span rest = record.rua;

		if (record.percent > 100 || record.fault_count > DMARC_FAULTS_MAX)
			abort();
		check_inside(record.rua, text);
		check_inside(record.ruf, text);
		while (dmarc_uri_next(&rest, &uri)) {
			check_inside(uri.text, text);
			check_inside(uri.domain, uri.text);
		}
	}
	dmarc_audit(text, SPAN_LIT("_dmarc.example.com"), &findings);
	if (findings.count == 0 || findings.count > FINDINGS_MAX)
		abort();
	findings_free(&findings);
	return 0;
}
