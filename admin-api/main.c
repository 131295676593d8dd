/*
 * main.c - signpost-admind: opens the key store for writing, the publishers and its socket, and
 * lets the reconciler take turns until it is told to end. Mail does not depend on it: it may be
 * away for days. It must never keep root, and never go on with a configuration that has an error.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "admin-api/admin.h"
#include "admin-api/api.h"
#include "admin-api/crash.h"
#include "admin-api/mirror.h"
#include "admin-api/operations.h"
#include "admin-api/quota.h"
#include "admin-api/reconciler.h"
#include "backends/settings.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/check.h"
#include "lib/conf/privileges.h"
#include "lib/conf/values.h"
#include "lib/crypto/key.h"

#define PROGRAM "signpost-admind"
#define CONF_DEFAULT SYSCONFDIR "/signpost/signpost-admind.conf"
#define BATCH 1000U
#define SILENCE_S 60 /* a gateway that said nothing for so long is not waited for */

struct daemon {
	const char *conf_path;
	bool check_only;
	struct conf *conf;
	struct backend_settings settings;
	struct publisher **publishers;
	struct mirror **mirrors;
	char name[KEYSTORE_LEASE_MAX + 1];
	struct admin admin;
	struct api *api;
	struct http_server *http;
	int signals; /* a signalfd */
};

/* ---- options and configuration ---- */

static int
usage(FILE *to, int exit_code)
{
	fprintf(to,
	    "usage: %s [-c FILE] [-n] [-V] [--crash-points]\n"
	    "  -c FILE  the configuration; default " CONF_DEFAULT "\n"
	    "  -n       checks the configuration, the publishers and the site key, and ends\n"
	    "  -V       its version\n",
	    PROGRAM);
	return exit_code;
}

static int
print_crash_points(void)
{
	for (int i = 0; i < CRASH_POINTS; i++)
		puts(crash_point_name((enum crash_point)i));
	return 0;
}

