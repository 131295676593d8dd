/*
 * publish_powerdns.c - the publisher that speaks to the HTTP API of PowerDNS.
 * Called with all changes of one zone: each name is read and compared, then all that is left is
 * written by one request. The API knows no conditions, so this is not atomic. It must never write
 * over what it has not just read, keep or show the key of the API, or follow the server elsewhere.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "admin-api/publish_powerdns.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define BODY_MAX (PUBLISH_BATCH_MAX * (4 * PUBLISH_VALUE_MAX + 1024U))
#define URL_MAX 4096U
#define HEADER_OF_KEY "X-API-Key: "

struct powerdns {
	char *server, *keyfile, *insecure; /* options; server NULL: localhost */
	CURL *curl;
	char trouble[CURL_ERROR_SIZE];
	bool inside; /* it was not connected to, since it is a host inside */
};

/* One call of apply. */
struct talk {
	struct publisher *publisher;
	struct powerdns *powerdns;
	struct curl_slist headers[2]; /* made by hand: the one of the key stays in secret memory */
	struct buf url, body, answer, text;
	long http; /* status of the last answer; 0: there was none */
	bool overflow;
};

/* ---- its line ---- */

/* 127.0.0.0/8 as a number, since "127.example.com" is somebody's name. */
static bool
is_loopback(struct span host)
{
	if (span_eq_str(host, "[::1]") || span_eq_str(host, "localhost"))
		return true;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
			return false;
	return span_starts(host, SPAN_LIT("127."));
}

static bool
host_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '[' || c == ']' || c == ':' || c == '_';
}

/* "host", "host:port", without a user in it. */
static bool
authority_good(struct span authority, struct span *host_out)
{
	size_t end = span_find(authority, ']');
	size_t colon = span_find(end == SIZE_MAX ? authority : span_from(authority, end), ':');

	if (colon != SIZE_MAX && end != SIZE_MAX)
		colon += end;
	*host_out = colon == SIZE_MAX ? authority : span_sub(authority, 0, colon);
	for (size_t i = 0; i < authority.n; i++)
		if (!host_octet(authority.p[i]))
			return false;
	return host_out->n > 0;
}

static enum status
check_address(const struct publisher *publisher, struct span address, struct err *err)
{
	const struct powerdns *powerdns = publisher->state;
	bool plain = span_istarts(address, SPAN_LIT("http://"));
	struct span rest = span_sub(address, plain ? 7 : 8, address.n), authority, host;

	if (!plain && !span_istarts(address, SPAN_LIT("https://"))) {
		err_set(err, "powerdns: begins with neither http:// nor https://");
		return ST_INVALID;
	}
	span_cut(&rest, '/', &authority);
	if (!authority_good(authority, &host)) {
		err_set(err, "powerdns: \"%.*s\" is not a host, or host:port", SPAN_ARG(authority));
		return ST_INVALID;
	}
	if (plain && !is_loopback(host) && powerdns->insecure == NULL) {
		err_set(err,
		    "powerdns: the key would go to %.*s readable for everybody on the way; use "
		    "https://, or insecure=yes",
		    SPAN_ARG(host));
		return ST_INVALID;
	}
	if (!publisher->of_tenant || publisher->allow_private)
		return ST_OK;
	return publish_host_check(
	    host.p[0] == '[' && host.n > 2 ? span_sub(host, 1, host.n - 2) : host, err);
}

