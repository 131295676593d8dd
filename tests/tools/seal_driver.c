/*
 * seal_driver.c - seals and opens for another implementation: one question a line on stdin, one
 * answer a line on stdout. Words are separated by one TAB; tests/tools/test_sealing.py calls it.
 *
 *   seal   TENANT DOMAIN SELECTOR ID REVISION BASE64-OF-PLAIN   -> the sealed text
 *   open   TENANT DOMAIN SELECTOR ID REVISION SEALED-TEXT       -> base64 of the plain text
 *
 * The argument is the site key file. What fails is answered with "! STATUS SENTENCE".
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/sealedkey.h"

#define LINE_MAX_OCTETS 200000

static void
answer(enum status status, const struct err *err, struct span text)
{
	if (status == ST_OK)
		printf("%.*s\n", SPAN_ARG(text));
	else
		printf("! %s %s\n", status_name(status), err->text);
	fflush(stdout);
}

static void
do_seal(struct sitekey *sitekey, const struct sealedkey_owner *owner, struct span base64)
{
	char *plain = mem_alloc(base64.n + 4);
	struct err err = ERR_NONE;
	enum status status;
	struct buf out;
	size_t n = 0;

	buf_init(&out, SEALEDKEY_TEXT_MAX);
	status = base64_decode(base64, plain, &n);
	if (status == ST_OK)
		status = sealedkey_close(sitekey, owner, span_of(plain, n), &out, &err);
	answer(status, &err, buf_span(&out));
	buf_free(&out);
	mem_free(plain);
}

static void
do_open(struct sitekey *sitekey, const struct sealedkey_owner *owner, struct span text)
{
	struct err err = ERR_NONE;
	struct span shown = SPAN_EMPTY;
	char *plain, *base64 = NULL;
	size_t n;
	enum status status = sealedkey_open(sitekey, owner, text, &plain, &n, &err);

	if (status == ST_OK) {
		base64 = mem_alloc(n / 3 * 4 + 8);
		base64_encode(plain, n, base64);
		shown = span_of(base64, (n + 2) / 3 * 4);
	}
	answer(status, &err, shown);
	secret_free(plain);
	mem_free(base64);
}

static void
do_line(struct sitekey *sitekey, struct span line)
{
	struct span words[7] = {SPAN_EMPTY};
	struct sealedkey_owner owner;

	for (size_t i = 0; i < 7; i++)
		span_cut(&line, '\t', &words[i]);
	owner.tenant = words[1];
	owner.domain = words[2];
	owner.selector = words[3];
	owner.id = words[4];
	if (!span_number(words[5], UINT64_MAX, &owner.revision))
		printf("! question\n");
	else if (span_eq_str(words[0], "seal"))
		do_seal(sitekey, &owner, words[6]);
	else
		do_open(sitekey, &owner, words[6]);
}

int
main(int argc, char **argv)
{
	static char line[LINE_MAX_OCTETS];
	struct err err = ERR_NONE;
	struct sitekey *sitekey;

	if (argc != 2 || sitekey_open(argv[1], false, &sitekey, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		do_line(sitekey, span_str(line));
	}
	sitekey_close(sitekey);
	return 0;
}
