/*
 * api_ui.c - the page at /ui/, with the fields of its head that keep everything else out of it.
 * Called by api_plain.c, for anybody. It must never put anything into the page that a request or
 * the store has said: the digests of its style and its script are all that a browser runs.
 */
#include "config.h"

#include "admin-api/api_private.h"
#include "admin-api/api_ui.h"
#include "lib/crypto/digest.h"

#define DIGEST_TEXT ((SHA256_BYTES + 2) / 3 * 4)

/* 'sha256-...' of what stands between the tags. */
static void
add_digest(struct buf *out, const char *text)
{
	struct digest *digest = digest_new();
	uint8_t octets[SHA256_BYTES];
	char base64[DIGEST_TEXT];

	digest_start(digest);
	digest_add(digest, span_str(text));
	digest_finish(digest, octets);
	digest_free(digest);
	base64_encode(octets, sizeof(octets), base64);
	buf_add_fmt(out, "'sha256-%.*s'", DIGEST_TEXT, base64);
}

static void
add_fields(struct buf *out)
{
	buf_add_str(out, "Content-Type: text/html; charset=utf-8\r\n"
			 "Content-Security-Policy: default-src 'none'; script-src ");
	add_digest(out, ui_script);
	buf_add_str(out, "; style-src ");
	add_digest(out, ui_style);
	buf_add_str(out, "; connect-src 'self'; img-src data:; frame-ancestors 'none'; "
			 "form-action 'none'; base-uri 'none'\r\n"
			 "Cache-Control: no-cache\r\n"
			 "Referrer-Policy: no-referrer\r\n"
			 "X-Frame-Options: DENY\r\n"
			 "Cross-Origin-Opener-Policy: same-origin\r\n"
			 "Cross-Origin-Resource-Policy: same-origin\r\n");
}

void
api_ui_answer(struct api_call *call)
{
	static const char *const parts[] = {ui_top, ui_style, ui_middle, ui_script, ui_bottom};
	struct http_response *response = call->response;

	response->status = 200;
	add_fields(&response->fields);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buf_add_str(&response->body, parts[i]);
}
