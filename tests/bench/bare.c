/*
 * bare.c - the least that a signing filter can be: one process, N threads that each wait in an
 * epoll of their own, one key, no tables, no rules, no log, no second process. What it costs is
 * what the kernel, the protocol and the arithmetic cost on this machine; bench.py measures it
 * beside the servers. Its signatures verify (c=simple/simple, seven fields). It must never become a
 * service: it signs for whoever connects.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/milter/milter.h"
#include "lib/base/mem.h"
#include "lib/dkim/canon.h"
#include "tests/bench/address.h"

#define INPUT_BYTES (96U * 1024) /* a chunk of the body and its neighbours */
#define PACKET_MAX 65536U
#define FIELDS_MAX (64U * 1024)
#define OUTPUT_MAX 8192U
#define EVENTS 64
#define THREADS_MAX 64U
#define SIGNED_FIELDS (sizeof(signed_fields) / sizeof(signed_fields[0]))

static const char *const signed_fields[] = {
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"};

struct options {
	const char *key_file;
	const char *domain;
	const char *selector;
	unsigned int threads;
	struct sockaddr_storage address;
	socklen_t address_bytes;
};

/* What one thread signs with; nothing is shared, not even the key. */
struct signer {
	EVP_PKEY *key;
	EVP_PKEY_CTX *rsa; /* ready to sign digests; NULL for Ed25519 */
	EVP_MD_CTX *ed25519;
	struct digest *digest;
};

struct thread {
	const struct options *options;
	int epoll, listener;
	struct signer signer;
	struct buf text; /* the octets that the signature is over */
	char input[INPUT_BYTES];
};

struct conn {
	int fd;
	bool leading_blank; /* SMFIP_HDR_LEADSPC was agreed */
	bool hashing;
	struct milter_decoder decoder;
	struct digest *digest; /* of the body */
	struct canon_body body;
	struct buf fields[SIGNED_FIELDS]; /* "Name:value\r\n", the last one of each name */
	struct buf out;
};

static void
check(bool done, const char *what)
{
	if (!done) {
		fprintf(stderr, "bare: %s failed\n", what);
		exit(70);
	}
}

static void
signer_init(struct signer *signer, const char *key_file)
{
	FILE *f = fopen(key_file, "re");

	check(f != NULL, key_file);
	signer->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	check(signer->key != NULL, "reading the key");
	signer->digest = digest_new();
	if (EVP_PKEY_get_base_id(signer->key) == EVP_PKEY_ED25519) {
		signer->ed25519 = EVP_MD_CTX_new();
		check(signer->ed25519 != NULL, "Ed25519 context");
		return;
	}
	signer->rsa = EVP_PKEY_CTX_new(signer->key, NULL);
	check(signer->rsa != NULL && EVP_PKEY_sign_init(signer->rsa) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(signer->rsa, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_signature_md(signer->rsa, EVP_sha256()) == 1,
	    "RSA context");
}

static size_t
sign(struct signer *signer, struct span text, uint8_t signature[1024])
{
	uint8_t hash[SHA256_BYTES];
	size_t n = 1024;

	digest_start(signer->digest);
	digest_add(signer->digest, text);
	digest_finish(signer->digest, hash);
	if (signer->rsa != NULL)
		check(EVP_PKEY_sign(signer->rsa, signature, &n, hash, sizeof(hash)) == 1,
		    "signature");
	else
		check(EVP_DigestSignInit(signer->ed25519, NULL, NULL, NULL, signer->key) == 1 &&
			  EVP_DigestSign(signer->ed25519, signature, &n, hash, sizeof(hash)) == 1,
		    "signature");
	return n;
}

static void
conn_close(struct conn *conn)
{
	close(conn->fd);
	milter_decoder_free(&conn->decoder);
	digest_free(conn->digest);
	for (size_t i = 0; i < SIGNED_FIELDS; i++)
		buf_free(&conn->fields[i]);
	buf_free(&conn->out);
	mem_free(conn);
}

static void
message_reset(struct conn *conn)
{
	conn->hashing = false;
	for (size_t i = 0; i < SIGNED_FIELDS; i++)
		buf_reset(&conn->fields[i]);
}

/* As it will be on the wire: LF becomes CRLF. */
static void
keep_field(struct conn *conn, struct span name, struct span value)
{
	struct buf *field = NULL;

	for (size_t i = 0; i < SIGNED_FIELDS && field == NULL; i++)
		if (span_ieq_str(name, signed_fields[i]))
			field = &conn->fields[i];
	if (field == NULL)
		return;
	buf_reset(field);
	buf_add(field, name);
	buf_add_str(field, conn->leading_blank ? ":" : ": ");
	for (size_t at; (at = span_find(value, '\n')) != SIZE_MAX;
	     value = span_from(value, at + 1)) {
		buf_add(field, span_sub(value, 0, at));
		buf_add_str(field, "\r\n");
	}
	buf_add(field, value);
	buf_add_str(field, "\r\n");
}

/* A message without a body has no body packets. */
static void
begin_body(struct conn *conn)
{
	canon_body_init(&conn->body, CANON_SIMPLE, conn->digest, -1, false);
	conn->hashing = true;
}

static void
add_base64(struct buf *buf, const void *octets, size_t n)
{
	char *text = buf_reserve(buf, (n + 2) / 3 * 4);

	if (text == NULL)
		return;
	base64_encode(octets, n, text);
	buf->n += (n + 2) / 3 * 4;
}

/* Appends the field to text, up to b=. */
static void
build_signature(struct thread *thread, const struct conn *conn, const uint8_t hash[SHA256_BYTES])
{
	const struct options *options = thread->options;
	struct buf *text = &thread->text;
	const char *colon = "";

	buf_add_fmt(text, "DKIM-Signature: v=1; a=%s; c=simple/simple; d=%s; s=%s; h=",
	    thread->signer.rsa != NULL ? "rsa-sha256" : "ed25519-sha256", options->domain,
	    options->selector);
	for (size_t i = 0; i < SIGNED_FIELDS; i++) {
		if (conn->fields[i].n == 0)
			continue;
		buf_add_str(text, colon);
		buf_add_str(text, signed_fields[i]);
		colon = ":";
	}
	buf_add_str(text, "; bh=");
	add_base64(text, hash, SHA256_BYTES);
	buf_add_str(text, "; b=");
}

static enum status
answer_message(struct thread *thread, struct conn *conn)
{
	uint8_t hash[SHA256_BYTES], signature[1024];
	struct buf *text = &thread->text;
	size_t field_at, value_at;
	enum status status;

	canon_body_finish(&conn->body, hash, NULL);
	buf_reset(text);
	for (size_t i = 0; i < SIGNED_FIELDS; i++)
		buf_add(text, buf_span(&conn->fields[i]));
	field_at = text->n;
	value_at = field_at + strlen("DKIM-Signature:") + (conn->leading_blank ? 0 : 1);
	build_signature(thread, conn, hash);
	add_base64(text, signature, sign(&thread->signer, buf_span(text), signature));
	if (buf_status(text) != ST_OK)
		return ST_TOO_BIG;
	status = milter_put_insheader(
	    &conn->out, 0, SPAN_LIT("DKIM-Signature"), span_from(buf_span(text), value_at));
	if (status == ST_OK)
		status = milter_put_reply(&conn->out, SMFIR_CONTINUE);
	message_reset(conn);
	return status;
}

static enum status
answer_offer(struct conn *conn, const struct milter_options *offer)
{
	static const struct milter_want want = {.actions_needed = SMFIF_ADDHDRS,
	    .protocol = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_NORCPT |
			SMFIP_HDR_LEADSPC | SMFIP_NR_ALL,
	    .pipelining = true};
	struct err err = ERR_NONE;
	struct milter_options agreed;
	enum status status = milter_negotiate(offer, &want, &agreed, &err);

	/* Without the no-reply flags every command would need an answer. */
	if (status != ST_OK || (agreed.protocol & SMFIP_NR_ALL) != SMFIP_NR_ALL)
		return ST_DENIED;
	conn->leading_blank = (agreed.protocol & SMFIP_HDR_LEADSPC) != 0;
	return milter_put_optneg(&conn->out, &agreed, NULL, 0);
}

/* Anything but ST_OK ends the connection. */
static enum status
take_event(struct thread *thread, struct conn *conn, const struct milter_event *event)
{
	switch (event->type) {
	case MILTER_OPTNEG:
		return answer_offer(conn, &event->u.optneg);
	case MILTER_HEADER:
		keep_field(conn, event->u.header.name, event->u.header.value);
		return ST_OK;
	case MILTER_EOH:
		begin_body(conn);
		return ST_OK;
	case MILTER_BODY:
		if (conn->hashing)
			canon_body_update(&conn->body, event->u.body.data);
		return ST_OK;
	case MILTER_EOM:
		if (!conn->hashing)
			return ST_INVALID;
		canon_body_update(&conn->body, event->u.eom.data);
		return answer_message(thread, conn);
	case MILTER_ABORT:
		message_reset(conn);
		return ST_OK;
	case MILTER_QUIT:
		return ST_ABSENT;
	default:
		return ST_OK;
	}
}

/* An answer is small: a socket that cannot take it has an MTA that does not read. */
static bool
flush(struct conn *conn)
{
	bool sent = conn->out.n == 0 ||
		    send(conn->fd, conn->out.p, conn->out.n, MSG_NOSIGNAL) == (ssize_t)conn->out.n;

	buf_reset(&conn->out);
	return sent;
}

static void
on_input(struct thread *thread, struct conn *conn)
{
	ssize_t n = recv(conn->fd, thread->input, INPUT_BYTES, MSG_DONTWAIT);
	struct span input = span_of(thread->input, n > 0 ? (size_t)n : 0);
	struct err err = ERR_NONE;
	struct milter_event event;
	enum status status;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	while ((status = milter_decoder_next(&conn->decoder, &input, &event, &err)) == ST_OK)
		if (take_event(thread, conn, &event) != ST_OK) {
			conn_close(conn);
			return;
		}
	if (status != ST_ABSENT || !flush(conn))
		conn_close(conn);
}

/* One connection per wake-up, so that a burst is shared among the threads. */
static void
on_listener(struct thread *thread)
{
	int fd = accept4(thread->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN};
	struct conn *conn;

	if (fd < 0)
		return;
	conn = mem_zalloc(1, sizeof(*conn));
	conn->fd = fd;
	conn->digest = digest_new();
	milter_decoder_init(&conn->decoder, PACKET_MAX);
	for (size_t i = 0; i < SIGNED_FIELDS; i++)
		buf_init(&conn->fields[i], FIELDS_MAX);
	buf_init(&conn->out, OUTPUT_MAX);
	event.data.ptr = conn;
	if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		conn_close(conn);
}

static void *
run(void *argument)
{
	struct thread *thread = argument;
	struct epoll_event listen_event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	struct epoll_event events[EVENTS];

	check(epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->listener, &listen_event) == 0,
	    "epoll_ctl");
	for (;;) {
		int n = epoll_wait(thread->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == NULL)
				on_listener(thread);
			else
				on_input(thread, events[i].data.ptr);
	}
	return NULL;
}

static struct thread *
thread_new(const struct options *options, int listener)
{
	struct thread *thread = mem_zalloc(1, sizeof(*thread));

	thread->options = options;
	thread->listener = listener;
	thread->epoll = epoll_create1(EPOLL_CLOEXEC);
	buf_init(&thread->text, SIGNED_FIELDS * FIELDS_MAX);
	signer_init(&thread->signer, options->key_file);
	return thread;
}

static int
listen_on(const struct options *options)
{
	int fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	check(
	    fd >= 0 &&
		bind(fd, (const struct sockaddr *)&options->address, options->address_bytes) == 0 &&
		listen(fd, SOMAXCONN) == 0,
	    "listening");
	return fd;
}

static void
parse_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 'S'},
	    {"key", required_argument, NULL, 'k'}, {"domain", required_argument, NULL, 'd'},
	    {"selector", required_argument, NULL, 's'}, {"threads", required_argument, NULL, 't'},
	    {NULL, 0, NULL, 0}};
	const char *why = "usage: bare --socket inet:PORT@ADDRESS|unix:PATH --key PEM "
			  "[--domain D] [--selector S] [--threads N]";
	const char *socket_text = NULL;
	uint64_t threads = 2;
	int c;

	while ((c = getopt_long(argc, argv, "S:k:d:s:t:", longs, NULL)) != -1) {
		if (c == 'S')
			socket_text = optarg;
		else if (c == 'k')
			options->key_file = optarg;
		else if (c == 'd')
			options->domain = optarg;
		else if (c == 's')
			options->selector = optarg;
		else if (c != 't' || !span_number(span_str(optarg), THREADS_MAX, &threads))
			socket_text = options->key_file = NULL;
	}
	options->threads = (unsigned int)threads;
	if (socket_text == NULL || options->key_file == NULL || threads == 0 ||
	    !address_of_socket(socket_text, &options->address, &options->address_bytes, &why)) {
		fprintf(stderr, "bare: %s\n", why);
		exit(64);
	}
}

int
main(int argc, char **argv)
{
	struct options options = {.domain = "d000000.example", .selector = "bench"};
	struct thread *threads[THREADS_MAX];
	int listener;

	parse_options(&options, argc, argv);
	listener = listen_on(&options);
	for (unsigned int i = 0; i < options.threads; i++)
		threads[i] = thread_new(&options, listener);
	for (unsigned int i = 1; i < options.threads; i++) {
		pthread_t id;

		check(pthread_create(&id, NULL, run, threads[i]) == 0, "thread");
	}
	run(threads[0]);
	return 0;
}
