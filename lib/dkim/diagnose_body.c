/*
 * diagnose_body.c - what may have happened to a body on its way: it is hashed again with that taken
 * back, and compared with bh=. Called by diagnose.c for a signature whose bh= does not fit. It must
 * never hold a changed copy of the body, but for one that was decoded.
 */
#include "lib/dkim/diagnose_private.h"

#include <string.h>

#define PREFIX_OCTETS 512u /* what the hash of a beginning costs, in octets that are hashed */

/* What is taken back, line by line. */
enum scan_kind {
	SCAN_PLAIN,
	SCAN_RELAXED, /* c=simple was asked for */
	SCAN_BLANKS,  /* blanks at the ends of lines */
	SCAN_UNQUOTE, /* ">From " */
	SCAN_QUOTE,   /* "From " */
	SCAN_DOTS,    /* ".." at the beginning of a line */
	SCAN_LF       /* line ends without CR */
};

struct scan {
	const struct sigfield *field;
	enum scan_kind kind;
	struct canon_body body, copy;
	struct digest *digest, *spare;
	size_t prefixes_from; /* the first line before which a footer may begin */
	size_t skip;          /* lines at the beginning that are not hashed */
	bool whole;           /* fits */
	size_t footer;        /* the number of the line, from 0, before which it fits; SIZE_MAX */
};

/* ---- lines ---- */

struct body_lines {
	struct span rest;
	struct span line; /* without its end */
	bool ended;       /* it has one */
};

static bool
line_next(struct body_lines *lines)
{
	size_t lf;

	if (lines->rest.n == 0)
		return false;
	lf = span_find(lines->rest, '\n');
	lines->ended = lf != SIZE_MAX;
	lines->line = span_sub(lines->rest, 0, lines->ended ? lf : lines->rest.n);
	lines->rest = span_from(lines->rest, lines->ended ? lf + 1 : lines->rest.n);
	if (lines->ended && lines->line.n > 0 && lines->line.p[lines->line.n - 1] == '\r')
		lines->line.n--;
	return true;
}

static size_t
lines_count(struct span body)
{
	struct body_lines lines = {.rest = body};
	size_t count = 0;

	while (line_next(&lines))
		count++;
	return count;
}

static bool
blank_at_end(struct span line)
{
	return line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t');
}

/* Quoted once or more often, as mboxrd writes it. */
static bool
quoted_from(struct span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	return n > 0 && span_starts(span_from(line, n), SPAN_LIT("From "));
}

/* Is there something to be taken back in the line? */
static bool
line_has(enum scan_kind kind, struct span line)
{
	switch (kind) {
	case SCAN_BLANKS:
		return blank_at_end(line);
	case SCAN_UNQUOTE:
		return quoted_from(line);
	case SCAN_QUOTE:
		return span_starts(line, SPAN_LIT("From "));
	case SCAN_DOTS:
		return span_starts(line, SPAN_LIT(".."));
	case SCAN_PLAIN:
	case SCAN_RELAXED:
	case SCAN_LF:
		break;
	}
	return true;
}

/* The number, from 0, of the first such line; SIZE_MAX: none. */
static size_t
first_line(enum scan_kind kind, struct span body)
{
	struct body_lines lines = {.rest = body};

	for (size_t i = 0; line_next(&lines); i++)
		if (line_has(kind, lines.line))
			return i;
	return SIZE_MAX;
}

/* ---- one scan ---- */

static void
feed_line(struct scan *scan, const struct body_lines *lines)
{
	struct span line = lines->line;

	if (line_has(scan->kind, line)) {
		if (scan->kind == SCAN_UNQUOTE || scan->kind == SCAN_DOTS)
			line = span_from(line, 1);
		else if (scan->kind == SCAN_QUOTE)
			canon_body_update(&scan->body, SPAN_LIT(">"));
		while (scan->kind == SCAN_BLANKS && blank_at_end(line))
			line.n--;
	}
	canon_body_update(&scan->body, line);
	if (lines->ended)
		canon_body_update(
		    &scan->body, scan->kind == SCAN_LF ? SPAN_LIT("\n") : SPAN_LIT("\r\n"));
}

static bool
hash_fits(struct canon_body *body, const struct sigfield *field)
{
	uint8_t hash[SHA256_BYTES];

	canon_body_finish(body, hash, NULL);
	return memcmp(hash, field->body_hash, sizeof(hash)) == 0;
}

