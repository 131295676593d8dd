/*
 * main.c - signpostd: reads the command line and the configuration, opens the socket, drops
 * privileges, and hands over to the parent.
 * It must never keep root, or go on with a configuration that has an error.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "backends/registry.h"
#include "daemon/options.h"
#include "daemon/parent.h"
#include "daemon/query.h"
#include "daemon/testmode.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/check.h"
#include "lib/conf/privileges.h"
#include "lib/conf/values.h"

/* Used up before privileges are dropped: only a restart changes them. */
static const enum conf_parameter fixed_parameters[] = {CONF_SOCKET, CONF_PID_FILE, CONF_USER_ID,
    CONF_UMASK, CONF_CHANGE_ROOT_DIRECTORY, CONF_BASE_DIRECTORY, CONF_BACKGROUND};
#define FIXED_COUNT (sizeof(fixed_parameters) / sizeof(fixed_parameters[0]))

struct service {
	struct options options;
	struct listeners listeners;
	int argc;
	char **argv;
	int background_pipe; /* the shell's process waits for a word here, or -1 */
	char *pid_file;
	char *conf_path;          /* absolute */
	char *fixed[FIXED_COUNT]; /* values that a reload cannot change */
};

/* ---- configuration ---- */

static void
log_report(const struct conf_report *report)
{
	struct buf line;

	buf_init(&line, LOG_LINE_MAX);
	for (size_t i = 0; i < report->count; i++) {
		const struct conf_message *message = &report->messages[i];

		buf_reset(&line);
		conf_report_line(message, NULL, &line);
		log_line(message->severity == CONF_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
		    "%s", buf_text(&line));
	}
	buf_free(&line);
}

static struct conf *
read_conf(const struct options *options, bool serving, struct conf_report *report)
{
	struct conf *conf = conf_new();
	enum status status = options_load(options, conf, report);

	/* -t verifies unless -b says otherwise, whatever the file says. */
	if (status == ST_OK && options->test_files != NULL &&
	    strcmp(conf_origin(conf, CONF_MODE), "-b") != 0)
		status = conf_set(conf, CONF_MODE, "v", "-t", report);
	if (status == ST_OK)
		status = conf_check(conf, report);
	if (status == ST_OK && serving)
		status = conf_check_serving(conf, report);
	if (status == ST_OK)
		return conf;
	conf_free(conf);
	return NULL;
}

static void
open_log(const struct options *options, const struct conf *conf)
{
	const char *name = conf_string(conf, CONF_SYSLOG_NAME);
	int facility = LOG_MAIL;

	(void)!conf_syslog_facility(conf_string(conf, CONF_SYSLOG_FACILITY), &facility, NULL);
	log_open(name == NULL ? options->program : name, facility, conf_bool(conf, CONF_SYSLOG));
}

static const char *
value_of(const struct conf *conf, enum conf_parameter parameter)
{
	const char *value = conf_string(conf, parameter);

	return value == NULL ? "" : value;
}

static void
remember_fixed(struct service *service, const struct conf *conf)
{
	for (size_t i = 0; i < FIXED_COUNT; i++)
		service->fixed[i] = mem_strdup(value_of(conf, fixed_parameters[i]));
}

static void
warn_of_fixed(const struct service *service, const struct conf *conf)
{
	for (size_t i = 0; i < FIXED_COUNT; i++)
		if (strcmp(service->fixed[i], value_of(conf, fixed_parameters[i])) != 0)
			log_line(LOG_LEVEL_WARNING,
			    "%s has changed (%s); it takes a restart to use the new value",
			    conf_name(fixed_parameters[i]), conf_origin(conf, fixed_parameters[i]));
}

static struct conf *
reload(void *context)
{
	struct service *service = context;
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = read_conf(&service->options, true, &report);

	log_report(&report);
	conf_report_free(&report);
	if (conf == NULL)
		return NULL;
	open_log(&service->options, conf);
	warn_of_fixed(service, conf);
	return conf;
}

/* ---- what -V, -e and -n print ---- */

static int
print_version(const char *program)
{
	const struct table_registry *registry = backend_registry();

	printf("%s: Signpost v%s\n"
	       "\tSpeaks the milter protocol, versions 2 to 6\n"
	       "\tSupported signing algorithms:\n\t\trsa-sha256\n\t\ted25519-sha256\n"
	       "\tSupported canonicalization algorithms:\n\t\trelaxed\n\t\tsimple\n"
	       "\tData sets:",
	    program, PACKAGE_VERSION);
	/* One that was not built has a name, for its sentence, and nothing else. */
	for (size_t i = 0; i < registry->count; i++)
		if (registry->ops[i]->lookup != NULL)
			printf(" %s", registry->ops[i]->type);
	printf("\n");
	return 0;
}

