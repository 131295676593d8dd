/*
 * test_export.c - what signpost export writes of a store: which keys, in which order the lines
 * stand, and what is left out because a SigningTable cannot say it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tests/lib/memstore.h"
#include "tests/lib/scratch.h"
#include "tools/export.h"

#define NOW 1000000
#define TEXT_MAX 16384

static struct scratch scratch;
static char *pem;
static char text[TEXT_MAX];

/* That of tools/store.c, which has all words of signpost store behind it. */
int
store_tool_failed(const struct store_tool *tool, enum status status, const struct err *err)
{
	(void)tool;
	(void)err;
	return status == ST_UNAVAILABLE ? EX_UNAVAILABLE : EX_SOFTWARE;
}

static int
set_up(void **state)
{
	struct err err = ERR_NONE;
	struct key *key;

	(void)state;
	assert_int_equal(key_generate(KEY_RSA_SHA256, 1024, &key, &err), ST_OK);
	assert_int_equal(key_private_pem(key, &pem, &err), ST_OK);
	key_free(key);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	secret_free(pem);
	return 0;
}

/* ---- a store, and where it goes to ---- */

/* A folder of its own, and a store with tenant acme and domain a.test, which has a key. */
static void
site_begin(struct export_site *site)
{
	scratch_begin(&scratch);
	*site = (struct export_site){
	    .tool = {.program = "test", .store = memstore_new()}, .now_utc = NOW};
	site->real = mem_strdup(scratch.dir);
	arena_init(&site->arena, EXPORT_TEXT_MAX);
	assert_int_equal(mkdir(scratch_path(&scratch, "keys"), 0700), 0);
	memstore_tenant(site->tool.store, "acme");
}

static void
site_end(struct export_site *site)
{
	char command[512];

	keystore_close(site->tool.store);
	export_free(site);
	snprintf(command, sizeof(command), "rm -rf '%s/keys'", scratch.dir);
	assert_int_equal(system(command), 0);
	scratch_end(&scratch);
}

static struct store_key *
add_key(struct export_site *site, const char *domain, const char *selector, int64_t active)
{
	struct store_key *key = memstore_key(site->tool.store, "acme", domain, selector, active);

	key->private_key = span_str(pem);
	return key;
}

static void
add_domain(struct export_site *site, const char *name, bool subdomains)
{
	memstore_domain(site->tool.store, name, "acme", subdomains);
	add_key(site, name, "s", 1000);
}

/* The table without its first line, which says who wrote it. */
static const char *
table(const char *name)
{
	FILE *file = fopen(scratch_path(&scratch, name), "r");
	const char *begin;
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	begin = strchr(text, '\n');
	assert_non_null(begin);
	return begin + 1;
}

static void export(struct export_site *site, size_t left_out)
{
	assert_int_equal(export_read(site), EX_OK);
	assert_int_equal(export_write(site), EX_OK);
	assert_int_equal(site->left_out, left_out);
}

/* ---- keys ---- */

