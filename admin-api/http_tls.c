/*
 * http_tls.c - TLS: certificates, their renewal, and who a client's certificate says it is.
 * http_server.c makes it; GnuTLS asks for the certificate of each handshake in libmicrohttpd's
 * thread. A connection keeps the certificates that it began with, so that a reload ends none. It
 * must never take a key that others can read, nor believe a certificate that was not verified.
 */
#include "config.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin-api/http_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"

#define CHAIN_MAX 10U
/* TLS 1.2 and newer, with forward secrecy and without CBC. */
#define PRIORITIES                                                                                 \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-AES-128-CBC:-AES-256-CBC:"      \
	"-CAMELLIA-128-CBC:-CAMELLIA-256-CBC:-SHA1:%SERVER_PRECEDENCE"

/* What is read from the files at once. */
struct http_tls_set {
	unsigned users; /* under the lock of http_tls */
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned chain_n;
	gnutls_privkey_t key;
	gnutls_x509_trust_list_t trust; /* NULL: client certificates are not asked for */
};

struct http_tls {
	char *certificate_file, *key_file, *client_ca_file;
	pthread_mutex_t lock;
	struct http_tls_set *current;
};

/* ---- files ---- */

static enum status
fail(struct err *err, const char *path, int code)
{
	err_set(err, "%s: %s", path, gnutls_strerror(code));
	return ST_INVALID;
}

/* A group may read it, as Debian's ssl-cert does. */
static enum status
check_mode(const char *path, const struct keyfile_stamp *stamp, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0 || st.st_ino != stamp->inode) {
		err_set(err, "%s: changed while it was read; try again", path);
		return ST_UNAVAILABLE;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		err_set(err, "%s: belongs to another user, who could change it", path);
		return ST_DENIED;
	}
	if ((st.st_mode & (S_IRWXO | S_IWGRP)) == 0)
		return ST_OK;
	err_set(err, "%s: others can read or write this key; chmod o-rwx,g-w %s", path, path);
	return ST_DENIED;
}