static int
show_parameter(const struct conf *conf, const char *name)
{
	enum conf_parameter parameter = conf_by_name(span_str(name));
	struct buf text;
	bool set;

	if (parameter == CONF_COUNT)
		return EX_DATAERR;
	buf_init(&text, CONF_LINE_MAX);
	set = conf_show(conf, parameter, &text);
	if (set)
		printf("%s\n", buf_text(&text));
	buf_free(&text);
	return set ? 0 : EX_CONFIG;
}

/* ---- before serving ---- */

/* Background: the process that the shell waits for ends when the service serves, or with the
 * service's exit status when it cannot. */
static void
go_to_background(struct service *service)
{
	int fds[2], null;
	unsigned char status = EX_OSERR;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return;
	switch (fork()) {
	case -1:
		log_line(LOG_LEVEL_ERROR, "cannot go to the background: %s", strerror(errno));
		_exit(EX_OSERR);
	case 0:
		break;
	default:
		close(fds[1]);
		n = read(fds[0], &status, 1);
		_exit(n == 1 ? status : EX_SOFTWARE);
	}
	close(fds[0]);
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	service->background_pipe = fds[1];
}

static void
report_to_shell(struct service *service, int exit_code)
{
	unsigned char status = (unsigned char)exit_code;
	ssize_t done;
	int null;

	if (service->background_pipe < 0)
		return;
	done = write(service->background_pipe, &status, 1);
	(void)done; /* nobody waits any more */
	close(service->background_pipe);
	service->background_pipe = -1;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
}

static void
serving(void *context)
{
	struct service *service = context;
	char args[512] = "";
	size_t n = 0;

	for (int i = 1; i < service->argc && n < sizeof(args); i++)
		n += (size_t)snprintf(
		    args + n, sizeof(args) - n, "%s%s", i > 1 ? " " : "", service->argv[i]);
	log_line(LOG_LEVEL_NOTICE, "Signpost v%s starting (args: %s)", PACKAGE_VERSION, args);
	report_to_shell(service, 0);
}

static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Keys live in locked memory; only root may ask for more than the limit. */
	limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
}

static int
write_pid_file(struct service *service, const struct conf *conf)
{
	const char *path = conf_string(conf, CONF_PID_FILE);
	FILE *f;

	if (path == NULL)
		return 0;
	f = fopen(path, "we");
	if (f == NULL || fprintf(f, "%ld\n", (long)getpid()) < 0 || fclose(f) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot write PidFile %s: %s", path, strerror(errno));
		return EX_OSERR;
	}
	service->pid_file = mem_strdup(path);
	return 0;
}

static int
drop_privileges(const struct conf *conf)
{
	struct err err = ERR_NONE;
	int exit_code = privileges_drop(conf, &err);

	if (exit_code != 0)
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
	return exit_code;
}

static int
enter_base_directory(const struct conf *conf)
{
	const char *path = conf_string(conf, CONF_BASE_DIRECTORY);

	if (path == NULL || chdir(path) == 0)
		return 0;
	log_line(LOG_LEVEL_ERROR, "BaseDirectory %s: %s", path, strerror(errno));
	return EX_CONFIG;
}

/* The socket of a service that is told to drop its privileges belongs to that user. */
static void
give_socket_away(const struct listeners *listeners, const struct conf *conf)
{
	struct conf_user who;

	if (listeners->unix_path == NULL || conf_string(conf, CONF_USER_ID) == NULL ||
	    conf_user(conf_string(conf, CONF_USER_ID), &who, NULL) != ST_OK)
		return;
	if (lchown(listeners->unix_path, who.uid, who.gid) != 0)
		log_line(LOG_LEVEL_WARNING, "cannot give %s to user %s: %s", listeners->unix_path,
		    who.name, strerror(errno));
}