static void
test_key_table(void **state)
{
	struct export_site site;
	char wanted[1024];
	struct stat st;

	(void)state;
	site_begin(&site);
	add_domain(&site, "b.test", false);
	add_domain(&site, "a.test", false);
	export(&site, 0);
	snprintf(wanted, sizeof(wanted),
	    "s._domainkey.a.test a.test:s:%s/keys/a.test.s.private\n"
	    "s._domainkey.b.test b.test:s:%s/keys/b.test.s.private\n",
	    site.real, site.real);
	assert_string_equal(table("KeyTable"), wanted);
	assert_string_equal(
	    table("SigningTable"), "*@a.test s._domainkey.a.test\n*@b.test s._domainkey.b.test\n");
	assert_int_equal(stat(scratch_path(&scratch, "keys/a.test.s.private"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	site_end(&site);
}

/* Of several the one that has signed for the shortest time; none that does not sign now. */
static void
test_which_key(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	memstore_domain(site.tool.store, "a.test", "acme", false);
	add_key(&site, "a.test", "older", 1000);
	add_key(&site, "a.test", "newer", 2000);
	add_key(&site, "a.test", "prepared", 0);
	add_key(&site, "a.test", "later", NOW + 1);
	add_key(&site, "a.test", "retired", 3000)->times.retiring = 4000;
	export(&site, 0);
	assert_string_equal(table("SigningTable"), "*@a.test newer._domainkey.a.test\n");
	assert_int_equal(access(scratch_path(&scratch, "keys/a.test.prepared.private"), F_OK), -1);
	assert_int_equal(access(scratch_path(&scratch, "keys/a.test.retired.private"), F_OK), -1);
	site_end(&site);
}

static void
test_keys_that_are_left_out(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", false);
	memstore_domain(site.tool.store, "curve.test", "acme", false);
	add_key(&site, "curve.test", "s", 1000)->algorithm = SPAN_LIT("ed25519-sha256");
	memstore_domain(site.tool.store, "broken.test", "acme", false);
	add_key(&site, "broken.test", "s", 1000)->private_key = SPAN_LIT("no key");
	memstore_domain(site.tool.store, "none.test", "acme", false);
	/* A key and a domain without one: each is said. */
	export(&site, 5);
	assert_string_equal(table("SigningTable"), "*@a.test s._domainkey.a.test\n");
	site_end(&site);
}

/* What is there stays, be it another key of the name or a link to somewhere else. */
static void
test_no_file_is_replaced(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", false);
	(void)scratch_write(&scratch, "keys/a.test.s.private", "somebody's\n");
	export(&site, 2); /* the key, and the row of its domain */
	assert_string_equal(table("SigningTable"), "");
	table("KeyTable");
	site_end(&site);
	/* The same key once more is fine. */
	site_begin(&site);
	add_domain(&site, "a.test", false);
	(void)scratch_write(&scratch, "keys/a.test.s.private", pem);
	export(&site, 0);
	site_end(&site);
}

static void
test_what_is_disabled(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", false);
	add_domain(&site, "off.test", true);
	memstore_of(site.tool.store)->all->domains[1].enabled = false;
	memstore_tenant(site.tool.store, "gone")->enabled = false;
	memstore_domain(site.tool.store, "g.test", "gone", false);
	memstore_key(site.tool.store, "gone", "g.test", "s", 1000)->private_key = span_str(pem);
	memstore_rule(site.tool.store, STORE_RULE_DOMAIN, "r", "acme", "x.test", "a.test")
	    ->enabled = false;
	export(&site, 0);
	assert_string_equal(table("SigningTable"), "*@a.test s._domainkey.a.test\n");
	site_end(&site);
}

static void
test_one_tenant(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", false);
	memstore_tenant(site.tool.store, "other");
	memstore_domain(site.tool.store, "o.test", "other", false);
	memstore_key(site.tool.store, "other", "o.test", "s", 1000)->private_key = span_str(pem);
	site.tenant = "other";
	export(&site, 0);
	assert_string_equal(table("SigningTable"), "*@o.test s._domainkey.o.test\n");
	site_end(&site);
}

/* ---- rules ---- */

static struct store_rule *
add_rule(struct export_site *site, enum store_rule_kind kind, const char *id, const char *subject)
{
	return memstore_rule(site->tool.store, kind, id, "acme", subject, "a.test");
}

/* In a refile the first line wins: addresses, domains of rules, domains, what is below (the longest
 * first, a rule in front of a domain's own), patterns by their priority. */
static void
test_order(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", true);
	add_domain(&site, "x.a.test", true);
	add_rule(&site, STORE_RULE_PATTERN, "p1", "news-*@*")->priority = 2;
	add_rule(&site, STORE_RULE_PATTERN, "p2", "list-*@*")->priority = 1;
	add_rule(&site, STORE_RULE_SUFFIX, "u1", ".b.test");
	add_rule(&site, STORE_RULE_SUFFIX, "u2", ".deep.b.test");
	add_rule(&site, STORE_RULE_SUFFIX, "u3", ".x.a.test");
	add_rule(&site, STORE_RULE_DOMAIN, "d1", "b.test");
	add_rule(&site, STORE_RULE_ADDRESS, "a1", "joe@b.test")->identity = SPAN_LIT("joe@a.test");
	export(&site, 0);
	assert_string_equal(table("SigningTable"), "joe@b.test s._domainkey.a.test:joe@a.test\n"
						   "*@b.test s._domainkey.a.test\n"
						   "*@a.test s._domainkey.a.test\n"
						   "*@x.a.test s._domainkey.x.a.test\n"
						   "*@*.deep.b.test s._domainkey.a.test\n"
						   "*@*.x.a.test s._domainkey.a.test\n"
						   "*@*.x.a.test s._domainkey.x.a.test\n"
						   "*@*.b.test s._domainkey.a.test\n"
						   "*@*.a.test s._domainkey.a.test\n"
						   "list-*@* s._domainkey.a.test\n"
						   "news-*@* s._domainkey.a.test\n");
	site_end(&site);
}

static void
test_an_alias(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", false);
	memstore_domain(site.tool.store, "alias.test", "acme", true)->signs_as = SPAN_LIT("a.test");
	export(&site, 0);
	assert_string_equal(table("SigningTable"), "*@a.test s._domainkey.a.test\n"
						   "*@alias.test s._domainkey.a.test\n"
						   "*@*.alias.test s._domainkey.a.test\n");
	site_end(&site);
}

/* What OpenDKIM would read as something else is no line at all. */
static void
test_rules_that_are_left_out(void **state)
{
	static const char *const subjects[] = {
	    "a b@x.test", "#joe@x.test", "a*b@x.test", "a\tb@x.test", "a\nb@x.test"};
	struct export_site site;
	char longer[600];
	size_t count = sizeof(subjects) / sizeof(subjects[0]);

	(void)state;
	site_begin(&site);
	add_domain(&site, "a.test", false);
	for (size_t i = 0; i < count; i++)
		add_rule(&site, STORE_RULE_ADDRESS, subjects[i], subjects[i]);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + sizeof(longer) - sizeof("@x.test"), "@x.test", sizeof("@x.test"));
	add_rule(&site, STORE_RULE_ADDRESS, "long", longer);
	add_rule(&site, STORE_RULE_ADDRESS, "identity", "joe@x.test")->identity =
	    SPAN_LIT("j e@a.test");
	memstore_rule(
	    site.tool.store, STORE_RULE_ADDRESS, "nokey", "acme", "jim@x.test", "nokey.test");
	/* Another tenant's key is none. */
	memstore_tenant(site.tool.store, "other");
	memstore_rule(
	    site.tool.store, STORE_RULE_ADDRESS, "foreign", "other", "jo@x.test", "a.test");
	export(&site, count + 4);
	assert_string_equal(table("SigningTable"), "*@a.test s._domainkey.a.test\n");
	site_end(&site);
}

static void
test_a_store_that_is_away(void **state)
{
	struct export_site site;

	(void)state;
	site_begin(&site);
	memstore_of(site.tool.store)->status[MEMSTORE_LIST] = ST_UNAVAILABLE;
	assert_int_equal(export_read(&site), EX_UNAVAILABLE);
	site_end(&site);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_key_table),
	    cmocka_unit_test(test_which_key),
	    cmocka_unit_test(test_keys_that_are_left_out),
	    cmocka_unit_test(test_no_file_is_replaced),
	    cmocka_unit_test(test_what_is_disabled),
	    cmocka_unit_test(test_one_tenant),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_an_alias),
	    cmocka_unit_test(test_rules_that_are_left_out),
	    cmocka_unit_test(test_a_store_that_is_away),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
