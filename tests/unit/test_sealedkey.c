/*
 * test_sealedkey.c - sealed keys: what opens, and everything that must not.
 */
#include "tests/unit/store_help.h"

#include <pthread.h>

#include "lib/base/secret.h"
#include "lib/store/sealedprovider.h"

/* 0, 1, ... 31; and the same turned round. */
#define KEY_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_2 "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
#define PLAIN "an example that is no key"

static const struct sealedkey_owner owner = {
    .tenant = {"acme", 4},
    .domain = {"example.com", 11},
    .selector = {"s1", 2},
    .id = {"k-1", 3},
    .revision = 7,
};

static struct sitekey *
site(const char *text)
{
	struct sitekey *sitekey;
	struct err err = ERR_NONE;

	if (sitekey_parse(span_str(text), "test", &sitekey, &err) != ST_OK)
		fail_msg("%s", err.text);
	return sitekey;
}

static void
close_key(struct sitekey *sitekey, const struct sealedkey_owner *whose, struct span plain,
    struct buf *out)
{
	struct err err = ERR_NONE;

	buf_init(out, SEALEDKEY_TEXT_MAX);
	if (sealedkey_close(sitekey, whose, plain, out, &err) != ST_OK)
		fail_msg("%s", err.text);
}

/* The status; the text must be plain when it opens, and nothing otherwise. */
static enum status
opens(struct sitekey *sitekey, const struct sealedkey_owner *whose, struct span text,
    struct span plain, struct err *err)
{
	enum status status;
	char *out;
	size_t n;

	memset(err, 0, sizeof(*err));
	status = sealedkey_open(sitekey, whose, text, &out, &n, err);
	if (status == ST_OK) {
		assert_true(span_eq(span_of(out, n), plain));
		assert_int_equal(out[n], '\0');
		secret_free(out);
		return status;
	}
	assert_null(out);
	assert_int_equal(n, 0);
	assert_true(err->text[0] != '\0');
	assert_null(strstr(err->text, PLAIN));
	return status;
}

/* Made by tests/interop/sealing.py with the nonce 0, 1, ... 11. */
static void
opens_what_another_library_sealed(void **state)
{
	static const char text[] = "spk1:1:AAECAwQFBgcICQoL4IuBFAw/8znNHMo61fw4ajCd1Z8vtc0qcDGRxoM7"
				   "VTev3skm8xzA5b4=";
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	struct sealedkey_owner upper = owner;
	struct err err;

	(void)state;
	upper.domain = SPAN_LIT("Example.COM");
	upper.selector = SPAN_LIT("S1");
	assert_int_equal(opens(sitekey, &owner, span_str(text), SPAN_LIT(PLAIN), &err), ST_OK);
	assert_int_equal(opens(sitekey, &upper, span_str(text), SPAN_LIT(PLAIN), &err), ST_OK);
	sitekey_close(sitekey);
}

static void
every_octet_counts(void **state)
{
	struct sitekey *sitekey = site("1 " KEY_1 "\n2 " KEY_2 "\ncurrent 1\n");
	struct buf sealed;
	struct err err;

	(void)state;
	close_key(sitekey, &owner, SPAN_LIT(PLAIN), &sealed);
	for (size_t i = 0; i < sealed.n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			sealed.p[i] ^= (char)(1U << bit);
			if (opens(sitekey, &owner, buf_span(&sealed), SPAN_EMPTY, &err) == ST_OK)
				fail_msg("octet %zu bit %u: opens", i, bit);
			sealed.p[i] ^= (char)(1U << bit);
		}
	for (size_t n = 0; n < sealed.n; n++)
		if (opens(sitekey, &owner, span_of(sealed.p, n), SPAN_EMPTY, &err) == ST_OK)
			fail_msg("%zu octets: opens", n);
	assert_int_equal(opens(sitekey, &owner, buf_span(&sealed), SPAN_LIT(PLAIN), &err), ST_OK);
	buf_add_str(&sealed, " \r\n");
	assert_int_equal(opens(sitekey, &owner, buf_span(&sealed), SPAN_LIT(PLAIN), &err), ST_OK);
	buf_add_str(&sealed, "A");
	assert_int_equal(opens(sitekey, &owner, buf_span(&sealed), SPAN_EMPTY, &err), ST_INVALID);
	buf_free(&sealed);
	sitekey_close(sitekey);
}

