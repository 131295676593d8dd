/* SPF records: terms lie inside the text and in order; findings are printable and bounded. */
#include <stdlib.h>

#include "lib/mailauth/spf_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_term(const struct spf_term *term, struct span text)
{
	if (term->text.n == 0 || term->text.p < text.p ||
	    term->text.p + term->text.n > text.p + text.n)
		abort();
	if (term->argument.n > 0 &&
	    (term->argument.p < term->text.p ||
		term->argument.p + term->argument.n > term->text.p + term->text.n))
		abort();
	if (term->prefix4 > 128 || term->prefix6 > 128)
		abort();
	if (term->kind == SPF_UNKNOWN && term->fault == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct findings findings = FINDINGS_NONE;
	struct spf_record record;

	if (spf_parse(text, &record, NULL) == ST_OK)
		for (size_t i = 0; i < record.count; i++)
			check_term(&record.terms[i], text);
	spf_audit(text, 2, SPAN_LIT("example.com"), &findings);
	if (findings.count == 0 || findings.count > FINDINGS_MAX)
		abort();
	findings_free(&findings);
	return 0;
}
