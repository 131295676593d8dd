/*
 * signature_private.h - shared by signature.c and signature_check.c only.
 */
#ifndef SIGNPOST_DKIM_SIGNATURE_PRIVATE_H
#define SIGNPOST_DKIM_SIGNATURE_PRIVATE_H

#include "lib/dkim/signature.h"

/* ST_OK, ST_INVALID or ST_TOO_BIG with the reason: may these be written? */
enum status signature_check(const struct signature_params *params, struct err *err) MUST_USE;

#endif
