/*
 * http_head.c - which heads of requests are refused before anybody is asked.
 * Called for each request when its head is there (http_request.c). Pure. It must never let through
 * what two readers could understand in two ways: a field that is there twice, a control character,
 * a body with two lengths.
 */
#include "config.h"

#include "admin-api/http_private.h"

#define NONE ((struct http_refusal){0, NULL, NULL})

static struct http_refusal
malformed(const char *detail)
{
	return (struct http_refusal){400, "malformed-request", detail};
}

/* ---- the target ---- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Visible ASCII; what is encoded is two hexadecimal digits, and no control character. */
static const char *
target_fault(struct span target)
{
	if (target.n == 0 || target.p[0] != '/')
		return "the target is no path";
	for (size_t i = 0; i < target.n; i++) {
		int high, low;

		if (target.p[i] < '!' || target.p[i] > '~' || target.p[i] == '#')
			return "an octet of the target has to be percent-encoded";
		if (target.p[i] != '%')
			continue;
		high = i + 2 < target.n ? hex_value(target.p[i + 1]) : -1;
		low = i + 2 < target.n ? hex_value(target.p[i + 2]) : -1;
		if (high < 0 || low < 0)
			return "a percent sign in the target is not followed by two digits";
		if (high < 2 || high * 16 + low == 0x7f)
			return "there is a control character in the target";
	}
	return NULL;
}

/* ---- fields ---- */

/* RFC 9110, section 5.6.2. */
static bool
is_token(struct span s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		char c = ascii_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    memchr(marks, c, sizeof(marks) - 1) == NULL)
			return false;
	}
	return s.n > 0;
}

static bool
is_value(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

/* Fields that may be there once only, since one reader takes the first and another the last. */
static const char *const once[] = {
    "Host", "Content-Length", "Transfer-Encoding", "Authorization", "Content-Type", "Expect"};

static size_t
count(const struct http_head *head, const char *name, struct span *value_out)
{
	size_t found = 0;

	for (size_t i = 0; i < head->field_count; i++)
		if (span_ieq_str(head->fields[i].name, name)) {
			*value_out = head->fields[i].value;
			found++;
		}
	return found;
}

static struct http_refusal
check_fields(const struct http_head *head)
{
	struct span value;

	if (head->field_count > HTTP_FIELDS_MAX)
		return (struct http_refusal){431, "too-large", "there are too many fields"};
	for (size_t i = 0; i < head->field_count; i++)
		if (!is_token(head->fields[i].name) || !is_value(head->fields[i].value))
			return malformed("there is a forbidden character in a field");
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (count(head, once[i], &value) > 1)
			return malformed("a field that may be there once is there again");
	return NONE;
}

/* ---- what libmicrohttpd does not tell ---- */

/* From the end of one text to the beginning of the next: so many NULs, and blanks. */
static bool
gap_has(const char *from, const char *to, size_t nuls)
{
	size_t n = (uintptr_t)to - (uintptr_t)from;

	if ((uintptr_t)to <= (uintptr_t)from || n > HTTP_HEAD_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (from[i] == '\0' && nuls > 0)
			nuls--;
		else if (from[i] != ' ' && from[i] != '\t')
			return false;
	return nuls == 0;
}

bool
http_head_is_whole(const struct http_head *head, const char *method, const char *target)
{
	const char *end = method + head->octets;
	const char *at = head->version + strlen(head->version);

	if (head->octets > HTTP_HEAD_MAX || !gap_has(method + strlen(method), target, 1) ||
	    !gap_has(target + head->target.n, head->version, 1))
		return false;
	for (size_t i = 0; i < head->field_count; i++) {
		struct span name = head->fields[i].name, value = head->fields[i].value;

		if (!gap_has(at, name.p, 2) || !gap_has(name.p + name.n, value.p, 1))
			return false;
		at = value.p + value.n;
	}
	return gap_has(at, end, 4);
}

/* ---- the body ---- */

static bool
is_first_version(const struct http_head *head)
{
	return strcmp(head->version, "HTTP/1.0") == 0;
}

/* RFC 9112, section 6.1: a length beside chunks is an attack. */
static struct http_refusal
check_body(const struct http_head *head)
{
	struct span coding = SPAN_EMPTY, value = SPAN_EMPTY;
	bool coded = count(head, "Transfer-Encoding", &coding) > 0;
	bool sized = count(head, "Content-Length", &value) > 0;
	uint64_t length;

	if (coded && (sized || is_first_version(head)))
		return malformed("Transfer-Encoding is beside a Content-Length, or in HTTP/1.0");
	if (coded && !span_ieq_str(coding, "chunked"))
		return (struct http_refusal){
		    501, "unsupported-encoding", "of transfer encodings only chunked is known"};
	if (sized && !span_number(value, UINT64_MAX - 1, &length))
		return malformed("Content-Length is no number");
	if (count(head, "Expect", &value) > 0 && !span_ieq_str(value, "100-continue"))
		return (struct http_refusal){
		    417, "expectation-failed", "only 100-continue can be expected"};
	return NONE;
}

bool
http_head_has_body(const struct http_head *head, uint64_t *length_out)
{
	struct span value;

	*length_out = UINT64_MAX;
	if (count(head, "Transfer-Encoding", &value) > 0)
		return true;
	if (count(head, "Content-Length", &value) == 0 ||
	    !span_number(value, UINT64_MAX - 1, length_out))
		*length_out = 0;
	return *length_out > 0;
}

struct http_refusal
http_head_check(const struct http_head *head)
{
	struct span value;
	struct http_refusal refusal;
	const char *fault;

	if (head->target.n > HTTP_TARGET_MAX)
		return (struct http_refusal){414, "too-large", "the target is too long"};
	if (head->octets > HTTP_HEAD_MAX)
		return (struct http_refusal){431, "too-large", "the head is too long"};
	if (!is_token(head->method))
		return malformed("there is a forbidden character in the method");
	fault = target_fault(head->target);
	if (fault != NULL)
		return malformed(fault);
	refusal = check_fields(head);
	if (refusal.status != 0)
		return refusal;
	if (count(head, "Host", &value) == 0 && !is_first_version(head))
		return malformed("there is no Host");
	return check_body(head);
}
