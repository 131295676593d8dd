/*
 * sandbox_none.c - the front-end without a system call filter (--disable-sandbox, sanitizer
 * builds). Linked in place of sandbox_seccomp.c; it must never be in a release build for Linux.
 */
#include "daemon/process.h"

enum status
sandbox_enter(struct err *err)
{
	(void)err;
	return ST_OK;
}
