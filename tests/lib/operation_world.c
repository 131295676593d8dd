/*
 * operation_world.c - a store, and what stands between it and the operations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/registry.h"
#include "lib/base/mem.h"
#include "tests/lib/operation_world.h"

static struct operation_world *the_world;
static const struct keystore_ops *real;

static void
must(enum status status, const struct err *err)
{
	if (status == ST_OK)
		return;
	fprintf(stderr, "operation_world: %s: %s\n", status_name(status), err->text);
	exit(1);
}

static enum status
spoil(struct err *err)
{
	if (the_world->answer != ST_OK)
		err_set(err, "it does not answer");
	return the_world->answer;
}

static enum status
apply(struct keystore *store, const struct keystore_write *writes, size_t count, size_t *at_out,
    struct err *err)
{
	the_world->applied++;
	if (the_world->deny > 0) {
		the_world->deny--;
		err_set(err, "somebody else was faster");
		return ST_DENIED;
	}
	if (the_world->pretend)
		return ST_OK;
	return spoil(err) != ST_OK ? the_world->answer
				   : real->apply(store, writes, count, at_out, err);
}

static enum status
lives(struct keystore *store, const struct span *domains, size_t count, struct keystore_rows **out,
    struct err *err)
{
	return spoil(err) != ST_OK ? the_world->answer
				   : real->lives(store, domains, count, out, err);
}

static enum status
list(struct keystore *store, enum store_what what, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	return spoil(err) != ST_OK ? the_world->answer
				   : real->list(store, what, after, max, out, err);
}

/* ---- rows ---- */

static void
add_rows(struct keystore *store)
{
	struct keystore_write writes[] = {
	    {.what = STORE_TENANT,
		.how = WRITE_ADD,
		.row.tenant = {.name = SPAN_LIT("acme"), .enabled = true}},
	    {.what = STORE_TENANT,
		.how = WRITE_ADD,
		.row.tenant = {.name = SPAN_LIT("beta"), .enabled = true}},
	    {.what = STORE_POLICY,
		.how = WRITE_ADD,
		.row.policy = {.tenant = SPAN_LIT("acme"),
		    .name = SPAN_LIT("std"),
		    .signature_ttl_s = -1,
		    .plan = SPAN_LIT("{\"manage\":true,\"algorithms\":[\"rsa-1024\"],"
				     "\"publisher\":\"manual\"}")}},
	    {.what = STORE_DOMAIN,
		.how = WRITE_ADD,
		.row.domain = {.name = SPAN_LIT("example.org"),
		    .tenant = SPAN_LIT("acme"),
		    .policy = SPAN_LIT("std"),
		    .signature_ttl_s = -1,
		    .enabled = true}},
	    {.what = STORE_DOMAIN,
		.how = WRITE_ADD,
		.row.domain = {.name = SPAN_LIT("other.example"),
		    .tenant = SPAN_LIT("beta"),
		    .signature_ttl_s = -1,
		    .enabled = true}}};
	struct err err = ERR_NONE;
	size_t at;

	must(real->apply(store, writes, sizeof(writes) / sizeof(writes[0]), &at, &err), &err);
}

static void
add_key(struct keystore *store, const char *selector, int64_t active)
{
	struct keystore_write write = {.what = STORE_KEY,
	    .how = WRITE_ADD,
	    .row.key = {.id = span_str(selector),
		.tenant = SPAN_LIT("acme"),
		.domain = SPAN_LIT("example.org"),
		.selector = span_str(selector),
		.algorithm = SPAN_LIT("ed25519-sha256"),
		.public_key = SPAN_LIT("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
		.private_key = SPAN_LIT("spk1:1:AAAA"),
		.bits = 256,
		.revision = 1,
		.times = {.created = 1,
		    .publishing = 2,
		    .published = 3,
		    .proven = 4,
		    .loaded = 5,
		    .active = active}}};
	struct err err = ERR_NONE;
	size_t at;

	must(real->apply(store, &write, 1, &at, &err), &err);
}

struct operation_world *
operation_world_begin(void)
{
	struct operation_world *world = mem_zalloc(1, sizeof(*world));
	struct err err = ERR_NONE;
	char spec[400];
	int from, to;

	the_world = world;
	scratch_begin(&world->scratch);
	snprintf(spec, sizeof(spec), "sqlite:%s", scratch_path(&world->scratch, "db"));
	must(keystore_open(backend_keystores(), spec, true, &world->admin.store, &err), &err);
	real = world->admin.store->ops;
	must(real->migrate(world->admin.store, &from, &to, &err), &err);
	add_rows(world->admin.store);
	add_key(world->admin.store, "s1", 6);
	add_key(world->admin.store, "s2", 0);
	world->ops = *real;
	world->ops.apply = apply;
	world->ops.lives = lives;
	world->ops.list = list;
	world->admin.store->ops = &world->ops;
	world->admin.authority.resolvers = scratch_write(&world->scratch, "records", "");
	world->caller = (struct operation_caller){.platform = true,
	    .actor = "test",
	    .method = "peer",
	    .source = "unix",
	    .scopes = SCOPES_ALL};
	world->admin.reconciler = (struct reconciler *)&world->reconciler;
	return world;
}

void
operation_world_end(struct operation_world *world)
{
	world->admin.store->ops = real;
	keystore_close(world->admin.store);
	scratch_end(&world->scratch);
	mem_free(world);
}

enum operation_code
operation_world_ask(struct operation_world *world, const char *request, const char **answer_out)
{
	static char text[1 << 20];
	enum operation_code code;
	struct buf buf;
	json_t *answer;

	code = operation_run_text(
	    &world->admin, &world->caller, span_str(request), NULL, NULL, &answer);
	buf_init(&buf, sizeof(text) - 1);
	if (json_write(answer, &buf) != ST_OK)
		exit(1);
	memcpy(text, buf_text(&buf), buf.n + 1);
	*answer_out = text;
	buf_free(&buf);
	json_decref(answer);
	return code;
}
