/*
 * fuzz_sitekey.c - a site key file of any octets: what is read can be rotated, and what was written
 * then is read again with every version.
 */
#include <stdlib.h>

#include "lib/base/secret.h"
#include "lib/store/sitekey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
rotate(struct sitekey *sitekey, bool activate)
{
	uint32_t before[SITEKEY_VERSIONS_MAX];
	size_t n, count = sitekey_versions(sitekey, before);
	struct err err = ERR_NONE;
	struct sitekey *next;
	char *text;

	if (sitekey_rotate_text(sitekey, activate, &text, &n, &err) != ST_OK)
		return;
	if (sitekey_parse(span_of(text, n), "rotated", &next, &err) != ST_OK)
		abort();
	for (size_t i = 0; i < count; i++)
		if (!sitekey_has(next, before[i]))
			abort();
	if (activate == (sitekey_current(next) == sitekey_current(sitekey)))
		abort();
	secret_free(text);
	sitekey_close(next);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct sitekey *sitekey;
	struct seal *seal;

	if (sitekey_parse(span_of(data, size), "fuzz", &sitekey, &err) != ST_OK) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	if (sitekey_tenant(sitekey, sitekey_current(sitekey), "key", SPAN_LIT("t"), &seal, &err) !=
	    ST_OK)
		abort();
	sitekey_release(sitekey, seal);
	rotate(sitekey, false);
	rotate(sitekey, true);
	sitekey_close(sitekey);
	return 0;
}