/* -1: go on. */
static int
read_options(struct daemon *daemon, int argc, char **argv)
{
	static const struct option longs[] = {{"conf", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'n'}, {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'}, {"crash-points", no_argument, NULL, 'C'},
	    {NULL, 0, NULL, 0}};
	int option;

	daemon->conf_path = CONF_DEFAULT;
	while ((option = getopt_long(argc, argv, "c:fhnV", longs, NULL)) != -1)
		switch (option) {
		case 'c':
			daemon->conf_path = optarg;
			break;
		case 'f': /* it stays in the foreground anyway */
			break;
		case 'n':
			daemon->check_only = true;
			break;
		case 'h':
			return usage(stdout, 0);
		case 'V':
			printf("%s: Signpost v%s\n", PROGRAM, PACKAGE_VERSION);
			return 0;
		case 'C':
			return print_crash_points();
		default:
			return usage(stderr, EX_USAGE);
		}
	return optind < argc ? usage(stderr, EX_USAGE) : -1;
}

static bool
read_conf(struct daemon *daemon)
{
	struct conf_report report = CONF_REPORT_NONE;
	bool good;

	daemon->conf = conf_new();
	good = conf_load(daemon->conf, daemon->conf_path, &report) == ST_OK;
	conf_report_print(&report, PROGRAM, stderr);
	conf_report_free(&report);
	if (good && !conf_is_set(daemon->conf, CONF_KEY_STORE)) {
		log_line(LOG_LEVEL_ERROR, "%s: KeyStore is not set", daemon->conf_path);
		return false;
	}
	return good;
}

static void
open_log(const struct conf *conf)
{
	const char *name = conf_string(conf, CONF_SYSLOG_NAME);
	int facility = LOG_MAIL;

	(void)!conf_syslog_facility(conf_string(conf, CONF_SYSLOG_FACILITY), &facility, NULL);
	log_open(name == NULL ? PROGRAM : name, facility, conf_bool(conf, CONF_SYSLOG));
	log_also_stderr(conf_bool(conf, CONF_SYSLOG) && isatty(STDERR_FILENO) == 1);
}

/* ---- what it works with ---- */

static bool
choose_name(struct daemon *daemon, struct err *err)
{
	const char *given = conf_string(daemon->conf, CONF_ADMIN_NAME);
	char host[256] = "";

	if (given == NULL && gethostname(host, sizeof(host) - 1) == 0)
		given = host;
	if (given == NULL || given[0] == '\0' || strlen(given) > KEYSTORE_LEASE_MAX ||
	    strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		strlen(given)) {
		err_set(err,
		    "AdminName has to be set to a name of letters, digits and \"._-\", "
		    "%u at most",
		    KEYSTORE_LEASE_MAX);
		return false;
	}
	snprintf(daemon->name, sizeof(daemon->name), "%s", given);
	return true;
}

static enum status
open_site_key(struct daemon *daemon, struct err *err)
{
	const char *path = conf_string(daemon->conf, CONF_SITE_KEY_FILE);

	if (path == NULL) {
		log_line(LOG_LEVEL_WARNING, "SiteKeyFile is not set: no key can be made or proven");
		return ST_OK;
	}
	return sitekey_open(
	    path, conf_bool(daemon->conf, CONF_REQUIRE_SAFE_KEYS), &daemon->admin.sitekey, err);
}

static enum status
open_all(struct daemon *daemon, struct err *err)
{
	const struct conf *conf = daemon->conf;
	enum status status;

	if (!choose_name(daemon, err))
		return ST_INVALID;
	status = publishers_read(conf_string(conf, CONF_DNS_PUBLISHERS), &daemon->publishers,
	    &daemon->admin.publisher_count, err);
	if (status != ST_OK) {
		err_prefix(err, "DNSPublishers");
		return status;
	}
	status = mirrors_read(conf_string(conf, CONF_KEY_MIRRORS), &daemon->mirrors,
	    &daemon->admin.mirror_count, err);
	if (status != ST_OK) {
		err_prefix(err, "KeyMirrors");
		return status;
	}
	daemon->admin.publishers = daemon->publishers;
	daemon->admin.mirrors = daemon->mirrors;
	daemon->admin.canonicalization = conf_string(conf, CONF_CANONICALIZATION);
	daemon->admin.conf = conf;
	daemon->admin.require_tenant = conf_bool(conf, CONF_REQUIRE_TENANT);
	status = open_site_key(daemon, err);
	if (status != ST_OK) {
		err_prefix(err, "SiteKeyFile");
		return status;
	}
	daemon->admin.authority =
	    (struct authority_config){.resolvers = conf_string(conf, CONF_PROVING_RESOLVERS),
		.trust_anchors = conf_string(conf, CONF_TRUST_ANCHOR_FILE),
		.port = (uint16_t)conf_int(conf, CONF_PROVING_PORT)};
	status = keystore_open(backend_keystores_for(conf, &daemon->settings),
	    conf_string(conf, CONF_KEY_STORE), true, &daemon->admin.store, err);
	if (status != ST_OK)
		err_prefix(err, "KeyStore");
	else
		quotas_new(daemon->admin.store, &daemon->admin.quotas);
	return status;
}

static enum status
start_reconciler(struct daemon *daemon, struct err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct reconciler_config config = {.store = daemon->admin.store,
	    .sitekey = daemon->admin.sitekey,
	    .publishers = daemon->publishers,
	    .publisher_count = daemon->admin.publisher_count,
	    .mirrors = daemon->mirrors,
	    .mirror_count = daemon->admin.mirror_count,
	    .authority = daemon->admin.authority,
	    .owner = daemon->name,
	    .lease_s = conf_int(daemon->conf, CONF_ADMIN_LEASE),
	    .gateway_silence_s = SILENCE_S,
	    .batch = BATCH,
	    .records = daemon->admin.records,
	    .providers = daemon->admin.providers,
	    .provers = (unsigned)conf_int(daemon->conf, CONF_PROVING_THREADS),
	    .makers = cores > 0 ? (unsigned)cores : 1,
	    .lanes = true};

	return reconciler_new(&config, &daemon->admin.reconciler, err);
}

/* Only a schema that has no room for them is one without: what cannot be asked now is asked each
 * time. */
static void
look_for_providers(struct daemon *daemon)
{
	struct keystore_rows *rows = NULL;
	struct err why = ERR_NONE;
	enum status status =
	    keystore_provider(daemon->admin.store, SPAN_LIT("x"), SPAN_LIT("x"), &rows, &why);

	keystore_rows_release(rows);
	daemon->admin.providers = status == ST_OK;
	if (status != ST_OK)
		log_line(
		    LOG_LEVEL_WARNING, "tenants have no DNS providers of their own: %s", why.text);
}

/* An older schema has no room for tokens and the audit: then there is neither. */
static enum status
look_for_records(struct daemon *daemon, struct err *err)
{
	struct keystore *store = daemon->admin.store;
	struct err why = ERR_NONE;
	struct audit_head head;

	look_for_providers(daemon);
	daemon->admin.records = keystore_audit_head(store, &head, &why) == ST_OK;
	if (daemon->admin.records)
		return ST_OK;
	if (conf_is_set(daemon->conf, CONF_ADMIN_LISTEN)) {
		err_set(err, "AdminListen: tokens cannot be looked up: %s", why.text);
		return ST_UNAVAILABLE;
	}
	log_line(LOG_LEVEL_WARNING, "nothing of what is done is recorded: %s", why.text);
	return ST_OK;
}

static enum status
start_http(struct daemon *daemon, struct err *err)
{
	const struct conf *conf = daemon->conf;
	struct http_config config = {.unix_path = conf_string(conf, CONF_ADMIN_SOCKET),
	    .unix_group = (gid_t)-1,
	    .listen = conf_string(conf, CONF_ADMIN_LISTEN),
	    .certificate_file = conf_string(conf, CONF_ADMIN_CERTIFICATE_FILE),
	    .key_file = conf_string(conf, CONF_ADMIN_KEY_FILE),
	    .client_ca_file = conf_string(conf, CONF_ADMIN_CLIENT_CA_FILE),
	    .handler = &api_handler};
	enum status status;

	status = api_new(&daemon->admin, &daemon->api, err);
	if (status != ST_OK)
		return status;
	config.context = daemon->api;
	status = http_server_new(&config, &daemon->http, err);
	api_serves(daemon->api, daemon->http);
	if (status != ST_OK)
		err_prefix(err, "AdminSocket, AdminListen");
	else if (config.listen != NULL)
		log_line(LOG_LEVEL_NOTICE, "HTTP: %s, port %u", config.listen,
		    http_server_port(daemon->http));
	return status;
}

/* ---- at work ---- */

static void
raise_limits(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	/* Keys live in locked memory, and in no core dump. */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	limit.rlim_cur = limit.rlim_max = 0;
	setrlimit(RLIMIT_CORE, &limit);
}

/* Before there are threads: all of them leave the signals to us. */
static bool
take_signals(struct daemon *daemon)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	daemon->signals = -1;
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return daemon->signals >= 0;
}

