/*
 * fuzz_conf.c - a configuration as text, with Includes of a text that includes itself, then the
 * checks and every getter. It ends the program when the status and the report disagree.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/conf/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text that includes itself; it is short, so that a run is. */
static enum status
fetch_itself(void *context, const char *path, struct buf *text_out, struct err *err)
{
	(void)context;
	if (path[0] == 'x') {
		err_set(err, "no %s", path);
		return ST_ABSENT;
	}
	buf_add_str(text_out, "Include itself\nMode s\nUMask 7x");
	return buf_status(text_out);
}

static void
ask_everything(const struct conf *conf)
{
	struct buf shown;

	buf_init(&shown, CONF_FILE_MAX);
	for (int i = 0; i < CONF_COUNT; i++) {
		enum conf_parameter p = (enum conf_parameter)i;
		int64_t least, most, number = conf_int(conf, p);

		buf_reset(&shown);
		conf_int_range(p, &least, &most);
		if (conf_show(conf, p, &shown) != (conf_string(conf, p) != NULL) ||
		    (number != 0 && (number < least || number > most)) ||
		    conf_is_set(conf, p) != (conf_origin_line(conf, p) > 0))
			abort();
		(void)conf_bool(conf, p);
	}
	buf_free(&shown);
}

static void
read_report(const struct conf_report *report)
{
	struct buf line;

	buf_init(&line, 1U << 20);
	for (size_t i = 0; i < report->count; i++) {
		buf_reset(&line);
		conf_report_line(&report->messages[i], "p", &line);
		for (size_t j = 0; j < line.n; j++)
			if (line.p[j] < 0x20 || line.p[j] > 0x7e)
				abort();
		if (line.n == 0)
			abort();
	}
	buf_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	enum status status;
	size_t errors;

	if (size % 2 == 0)
		status = conf_parse_text(conf, "fuzz", text, &report);
	else
		status = conf_parse_with(conf, "fuzz", text, fetch_itself, NULL, &report);
	errors = report.errors;
	if ((status == ST_OK) != (errors == 0))
		abort();
	status = conf_check(conf, &report);
	if ((status == ST_OK) != (report.errors == errors))
		abort();
	ask_everything(conf);
	read_report(&report);
	conf_report_free(&report);
	conf_free(conf);
	return 0;
}
