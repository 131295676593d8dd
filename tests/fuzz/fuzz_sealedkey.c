/*
 * fuzz_sealedkey.c - any text as a sealed key: only the one that was sealed opens, and that one
 * always; any octets sealed come out again.
 */
#include <stdlib.h>

#include "lib/base/secret.h"
#include "lib/store/sealedkey.h"

#define SITE "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
/* The seed "sealed": of this owner. */
#define SEALED "spk1:1:AAECAwQFBgcICQoL4IuBFAw/8znNHMo61fw4ajCd1Z8vtc0qcDGRxoM7VTev3skm8xzA5b4="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sealedkey_owner owner = {
    .tenant = {"acme", 4},
    .domain = {"example.com", 11},
    .selector = {"s1", 2},
    .id = {"k-1", 3},
    .revision = 7,
};

static void
round_trip(struct sitekey *sitekey, struct span plain)
{
	struct err err = ERR_NONE;
	struct buf sealed;
	enum status status;
	char *again;
	size_t n;

	buf_init(&sealed, SEALEDKEY_TEXT_MAX);
	status = sealedkey_close(sitekey, &owner, plain, &sealed, &err);
	if (status == ST_OK) {
		if (sealedkey_form(buf_span(&sealed)) != SEALEDKEY_SEALED ||
		    sealedkey_open(sitekey, &owner, buf_span(&sealed), &again, &n, &err) != ST_OK ||
		    !span_eq(span_of(again, n), plain))
			abort();
		secret_free(again);
	} else if (plain.n > 0 && plain.n < 40000) {
		abort();
	}
	buf_free(&sealed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct err err = ERR_NONE;
	struct sitekey *sitekey;
	uint32_t version;
	char *plain;
	size_t n;

	if (sitekey_parse(SPAN_LIT(SITE), "fuzz", &sitekey, &err) != ST_OK)
		abort();
	if (sealedkey_open(sitekey, &owner, text, &plain, &n, &err) == ST_OK) {
		if (!span_eq(span_trim(text), SPAN_LIT(SEALED)) ||
		    sealedkey_version(text, &version, &err) != ST_OK || version != 1)
			abort();
		secret_free(plain);
	} else if (err.text[0] == '\0' || plain != NULL) {
		abort();
	}
	round_trip(sitekey, text);
	sitekey_close(sitekey);
	return 0;
}
