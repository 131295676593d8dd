/*
 * log.c - the log: syslog or stderr, one line per event.
 * Every process calls it. It must never write a byte that a terminal or a log parser would take
 * for anything but text, and never fail its caller.
 */
#define SYSLOG_NAMES
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/log.h"

static struct {
	char ident[64];
	bool to_syslog;
	bool also_stderr;
	enum log_level least;
} sink = {.ident = "signpost", .least = LOG_LEVEL_INFO};

void
log_open(const char *ident, int facility, bool to_syslog)
{
	if (sink.to_syslog)
		closelog();
	snprintf(sink.ident, sizeof(sink.ident), "%s", ident);
	sink.to_syslog = to_syslog;
	if (to_syslog)
		openlog(sink.ident, LOG_PID | LOG_NDELAY, facility);
}

void
log_also_stderr(bool on)
{
	sink.also_stderr = on;
}

void
log_threshold(enum log_level least)
{
	sink.least = least;
}

/* Copies text with everything unprintable as \xNN; always terminated. */
static void
printable(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (n + 8 > size) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c >= 0x20 && c < 0x7f)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
	}
	out[n] = '\0';
}

static void
write_stderr(const char *line)
{
	char out[LOG_LINE_MAX + 128];
	int n = snprintf(out, sizeof(out), "%s[%ld]: %s\n", sink.ident, (long)getpid(), line);
	ssize_t done = write(STDERR_FILENO, out, n < (int)sizeof(out) ? (size_t)n : sizeof(out));

	(void)done; /* there is nowhere left to complain */
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char raw[LOG_LINE_MAX], line[LOG_LINE_MAX];
	int saved = errno;
	va_list args;

	if (level > sink.least)
		return;
	va_start(args, fmt);
	vsnprintf(raw, sizeof(raw), fmt, args);
	va_end(args);
	printable(raw, line, sizeof(line));
	if (sink.to_syslog)
		syslog((int)level, "%s", line);
	if (!sink.to_syslog || sink.also_stderr)
		write_stderr(line);
	errno = saved;
}

int
log_facility_number(const char *name)
{
	for (const CODE *code = facilitynames; code->c_name != NULL; code++)
		if (strcasecmp(code->c_name, name) == 0)
			return code->c_val;
	return -1;
}