static void
another_owner_is_denied(void **state)
{
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	struct sealedkey_owner others[16];
	struct buf sealed;
	struct err err;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 16; i++)
		others[i] = owner;
	others[n++].tenant = SPAN_LIT("acmf");
	others[n++].tenant = SPAN_LIT("acm");
	others[n++].tenant = SPAN_LIT("ACME"); /* tenants are not folded */
	others[n++].tenant = SPAN_EMPTY;
	others[n++].domain = SPAN_LIT("example.co");
	others[n++].domain = SPAN_LIT("example.com.");
	others[n++].domain = SPAN_EMPTY;
	others[n++].selector = SPAN_LIT("s2");
	others[n++].selector = SPAN_EMPTY;
	others[n++].id = SPAN_LIT("k-2");
	others[n++].id = SPAN_LIT("K-1");
	others[n++].revision = 6;
	others[n++].revision = 8;
	others[n++].revision = 0;
	/* The same octets one behind the other, with the borders elsewhere. */
	others[n].domain = SPAN_LIT("example.coms");
	others[n++].selector = SPAN_LIT("1");
	others[n].tenant = SPAN_LIT("acmee");
	others[n++].domain = SPAN_LIT("xample.com");
	assert_int_equal(n, 16);
	close_key(sitekey, &owner, SPAN_LIT(PLAIN), &sealed);
	for (size_t i = 0; i < n; i++)
		if (opens(sitekey, &others[i], buf_span(&sealed), SPAN_EMPTY, &err) != ST_DENIED)
			fail_msg("case %zu: %s", i, err.text);
	assert_non_null(strstr(err.text, "another tenant"));
	assert_non_null(strstr(err.text, "version 1 of test"));
	buf_free(&sealed);
	sitekey_close(sitekey);
}

static void
versions_of_the_site_key(void **state)
{
	struct sitekey *both = site("1 " KEY_1 "\n2 " KEY_2 "\n");
	struct sitekey *first = site("1 " KEY_1 "\n"), *other = site("2 " KEY_1 "\n");
	struct buf sealed, old;
	struct err err;
	uint32_t version;

	(void)state;
	close_key(both, &owner, SPAN_LIT(PLAIN), &sealed);
	close_key(first, &owner, SPAN_LIT(PLAIN), &old);
	assert_int_equal(sealedkey_version(buf_span(&sealed), &version, &err), ST_OK);
	assert_int_equal(version, 2);
	assert_int_equal(opens(both, &owner, buf_span(&old), SPAN_LIT(PLAIN), &err), ST_OK);
	assert_int_equal(opens(first, &owner, buf_span(&sealed), SPAN_EMPTY, &err), ST_ABSENT);
	assert_string_equal(err.text, "test has the version 1, and version 2 sealed the key: copy "
				      "the newer file from the host where keys are made");
	assert_int_equal(opens(other, &owner, buf_span(&sealed), SPAN_EMPTY, &err), ST_DENIED);
	assert_non_null(strstr(err.text, "compare the file"));
	assert_int_equal(opens(NULL, &owner, buf_span(&sealed), SPAN_EMPTY, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, "SiteKeyFile"));
	sealed.p[5] = '1'; /* says another version than the one that sealed */
	assert_int_equal(opens(both, &owner, buf_span(&sealed), SPAN_EMPTY, &err), ST_DENIED);
	buf_free(&sealed);
	buf_free(&old);
	sitekey_close(both);
	sitekey_close(first);
	sitekey_close(other);
}

static void
lengths(void **state)
{
	static const size_t fits[] = {1, 2, 3, 31, 1700, 32768, 49118};
	static char big[70000];
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	struct sealedkey_owner long_name = owner;
	struct buf out;
	struct err err = ERR_NONE;

	(void)state;
	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
		struct span plain = span_of(big, fits[i]);

		close_key(sitekey, &owner, plain, &out);
		assert_int_equal(opens(sitekey, &owner, buf_span(&out), plain, &err), ST_OK);
		buf_free(&out);
	}
	buf_init(&out, sizeof(big) * 2);
	assert_int_equal(
	    sealedkey_close(sitekey, &owner, span_of(big, 49120), &out, &err), ST_TOO_BIG);
	assert_int_equal(
	    sealedkey_close(sitekey, &owner, span_of(big, sizeof(big)), &out, &err), ST_TOO_BIG);
	assert_int_equal(sealedkey_close(sitekey, &owner, SPAN_EMPTY, &out, &err), ST_INVALID);
	long_name.domain = span_of(big, SEALEDKEY_OWNER_MAX + 1);
	assert_int_equal(
	    sealedkey_close(sitekey, &long_name, SPAN_LIT(PLAIN), &out, &err), ST_INVALID);
	long_name.domain = long_name.selector = span_of(big, SEALEDKEY_OWNER_MAX);
	assert_int_equal(
	    sealedkey_close(sitekey, &long_name, SPAN_LIT(PLAIN), &out, &err), ST_INVALID);
	assert_int_equal(out.n, 0);
	buf_add_str(&out, "spk1:1:");
	buf_add(&out, span_of(big, sizeof(big)));
	assert_int_equal(opens(sitekey, &owner, buf_span(&out), SPAN_EMPTY, &err), ST_INVALID);
	buf_free(&out);
	sitekey_close(sitekey);
}

