/*
 * api_document.c - answers /openapi.json.
 * Called by api_plain.c, for anybody. It must never say anything that is not the same for
 * everybody.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/api_document.h"
#include "admin-api/api_private.h"
#include "lib/crypto/digest.h"

#define DIGEST_SHOWN 16

void
api_document_answer(struct api_call *call)
{
	struct http_response *response = call->response;
	struct span document = span_str(api_document);
	char digest[ADMINROW_HASH_BYTES], etag[DIGEST_SHOWN + 3];
	bool found;
	struct span have = http_field_find(call->request, "If-None-Match", &found);

	keystore_digest(document, digest);
	snprintf(etag, sizeof(etag), "\"%.*s\"", DIGEST_SHOWN, digest);
	buf_add_fmt(&response->fields, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
	response->status = found && span_eq_str(span_trim(have), etag) ? 304 : 200;
	if (response->status == 304)
		return;
	buf_add_str(&response->fields, "Content-Type: application/json\r\n");
	buf_add(&response->body, document);
}
