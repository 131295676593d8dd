/*
 * admin_driver.c - the socket of signpost-admind without a reconciler: nothing happens but what is
 * asked for. tests/tools/test_admin_cli.py calls it:
 *
 *   admin_driver STORE SITE_KEY_FILE SOCKET RECORDS [IDLE_S [WRITE_S [GROUP]]]
 *
 * RECORDS: what DNS has (tests/lib/file_authority.c). It prints "ready" when it listens, and ends
 * with SIGTERM, or when its standard input ends.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin-api/operations.h"
#include "admin-api/socket.h"
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

int
main(int argc, char **argv)
{
	static struct no_reconciler none;
	struct admin admin = {.reconciler = (struct reconciler *)&none};
	struct socket_config config = {.group = (gid_t)-1};
	struct socket_server *server;
	struct err err = ERR_NONE;
	int term = catch_term();

	if (argc < 5)
		return 2;
	operations_begin();
	admin.authority.resolvers = argv[4];
	config.path = argv[3];
	config.idle_s = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0;
	config.write_s = argc > 6 ? (int)strtol(argv[6], NULL, 10) : 0;
	if (argc > 7)
		config.group = (gid_t)strtol(argv[7], NULL, 10);
	if (keystore_open(backend_keystores(), argv[1], true, &admin.store, &err) != ST_OK)
		end("store", &err);
	if (sitekey_open(argv[2], false, &admin.sitekey, &err) != ST_OK)
		end("site key", &err);
	if (socket_server_new(&config, &admin, &server, &err) != ST_OK)
		end("socket", &err);
	printf("ready\n");
	fflush(stdout);
	wait_for_the_end(term);
	socket_server_free(server);
	keystore_close(admin.store);
	sitekey_close(admin.sitekey);
	printf("woken %u\n", none.woken);
	return 0;
}
