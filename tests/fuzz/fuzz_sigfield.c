/* Signature fields: whatever comes in, names that come out are names and may be asked for. */
#include <stdlib.h>

#include "lib/dkim/address.h"
#include "lib/dkim/sigfield.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* Also of a broken field. */
static void
check_names(const struct sigfield *f)
{
	must(f->domain.n == 0 || domain_is_valid(f->domain));
	must(f->selector.n == 0 || selector_is_valid(f->selector));
	must(f->query.n == 0 || domain_is_valid(f->query));
	must((f->identity.n == 0) == (f->i_domain.n == 0));
	if (f->identity.n > 0)
		must(f->domain.n > 0 && domain_is_within(f->i_domain, f->domain));
	for (size_t i = 0; i < f->identity.n; i++)
		must((unsigned char)f->identity.p[i] > ' ' && f->identity.p[i] != 0x7f);
	for (size_t i = 0; i < f->algorithm_text.n; i++)
		must(f->algorithm_text.p[i] >= '-' && f->algorithm_text.p[i] <= 'z');
	for (size_t i = 0; i < f->b_text.n; i++)
		must(f->b_text.p[i] >= '+' && f->b_text.p[i] <= 'z');
}

static void
check_whole(const struct sigfield *f, struct span text)
{
	bool from = false;

	must(f->domain.n > 0 && f->selector.n > 0 && f->query.n > 0 && f->identity.n > 0);
	must(f->name_count > 0 && f->name_count <= SIGFIELD_NAMES_MAX);
	must(f->body_hash_bytes > 0 && f->body_hash_bytes <= sizeof f->body_hash);
	must(f->signature.n > 0 && f->signature.n <= KEY_SIGNATURE_MAX);
	must(f->body_length >= -1 && f->time_utc >= -1 && f->expires_utc >= -1);
	for (size_t i = 0; i < f->name_count; i++)
		from = from || span_ieq_str(f->names[i], "from");
	must(from && f->b_at > 0 && text.p[f->b_at - 1] == '=');
	must(f->b_at <= text.n && f->b_bytes <= text.n - f->b_at);
	must(span_find(span_sub(text, f->b_at, f->b_bytes), ';') == SIZE_MAX);
	must(f->b_at + f->b_bytes == text.n || text.p[f->b_at + f->b_bytes] == ';');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct sigfield field;
	struct err err = ERR_NONE;
	struct arena arena;
	enum status st;

	arena_init(&arena, size > 0 && data[size - 1] == '~' ? 400 : 1 << 20);
	st = sigfield_parse(text, &arena, &field, &err);
	must((st == ST_OK) == (err.text[0] == '\0'));
	check_names(&field);
	if (st == ST_OK)
		check_whole(&field, text);
	arena_free(&arena);
	return 0;
}
