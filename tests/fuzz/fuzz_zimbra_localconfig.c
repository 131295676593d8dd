/*
 * fuzz_zimbra_localconfig.c - any octets as Zimbra's localconfig.xml: what is refused leaves
 * nothing behind and has a line, what is read are texts within their limits.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/zimbra_localconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct localconfig config;
	struct err err = ERR_NONE;
	enum status status = localconfig_parse(span_of(data, size), &config, &err);

	if (status != ST_OK && strncmp(err.text, "line ", 5) != 0)
		abort();
	for (size_t i = 0; i < LOCALCONFIG_KEY_COUNT; i++) {
		if (config.values[i] == NULL)
			continue;
		if (status != ST_OK || strlen(config.values[i]) > LOCALCONFIG_VALUE_MAX)
			abort();
	}
	localconfig_free(&config);
	return 0;
}
