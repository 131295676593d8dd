/*
 * cli.c - the small things that every sub-command needs.
 * Called by testkey, testmsg, genzone and check. It must never print an octet of a record, a
 * message or a table that could do something to a terminal.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "tools/cli.h"

#define LINE_MAX_OCTETS 4096

static void print_line(FILE *to, const char *program, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static void
print_line(FILE *to, const char *program, const char *fmt, va_list args)
{
	char text[LINE_MAX_OCTETS];

	vsnprintf(text, sizeof(text), fmt, args);
	fprintf(to, "%s: ", program);
	for (const char *p = text; *p != '\0'; p++)
		if (*p >= ' ' && *p <= '~')
			putc(*p, to);
		else
			fprintf(to, "\\x%02x", (unsigned char)*p);
	putc('\n', to);
}

void
cli_say(const char *program, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line(stderr, program, fmt, args);
	va_end(args);
}

void
cli_tell(const char *program, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line(stdout, program, fmt, args);
	va_end(args);
}

/* What is opened for the wrong direction fails as a closed one does. */
void
cli_begin(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(EX_OSERR);
}

int
cli_end(const char *program, int exit_code)
{
	bool failed = fflush(stdout) != 0;

	if (!failed && ferror(stdout) == 0)
		return exit_code;
	cli_say(program, "the output cannot be written%s%s", failed ? ": " : "",
	    failed ? strerror(errno) : "");
	return exit_code == EX_OK ? EX_IOERR : exit_code;
}

static const char *
default_conf(const char *program)
{
	static const char *const own[] = {
	    SYSCONFDIR "/signpost/signpostd.conf", SYSCONFDIR "/signpostd.conf", NULL};
	static const char *const opendkim[] = {
	    SYSCONFDIR "/opendkim.conf", "/etc/opendkim.conf", NULL};
	const char *const *paths = strncmp(program, "opendkim-", 9) == 0 ? opendkim : own;

	for (; *paths != NULL; paths++)
		if (access(*paths, R_OK) == 0)
			return *paths;
	return NULL;
}

struct conf *
cli_conf(const char *program, const char *path)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	enum status status = ST_OK;

	if (path == NULL)
		path = default_conf(program);
	if (path != NULL)
		status = conf_load(conf, path, &report);
	/* The daemon warns of what it will not do; a tool names what keeps itself from working. */
	if (status != ST_OK)
		conf_report_print(&report, program, stderr);
	conf_report_free(&report);
	if (status == ST_OK)
		return conf;
	conf_free(conf);
	return NULL;
}

/* One character of UTF-8 that begins at *at, which goes behind it (RFC 3629: the shortest form, no
 * surrogates); U+FFFD for an octet that begins none. */
static uint32_t
take_character(struct span text, size_t *at)
{
	unsigned char c = (unsigned char)text.p[(*at)++];
	unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	uint32_t value = c & (0x3fu >> more);
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

	if (c < 0x80)
		return c;
	if (c < 0xc2 || c > 0xf4 || text.n - *at < more)
		return 0xfffd;
	for (unsigned i = 0; i < more; i++) {
		unsigned char next = (unsigned char)text.p[*at + i];

		if ((next & 0xc0u) != 0x80)
			return 0xfffd;
		value = value << 6 | (next & 0x3fu);
	}
	if (value < least[more] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0xfffd;
	*at += more;
	return value;
}

void
cli_json_string(struct buf *out, struct span text)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.n;) {
		uint32_t c = take_character(text, &i);

		if (c == '"' || c == '\\')
			buf_add_fmt(out, "\\%c", (char)c);
		else if (c > 0xffff)
			buf_add_fmt(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			    0xdc00 + ((c - 0x10000) & 0x3ff));
		else if (c < ' ' || c > '~')
			buf_add_fmt(out, "\\u%04x", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
}

bool
cli_seconds(const char *program, char option, const char *text, uint32_t *seconds_out)
{
	uint64_t value;

	if (!span_number(span_str(text), INT32_MAX, &value)) {
		cli_say(program, "-%c: \"%s\" is not a number of seconds", option, text);
		return false;
	}
	*seconds_out = (uint32_t)value;
	return true;
}

static enum status
write_all(int fd, struct span content)
{
	while (content.n > 0) {
		ssize_t n = write(fd, content.p, content.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_FAILED;
		content = span_from(content, (size_t)n);
	}
	return fsync(fd) == 0 ? ST_OK : ST_FAILED;
}

static enum status
fail_file(const char *path, struct err *err)
{
	err_set(err, "%s: %s", path, strerror(errno));
	return ST_FAILED;
}

/* A device or a pipe is written to, not replaced. */
static enum status
write_special(const char *path, struct span content, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	enum status status = ST_FAILED;

	if (fd < 0)
		return fail_file(path, err);
	status = write_all(fd, content);
	if (status == ST_OK || errno == EINVAL || errno == EROFS) /* fsync of a pipe */
		status = ST_OK;
	else
		status = fail_file(path, err);
	close(fd);
	return status;
}

static enum status
replace_file(const char *path, mode_t mode, struct span content, struct err *err)
{
	struct buf name;
	enum status status = ST_OK;
	int fd;

	buf_init(&name, 8192);
	buf_add_fmt(&name, "%s.XXXXXX", path);
	(void)buf_text(&name);
	fd = buf_status(&name) == ST_OK ? mkostemp(name.p, O_CLOEXEC) : -1;
	if (fd < 0) {
		buf_free(&name);
		return fail_file(path, err);
	}
	if (write_all(fd, content) != ST_OK || fchmod(fd, mode) != 0 || rename(name.p, path) != 0) {
		status = fail_file(path, err);
		unlink(name.p);
	}
	close(fd);
	buf_free(&name);
	return status;
}

enum status
cli_write_file(const char *path, struct span content, struct err *err)
{
	char *real = realpath(path, NULL);
	mode_t mask = umask(0);
	struct stat st;
	enum status status;

	umask(mask);
	if (real == NULL)
		return replace_file(path, 0666 & ~mask, content, err);
	if (stat(real, &st) == 0 && !S_ISREG(st.st_mode))
		status = write_special(path, content, err);
	else
		status = replace_file(real, st.st_mode & 07777, content, err);
	mem_free(real);
	return status;
}