static void
malformed_texts(void **state)
{
	static const char *const texts[] = {"", " ", "spk", "spk1", "spk1:", "spk1:1",
	    "spk1:1:", "spk1::AAAA", "spk1:0:AAAA", "spk1:01:AAAA", "spk1:+1:AAAA", "spk1: 1:AAAA",
	    "spk1:1000000:AAAA", "spk1:4294967297:AAAA", "spk2:1:AAAA", "SPK1:1:AAAA",
	    "spk1:1:AAAA", "spk1:1:A===", "spk1:1:AAAA:AAAA", "spk1:1:\xff\xfe\xfd\xfc",
	    "-----BEGIN PRIVATE KEY-----\n"};
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (opens(sitekey, &owner, span_str(texts[i]), SPAN_EMPTY, &err) != ST_INVALID)
			fail_msg("\"%s\": %s", texts[i], err.text);
	sitekey_close(sitekey);
}

static void
forms(void **state)
{
	static const struct {
		const char *text;
		enum sealedkey_form form;
	} cases[] = {
	    {"", SEALEDKEY_EMPTY},
	    {" \r\n\t", SEALEDKEY_EMPTY},
	    {"spk1:", SEALEDKEY_SEALED},
	    {"\nspk1:1:AAAA", SEALEDKEY_SEALED},
	    {"spk2:1:AAAA", SEALEDKEY_UNKNOWN},
	    {"-----BEGIN RSA PRIVATE KEY-----\n", SEALEDKEY_PLAIN},
	    {"a comment\n-----BEGIN PRIVATE KEY-----\n", SEALEDKEY_PLAIN},
	    {"MIIEpAIBAAKCAQEA", SEALEDKEY_PLAIN},
	    {"MC4CAQAwBQYDK2Vw", SEALEDKEY_PLAIN},
	    {"\x30\x82\x01\x02", SEALEDKEY_PLAIN},
	    {"Hello", SEALEDKEY_UNKNOWN},
	    {"vault:v1:abcd", SEALEDKEY_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sealedkey_form(span_str(cases[i].text)) != cases[i].form)
			fail_msg("\"%s\"", cases[i].text);
}

static void
never_the_same_twice(void **state)
{
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	struct buf a, b;

	(void)state;
	close_key(sitekey, &owner, SPAN_LIT(PLAIN), &a);
	close_key(sitekey, &owner, SPAN_LIT(PLAIN), &b);
	assert_false(span_eq(buf_span(&a), buf_span(&b)));
	buf_free(&a);
	buf_free(&b);
	sitekey_close(sitekey);
}

/* Many threads, more tenants than are kept. */
static void *
seal_for_many(void *arg)
{
	struct sitekey *sitekey = arg;
	struct err err = ERR_NONE;
	char name[32];
	bool ok = true;

	for (unsigned i = 0; i < 6000 && ok; i++) {
		struct sealedkey_owner whose = owner;
		struct buf out;
		size_t n = 0;
		char *plain = NULL;

		snprintf(name, sizeof(name), "tenant-%u", i % 5000);
		whose.tenant = span_str(name);
		buf_init(&out, SEALEDKEY_TEXT_MAX);
		ok = sealedkey_close(sitekey, &whose, SPAN_LIT(PLAIN), &out, &err) == ST_OK &&
		     sealedkey_open(sitekey, &whose, buf_span(&out), &plain, &n, &err) == ST_OK &&
		     span_eq_str(span_of(plain, n), PLAIN);
		secret_free(plain);
		buf_free(&out);
	}
	return ok ? arg : NULL;
}

static void
threads_and_many_tenants(void **state)
{
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, seal_for_many, sitekey), 0);
	for (size_t i = 0; i < 4; i++) {
		void *answer;

		assert_int_equal(pthread_join(threads[i], &answer), 0);
		assert_ptr_equal(answer, sitekey);
	}
	sitekey_close(sitekey);
}