/* Socket and pid file as the starting user, everything else as UserID. */
static int
prepare(struct service *service, const struct conf *conf)
{
	struct err err = ERR_NONE;
	int exit_code = enter_base_directory(conf);

	if (exit_code != 0)
		return exit_code;
	raise_limits();
	if (listeners_open(conf, &service->listeners, &exit_code, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
		return exit_code;
	}
	if (conf_is_set(conf, CONF_UMASK))
		umask((mode_t)conf_int(conf, CONF_UMASK));
	exit_code = write_pid_file(service, conf);
	give_socket_away(&service->listeners, conf);
	return exit_code != 0 ? exit_code : drop_privileges(conf);
}

/* A reload finds the file again whatever BaseDirectory says. */
static void
keep_conf_path(struct service *service)
{
	if (service->options.conf_path == NULL)
		return;
	service->conf_path = realpath(service->options.conf_path, NULL);
	if (service->conf_path != NULL)
		service->options.conf_path = service->conf_path;
}

/* -n: what the parser cannot know, seen with the eyes of the user that will serve. */
static int
check_only(const struct conf *conf)
{
	const char *user = conf_string(conf, CONF_USER_ID);
	int exit_code = enter_base_directory(conf);
	struct err err = ERR_NONE;
	struct conf_user who;

	if (user != NULL && conf_user(user, &who, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s: UserID: %s; create it or correct the name",
		    conf_origin(conf, CONF_USER_ID), err.text);
		exit_code = EX_CONFIG;
	}
	if (exit_code == 0 && getuid() == 0)
		exit_code = drop_privileges(conf);
	return exit_code != 0 ? exit_code : keeper_check_only(conf);
}

static int
serve(struct service *service, struct conf *conf)
{
	struct parent_args args = {.conf = conf,
	    .listeners = &service->listeners,
	    .fixed_time_utc = service->options.fixed_time_utc,
	    .reload = reload,
	    .context = service,
	    .serving = serving};
	int exit_code;

	keep_conf_path(service);
	remember_fixed(service, conf);
	args.detached = conf_bool(conf, CONF_BACKGROUND) && !service->options.foreground;
	if (args.detached)
		go_to_background(service);
	log_also_stderr(conf_bool(conf, CONF_SYSLOG) && isatty(STDERR_FILENO) == 1);
	exit_code = prepare(service, conf);
	if (exit_code == 0)
		exit_code = parent_run(&args);
	else
		conf_free(conf);
	if (service->pid_file != NULL)
		unlink(service->pid_file);
	listeners_unlink(&service->listeners);
	listeners_close(&service->listeners);
	mem_free(service->pid_file);
	for (size_t i = 0; i < FIXED_COUNT; i++)
		mem_free(service->fixed[i]);
	mem_free(service->conf_path);
	report_to_shell(service, exit_code);
	return exit_code;
}

/* What only reads the configuration: -e, -n, -t. */
static int
run_once(const struct options *options, const struct conf *conf)
{
	const struct testmode test = {
	    options->program, options->test_files, options->fixed_time_utc, options->verbose};

	log_open(options->program, LOG_MAIL, false);
	if (options->show != NULL)
		return show_parameter(conf, options->show);
	if (options->test_files != NULL)
		return testmode_run(conf, &test);
	return check_only(conf);
}

static int
run(struct service *service)
{
	const struct options *options = &service->options;
	struct conf_report report = CONF_REPORT_NONE;
	bool once = options->check_only || options->show != NULL || options->test_files != NULL;
	struct conf *conf = read_conf(options, !once, &report);

	conf_report_print(&report, options->program, stderr);
	conf_report_free(&report);
	if (conf == NULL)
		return EX_CONFIG;
	if (once) {
		int exit_code = run_once(options, conf);

		conf_free(conf);
		return exit_code;
	}
	open_log(options, conf);
	return serve(service, conf);
}

/* Only a configuration that was named is read: a data set needs none. */
static int
query(const struct options *options)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = NULL;
	int exit_code = EX_CONFIG;

	if (options->conf_named)
		conf = read_conf(options, false, &report);
	conf_report_print(&report, options->program, stderr);
	conf_report_free(&report);
	if (conf != NULL || !options->conf_named)
		exit_code = query_run(options->program, conf);
	conf_free(conf);
	return exit_code;
}

int
main(int argc, char **argv)
{
	struct service service = {.background_pipe = -1, .argc = argc, .argv = argv};

	if (!options_parse(argc, argv, &service.options))
		return EX_USAGE;
	if (service.options.version)
		return print_version(service.options.program);
	if (service.options.query)
		return query(&service.options);
	return run(&service);
}