/* Certificates end sooner than programs. */
static void
reload(struct daemon *daemon)
{
	struct err err = ERR_NONE;

	if (daemon->http != NULL && http_server_reload(daemon->http, &err) != ST_OK)
		log_line(LOG_LEVEL_ERROR, "the certificate stays what it was: %s", err.text);
	log_line(LOG_LEVEL_NOTICE,
	    "a configuration is read at the start only: restart %s; nothing is lost by that",
	    PROGRAM);
}

/* true: it is to end. */
static bool
told_to_end(struct daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			return true;
		reload(daemon);
	}
	return false;
}

static void
wait_for(struct daemon *daemon, int64_t seconds)
{
	struct pollfd fds[2] = {{.fd = daemon->signals, .events = POLLIN},
	    {.fd = reconciler_wake_fd(daemon->admin.reconciler), .events = POLLIN}};

	(void)!poll(fds, 2, (int)(seconds * 1000));
	reconciler_woken(daemon->admin.reconciler);
}

static void
work(struct daemon *daemon)
{
	int64_t next_s = 0;

	log_line(LOG_LEVEL_NOTICE, "Signpost v%s: %s is at work as %s on %s", PACKAGE_VERSION,
	    PROGRAM, daemon->name, daemon->admin.store->where);
	while (!told_to_end(daemon)) {
		struct err err = ERR_NONE;

		/* What it says is in the log, and in its state. */
		(void)!reconciler_turn(daemon->admin.reconciler, &next_s, &err);
		if (next_s > 0)
			wait_for(daemon, next_s);
	}
	log_line(LOG_LEVEL_NOTICE, "%s ends", PROGRAM);
}

