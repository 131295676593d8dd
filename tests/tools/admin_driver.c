/*
 * admin_driver.c - the socket of signpost-admind without a reconciler: nothing happens but what is
 * asked for. tests/tools/test_admin_cli.py calls it:
 *
 *   admin_driver STORE SITE_KEY_FILE SOCKET RECORDS [IDLE_S [WRITE_S [GROUP]]]
 *
 * RECORDS: what DNS has (tests/lib/file_authority.c). It prints "ready" when it listens, and ends
 * with SIGTERM, or when its standard input ends.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void
on_term(int signal)
{
	(void)signal;
	close(0);
}

static void
catch_term(void)
{
	struct sigaction action = {.sa_handler = on_term};

	sigaction(SIGTERM, &action, NULL);
}

int
main(int argc, char **argv)
{
	static struct no_reconciler none;
	struct admin admin = {.reconciler = (struct reconciler *)&none};
	struct socket_config config = {.group = (gid_t)-1};
	struct socket_server *server;
	struct err err = ERR_NONE;
	char room[16];

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
	catch_term();
	printf("ready\n");
	fflush(stdout);
	while (read(0, room, sizeof(room)) > 0)
		continue;
	socket_server_free(server);
	keystore_close(admin.store);
	sitekey_close(admin.sitekey);
	printf("woken %u\n", none.woken);
	return 0;
}
