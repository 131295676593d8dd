/*
 * report.c - the list of what is wrong with a configuration, and how a line of it reads.
 * The parser and the checks fill it; the parent and -n print it. Hostile bytes of a file are made
 * printable when they enter. It must never grow past CONF_MESSAGES_MAX messages.
 */
#include <stdarg.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/report.h"

void
conf_report_free(struct conf_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		mem_free(report->messages[i].file);
		mem_free(report->messages[i].text);
	}
	mem_free(report->messages);
	*report = CONF_REPORT_NONE;
}

/* Control characters and octets above 0x7e as \xNN. */
static char *
printable(const char *text)
{
	struct buf buf;
	char *copy;

	buf_init(&buf, 4 * CONF_MESSAGE_TEXT_MAX + 4);
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p >= 0x20 && *p <= 0x7e)
			buf_add_char(&buf, (char)*p);
		else
			buf_add_fmt(&buf, "\\x%02x", *p);
	}
	copy = span_dup(buf_span(&buf));
	buf_free(&buf);
	return copy;
}

static void
keep(struct conf_report *report, enum conf_severity severity, const char *file, unsigned int line,
    const char *text)
{
	struct conf_message *message;

	report->messages =
	    mem_resize(report->messages, report->count + 1, sizeof(*report->messages));
	message = &report->messages[report->count++];
	message->severity = severity;
	message->file = file == NULL ? NULL : printable(file);
	message->line = line;
	message->text = printable(text);
}

void
conf_report_add(struct conf_report *report, enum conf_severity severity, const char *file,
    unsigned int line, const char *fmt, ...)
{
	char text[CONF_MESSAGE_TEXT_MAX];
	va_list args;
	int n;

	if (report == NULL)
		return;
	if (severity == CONF_ERROR)
		report->errors++;
	else
		report->warnings++;
	if (report->count == CONF_MESSAGES_MAX)
		return;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	keep(report, severity, file, line, text);
}

void
conf_report_line(const struct conf_message *message, const char *program, struct buf *line_out)
{
	if (program != NULL)
		buf_add_fmt(line_out, "%s: ", program);
	if (message->file != NULL)
		buf_add_fmt(line_out, "%s: ", message->file);
	if (message->line > 0) {
		buf_add_fmt(line_out, "%s at line %u: ",
		    message->severity == CONF_ERROR ? "configuration error" : "warning",
		    message->line);
	} else if (message->severity == CONF_WARNING) {
		buf_add_str(line_out, "warning: ");
	}
	buf_add_str(line_out, message->text);
}

void
conf_report_print(const struct conf_report *report, const char *program, FILE *to)
{
	size_t all = report->errors + report->warnings;
	struct buf line;

	buf_init(&line, 16 * CONF_MESSAGE_TEXT_MAX);
	for (size_t i = 0; i < report->count; i++) {
		buf_reset(&line);
		conf_report_line(&report->messages[i], program, &line);
		fprintf(to, "%s\n", buf_text(&line));
	}
	buf_free(&line);
	if (all > report->count)
		fprintf(to, "%s: %zu more messages are not shown\n", program == NULL ? "" : program,
		    all - report->count);
}
