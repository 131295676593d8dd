/*
 * admin_answer.c - reads what a daemon answers: lines of progress and an answer, or a problem.
 * Called by admin_client.c with octets as they come. It must never believe an answer that has not
 * the form of one: something else may listen there.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tools/admin_http.h"

#define ANSWER_MAX (65U * 1024U * 1024U) /* octets of an answer, or of one line */

void
admin_reader_init(
    struct admin_reader *reader, void (*progress)(void *, const json_t *), void *context)
{
	*reader = (struct admin_reader){.progress = progress, .context = context};
	buf_init(&reader->in, ANSWER_MAX);
}

void
admin_reader_free(struct admin_reader *reader)
{
	json_decref(reader->answer);
	json_decref(reader->rows);
	buf_free(&reader->in);
	reader->answer = reader->rows = NULL;
}

/* ---- problems ---- */

/* Where in the request it is, as operations say it: path, query and body are all arguments. */
static json_t *
pointer_of(const json_t *error)
{
	const char *pointer = json_string_value(json_object_get(error, "pointer"));
	const char *parameter = json_string_value(json_object_get(error, "parameter"));
	const char *header = json_string_value(json_object_get(error, "header"));

	if (pointer != NULL)
		return json_sprintf(
		    "/arguments%s%s", pointer[0] == '/' || pointer[0] == '\0' ? "" : "/", pointer);
	if (parameter != NULL)
		return json_sprintf("/arguments/%s", parameter);
	return json_string(header == NULL ? "" : header);
}

static json_t *
errors_of(const json_t *problem)
{
	json_t *out = json_array(), *error;
	size_t i;

	json_array_foreach(json_object_get(problem, "errors"), i, error)
	{
		json_t *detail = json_object_get(error, "detail");

		if (json_is_string(detail))
			json_array_append_new(out, json_pack("{s:o, s:O}", "pointer",
						       pointer_of(error), "detail", detail));
	}
	return out;
}

/* The last part of its path. */
static void
add_rotation(json_t *answer, const json_t *problem)
{
	const json_t *links = json_object_get(problem, "links");
	const char *path = json_string_value(json_object_get(links, "rotation"));
	const char *name = path == NULL ? NULL : strrchr(path, '/');

	if (name != NULL)
		json_object_set_new(answer, "rotation", json_string(name + 1));
}

/* NULL: it is none. */
static json_t *
answer_of_problem(const json_t *problem)
{
	json_t *code = json_object_get(problem, "code"),
	       *detail = json_object_get(problem, "detail");
	json_t *answer, *errors;

	if (!json_is_string(code) || !json_is_string(detail))
		return NULL;
	answer = json_pack("{s:b, s:O, s:O}", "ok", 0, "code", code, "detail", detail);
	errors = errors_of(problem);
	if (json_array_size(errors) > 0)
		json_object_set(answer, "errors", errors);
	json_decref(errors);
	add_rotation(answer, problem);
	return answer;
}

/* ---- lines ---- */

static json_t *
parse(struct span text)
{
	json_t *json =
	    json_loadb(text.p == NULL ? "" : text.p, text.n, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* The answer is the last of them. */
static bool
take_line(struct admin_reader *reader, struct span text)
{
	json_t *line = parse(text);
	const json_t *progress = json_object_get(line, "progress");

	if (line != NULL && reader->rows != NULL) {
		json_array_append_new(reader->rows, line);
		return true;
	}
	if (line == NULL || reader->answer != NULL) {
		json_decref(line);
		return false;
	}
	if (json_is_object(progress)) {
		reader->progress(reader->context, progress);
		json_decref(line);
		return true;
	}
	if (json_is_true(json_object_get(line, "ok")) &&
	    json_is_object(json_object_get(line, "result"))) {
		reader->answer = line;
		return true;
	}
	reader->answer = answer_of_problem(line);
	json_decref(line);
	return reader->answer != NULL;
}

bool
admin_reader_take(struct admin_reader *reader, struct span piece, bool lines)
{
	size_t begin = 0, at = reader->in.n;

	buf_add(&reader->in, piece);
	if (buf_status(&reader->in) != ST_OK)
		reader->strange = true;
	for (; lines && !reader->strange && at < reader->in.n; at++) {
		if (reader->in.p[at] != '\n')
			continue;
		reader->strange = !take_line(reader, span_of(reader->in.p + begin, at - begin));
		begin = at + 1;
	}
	if (!reader->strange)
		buf_drop_front(&reader->in, begin);
	return !reader->strange;
}

json_t *
admin_reader_end(struct admin_reader *reader, long status, bool lines)
{
	json_t *answer = reader->answer, *json;

	reader->answer = NULL;
	if (reader->strange || (lines && reader->in.n > 0)) {
		json_decref(answer);
		return NULL;
	}
	if (lines && reader->rows != NULL)
		return json_pack("{s:b, s:{s:O}}", "ok", 1, "result", "lines", reader->rows);
	if (lines)
		return answer;
	json = status >= 400 ? parse(buf_span(&reader->in)) : NULL;
	answer = answer_of_problem(json);
	json_decref(json);
	return answer;
}
