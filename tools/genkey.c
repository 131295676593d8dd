/*
 * genkey.c - signpost genkey: a key pair for one selector, in the files of opendkim-genkey.
 * Operators and their scripts call it, also by the name opendkim-genkey. The private key goes
 * into a file that nobody else can read; it must never be printed, and no file that is there is
 * ever overwritten.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/secret.h"
#include "lib/crypto/key.h"
#include "tools/command.h"
#include "tools/publication.h"
#include "tools/newfile.h"

#define BITS_DEFAULT 2048
#define BITS_ADVISED 2048
#define BITS_VERIFIERS_MAX 4096 /* what every verifier must accept, RFC 8301 section 3.2 */

enum answer { GO_ON, DONE, WRONG };

struct request {
	struct publication record;
	const char *directory;
	enum key_algorithm algorithm;
	int bits;
	bool verbose;
	bool json;
};

enum long_only { OPT_HELP = 256, OPT_ED25519, OPT_JSON, OPT_SUBDOMAINS, OPT_NOTESTMODE };

static const char short_options[] = "ab:d:D:h:n:rs:StvV";

static const struct option long_options[] = {
    {"append-domain", no_argument, NULL, 'a'},
    {"bits", required_argument, NULL, 'b'},
    {"directory", required_argument, NULL, 'D'},
    {"domain", required_argument, NULL, 'd'},
    {"ed25519", no_argument, NULL, OPT_ED25519},
    {"hash-algorithms", required_argument, NULL, 'h'},
    {"help", no_argument, NULL, OPT_HELP},
    {"json", no_argument, NULL, OPT_JSON},
    {"nosubdomains", no_argument, NULL, 'S'},
    {"note", required_argument, NULL, 'n'},
    {"notestmode", no_argument, NULL, OPT_NOTESTMODE},
    {"restrict", no_argument, NULL, 'r'},
    {"selector", required_argument, NULL, 's'},
    {"subdomains", no_argument, NULL, OPT_SUBDOMAINS},
    {"testmode", no_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void
print_usage(const char *program)
{
	printf("usage: %s [OPTION]...\n", program);
	fputs(
	    "Makes SELECTOR.private and SELECTOR.txt; a file that is there is never overwritten.\n"
	    "  -a, --append-domain        full name with the domain in the zone line\n"
	    "  -b, --bits=N               bits of an RSA key [2048]\n"
	    "  -d, --domain=NAME          domain that will use the key [localhost]\n"
	    "  -D, --directory=PATH       where the files go [.]\n"
	    "      --ed25519              an Ed25519 key (RFC 8463) instead of RSA\n"
	    "  -h, --hash-algorithms=LIST value of h= in the record [sha256]; empty for none\n"
	    "      --help                 this text\n"
	    "      --json                 print the record as JSON\n"
	    "  -n, --note=TEXT            a note for people, in n=\n"
	    "  -r, --restrict             the key is for mail only (s=email)\n"
	    "  -s, --selector=NAME        selector [default]\n"
	    "  -S, --nosubdomains         the key may not sign for subdomains (t=s)\n"
	    "      --subdomains           the opposite, which is the default\n"
	    "  -t, --testmode             say that the domain is testing DKIM (t=y)\n"
	    "  -v, --verbose              tell what is done\n"
	    "  -V, --version              print the version\n",
	    stdout);
}

static enum answer
read_bits(const char *program, const char *text, struct request *request)
{
	uint64_t value;

	if (span_number(span_str(text), KEY_RSA_BITS_MAX, &value) && value >= KEY_RSA_BITS_MIN) {
		request->bits = (int)value;
		return GO_ON;
	}
	fprintf(stderr, "%s: \"%s\" bits: an RSA key has from %d (better 2048) to %d\n", program,
	    text, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	return WRONG;
}

/* Options that are only switches. */
static enum answer
take_switch(int option, struct request *request)
{
	switch (option) {
	case 'a':
		request->record.absolute_name = true;
		return GO_ON;
	case 'r':
		request->record.restrict_email = true;
		return GO_ON;
	case 'S':
	case OPT_SUBDOMAINS:
		request->record.no_subdomains = option == 'S';
		return GO_ON;
	case 't':
	case OPT_NOTESTMODE:
		request->record.test_mode = option == 't';
		return GO_ON;
	case 'v':
		request->verbose = true;
		return GO_ON;
	case OPT_ED25519:
		request->algorithm = KEY_ED25519_SHA256;
		return GO_ON;
	case OPT_JSON:
		request->json = true;
		return GO_ON;
	default: /* getopt has said what is wrong */
		return WRONG;
	}
}

static enum answer
take_option(const char *program, int option, struct request *request)
{
	switch (option) {
	case 'b':
		return read_bits(program, optarg, request);
	case 'd':
		request->record.domain = optarg;
		return GO_ON;
	case 'D':
		request->directory = optarg;
		return GO_ON;
	case 'h':
		request->record.hashes = optarg;
		return GO_ON;
	case 'n':
		request->record.note = optarg;
		return GO_ON;
	case 's':
		request->record.selector = optarg;
		return GO_ON;
	case 'V':
		printf("%s v%s\n", program, PACKAGE_VERSION);
		return DONE;
	case OPT_HELP:
		print_usage(program);
		return DONE;
	default:
		return take_switch(option, request);
	}
}

static enum answer
read_options(const char *program, int argc, char **argv, struct request *request)
{
	enum answer answer = GO_ON;
	int option;

	/* getopt_long_only, because the Perl tool takes -domain=NAME as well as --domain=NAME. */
	while (answer == GO_ON &&
	       (option = getopt_long_only(argc, argv, short_options, long_options, NULL)) != -1)
		answer = take_option(program, option, request);
	if (answer == GO_ON && optind < argc) {
		fprintf(stderr, "%s: \"%s\" is not an option\n", program, argv[optind]);
		answer = WRONG;
	}
	if (answer == WRONG)
		fprintf(stderr, "%s: --help lists the options\n", program);
	return answer;
}

static void
warn_bits(const char *program, const struct request *request)
{
	if (request->algorithm != KEY_RSA_SHA256)
		return;
	if (request->bits < BITS_ADVISED)
		fprintf(stderr,
		    "%s: warning: %d bits are few; RFC 8301 asks for %d, and receivers may refuse "
		    "less\n",
		    program, request->bits, BITS_ADVISED);
	if (request->bits > BITS_VERIFIERS_MAX)
		fprintf(stderr,
		    "%s: warning: verifiers need not accept more than %d bits (RFC 8301)\n",
		    program, BITS_VERIFIERS_MAX);
}

/* A key that cannot check its own signature must not reach a disk. */
static enum status
try_key(struct key *key, struct err *err)
{
	uint8_t digest[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	size_t n;
	enum status status;

	random_bytes(digest, sizeof(digest));
	status = key_sign(key, digest, signature, &n, err);
	if (status == ST_OK && key_verify(key, digest, span_of(signature, n)) != ST_OK) {
		err_set(err, "the new key does not verify its own signature");
		status = ST_FAILED;
	}
	return status;
}

static enum status
write_files(const struct request *request, const char *pem, struct span zone, struct err *err)
{
	char private_name[NEWFILE_NAME_MAX + 1], record_name[NEWFILE_NAME_MAX + 1];
	struct newfile files[2] = {
	    {.name = private_name, .content = span_str(pem), .mode = 0600},
	    {.name = record_name, .content = zone, .mode = 0666},
	};
	int fd = open(request->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status status;

	if (fd < 0) {
		err_set(err, "%s: %s", request->directory, strerror(errno));
		return ST_FAILED;
	}
	snprintf(private_name, sizeof(private_name), "%s.private", request->record.selector);
	snprintf(record_name, sizeof(record_name), "%s.txt", request->record.selector);
	status = newfile_write_all(fd, request->directory, files, 2, err);
	close(fd);
	return status;
}

static enum status
make_texts_and_write(
    const struct request *request, const struct key *key, struct buf *json, struct err *err)
{
	struct buf zone;
	char *pem = NULL;
	enum status status;

	buf_init(&zone, PUBLICATION_TEXT_MAX);
	status = publication_zone_line(&request->record, key, &zone);
	if (status == ST_OK)
		status = publication_json(&request->record, key, json);
	if (status != ST_OK)
		err_set(err, "the record cannot be written: %s", status_name(status));
	if (status == ST_OK)
		status = key_private_pem(key, &pem, err);
	if (status == ST_OK)
		status = write_files(request, pem, buf_span(&zone), err);
	secret_free(pem);
	buf_free(&zone);
	return status;
}

static enum status
generate(const struct request *request, struct buf *json, struct err *err)
{
	struct key *key = NULL;
	enum status status = publication_check(&request->record, err);

	if (status == ST_OK && (status = key_memory_secure()) != ST_OK)
		err_set(err, "there is no protected memory for keys");
	if (status == ST_OK)
		status = key_generate(request->algorithm, request->bits, &key, err);
	if (status == ST_OK)
		status = try_key(key, err);
	if (status == ST_OK)
		status = make_texts_and_write(request, key, json, err);
	key_free(key);
	return status;
}

static void
print_result(const char *program, const struct request *request, struct buf *json)
{
	const char *selector = request->record.selector;

	if (request->json)
		fputs(buf_text(json), stdout);
	if (!request->verbose)
		return;
	fprintf(stderr, "%s: private key written to %s/%s.private\n", program, request->directory,
	    selector);
	fprintf(stderr, "%s: DNS TXT record written to %s/%s.txt\n", program, request->directory,
	    selector);
}

int
genkey_run(const char *program, int argc, char **argv)
{
	struct request request = {
	    .record = {.selector = "default", .domain = "localhost", .hashes = "sha256"},
	    .directory = ".",
	    .algorithm = KEY_RSA_SHA256,
	    .bits = BITS_DEFAULT,
	};
	enum answer answer = read_options(program, argc, argv, &request);
	struct err err = ERR_NONE;
	struct buf json;
	enum status status;

	if (answer != GO_ON)
		return answer == DONE ? 0 : 1;
	warn_bits(program, &request);
	buf_init(&json, PUBLICATION_TEXT_MAX);
	status = generate(&request, &json, &err);
	if (status == ST_OK)
		print_result(program, &request, &json);
	else
		fprintf(stderr, "%s: %s\n", program, err.text);
	buf_free(&json);
	return status == ST_OK ? 0 : 1;
}
