/*
 * admin_driver.c - the API of signpost-admind without a reconciler: nothing happens but what is
 * asked for. tests/tools/test_admin_cli.py calls it:
 *
 *   admin_driver STORE SITE_KEY_FILE SOCKET RECORDS [IDLE_S [REQUEST_S [GROUP [LISTEN [CERTIFICATE
 * KEY [CA]]]]]]
 *
 * IDLE_S, REQUEST_S: 0: as the daemon has it. GROUP: of the socket; -1: that of the process.
 * LISTEN: an address with port 0; the port stands behind "ready". CA: client certificates are asked
 * for. RECORDS: what DNS has (tests/lib/file_authority.c). It prints "ready" when it listens, and
 * ends with SIGTERM, or when its standard input ends.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin-api/api.h"
#include "admin-api/crash.h"
#include "admin-api/operations.h"
#include "backends/registry.h"
#include "tests/lib/no_reconciler.h"

static _Noreturn void
end(const char *what, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", what, err->text);
	exit(1);
}

/* Readable with SIGTERM, which no thread gets. */
static int
catch_term(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void
wait_for_the_end(int term)
{
	struct pollfd wait[2] = {{.fd = 0, .events = POLLIN}, {.fd = term, .events = POLLIN}};
	char room[16];

	do
		(void)!poll(wait, 2, -1);
	while (wait[1].revents == 0 && (wait[0].revents == 0 || read(0, room, sizeof(room)) > 0));
}

static void
take_arguments(struct http_config *config, int argc, char **argv)
{
	config->unix_path = argv[3];
	config->idle_s = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0;
	config->request_s = argc > 6 ? (int)strtol(argv[6], NULL, 10) : 0;
	if (argc > 7)
		config->unix_group = (gid_t)strtol(argv[7], NULL, 10);
	config->listen = argc > 8 ? argv[8] : NULL;
	config->certificate_file = argc > 10 ? argv[9] : NULL;
	config->key_file = argc > 10 ? argv[10] : NULL;
	config->client_ca_file = argc > 11 ? argv[11] : NULL;
}

int
main(int argc, char **argv)
{
	static struct no_reconciler none;
	struct admin admin = {.reconciler = (struct reconciler *)&none};
	struct http_config config = {.unix_group = (gid_t)-1, .handler = &api_handler};
	struct http_server *server;
	struct audit_head head;
	struct err err = ERR_NONE;
	struct api *api;
	int term = catch_term();

	if (argc < 5 || !crash_setup(getenv("SIGNPOST_CRASH_AT")))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	operations_begin();
	admin.authority.resolvers = argv[4];
	take_arguments(&config, argc, argv);
	if (keystore_open(backend_keystores(), argv[1], true, &admin.store, &err) != ST_OK)
		end("store", &err);
	if (sitekey_open(argv[2], false, &admin.sitekey, &err) != ST_OK)
		end("site key", &err);
	admin.records = keystore_audit_head(admin.store, &head, &err) == ST_OK;
	if (api_new(&admin, &api, &err) != ST_OK)
		end("api", &err);
	config.context = api;
	if (http_server_new(&config, &server, &err) != ST_OK) {
		api_free(api);
		end("socket", &err);
	}
	api_serves(api, server);
	if (config.listen != NULL)
		printf("ready %u\n", http_server_port(server));
	else
		printf("ready\n");
	fflush(stdout);
	wait_for_the_end(term);
	http_server_free(server);
	api_free(api);
	keystore_close(admin.store);
	sitekey_close(admin.sitekey);
	printf("woken %u\n", none.woken);
	return 0;
}