/* Would it fit if the body ended here? */
static bool
prefix_fits(struct scan *scan)
{
	scan->copy = scan->body;
	scan->copy.digest = scan->spare;
	digest_copy(scan->spare, scan->digest);
	return hash_fits(&scan->copy, scan->field);
}

static void
scan_lines(struct scan *scan, struct span body)
{
	struct body_lines lines = {.rest = body};
	bool same = false; /* as before the line before: that was empty */

	for (size_t i = 0; line_next(&lines); i++) {
		if (i < scan->skip)
			continue;
		if (i >= scan->prefixes_from && !same && scan->footer == SIZE_MAX &&
		    prefix_fits(scan))
			scan->footer = i;
		feed_line(scan, &lines);
		same = lines.line.n == 0;
	}
	scan->whole = hash_fits(&scan->body, scan->field);
}

static bool
scan_run(struct diagnose *d, const struct diagnose_case *given, struct scan *scan, struct span body)
{
	const struct sigfield *field = &given->signature->field;
	enum canon canon = scan->kind == SCAN_RELAXED ? CANON_RELAXED : field->body_canon;

	scan->field = field;
	scan->footer = SIZE_MAX;
	if (field->body_hash_bytes != SHA256_BYTES || !diagnose_spend(d, body.n + PREFIX_OCTETS))
		return false;
	scan->digest = digest_new();
	scan->spare = digest_new();
	canon_body_init(&scan->body, canon, scan->digest, field->body_length, false);
	scan_lines(scan, body);
	digest_free(scan->digest);
	digest_free(scan->spare);
	return scan->whole || scan->footer != SIZE_MAX;
}

/* From where on footers are looked for; with l= there is nothing to look for. */
static size_t
prefixes_from(struct diagnose *d, const struct diagnose_case *given, size_t count)
{
	size_t looks = count < DIAGNOSE_LINES_MAX ? count : DIAGNOSE_LINES_MAX;

	if (given->signature->field.body_length >= 0 ||
	    !diagnose_spend(d, (uint64_t)looks * PREFIX_OCTETS))
		return SIZE_MAX;
	return count - looks;
}

/* ---- what is tried ---- */

static const struct {
	enum scan_kind kind;
	const char *what, *detail;
} tries[] = {
    {SCAN_PLAIN, NULL, NULL},
    {SCAN_RELAXED, "body-whitespace",
	"white space was changed, which c=.../simple does not allow; relaxed would have"},
    {SCAN_BLANKS, "body-trailing-blanks", "blanks were put to the ends of lines"},
    {SCAN_UNQUOTE, "body-mbox-from", "lines with \"From \" became lines with \">From \""},
    {SCAN_QUOTE, "body-mbox-from", "lines with \">From \" became lines with \"From \""},
    {SCAN_DOTS, "body-dots", "the first dot of lines was doubled, as SMTP does on its way"},
    {SCAN_LF, "body-line-ends", "it was signed with line ends of LF alone, in place of CRLF"},
};

static void
say(struct diagnose *d, const struct diagnose_case *given, size_t index, size_t first,
    const struct scan *scan)
{
	if (tries[index].what != NULL)
		diagnose_add(d, tries[index].what, true,
		    first == SIZE_MAX ? given->body_line : given->body_line + first, "%s",
		    tries[index].detail);
	if (!scan->whole)
		diagnose_add(d, "body-footer", true, given->body_line + scan->footer,
		    "what was signed ends before this line; all from here on was added");
}

static bool
try_one(struct diagnose *d, const struct diagnose_case *given, size_t index, size_t count)
{
	struct scan scan = {.kind = tries[index].kind, .prefixes_from = SIZE_MAX};
	bool by_line = scan.kind != SCAN_PLAIN && scan.kind != SCAN_RELAXED && scan.kind != SCAN_LF;
	size_t first = by_line ? first_line(scan.kind, given->body) : SIZE_MAX;

	if ((by_line && first == SIZE_MAX) ||
	    (scan.kind == SCAN_RELAXED && given->signature->field.body_canon == CANON_RELAXED))
		return false;
	if (scan.kind != SCAN_LF)
		scan.prefixes_from = prefixes_from(d, given, count);
	if (!scan_run(d, given, &scan, given->body))
		return false;
	say(d, given, index, first, &scan);
	return true;
}

