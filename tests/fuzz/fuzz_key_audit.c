/* Key records under audit: always a finding, and each of it printable. */
#include <stdlib.h>

#include "lib/mailauth/key_audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct findings findings = FINDINGS_NONE;

	key_audit(span_of(data, size), SPAN_LIT("s._domainkey.example.com"), &findings);
	if (findings.count == 0)
		abort();
	for (size_t i = 0; i < findings.count; i++)
		for (const char *p = findings.items[i].text; *p != '\0'; p++)
			if (*p < ' ' || *p > '~')
				abort();
	findings_free(&findings);
	return 0;
}