static enum status
read_key(struct http_tls_set *set, const char *path, struct err *err)
{
	struct keyfile_stamp stamp;
	gnutls_datum_t pem;
	char *text;
	size_t n;
	enum status status = keyfile_read(path, false, &text, &n, &stamp, err);
	int code;

	if (status == ST_ABSENT)
		err_set(err, "%s: there is no such file", path);
	if (status != ST_OK)
		return ST_INVALID;
	status = check_mode(path, &stamp, err);
	if (status != ST_OK) {
		secret_free(text);
		return status;
	}
	pem = (gnutls_datum_t){(unsigned char *)text, (unsigned)n};
	code = gnutls_privkey_init(&set->key);
	if (code == 0)
		code = gnutls_privkey_import_x509_raw(set->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	secret_free(text);
	return code == 0 ? ST_OK : fail(err, path, code);
}

static enum status
read_chain(struct http_tls_set *set, const char *path, struct err *err)
{
	gnutls_datum_t pem;
	unsigned n = CHAIN_MAX;
	int code = gnutls_load_file(path, &pem);

	if (code != 0)
		return fail(err, path, code);
	code = gnutls_pcert_list_import_x509_raw(set->chain, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(pem.data);
	if (code != 0)
		return fail(err, path, code);
	set->chain_n = n;
	return ST_OK;
}

/* Else each handshake would fail, and nobody would know why. */
static enum status
check_pair(struct http_tls_set *set, const struct http_tls *tls, struct err *err)
{
	unsigned char ours[64], theirs[64];
	size_t ours_n = sizeof(ours), theirs_n = sizeof(theirs);
	gnutls_pubkey_t public;
	int code = gnutls_pubkey_init(&public);

	if (code == 0)
		code = gnutls_pubkey_import_privkey(public, set->key, 0, 0);
	if (code == 0)
		code = gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, ours, &ours_n);
	if (code == 0)
		code = gnutls_pubkey_get_key_id(
		    set->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, theirs, &theirs_n);
	gnutls_pubkey_deinit(public);
	if (code == 0 && ours_n == theirs_n && memcmp(ours, theirs, ours_n) == 0)
		return ST_OK;
	err_set(err, "%s: this is not the key of the certificate in %s", tls->key_file,
	    tls->certificate_file);
	return ST_INVALID;
}

static enum status
read_trust(struct http_tls_set *set, const char *path, struct err *err)
{
	int count;

	if (path == NULL)
		return ST_OK;
	if (gnutls_x509_trust_list_init(&set->trust, 0) != 0)
		return fail(err, path, GNUTLS_E_MEMORY_ERROR);
	count = gnutls_x509_trust_list_add_trust_file(
	    set->trust, path, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	if (count > 0)
		return ST_OK;
	err_set(err, "%s: there is no certificate in it that could be used", path);
	return ST_INVALID;
}

/* ---- sets ---- */

static void
set_free(struct http_tls_set *set)
{
	for (unsigned i = 0; i < set->chain_n; i++)
		gnutls_pcert_deinit(&set->chain[i]);
	if (set->key != NULL)
		gnutls_privkey_deinit(set->key);
	if (set->trust != NULL)
		gnutls_x509_trust_list_deinit(set->trust, 1);
	mem_free(set);
}

static enum status
set_read(const struct http_tls *tls, struct http_tls_set **out, struct err *err)
{
	struct http_tls_set *set = mem_zalloc(1, sizeof(*set));
	enum status status = read_key(set, tls->key_file, err);

	if (status == ST_OK)
		status = read_chain(set, tls->certificate_file, err);
	if (status == ST_OK)
		status = check_pair(set, tls, err);
	if (status == ST_OK)
		status = read_trust(set, tls->client_ca_file, err);
	set->users = 1;
	*out = set;
	if (status != ST_OK)
		set_free(set);
	return status;
}

static struct http_tls_set *
set_take(struct http_tls *tls)
{
	struct http_tls_set *set;

	pthread_mutex_lock(&tls->lock);
	set = tls->current;
	set->users++;
	pthread_mutex_unlock(&tls->lock);
	return set;
}

void
http_tls_put(struct http_tls *tls, struct http_tls_set *set)
{
	bool last;

	if (set == NULL)
		return;
	pthread_mutex_lock(&tls->lock);
	last = --set->users == 0;
	pthread_mutex_unlock(&tls->lock);
	if (last)
		set_free(set);
}

/* ---- all of it ---- */

enum status
http_tls_new(const struct http_config *config, struct http_tls **out, struct err *err)
{
	struct http_tls *tls;
	enum status status;

	*out = NULL;
	if (config->key_file == NULL) {
		err_set(
		    err, "%s: the key of this certificate is not named", config->certificate_file);
		return ST_INVALID;
	}
	tls = mem_zalloc(1, sizeof(*tls));
	pthread_mutex_init(&tls->lock, NULL);
	tls->certificate_file = mem_strdup(config->certificate_file);
	tls->key_file = mem_strdup(config->key_file);
	if (config->client_ca_file != NULL)
		tls->client_ca_file = mem_strdup(config->client_ca_file);
	status = set_read(tls, &tls->current, err);
	if (status == ST_OK) {
		*out = tls;
		return ST_OK;
	}
	tls->current = NULL;
	http_tls_free(tls);
	return status;
}

enum status
http_tls_reload(struct http_tls *tls, struct err *err)
{
	struct http_tls_set *fresh, *old;
	enum status status = set_read(tls, &fresh, err);

	if (status != ST_OK)
		return status;
	pthread_mutex_lock(&tls->lock);
	old = tls->current;
	tls->current = fresh;
	pthread_mutex_unlock(&tls->lock);
	http_tls_put(tls, old);
	return ST_OK;
}

void
http_tls_free(struct http_tls *tls)
{
	if (tls == NULL)
		return;
	http_tls_put(tls, tls->current);
	pthread_mutex_destroy(&tls->lock);
	mem_free(tls->certificate_file);
	mem_free(tls->key_file);
	mem_free(tls->client_ca_file);
	mem_free(tls);
}

/* ---- handshakes ---- */

/* libmicrohttpd makes its connection the session's pointer. */
static int
give_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **chain, unsigned *chain_n, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_n,
    gnutls_privkey_t *key, unsigned *flags)
{
	struct MHD_Connection *mhd = gnutls_session_get_ptr(session);
	struct http_connection *c = mhd == NULL ? NULL : http_connection_of(mhd);

	(void)info;
	if (c == NULL)
		return -1;
	if (c->certificates == NULL)
		c->certificates = set_take(c->server->tls);
	*chain = c->certificates->chain;
	*chain_n = c->certificates->chain_n;
	*key = c->certificates->key;
	*ocsp = NULL;
	*ocsp_n = 0;
	*flags = 0;
	return 0;
}

enum status
http_tls_daemon(struct http_server *server, struct err *err)
{
	gnutls_datum_t trust = {NULL, 0};
	const char *path = server->tls->client_ca_file;
	int code = path == NULL ? 0 : gnutls_load_file(path, &trust);
	struct MHD_OptionItem trusted[] = {
	    {MHD_OPTION_HTTPS_MEM_TRUST, 0, trust.data}, {MHD_OPTION_END, 0, NULL}};

	if (code != 0)
		return fail(err, path, code);
	server->secure = MHD_start_daemon(HTTP_DAEMON_FLAGS | MHD_USE_TLS, 0, NULL, NULL,
	    http_request_handle, server, HTTP_DAEMON_OPTIONS(server), MHD_OPTION_HTTPS_PRIORITIES,
	    PRIORITIES, MHD_OPTION_HTTPS_CERT_CALLBACK2, give_certificate, MHD_OPTION_ARRAY,
	    path == NULL ? trusted + 1 : trusted, MHD_OPTION_END);
	gnutls_free(trust.data);
	if (server->secure != NULL)
		return ST_OK;
	err_set(err, "libmicrohttpd could not be started with TLS");
	return ST_FAILED;
}

/* ---- who a client is ---- */

/* Visible ASCII, and all of it: a name with a NUL in it would be another one for other readers. */
static bool
keep_name(const char *name, size_t n, char out[HTTP_NAME_BYTES])
{
	if (n == 0 || n >= HTTP_NAME_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	memcpy(out, name, n);
	out[n] = '\0';
	return true;
}

static bool
name_of(gnutls_x509_crt_t certificate, char out[HTTP_NAME_BYTES])
{
	char name[HTTP_NAME_BYTES];
	size_t n;
	int type;

	for (unsigned i = 0; i < HTTP_NAMES_MAX; i++) {
		n = sizeof(name);
		type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &n, NULL);
		if (type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_URI)
			return keep_name(name, n, out);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
			return false;
	}
	n = sizeof(name);
	if (gnutls_x509_crt_get_dn_by_oid(
		certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &n) != 0)
		return false;
	return keep_name(name, n, out);
}

bool
http_certificate_name(struct span der, char out[HTTP_NAME_BYTES])
{
	gnutls_datum_t data = {(unsigned char *)der.p, (unsigned)der.n};
	gnutls_x509_crt_t certificate;
	bool named;

	out[0] = '\0';
	if (der.n > UINT16_MAX || gnutls_x509_crt_init(&certificate) != 0)
		return false;
	named = gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_DER) == 0 &&
		name_of(certificate, out);
	gnutls_x509_crt_deinit(certificate);
	return named;
}

