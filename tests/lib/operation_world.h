/*
 * operation_world.h - a SQLite store with a few rows, whose writing a test can spoil, for tests of
 * operations and for fuzzing them. One for a process.
 */
#ifndef SIGNPOST_TESTS_LIB_OPERATION_WORLD_H
#define SIGNPOST_TESTS_LIB_OPERATION_WORLD_H

#include "admin-api/operations.h"
#include "tests/lib/no_reconciler.h"
#include "tests/lib/scratch.h"

struct operation_world {
	struct scratch scratch;
	struct admin admin;
	struct keystore_ops ops; /* of the store, and what stands in for some of them */
	struct no_reconciler reconciler;
	unsigned deny;      /* so many times apply() says that somebody else was faster */
	unsigned applied;   /* how often it was called */
	bool pretend;       /* nothing is written, and that is fine */
	enum status answer; /* of lives(), list() and apply(), unless ST_OK */
	struct operation_caller caller; /* who asks; at first one that may do everything */
};

/* Tenant acme, policy std with a plan, domain example.org with key s1 (ACTIVE) and s2 (LOADED, if
 * it is written so), domain other.example of tenant beta. */
struct operation_world *operation_world_begin(void);
void operation_world_end(struct operation_world *world);
/* The code, and the answer as text; of the next call, only. */
enum operation_code operation_world_ask(
    struct operation_world *world, const char *request, const char **answer_out);

#endif
