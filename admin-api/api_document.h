/*
 * api_document.h - /openapi.json: the description of the API (OpenAPI 3.1), which is a part of the
 * program, so that it is that of this version.
 */
#ifndef SIGNPOST_ADMIN_API_API_DOCUMENT_H
#define SIGNPOST_ADMIN_API_API_DOCUMENT_H

struct api_call;

/* openapi.json; made into a text by the Makefile. */
extern const char api_document[];
/* Answers it; or 304 to who has it. Any thread. */
void api_document_answer(struct api_call *call);

#endif