/* Of all certificates that came, the first is the client's. */
static bool
is_trusted(struct http_tls_set *set, const gnutls_datum_t *came, unsigned n)
{
	gnutls_x509_crt_t chain[CHAIN_MAX];
	char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st wanted = {
	    .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)purpose};
	unsigned made = 0, faults = 1;
	int code = 0;

	if (set->trust == NULL || n > CHAIN_MAX)
		return false;
	while (made < n && code == 0 && (code = gnutls_x509_crt_init(&chain[made])) == 0) {
		code = gnutls_x509_crt_import(chain[made], &came[made], GNUTLS_X509_FMT_DER);
		made++;
	}
	if (code == 0)
		code = gnutls_x509_trust_list_verify_crt2(
		    set->trust, chain, n, &wanted, 1, 0, &faults, NULL);
	for (unsigned i = 0; i < made; i++)
		gnutls_x509_crt_deinit(chain[i]);
	return code == 0 && faults == 0;
}

void
http_tls_look(struct http_connection *c, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info;
	const gnutls_datum_t *came;
	unsigned n = 0;

	if (c->certificate_seen || !c->peer.tls || c->certificates == NULL)
		return;
	c->certificate_seen = true;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL || info->tls_session == NULL || c->certificates->trust == NULL)
		return;
	came = gnutls_certificate_get_peers(info->tls_session, &n);
	if (came == NULL || n == 0)
		return;
	c->certificate_bad =
	    !is_trusted(c->certificates, came, n) ||
	    !http_certificate_name(span_of(came[0].data, came[0].size), c->peer.certificate);
}
