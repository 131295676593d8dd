/*
 * shared_driver.c - shares answers with another implementation: one question a line on stdin, one
 * answer a line on stdout. Words are separated by one TAB; tests/tools/test_sealing.py calls it.
 *
 *   put PURPOSE SCOPE NAME TENANT EPOCH ASKED NOT_AFTER PLAIN
 *       -> the name at the server, and the value; or "nothing"
 *   get PURPOSE SCOPE NAME SERVER_NAME VALUE
 *       -> tenant, epoch, asked, not after, plain; or "absent"
 *
 * Scopes, names, plain texts and values are in base64. It is always 1800000000000 ms since 1970,
 * by both clocks. The argument is the site key file, or "own": no site key, the octets 0 to 31.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/crypto/digest.h"
#include "lib/store/sharedcache.h"
#include "tests/lib/memshared.h"

#define LINE_MAX_OCTETS 200000
#define UTC_MS 1800000000000

static int64_t
utc(void)
{
	return UTC_MS;
}

static struct sitekey *
the_sitekey(void *context)
{
	return context;
}

/* Owned by the caller. */
static struct span
from_base64(struct span text)
{
	char *room = mem_alloc(text.n / 4 * 3 + 4);
	size_t n = 0;

	if (base64_decode(text, room, &n) != ST_OK)
		exit(1);
	return span_of(room, n);
}

static void
print_base64(struct span octets)
{
	char *text = mem_alloc((octets.n + 2) / 3 * 4 + 1);

	base64_encode(octets.p, octets.n, text);
	printf("%.*s\n", (int)((octets.n + 2) / 3 * 4), text);
	mem_free(text);
}

static int64_t
number(struct span word)
{
	uint64_t value = 0;

	if (!span_number(word, UINT64_MAX, &value))
		exit(1);
	return (int64_t)value;
}

static void
put(struct sharedcache *cache, struct memshared *server,
    const struct sharedcache_question *question, struct span name, const struct span *words)
{
	struct sharedcache_entry entry = {.name = name,
	    .tenant = words[4],
	    .epoch = (uint64_t)number(words[5]),
	    .asked_ms = number(words[6]),
	    .not_after_ms = number(words[7]),
	    .plain = from_base64(words[8]),
	    .ttl_s = 60};
	char *at_server, *value;
	size_t n;

	sharedcache_put(cache, question, &entry, UTC_MS);
	at_server = memshared_name(server, 0, NULL);
	value = memshared_value(server, 0, &n);
	if (value == NULL) {
		printf("nothing\n");
	} else {
		printf("%s\t", at_server);
		print_base64(span_of(value, n));
	}
	mem_free(at_server);
	mem_free(value);
	mem_free((void *)(uintptr_t)entry.plain.p);
}

static void
get(struct sharedcache *cache, struct memshared *server,
    const struct sharedcache_question *question, struct span name, const struct span *words)
{
	struct shared *door = memshared_door(server);
	struct span value = from_base64(words[5]);
	struct sharedcache_answer answer;

	door->ops->put(door, words[4], value, 60);
	door->ops->close(door);
	sharedcache_get(cache, question, &name, 1, UTC_MS, &answer);
	if (answer.status != ST_OK) {
		printf("%s\n", status_name(answer.status));
	} else {
		printf("%s\t%llu\t%lld\t%lld\t", answer.tenant, (unsigned long long)answer.epoch,
		    (long long)answer.told_ms,
		    (long long)(answer.not_after_ms == 0
				    ? 0
				    : answer.not_after_ms + SHAREDCACHE_SKEW_MS));
		print_base64(span_of(answer.plain, answer.n));
	}
	sharedcache_answer_release(&answer);
	mem_free((void *)(uintptr_t)value.p);
}

static void
do_line(struct sharedcache *cache, struct memshared *server, struct span line)
{
	struct span words[9] = {SPAN_EMPTY}, name;
	struct sharedcache_question question;

	for (size_t i = 0; i < 9; i++)
		span_cut(&line, '\t', &words[i]);
	question = (struct sharedcache_question){
	    .purpose = (enum sharedcache_purpose)number(words[1]), .scope = from_base64(words[2])};
	name = from_base64(words[3]);
	memshared_clear(server);
	if (span_eq_str(words[0], "put"))
		put(cache, server, &question, name, words);
	else
		get(cache, server, &question, name, words);
	fflush(stdout);
	mem_free((void *)(uintptr_t)question.scope.p);
	mem_free((void *)(uintptr_t)name.p);
}

int
main(int argc, char **argv)
{
	static char line[LINE_MAX_OCTETS];
	struct memshared *server = memshared_new();
	struct sharedcache_config config = {
	    .shared = memshared_door(server), .sitekey = the_sitekey, .utc_ms = utc};
	uint8_t own_key[SHAREDCACHE_KEY_BYTES];
	struct sitekey *sitekey = NULL;
	struct err err = ERR_NONE;
	struct sharedcache *cache;

	for (size_t i = 0; i < sizeof(own_key); i++)
		own_key[i] = (uint8_t)i;
	config.own_key = own_key;
	if (argc != 2 || (strcmp(argv[1], "own") != 0 &&
			     sitekey_open(argv[1], false, &sitekey, &err) != ST_OK)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	config.context = sitekey;
	cache = sharedcache_new(&config);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		do_line(cache, server, span_str(line));
	}
	sharedcache_close(cache);
	sitekey_close(sitekey);
	memshared_free(server);
	return 0;
}
