/*
 * dnsshare_keeper.c - what the keeper does for front-ends that want to share answers of DNS.
 * Its worker threads call it. It must never take from a front-end, which parses what strangers
 * send, more than an answer about a public key for as long as the DNS may say.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/dnsshare.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"
#include "lib/dkim/address.h"
#include "lib/dns/octets.h"
#include "lib/store/slurp.h"

#define FILE_BYTES_MAX (1U << 20)
#define ANCHOR_LINES_MAX 1000U
#define DNS_LABEL "._domainkey."

/* ---- answers ---- */

/* In one spelling, and about a key. */
static bool
name_is_right(struct span name)
{
	if (!domain_is_valid(name) || memmem(name.p, name.n, DNS_LABEL, strlen(DNS_LABEL)) == NULL)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (ascii_lower(name.p[i]) != name.p[i])
			return false;
	return true;
}

static struct sharedcache_question
question_of(const struct dnsshare_site *site)
{
	return (struct sharedcache_question){
	    .purpose = SHAREDCACHE_DNS, .scope = span_str(site->scope)};
}

void
dnsshare_get(struct sharedcache *shared, const struct dnsshare_site *site,
    const struct request *request, int64_t now_ms, struct sharedcache_answer *held,
    struct reply *reply)
{
	const struct sharedcache_question question = question_of(site);

	*held = (struct sharedcache_answer){.status = ST_ABSENT};
	reply->verdict = VERDICT_DNS;
	reply->octets = SPAN_EMPTY;
	reply->until_ms = 0;
	if (shared == NULL || site->scope[0] == '\0' || !name_is_right(request->key_name))
		return;
	sharedcache_get(shared, &question, &request->key_name, 1, now_ms, held);
	/* Everything that DNS says ends. */
	if (held->status != ST_OK || held->not_after_ms == 0 || held->n > FRAME_DNS_MAX)
		return;
	reply->octets = span_of(held->plain, held->n);
	reply->until_ms = held->not_after_ms;
}

/* What is over is fine, and not worth keeping. */
static bool
answer_is_right(const struct dnsshare_site *site, const struct request *request, int64_t left_ms)
{
	struct dns_answer answer;
	uint32_t most_s;

	if (dns_octets_read(request->octets, &answer) != ST_OK ||
	    (answer.security != DNS_UNKNOWN) != site->validates)
		return false;
	answer.ttl_s = UINT32_MAX;
	most_s = dns_answer_keep_s(&answer);
	return left_ms <= (int64_t)most_s * 1000;
}

bool
dnsshare_put(struct sharedcache *shared, const struct dnsshare_site *site,
    const struct request *request, int64_t now_ms)
{
	const struct sharedcache_question question = question_of(site);
	/* The front-end's until_ms may be any number. */
	bool beyond = request->until_ms > now_ms + (int64_t)DNS_KEEP_S_MAX * 1000;
	int64_t left_ms = beyond || request->until_ms < now_ms ? 0 : request->until_ms - now_ms;
	const struct sharedcache_entry entry = {.name = request->key_name,
	    .plain = request->octets,
	    .asked_ms = now_ms,
	    .not_after_ms = request->until_ms,
	    .ttl_s = left_ms / 1000};

	if (beyond || !name_is_right(request->key_name) || !answer_is_right(site, request, left_ms))
		return false;
	if (shared != NULL && site->scope[0] != '\0' && entry.ttl_s > 0)
		sharedcache_put(shared, &question, &entry, now_ms);
	return true;
}

/* ---- whose answers ---- */

struct lines {
	struct span lines[ANCHOR_LINES_MAX];
	size_t count;
};

static int
by_octets(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	if (order != 0)
		return order;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* One line without comment, with one blank between words, in place. */
static struct span
line_tidy(char *text, struct span line)
{
	size_t end = span_find(line, ';'), n = 0;
	char *to = text + (line.p - text);
	struct span rest = end == SIZE_MAX ? line : span_sub(line, 0, end), word;

	rest = span_trim(rest);
	while (span_word(&rest, &word)) {
		if (n > 0)
			to[n++] = ' ';
		memmove(to + n, word.p, word.n);
		n += word.n;
	}
	return span_of(to, n);
}

static enum status
read_lines(struct slurp *file, struct lines *lines)
{
	struct span rest = span_of(file->text, file->n), line;
	bool more = true;

	while (more) {
		more = span_cut(&rest, '\n', &line);
		line = line_tidy(file->text, line);
		if (line.n == 0)
			continue;
		if (lines->count == ANCHOR_LINES_MAX)
			return ST_TOO_BIG;
		lines->lines[lines->count++] = line;
	}
	return ST_OK;
}

/* The keys, in whatever order and with whatever is noted behind them: who keeps them up to date
 * writes there when that was. */
static enum status
add_anchors(struct digest *digest, const char *path, struct err *err)
{
	struct lines *lines;
	struct slurp file;
	enum status status = slurp_file(path, FILE_BYTES_MAX, false, &file, err);

	if (status != ST_OK)
		return status;
	lines = mem_zalloc(1, sizeof(*lines));
	status = read_lines(&file, lines);
	if (status != ST_OK)
		err_set(err, "%s has more than %u lines", path, ANCHOR_LINES_MAX);
	qsort(lines->lines, lines->count, sizeof(lines->lines[0]), by_octets);
	for (size_t i = 0; i < lines->count; i++) {
		digest_add(digest, lines->lines[i]);
		digest_add(digest, SPAN_LIT("\n"));
	}
	mem_free(lines);
	slurp_free(&file);
	return status;
}

static enum status
add_file(struct digest *digest, const char *path, struct err *err)
{
	struct slurp file;
	enum status status = slurp_file(path, FILE_BYTES_MAX, false, &file, err);

	if (status != ST_OK)
		return status;
	digest_add(digest, span_of(file.text, file.n));
	slurp_free(&file);
	return ST_OK;
}

/* A word, and a text that cannot be taken for the next word. */
static void
add_part(struct digest *digest, const char *word, const char *text)
{
	digest_add(digest, span_of(word, strlen(word) + 1));
	if (text != NULL)
		digest_add(digest, span_of(text, strlen(text) + 1));
}

static enum status
add_parameters(struct digest *digest, const struct conf *conf, bool validates, struct err *err)
{
	const char *anchors = conf_string(conf, CONF_TRUST_ANCHOR_FILE);
	const char *configuration = conf_string(conf, CONF_RESOLVER_CONFIGURATION);
	enum status status = ST_OK;

	add_part(digest, validates ? "validates" : "does not validate", NULL);
	add_part(digest, "MemcachedPrefix", conf_string(conf, CONF_MEMCACHED_PREFIX));
	add_part(digest, "Nameservers", conf_string(conf, CONF_NAMESERVERS));
	add_part(digest, "TrustAnchorFile", NULL);
	if (anchors != NULL)
		status = add_anchors(digest, anchors, err);
	add_part(digest, "ResolverConfiguration", NULL);
	if (status == ST_OK && configuration != NULL)
		status = add_file(digest, configuration, err);
	return status;
}

enum status
dnsshare_site_read(
    const struct conf *conf, bool validates, struct dnsshare_site *out, struct err *err)
{
	uint8_t octets[SHA256_BYTES];
	struct digest *digest = digest_new();
	enum status status;

	*out = (struct dnsshare_site){.validates = validates};
	digest_start(digest);
	status = add_parameters(digest, conf, validates, err);
	digest_finish(digest, octets);
	if (status == ST_OK)
		base64_encode(octets, sizeof(octets), out->scope);
	digest_free(digest);
	return status;
}
