/*
 * admin_target.c - where signpost-admind is, and with what one is let in: options, the environment,
 * the configuration.
 * Called by admin.c. It must never take a token that others can read, nor send one in clear beyond
 * this machine.
 */
#include "config.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin-api/token.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/admin.h"

#define CONF_DEFAULT SYSCONFDIR "/signpost/signpost-admind.conf"

/* ---- the URL ---- */

static bool
is_loopback(const char *host)
{
	unsigned b, c, d;
	int n = 0;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (sscanf(host, "127.%u.%u.%u%n", &b, &c, &d, &n) == 3 && host[n] == '\0' &&
		   (b | c | d) <= 255);
}

static char *
part_of(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/* NULL: it can be used. */
static const char *
what_is_wrong(CURLU *url, const char *text)
{
	char *scheme = part_of(url, CURLUPART_SCHEME), *host = part_of(url, CURLUPART_HOST);
	char *user = part_of(url, CURLUPART_USER), *path = part_of(url, CURLUPART_PATH);
	const char *wrong = NULL;

	if (scheme == NULL || host == NULL ||
	    (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		wrong = "https://HOST:PORT is needed";
	else if (user != NULL)
		wrong = "there may be no user in it: --token-file says who asks";
	else if ((path != NULL && strcmp(path, "/") != 0) || strpbrk(text, "?#") != NULL)
		wrong = "there may be nothing behind the port";
	else if (strcmp(scheme, "http") == 0 && !is_loopback(host))
		wrong = "http is for this machine alone: the token would go over the network as it "
			"is; use https";
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(path);
	return wrong;
}

/* "https://host:8443", without what is behind it. NULL: said. */
static char *
take_url(const char *program, const char *text)
{
	CURLU *url = curl_url();
	const char *wrong = "it is no URL";
	char *out;

	if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
		wrong = what_is_wrong(url, text);
	curl_url_cleanup(url);
	if (wrong != NULL) {
		cli_say(program, "%s: %s", text, wrong);
		return NULL;
	}
	out = mem_strdup(text);
	if (out[0] != '\0' && out[strlen(out) - 1] == '/')
		out[strlen(out) - 1] = '\0';
	return out;
}

/* ---- the token ---- */

static bool
is_private(const char *program, const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		cli_say(program, "%s: this is no file", path);
		return false;
	}
	if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())) {
		cli_say(program,
		    "%s: others can read or change it, or it is not yours: chmod 600, and make a "
		    "new "
		    "token",
		    path);
		return false;
	}
	return true;
}

/* room: ADMIN_TOKEN_BYTES. */
static bool
read_token(const char *program, const char *path, char *out)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = -1;
	size_t end;

	if (fd < 0)
		cli_say(program, "%s: cannot be read: %s", path, strerror(errno));
	else if (is_private(program, path, fd))
		n = read(fd, out, ADMIN_TOKEN_BYTES - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	end = strcspn(out, " \t\r\n");
	if (strspn(out, letters) == end && end == TOKEN_BYTES &&
	    out[end + strspn(out + end, " \t\r\n")] == '\0' &&
	    strncmp(out, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) == 0) {
		out[end] = '\0';
		return true;
	}
	secret_wipe(out, ADMIN_TOKEN_BYTES);
	cli_say(program, "%s: there is no token in it: one line, spt_...", path);
	return false;
}

/* ---- all of it ---- */

static const char *
or_environment(const char *given, const char *name)
{
	const char *value = given == NULL ? getenv(name) : given;

	return value == NULL || value[0] == '\0' ? NULL : value;
}

static int
remote(const char *program, const struct admin_request *given, const char *url,
    struct admin_target *out)
{
	const char *token = or_environment(given->token_file, "SIGNPOST_TOKEN_FILE");

	out->url = take_url(program, url);
	if (out->url == NULL)
		return EX_USAGE;
	out->ca = or_environment(given->ca, "SIGNPOST_CA");
	out->certificate = or_environment(given->cert, "SIGNPOST_CERT");
	out->key = or_environment(given->key, "SIGNPOST_KEY");
	if (token == NULL && out->certificate == NULL) {
		cli_say(program, "--token-file=FILE is needed, or a certificate: --cert and --key");
		return EX_USAGE;
	}
	if (token != NULL && !read_token(program, token, out->token))
		return EX_NOPERM;
	return EX_OK;
}

static int
local(const char *program, const struct admin_request *given, struct admin_target *out)
{
	const char *path = given->socket, *conf_path = given->conf;
	struct sockaddr_un address;

	if (conf_path == NULL && access(CONF_DEFAULT, R_OK) == 0)
		conf_path = CONF_DEFAULT;
	if (path == NULL && conf_path != NULL) {
		out->conf = cli_conf(program, conf_path);
		if (out->conf == NULL)
			return EX_CONFIG;
		path = conf_string(out->conf, CONF_ADMIN_SOCKET);
	}
	out->socket = path == NULL ? "/run/signpost/admin.sock" : path;
	if (strlen(out->socket) < sizeof(address.sun_path))
		return EX_OK;
	cli_say(program, "%s: the path of a socket has at most %zu octets", out->socket,
	    sizeof(address.sun_path) - 1);
	return EX_UNAVAILABLE;
}

int
admin_target_find(const char *program, const struct admin_request *given, struct admin_target *out)
{
	const char *url = given->url;

	memset(out, 0, sizeof(*out));
	if (url != NULL && given->socket != NULL) {
		cli_say(program, "--url and --socket are two places: give one of them");
		return EX_USAGE;
	}
	if (url == NULL && given->socket == NULL)
		url = or_environment(NULL, "SIGNPOST_URL");
	return url != NULL ? remote(program, given, url, out) : local(program, given, out);
}

void
admin_target_free(struct admin_target *target)
{
	mem_free(target->url);
	if (target->conf != NULL)
		conf_free(target->conf);
	secret_wipe(target, sizeof(*target));
}