static bool
try_banners(struct diagnose *d, const struct diagnose_case *given, size_t count)
{
	for (size_t skip = 1; skip <= DIAGNOSE_BANNER_MAX && skip <= count; skip++) {
		struct scan scan = {.kind = SCAN_PLAIN, .prefixes_from = SIZE_MAX, .skip = skip};

		if (!scan_run(d, given, &scan, given->body))
			continue;
		diagnose_add(d, "body-banner", true, given->body_line,
		    "the first %zu lines were added", skip);
		return true;
	}
	return false;
}

/* ---- transfer encodings ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of one line of quoted-printable, RFC 2045 6.7; what is malformed stays as it is. */
static void
decode_line(struct span line, bool ended, struct buf *out)
{
	while (blank_at_end(line))
		line.n--;
	for (size_t i = 0; i < line.n; i++) {
		int high = line.n - i > 2 ? hex_digit(line.p[i + 1]) : -1;
		int low = line.n - i > 2 ? hex_digit(line.p[i + 2]) : -1;

		if (line.p[i] == '=' && high >= 0 && low >= 0) {
			buf_add_char(out, (char)(high * 16 + low));
			i += 2;
		} else if (line.p[i] == '=' && i + 1 == line.n) {
			return;
		} else {
			buf_add_char(out, line.p[i]);
		}
	}
	if (ended)
		buf_add_str(out, "\r\n");
}

static bool
decode(struct span encoding, struct span body, struct buf *out)
{
	struct body_lines lines = {.rest = body};
	char *room;
	size_t n;

	if (span_ieq_str(encoding, "base64")) {
		room = buf_reserve(out, body.n / 4 * 3 + 3);
		if (room == NULL || base64_decode(body, room, &n) != ST_OK)
			return false;
		out->n += n;
		return true;
	}
	if (!span_ieq_str(encoding, "quoted-printable"))
		return false;
	while (line_next(&lines))
		decode_line(lines.line, lines.ended, out);
	return buf_status(out) == ST_OK;
}

static bool
try_decoded(struct diagnose *d, const struct diagnose_case *given)
{
	const struct header_field *field =
	    header_list_find(given->list, SPAN_LIT("Content-Transfer-Encoding"));
	struct span encoding = field == NULL ? SPAN_EMPTY : span_trim(field->value);
	struct scan scan = {.kind = SCAN_PLAIN, .prefixes_from = SIZE_MAX};
	struct buf text;
	bool fits;

	if (field == NULL || !diagnose_spend(d, given->body.n))
		return false;
	buf_init(&text, given->body.n + 3);
	fits = decode(encoding, given->body, &text) && scan_run(d, given, &scan, buf_span(&text));
	if (fits)
		diagnose_add(d, "body-transfer-encoding", true, given->body_line,
		    "it was signed as it was before a relay encoded it in %s",
		    span_ieq_str(encoding, "base64") ? "base64" : "quoted-printable");
	buf_free(&text);
	return fits;
}

/* ---- guesses ---- */

static bool
has_eight_bits(struct span body)
{
	for (size_t i = 0; i < body.n; i++)
		if ((unsigned char)body.p[i] > 0x7e)
			return true;
	return false;
}

static void
guess(struct diagnose *d, const struct diagnose_case *given)
{
	if (header_list_find(given->list, SPAN_LIT("X-MIME-Autoconverted")) != NULL)
		diagnose_add(d, "body-transfer-encoding", false, given->body_line,
		    "X-MIME-Autoconverted says that a relay changed the transfer encoding");
	else if (has_eight_bits(given->body))
		diagnose_add(d, "body-charset", false, given->body_line,
		    "it has octets above 126: a relay may have changed the charset or the transfer "
		    "encoding");
	diagnose_add(d, "body-changed", false, given->body_line,
	    "the body is not as it was signed; nothing that was tried explains it");
}

void
diagnose_body(struct diagnose *d, const struct diagnose_case *given)
{
	size_t count;

	if (!diagnose_spend(d, given->body.n))
		return;
	count = lines_count(given->body);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		if (try_one(d, given, i, count))
			return;
	if (!try_decoded(d, given) && !try_banners(d, given, count))
		guess(d, given);
}
