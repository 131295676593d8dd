/* Signature fields: whatever may be built reads back as what was asked for. */
#include <stdlib.h>
#include <string.h>

#include "lib/dkim/signature.h"
#include "lib/dkim/tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t
next_octet(struct span *in)
{
	uint8_t c = in->n > 0 ? (uint8_t)in->p[0] : 0;

	*in = span_sub(*in, 1, in->n);
	return c;
}

/* A field up to the next NUL. */
static struct span
next_text(struct span *in)
{
	struct span s;

	(void)span_cut(in, '\0', &s);
	return s;
}

static void
check_tag(const struct tag_list *tags, const char *name, struct span want, bool quoted)
{
	struct span value;
	struct buf got;

	if (want.n == 0) {
		if (tags_find(tags, name, &value))
			abort();
		return;
	}
	if (!tags_find(tags, name, &value))
		abort();
	buf_init(&got, value.n + 1);
	if (quoted && tags_unquote(value, &got) != ST_OK)
		abort();
	if (!quoted)
		tags_strip_blanks(value, &got);
	if (!span_eq(buf_span(&got), want))
		abort();
	buf_free(&got);
}

static void
check_number(const struct tag_list *tags, const char *name, int64_t want)
{
	struct span value;
	uint64_t got;

	if (tags_find(tags, name, &value) != (want >= 0))
		abort();
	if (want >= 0 && (!span_number(value, INT64_MAX, &got) || got != (uint64_t)want))
		abort();
}

static void
check_lines(struct span value)
{
	bool more = true;
	struct span line;

	while (more) {
		more = span_cut(&value, '\n', &line);
		if (line.n + sizeof SIGNATURE_FIELD_NAME > SIGNATURE_LINE_MAX)
			abort();
		if (more && (!span_ends(line, SPAN_LIT("\r")) || value.n < 2 || value.p[0] != '\t'))
			abort();
	}
}

static void
check_value(const struct signature_params *p, struct buf *value, struct span raw)
{
	struct tag_list tags;
	size_t hashed = value->n;

	if (!span_ends(buf_span(value), SPAN_LIT("b=")) || value->p[0] != ' ')
		abort();
	if (signature_finish(value, raw) != ST_OK)
		abort();
	if (hashed > value->n || memcmp(value->p + hashed - 2, "b=", 2) != 0)
		abort();
	check_lines(buf_span(value));
	if (tags_parse(buf_span(value), &tags, NULL) != ST_OK)
		abort();
	check_tag(&tags, "d", p->domain, false);
	check_tag(&tags, "s", p->selector, false);
	check_tag(&tags, "h", p->header_names, false);
	check_tag(&tags, "i", p->identity, true);
	check_tag(&tags, "z", p->copied_headers, false);
	check_number(&tags, "t", p->time_utc);
	check_number(&tags, "x", p->expires_utc);
	check_number(&tags, "l", p->body_length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hash[SHA256_BYTES] = {7};
	struct span in = span_of(data, size);
	struct signature_params p = SIGNATURE_PARAMS_INIT;
	struct err err = ERR_NONE;
	struct buf value;
	uint8_t flags = next_octet(&in);
	size_t raw_n = next_octet(&in);

	p.algorithm = flags & 1 ? KEY_ED25519_SHA256 : KEY_RSA_SHA256;
	p.header_canon = flags & 2 ? CANON_SIMPLE : CANON_RELAXED;
	p.request_reports = (flags & 4) != 0;
	p.time_utc = flags & 8 ? next_octet(&in) * 4000000000 : -1;
	p.expires_utc = flags & 16 ? next_octet(&in) * 4000000000 : -1;
	p.body_length = flags & 32 ? next_octet(&in) * 7000000000000 : -1;
	p.body_hash = span_of(hash, sizeof hash);
	p.domain = next_text(&in);
	p.selector = next_text(&in);
	p.identity = next_text(&in);
	p.header_names = next_text(&in);
	p.copied_headers = next_text(&in);
	buf_init(&value, SIGNATURE_VALUE_MAX);
	if (signature_build(&p, &value, &err) == ST_OK)
		check_value(&p, &value, span_of(data, raw_n < size ? raw_n : size));
	buf_free(&value);
	return 0;
}