static enum status
check_options(const struct publisher *publisher, struct err *err)
{
	const struct powerdns *powerdns = publisher->state;
	const char *server = powerdns->server;
	enum status status =
	    publish_secret_check(publisher, "keyfile", powerdns->keyfile, true, err);

	if (status != ST_OK)
		return status;
	if (powerdns->insecure != NULL && strcmp(powerdns->insecure, "yes") != 0) {
		err_set(err, "powerdns: insecure= is \"yes\" or not given");
		return ST_INVALID;
	}
	if (server != NULL && !publish_name_good(span_str(server))) {
		err_set(err, "powerdns: server= is not a name");
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
powerdns_open(struct publisher *publisher, struct span value, struct err *err)
{
	struct powerdns *powerdns = mem_zalloc(1, sizeof(*powerdns));
	struct publish_option options[] = {{"server", &powerdns->server},
	    {"keyfile", &powerdns->keyfile}, {"insecure", &powerdns->insecure}, {NULL, NULL}};
	struct span address;
	enum status status;

	publisher->state = powerdns;
	status = publish_options_read(publisher, value, &address, options, err);
	if (status == ST_OK)
		status = check_options(publisher, err);
	if (status == ST_OK)
		status = check_address(publisher, address, err);
	if (status != ST_OK)
		return status;
	while (address.n > 0 && address.p[address.n - 1] == '/')
		address.n--;
	publisher->where = span_dup(address);
	powerdns->curl = curl_easy_init();
	if (powerdns->curl != NULL)
		return ST_OK;
	err_set(err, "powerdns: libcurl cannot be set up");
	return ST_FAILED;
}

static void
powerdns_close(struct publisher *publisher)
{
	struct powerdns *powerdns = publisher->state;

	if (powerdns == NULL)
		return;
	if (powerdns->curl != NULL)
		curl_easy_cleanup(powerdns->curl);
	mem_free(powerdns->server);
	mem_free(powerdns->keyfile);
	mem_free(powerdns->insecure);
	mem_free(powerdns);
}

/* ---- HTTP ---- */

static size_t
take_answer(char *piece, size_t size, size_t n, void *context)
{
	struct talk *talk = context;

	buf_add(&talk->answer, span_of(piece, size * n));
	talk->overflow = buf_status(&talk->answer) != ST_OK;
	return talk->overflow ? 0 : size * n;
}

/* In place of socket(): what curl has found behind a name is looked at, so that nobody's name leads
 * to a host inside. */
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct powerdns *powerdns = context;

	(void)purpose;
	powerdns->inside = !publish_address_is_public(&address->addr);
	if (powerdns->inside)
		return CURL_SOCKET_BAD;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void
set_url(struct talk *talk, struct span zone, struct span name)
{
	const char *server = talk->powerdns->server;

	buf_reset(&talk->url);
	buf_add_fmt(&talk->url, "%s/api/v1/servers/%s/zones/", talk->publisher->where,
	    server == NULL ? "localhost" : server);
	for (size_t i = 0; i < zone.n; i++) {
		if (zone.p[i] == '_')
			buf_add_str(&talk->url, "=5F");
		else
			buf_add_char(&talk->url, ascii_lower(zone.p[i]));
	}
	buf_add_char(&talk->url, '.');
	if (name.n > 0) {
		buf_add_str(&talk->url, "?rrset_name=");
		buf_add(&talk->url, name);
		buf_add_char(&talk->url, '.');
	}
}

static void
set_request(struct talk *talk, const char *method)
{
	CURL *curl = talk->powerdns->curl;

	/* Connections stay open over a reset, everything else goes. */
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, buf_text(&talk->url));
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)talk->publisher->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, talk->powerdns->trouble);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, &talk->headers[0]);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, talk);
	if (talk->publisher->of_tenant && !talk->publisher->allow_private) {
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, talk->powerdns);
	}
	if (talk->body.n > 0) {
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)talk->body.n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_text(&talk->body));
	}
}

/* true: there is an answer with a status of 200 to 299. Else the effect and a sentence. */
static bool
request(struct talk *talk, const char *method, enum life_effect *effect, struct err *err)
{
	struct buf said;
	CURLcode code;

	set_request(talk, method);
	buf_reset(&talk->answer);
	talk->http = 0;
	talk->overflow = false;
	talk->powerdns->trouble[0] = '\0';
	talk->powerdns->inside = false;
	code = curl_easy_perform(talk->powerdns->curl);
	if (code != CURLE_OK) {
		*effect = code == CURLE_PEER_FAILED_VERIFICATION ? LIFE_REFUSED : LIFE_UNAVAILABLE;
		err_set(err, "%s: %s", talk->publisher->where,
		    talk->overflow                       ? "the answer has more than 1 MiB"
		    : talk->powerdns->inside             ? PUBLISH_INSIDE_SAYS
		    : talk->powerdns->trouble[0] == '\0' ? curl_easy_strerror(code)
							 : talk->powerdns->trouble);
		return false;
	}
	curl_easy_getinfo(talk->powerdns->curl, CURLINFO_RESPONSE_CODE, &talk->http);
	if (talk->http >= 200 && talk->http <= 299)
		return true;
	*effect = talk->http >= 500 || talk->http == 429 || talk->http == 408 ? LIFE_UNAVAILABLE
									      : LIFE_REFUSED;
	buf_init(&said, 1024);
	powerdns_error_read(buf_span(&talk->answer), &said);
	err_set(err, "%s: %ld: %s", talk->publisher->where, talk->http,
	    talk->http == 404 && said.n == 0 ? "there is no such zone" : buf_text(&said));
	buf_free(&said);
	return false;
}

/* ---- changes ---- */

