/*
 * message_check.c - a message file through the verifier.
 * Called by signpost testmsg and signpostd -t; the milter verifies by itself as a message streams
 * past. It must never tell another result than the milter would for the same octets.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/mailauth/message_check.h"

#define READ_BYTES 65536
#define ARENA_BYTES (8u << 20)

static enum status
read_all(int fd, const char *path, struct buf *out, struct err *err)
{
	for (;;) {
		char *room = buf_reserve(out, READ_BYTES);
		ssize_t n;

		if (room == NULL) {
			err_set(err, "%s: longer than %u octets", path, MESSAGE_BYTES_MAX);
			return ST_TOO_BIG;
		}
		n = read(fd, room, READ_BYTES);
		if (n == 0)
			return ST_OK;
		if (n > 0) {
			out->n += (size_t)n;
		} else if (errno != EINTR) {
			err_set(err, "%s: %s", path, strerror(errno));
			return ST_UNAVAILABLE;
		}
	}
}

enum status
message_read(const char *path, struct buf *text_out, struct err *err)
{
	enum status status;
	int fd;

	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, "(stdin)", text_out, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		return errno == ENOENT ? ST_ABSENT : ST_UNAVAILABLE;
	}
	status = read_all(fd, path, text_out, err);
	close(fd);
	return status;
}

void
message_crlf(
    struct span piece, char *last, void (*use)(void *context, struct span piece), void *context)
{
	while (piece.n > 0) {
		size_t lf = span_find(piece, '\n');
		bool bare = lf != SIZE_MAX && (lf > 0 ? piece.p[lf - 1] : *last) != '\r';

		if (lf == SIZE_MAX) {
			use(context, piece);
			*last = piece.p[piece.n - 1];
			return;
		}
		use(context, span_sub(piece, 0, bare ? lf : lf + 1));
		if (bare)
			use(context, SPAN_LIT("\r\n"));
		*last = '\n';
		piece = span_from(piece, lf + 1);
	}
}

static void
feed(void *context, struct span piece)
{
	verify_body(context, piece);
}

enum verify_dnssec
message_dnssec(enum dns_security security)
{
	switch (security) {
	case DNS_INSECURE:
		return VERIFY_DNSSEC_INSECURE;
	case DNS_SECURE:
		return VERIFY_DNSSEC_SECURE;
	case DNS_BOGUS:
		return VERIFY_DNSSEC_BOGUS;
	case DNS_UNKNOWN:
		break;
	}
	return VERIFY_DNSSEC_UNKNOWN;
}

/* The answer, kept as long as the message. One that has no room was none. */
static struct verify_key
key_keep(struct arena *arena, const struct dns_answer *answer)
{
	struct verify_key key = {
	    .status = answer->status, .dnssec = message_dnssec(answer->security)};
	struct span *texts = arena_alloc(arena, answer->count * sizeof(*texts));

	for (size_t i = 0; texts != NULL && i < answer->count; i++) {
		texts[i] = arena_copy(arena, answer->texts[i].joined);
		if (texts[i].p == NULL)
			return (struct verify_key){.status = ST_UNAVAILABLE};
	}
	if (texts == NULL)
		return (struct verify_key){.status = ST_UNAVAILABLE};
	key.texts = texts;
	key.count = answer->count;
	return key;
}

/* One answer for every signature that has the name. */
static void
ask(struct message_check *check, size_t first, struct span name, struct dnsclient *dns)
{
	struct dns_answer answer = dnsclient_txt(dns, name);
	struct verify_key key = key_keep(&check->arena, &answer);

	/* The last one first: same_as looks at signatures that have no key yet. */
	for (size_t i = verify_count(check->verify); i-- > first;) {
		size_t same;
		struct span other = verify_query(check->verify, i, &same);

		if (other.n == 0 || same != first)
			continue;
		verify_key(check->verify, i, &key);
		check->keys[i] = key;
	}
}

static void
ask_all(struct message_check *check, struct dnsclient *dns)
{
	for (size_t i = 0; i < VERIFY_SIGNATURES_MAX; i++)
		check->keys[i] = (struct verify_key){.status = ST_UNAVAILABLE};
	for (size_t i = 0; i < verify_count(check->verify); i++) {
		size_t same;
		struct span name = verify_query(check->verify, i, &same);

		if (name.n > 0)
			ask(check, same, name, dns);
	}
}

enum status
message_check_run(struct message_check *check, struct span text,
    const struct verify_options *options, size_t most, struct dnsclient *dns, struct err *err)
{
	char last = '\0';
	enum status status;

	*check = (struct message_check){.verify = NULL};
	arena_init(&check->arena, ARENA_BYTES);
	status = header_list_init(&check->list, &check->arena, MESSAGE_HEADER_BYTES_MAX);
	if (status == ST_OK)
		status = header_block_parse(text, &check->list, &check->body_at, err);
	if (status == ST_OK && check->list.count == 0) {
		err_set(err, "there is no header field");
		status = ST_INVALID;
	}
	if (status == ST_OK)
		status = verify_new(&check->list, options, &check->arena, &check->verify, err);
	if (status != ST_OK)
		return status;
	verify_choose(check->verify, most, NULL);
	if (verify_wants_body(check->verify))
		message_crlf(span_from(text, check->body_at), &last, feed, check->verify);
	verify_body_done(check->verify);
	ask_all(check, dns);
	verify_finish(check->verify);
	return ST_OK;
}

void
message_check_free(struct message_check *check)
{
	verify_free(check->verify);
	check->verify = NULL;
	arena_free(&check->arena);
}
