/*
 * mysql_sha2.c - logging in by caching_sha2_password, which is what MySQL 8 and later use.
 * Called by libmariadb in mysql_log_in(). The library has a plugin of its own for it, in a file
 * that is not there after a chroot, and which gives the password to any server that sends an RSA
 * key for it; this one takes its place.
 * It must never give the password itself but over TLS or a socket of this machine.
 */
#include <errmsg.h>
#include <mysql.h>
#include <mysql/plugin_auth.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backends/mysql_session.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"

#define NONCE_BYTES 20

/* The server's answers to the scramble. */
enum { ANSWER_KNOWN = 3, ANSWER_GIVE_PASSWORD = 4 };

/* What mysql/client_plugin.h declares; Debian's needs a header that is not in the package. */
struct client_plugin {
	int type;
	unsigned interface_version;
	const char *name, *author, *desc;
	unsigned version[3];
	const char *license;
	void *mysql_api;
	int (*init)(char *text, size_t text_bytes, int count, va_list more);
	int (*deinit)(void);
	int (*options)(const char *option, const void *value);
	int (*authenticate_user)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
};

#define AUTHENTICATION_PLUGIN 2
#define INTERFACE_VERSION 0x0100

static void
hash(struct digest *digest, struct span first, struct span second, uint8_t out[SHA256_BYTES])
{
	digest_start(digest);
	digest_add(digest, first);
	digest_add(digest, second);
	digest_finish(digest, out);
}

/* What shows to the server that we know the password. */
static void
make_scramble(const char *password, const uint8_t *nonce, uint8_t out[SHA256_BYTES])
{
	struct digest *digest = digest_new();
	uint8_t once[SHA256_BYTES], twice[SHA256_BYTES], salted[SHA256_BYTES];

	hash(digest, span_str(password), SPAN_EMPTY, once);
	hash(digest, span_of((const char *)once, SHA256_BYTES), SPAN_EMPTY, twice);
	hash(digest, span_of((const char *)twice, SHA256_BYTES),
	    span_of((const char *)nonce, NONCE_BYTES), salted);
	for (size_t i = 0; i < SHA256_BYTES; i++)
		out[i] = once[i] ^ salted[i];
	secret_wipe(once, sizeof(once));
	secret_wipe(twice, sizeof(twice));
	digest_free(digest);
}

static bool
is_private(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
	MYSQL_PLUGIN_VIO_INFO info = {.protocol = MYSQL_VIO_INVALID};

	vio->info(vio, &info);
	return info.protocol == MYSQL_VIO_SOCKET || mysql_get_ssl_cipher(mysql) != NULL;
}

static int
give_password(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
	size_t n = strlen(mysql->passwd) + 1;

	if (!is_private(vio, mysql)) {
		mysql->net.last_errno = CR_AUTH_PLUGIN_ERR;
		snprintf(mysql->net.last_error, sizeof(mysql->net.last_error),
		    "the server asks for the password itself (caching_sha2_password)");
		return CR_ERROR;
	}
	return vio->write_packet(vio, (const unsigned char *)mysql->passwd, (int)n) == 0 ? CR_OK
											 : CR_ERROR;
}

static int
authenticate(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
	uint8_t scramble[SHA256_BYTES];
	unsigned char *packet;

	/* The nonce, and a NUL. */
	if (vio->read_packet(vio, &packet) != NONCE_BYTES + 1)
		return CR_SERVER_HANDSHAKE_ERR;
	if (mysql->passwd == NULL || mysql->passwd[0] == '\0')
		return vio->write_packet(vio, (const unsigned char *)"", 1) == 0 ? CR_OK : CR_ERROR;
	make_scramble(mysql->passwd, packet, scramble);
	if (vio->write_packet(vio, scramble, SHA256_BYTES) != 0)
		return CR_ERROR;
	if (vio->read_packet(vio, &packet) != 1)
		return CR_ERROR; /* it was refused */
	if (packet[0] == ANSWER_KNOWN)
		return CR_OK;
	return packet[0] == ANSWER_GIVE_PASSWORD ? give_password(vio, mysql)
						 : CR_SERVER_HANDSHAKE_ERR;
}

static struct client_plugin plugin = {
    .type = AUTHENTICATION_PLUGIN,
    .interface_version = INTERFACE_VERSION,
    .name = "caching_sha2_password",
    .author = "Signpost",
    .desc = "caching_sha2_password, never without TLS",
    .version = {1, 0, 0},
    .license = "BSD",
    .authenticate_user = authenticate,
};

bool
mysql_sha2_register(void)
{
	MYSQL *mysql = mysql_init(NULL);
	bool done = mysql != NULL && mysql_client_register_plugin(
					 mysql, (struct st_mysql_client_plugin *)&plugin) != NULL;

	mysql_close(mysql);
	return done;
}