/* true: it is to be written. *go_on: whether asking for another name makes sense. */
static bool
look(struct talk *talk, struct span zone, struct publish_change *change, bool *go_on)
{
	enum life_effect effect = LIFE_UNAVAILABLE;
	struct publish_there there;
	struct err err = ERR_NONE;

	set_url(talk, zone, change->name);
	buf_reset(&talk->body);
	*go_on = request(talk, "GET", &effect, &err);
	if (*go_on && powerdns_rrsets_read(buf_span(&talk->answer), change->name, &talk->text,
			  &there, &err) == ST_OK)
		return publish_compare(change, &there);
	publish_effect(change, effect, "%s", err.text);
	return false;
}

/* Writes some changes at once. false: the server does not like at least one of them. */
static bool
write_some(struct talk *talk, struct span zone, struct publish_change *const *changes, size_t count)
{
	enum life_effect effect = LIFE_UNAVAILABLE;
	struct err err = ERR_NONE;
	bool done;

	set_url(talk, zone, SPAN_EMPTY);
	buf_reset(&talk->body);
	powerdns_patch_write(changes, count, &talk->body);
	done = request(talk, "PATCH", &effect, &err);
	if (!done && count > 1 && (talk->http == 422 || talk->http == 400))
		return false;
	for (size_t i = 0; i < count; i++)
		publish_effect(changes[i], done ? LIFE_DONE : effect, done ? NULL : "%s", err.text);
	return true;
}

/* What the server refuses as a whole is tried in halves, until what it does not like is alone. */
static void
write_changes(
    struct talk *talk, struct span zone, struct publish_change *const *changes, size_t count)
{
	struct {
		size_t at, n;
	} todo[PUBLISH_BATCH_MAX], now;
	size_t open = 0;

	if (count > 0) {
		todo[open].at = 0;
		todo[open++].n = count;
	}
	/* What is left when nobody answers keeps the effect of what was not tried. */
	for (talk->http = 1; open > 0 && talk->http != 0;) {
		now.at = todo[--open].at;
		now.n = todo[open].n;
		if (write_some(talk, zone, changes + now.at, now.n))
			continue;
		todo[open].at = now.at + now.n / 2;
		todo[open++].n = now.n - now.n / 2;
		todo[open].at = now.at;
		todo[open++].n = now.n / 2;
	}
}

static void
talk_over_all(struct talk *talk, struct span zone, struct publish_change *changes, size_t count)
{
	struct publish_change *left[PUBLISH_BATCH_MAX];
	size_t n = 0;
	bool go_on = true;

	for (size_t i = 0; i < count && go_on; i++) {
		if (look(talk, zone, &changes[i], &go_on))
			left[n++] = &changes[i];
		if (!go_on)
			publish_effect_all(changes + i + 1, count - i - 1, changes[i].effect, "%s",
			    changes[i].why);
	}
	write_changes(talk, zone, left, n);
}

/* "X-API-Key: ..." in secret memory: secret_free(). NULL: the file cannot be used. */
static char *
read_key(const struct publisher *publisher, struct err *err)
{
	const struct powerdns *powerdns = publisher->state;
	char *room, *header = NULL;
	struct span key;
	size_t n = sizeof(HEADER_OF_KEY) - 1;

	if (publish_secret_of(publisher, powerdns->keyfile, &room, &key, err) != ST_OK)
		return NULL;
	if (publish_value_good(key))
		header = secret_malloc(n + key.n + 1);
	else
		err_set(err, "%s: is not printable",
		    publisher->secret != NULL ? "the secret" : powerdns->keyfile);
	if (header != NULL) {
		memcpy(header, HEADER_OF_KEY, n);
		memcpy(header + n, key.p, key.n);
		header[n + key.n] = '\0';
	}
	secret_free(room);
	return header;
}

static void
powerdns_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	static char of_json[] = "Content-Type: application/json";
	struct talk talk = {.publisher = publisher, .powerdns = publisher->state};
	struct err err = ERR_NONE;
	char *key = read_key(publisher, &err);

	if (key == NULL) {
		publish_effect_all(changes, count, LIFE_REFUSED, "%s", err.text);
		return;
	}
	talk.headers[0] = (struct curl_slist){.data = key, .next = &talk.headers[1]};
	talk.headers[1] = (struct curl_slist){.data = of_json};
	buf_init(&talk.url, URL_MAX);
	buf_init(&talk.body, BODY_MAX);
	buf_init(&talk.answer, POWERDNS_ANSWER_MAX);
	buf_init(&talk.text, POWERDNS_ANSWER_MAX);
	talk_over_all(&talk, zone, changes, count);
	curl_easy_reset(talk.powerdns->curl);
	buf_free(&talk.url);
	buf_free(&talk.body);
	buf_free(&talk.answer);
	buf_free(&talk.text);
	secret_free(key);
}

const struct publisher_ops publish_powerdns = {
    .kind = "powerdns",
    .open = powerdns_open,
    .close = powerdns_close,
    .apply = powerdns_apply,
};