static int
exit_code_of(enum status status)
{
	return status == ST_UNAVAILABLE ? EX_UNAVAILABLE
	       : status == ST_FAILED    ? EX_OSERR
					: EX_CONFIG;
}

static int
serve(struct daemon *daemon)
{
	struct err err = ERR_NONE;
	enum status status = open_all(daemon, &err);

	if (status == ST_OK && !daemon->check_only)
		status = look_for_records(daemon, &err);
	if (status == ST_OK && !daemon->check_only)
		status = start_reconciler(daemon, &err);
	if (status == ST_OK && !daemon->check_only)
		status = start_http(daemon, &err);
	if (status == ST_OK && !daemon->check_only)
		work(daemon);
	if (status != ST_OK)
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
	http_server_free(daemon->http);
	api_free(daemon->api);
	reconciler_free(daemon->admin.reconciler);
	quotas_free(daemon->admin.quotas);
	keystore_close(daemon->admin.store);
	sitekey_close(daemon->admin.sitekey);
	mirrors_close(daemon->mirrors, daemon->admin.mirror_count);
	publishers_close(daemon->publishers, daemon->admin.publisher_count);
	return status == ST_OK ? 0 : exit_code_of(status);
}

/* Root only as long as it takes to become somebody else. */
static int
prepare(struct daemon *daemon)
{
	struct err err = ERR_NONE;
	int exit_code;

	raise_limits();
	if (conf_is_set(daemon->conf, CONF_UMASK))
		umask((mode_t)conf_int(daemon->conf, CONF_UMASK));
	exit_code = privileges_drop(daemon->conf, &err);
	if (exit_code == 0 && key_memory_secure() != ST_OK) {
		err_set(&err, "the crypto library takes no protected memory for keys");
		exit_code = EX_OSERR;
	}
	if (exit_code == 0 && !take_signals(daemon)) {
		err_set(&err, "signals: %s", strerror(errno));
		exit_code = EX_OSERR;
	}
	if (exit_code != 0)
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
	return exit_code;
}

int
main(int argc, char **argv)
{
	struct daemon daemon = {.signals = -1};
	int exit_code = read_options(&daemon, argc, argv);

	if (exit_code >= 0)
		return exit_code;
	if (!crash_setup(getenv("SIGNPOST_CRASH_AT"))) {
		fprintf(
		    stderr, "%s: SIGNPOST_CRASH_AT names no place; see --crash-points\n", PROGRAM);
		return EX_USAGE;
	}
	mem_give_back();
	log_open(PROGRAM, LOG_MAIL, false);
	operations_begin();
	exit_code = EX_CONFIG;
	if (read_conf(&daemon)) {
		if (!daemon.check_only)
			open_log(daemon.conf);
		exit_code = prepare(&daemon);
		if (exit_code == 0)
			exit_code = serve(&daemon);
	}
	conf_free(daemon.conf);
	return exit_code;
}
