/*
 * publish_exec.c - the publisher that is a program of the operator, for providers that have an
 * interface of their own.
 * Called with all changes of one zone. It must never believe a program that failed, or one that
 * does not say what became of a change.
 */
#include "admin-api/publish_exec.h"
#include "lib/base/mem.h"

#define REQUEST_MAX (PUBLISH_BATCH_MAX * (6 * PUBLISH_VALUE_MAX + 2048U))
#define ANSWER_MAX (1U << 20)
#define EXEC_TIMEOUT_MS 60000 /* a provider behind it may be slow */

static enum status
exec_open(struct publisher *publisher, struct span value, struct err *err)
{
	static const struct publish_option none[] = {{NULL, NULL}};
	enum status status;
	struct span path;

	publisher->timeout_ms = EXEC_TIMEOUT_MS;
	status = publish_options_read(publisher, value, &path, none, err);
	if (status != ST_OK)
		return status;
	if (!publish_path_good(path)) {
		err_set(err, "exec: the program is not an absolute path");
		return ST_INVALID;
	}
	publisher->where = span_dup(path);
	return ST_OK;
}

static void
exec_close(struct publisher *publisher)
{
	(void)publisher;
}

/* What the program said about its failure, on one line. */
static const char *
printable(struct buf *errors)
{
	struct span said = span_trim(buf_span(errors));

	if (said.n == 0)
		return "it said nothing about it";
	for (size_t i = 0; i < errors->n; i++)
		if (errors->p[i] < ' ' || errors->p[i] > '~')
			errors->p[i] = ' ';
	buf_drop_front(errors, (size_t)(said.p - errors->p));
	errors->n = said.n;
	return buf_text(errors);
}

static void
run(struct publisher *publisher, struct publish_change *changes, size_t count, struct span request,
    struct buf *answer)
{
	const char *const argv[] = {publisher->where, NULL};
	struct publish_program program = {argv, request, publisher->timeout_ms};
	struct err err = ERR_NONE;
	enum status status;
	struct buf errors;

	buf_init(&errors, PUBLISH_PROGRAM_ERRORS_MAX);
	status = publish_program_run(&program, answer, &errors, &err);
	if (status == ST_OK) {
		status = publish_exec_answer(buf_span(answer), changes, count, &err);
		if (status != ST_OK)
			err_prefix(&err, "%s: its answer", publisher->where);
	}
	if (status != ST_OK)
		publish_effect_all(
		    changes, count, LIFE_UNAVAILABLE, "%s: %s", err.text, printable(&errors));
	buf_free(&errors);
}

static void
exec_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	struct buf request, answer;

	buf_init(&request, REQUEST_MAX);
	buf_init(&answer, ANSWER_MAX);
	publish_effect_all(
	    changes, count, LIFE_UNAVAILABLE, "%s: gave no result for it", publisher->where);
	publish_exec_request(span_str(publisher->name), zone, changes, count, &request);
	if (buf_status(&request) == ST_OK)
		run(publisher, changes, count, buf_span(&request), &answer);
	buf_free(&request);
	buf_free(&answer);
}

const struct publisher_ops publish_exec = {
    .kind = "exec",
    .open = exec_open,
    .close = exec_close,
    .apply = exec_apply,
};