static void
purposes_have_keys_of_their_own(void **state)
{
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	struct seal *key, *cache, *again;
	struct err err = ERR_NONE;
	struct buf sealed;
	char room[64];
	size_t n;

	(void)state;
	buf_init(&sealed, 1024);
	assert_int_equal(sitekey_tenant(sitekey, 1, "key", SPAN_LIT("acme"), &key, &err), ST_OK);
	assert_int_equal(
	    sitekey_tenant(sitekey, 1, "cache", SPAN_LIT("acme"), &cache, &err), ST_OK);
	assert_int_equal(sitekey_tenant(sitekey, 1, "key", SPAN_LIT("acme"), &again, &err), ST_OK);
	assert_ptr_equal(key, again);
	assert_int_equal(seal_close(key, SPAN_EMPTY, SPAN_EMPTY, &sealed, &err), ST_OK);
	assert_int_equal(sealed.n, SEAL_OVERHEAD);
	assert_int_equal(seal_open(again, SPAN_EMPTY, buf_span(&sealed), room, &n, &err), ST_OK);
	assert_int_equal(n, 0);
	assert_int_equal(
	    seal_open(again, SPAN_LIT("x"), buf_span(&sealed), room, &n, &err), ST_DENIED);
	assert_int_equal(
	    seal_open(cache, SPAN_EMPTY, buf_span(&sealed), room, &n, &err), ST_DENIED);
	sitekey_release(sitekey, key);
	sitekey_release(sitekey, cache);
	sitekey_close(sitekey);
	/* Still held. */
	assert_int_equal(seal_open(again, SPAN_EMPTY, buf_span(&sealed), room, &n, &err), ST_OK);
	sitekey_release(NULL, again);
	buf_free(&sealed);
}

/* The secret of a DNS provider opens for its row, and for no other one. */
static void
providers_open_where_they_were_given(void **state)
{
	struct sitekey *sitekey = site("1 " KEY_1 "\n");
	const struct store_provider row = {.tenant = {"acme", 4},
	    .name = {"own", 3},
	    .kind = {"rfc2136", 7},
	    .address = {"192.0.2.1?key=k", 15}};
	struct store_provider others[] = {row, row, row, row, row};
	struct err err = ERR_NONE;
	struct buf sealed;
	char *plain;
	size_t n;

	(void)state;
	buf_init(&sealed, PROVIDER_SECRET_MAX);
	assert_int_equal(
	    sealedprovider_close(sitekey, &row, span_str(PLAIN), &sealed, &err), ST_OK);
	others[0].tenant = SPAN_LIT("beta");
	others[1].name = SPAN_LIT("owm");
	others[2].kind = SPAN_LIT("powerdns");
	others[3].address = SPAN_LIT("192.0.2.2?key=k");
	for (size_t i = 0; i < 5; i++) {
		others[i].secret = buf_span(&sealed);
		assert_int_equal(sealedprovider_open(sitekey, &others[i], &plain, &n, &err),
		    i < 4 ? ST_DENIED : ST_OK);
	}
	assert_true(span_eq(span_of(plain, n), span_str(PLAIN)));
	secret_free(plain);
	assert_int_equal(sealedprovider_open(NULL, &others[4], &plain, &n, &err), ST_ABSENT);
	buf_free(&sealed);
	sitekey_close(sitekey);
}

/* What does not match leaves no plain text behind. */
static void
room_is_wiped(void **state)
{
	static const uint8_t zero[SEAL_KEY_BYTES];
	char room[sizeof(PLAIN)], clean[sizeof(PLAIN)] = "";
	struct err err = ERR_NONE;
	struct seal *seal;
	struct buf sealed;
	size_t n;

	(void)state;
	buf_init(&sealed, 1024);
	assert_int_equal(seal_derive(zero, SPAN_LIT("salt"), SPAN_LIT("test"), &seal, &err), ST_OK);
	assert_int_equal(seal_close(seal, SPAN_EMPTY, SPAN_LIT(PLAIN), &sealed, &err), ST_OK);
	sealed.p[sealed.n - 1] ^= 1;
	memset(room, 0, sizeof(room));
	assert_int_equal(seal_open(seal, SPAN_EMPTY, buf_span(&sealed), room, &n, &err), ST_DENIED);
	assert_memory_equal(room, clean, sizeof(room));
	assert_int_equal(n, 0);
	for (n = 0; n < SEAL_OVERHEAD; n++) {
		size_t none;

		assert_int_equal(
		    seal_open(seal, SPAN_EMPTY, span_of(sealed.p, n), room, &none, &err),
		    ST_INVALID);
	}
	buf_free(&sealed);
	buf_init(&sealed, 10);
	assert_int_equal(seal_close(seal, SPAN_EMPTY, SPAN_LIT(PLAIN), &sealed, &err), ST_TOO_BIG);
	buf_free(&sealed);
	seal_free(seal);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_what_another_library_sealed),
	    cmocka_unit_test(every_octet_counts),
	    cmocka_unit_test(another_owner_is_denied),
	    cmocka_unit_test(versions_of_the_site_key),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(malformed_texts),
	    cmocka_unit_test(forms),
	    cmocka_unit_test(never_the_same_twice),
	    cmocka_unit_test(threads_and_many_tenants),
	    cmocka_unit_test(purposes_have_keys_of_their_own),
	    cmocka_unit_test(providers_open_where_they_were_given),
	    cmocka_unit_test(room_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
