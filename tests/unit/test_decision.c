/*
 * test_decision.c - who may sign and with what, step by step in opendkim's order (mlfi_eoh), with
 * tables in files; and that a table which cannot answer never lets a message go unsigned.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/decision.h"
#include "tests/lib/scratch.h"

#define LOCAL "127.0.0.1"
#define OUTSIDE "192.0.2.9"
#define FILES                                                                                      \
	"KeyTable file:@DIR@/keys\nSigningTable file:@DIR@/signing\nLogWhy yes\n"                  \
	"RequireSafeKeys no\n"
#define REFILES "KeyTable file:@DIR@/keys\nSigningTable refile:@DIR@/patterns\nLogWhy yes\n"
#define SINGLE "Domain example.com\nKeyFile /k\nSelector s1\nLogWhy yes\n"

static const char keys[] = "k1 example.com:s1:/keys/k1\n"
			   "k2 example.com:s2:/keys/k2\n"
			   "k3 Example.COM:s3:/keys/k3\n"
			   "k4 example.com:s4:/keys/k4\n"
			   "own %:s5:/keys/%/key\n"
			   "short example.com:s6\n"
			   "empty example.com::/keys/k1\n";
static const char signing[] = "joe@example.com k1\n"
			      "sub.example.com k2:@example.com\n"
			      ".example.com k3:%\n"
			      "ann@.example.com k4:ann@example.com\n"
			      "bob@* own:bob@%\n"
			      "list@example.com k1:list@example.org\n"
			      "caps@example.com k3:Caps@EXAMPLE.com\n"
			      "lost@example.com nobody\n"
			      "cut@example.com short\n"
			      "void@example.com empty\n"
			      "example.net own\n";
static const char patterns[] = "*@example.com k1\n"
			       "joe@example.com k2:@example.com\n"
			       "*@*.example.com k3\n"
			       "j*@example.com k3\n"
			       "*oe@example.com k4:joe@example.com\n"
			       "many@multi.example.org own\n";

struct world {
	struct scratch scratch;
	struct rules *rules;
	struct decision decision;
};

static enum status
try_begin(struct world *w, const char *text)
{
	struct conf *conf = conf_new();
	struct err err = ERR_NONE;
	enum status status;
	struct buf whole;
	const char *at;

	memset(w, 0, sizeof(*w));
	scratch_begin(&w->scratch);
	scratch_log_begin(&w->scratch);
	scratch_write(&w->scratch, "keys", keys);
	scratch_write(&w->scratch, "signing", signing);
	scratch_write(&w->scratch, "patterns", patterns);
	buf_init(&whole, 4096);
	buf_add_str(&whole, "Mode s\n");
	for (; (at = strstr(text, "@DIR@")) != NULL; text = at + 5) {
		buf_add(&whole, span_of(text, (size_t)(at - text)));
		buf_add_str(&whole, w->scratch.dir);
	}
	buf_add_str(&whole, text);
	assert_int_equal(conf_parse_text(conf, "test", buf_span(&whole), NULL), ST_OK);
	status = rules_open(conf, NULL, &w->rules, &err);
	conf_free(conf);
	buf_free(&whole);
	scratch_log_begin(&w->scratch);
	return status;
}

static void
begin(struct world *w, const char *text)
{
	assert_int_equal(try_begin(w, text), ST_OK);
}

static void
end(struct world *w)
{
	decision_release(&w->decision);
	rules_close(w->rules);
	scratch_end(&w->scratch);
}

/* One sender. NULL: a default. */
struct sender {
	const char *host, *address, *daemon, *user, *domain;
	const char *macro[4]; /* name, value */
	const char *recipients[3];
	unsigned int flags;
};

static void
ask(struct world *w, const struct sender *sender)
{
	const char *address = sender->address == NULL ? LOCAL : sender->address;
	struct request request = {.type = REQUEST_SIGN,
	    .flags = (uint16_t)sender->flags,
	    .job_id = SPAN_LIT("4Q1"),
	    .host = span_str(sender->host == NULL ? "mx.example.org" : sender->host),
	    .daemon_name = span_str(sender->daemon),
	    .user = span_str(sender->user == NULL ? "joe" : sender->user),
	    .domain = span_str(sender->domain == NULL ? "example.com" : sender->domain)};
	struct buf macros, recipients;

	request.family = strchr(address, ':') == NULL ? 4 : 6;
	if (address[0] == '\0')
		request.family = 'U';
	else
		assert_int_equal(
		    inet_pton(request.family == 4 ? AF_INET : AF_INET6, address, request.address),
		    1);
	buf_init(&macros, 1000);
	buf_init(&recipients, 1000);
	for (size_t i = 0; i < 4 && sender->macro[i] != NULL; i++)
		frame_list_add(&macros, span_str(sender->macro[i]));
	for (size_t i = 0; i < 3 && sender->recipients[i] != NULL; i++)
		frame_list_add(&recipients, span_str(sender->recipients[i]));
	request.macros = buf_span(&macros);
	request.recipients = buf_span(&recipients);
	decision_release(&w->decision);
	decision_make(w->rules, &request, &w->decision);
	buf_free(&macros);
	buf_free(&recipients);
}

static void
assert_text(struct span s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	if (s.n > 0)
		assert_memory_equal(s.p, text, s.n);
}

struct row {
	const char *conf;
	struct sender sender;
	enum verdict verdict;
	const char *domain, *selector, *identity, *key; /* of the first key; NULL: not looked at */
	const char *log;                                /* is there, or with '!' is not */
};

static void
run(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		const struct decision_key *key;
		struct world w;

		begin(&w, row->conf);
		ask(&w, &row->sender);
		if (w.decision.verdict != row->verdict)
			print_message("# row %zu\n", i);
		assert_int_equal(w.decision.verdict, row->verdict);
		key = &w.decision.keys[0];
		if (row->verdict == VERDICT_SIGN)
			assert_true(w.decision.key_count >= 1);
		if (row->domain != NULL)
			assert_text(key->domain, row->domain);
		if (row->selector != NULL)
			assert_text(key->selector, row->selector);
		if (row->identity != NULL)
			assert_text(key->identity, row->identity);
		if (row->key != NULL)
			assert_text(key->key, row->key);
		if (row->log != NULL && row->log[0] == '!')
			assert_false(scratch_log_has(&w.scratch, row->log + 1));
		else if (row->log != NULL && !scratch_log_has(&w.scratch, row->log))
			fail_msg("row %zu: no \"%s\" in: %s", i, row->log, w.scratch.log);
		end(&w);
	}
}
#define RUN(rows) run(rows, sizeof(rows) / sizeof((rows)[0]))

static void
test_exempt(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES "ExemptDomains example.org,example.com\n",
		.sender = {.user = "joe"},
		.verdict = VERDICT_PASS,
		.log = "domain 'example.com' exempted, accepting"},
	    {.conf = FILES "ExemptDomains EXAMPLE.com\n",
		.sender = {.user = "joe"},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "ExemptDomains .example.com,com\n",
		.sender = {.user = "joe"},
		.verdict = VERDICT_SIGN},
	};

	(void)state;
	RUN(rows);
}

static void
test_origin(void **state)
{
	static const struct row rows[] = {
	    /* InternalHosts: the default, and what is given. */
	    {.conf = FILES, .sender = {.address = LOCAL}, .verdict = VERDICT_SIGN},
	    {.conf = FILES, .sender = {.address = "::1"}, .verdict = VERDICT_SIGN},
	    {.conf = FILES,
		.sender = {.address = ""},
		.verdict = VERDICT_SIGN}, /* TRAP: no address is 127.0.0.1 */
	    {.conf = FILES,
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_PASS,
		.log = "mx.example.org [192.0.2.9] not internal"},
	    {.conf = FILES,
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_PASS,
		.log = "not authenticated"},
	    {.conf = FILES "InternalHosts 192.0.2.0/24\n",
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "InternalHosts 192.0.2.0/24\n",
		.sender = {.address = LOCAL},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "InternalHosts 192.0.2.0/24,!192.0.2.9\n",
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "InternalHosts .example.org\n",
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "InternalHosts csl:2001:db8::/32\n",
		.sender = {.address = "2001:db8::5"},
		.verdict = VERDICT_SIGN},
	    /* {auth_type} */
	    {.conf = FILES,
		.sender = {.address = OUTSIDE, .flags = REQUEST_FLAG_AUTHENTICATED},
		.verdict = VERDICT_SIGN,
		.log = "not internal"},
	    /* MTA: case counts. */
	    {.conf = FILES "MTA MSA,MTA\n",
		.sender = {.address = OUTSIDE, .daemon = "MSA"},
		.verdict = VERDICT_SIGN,
		.log = "!not internal"},
	    {.conf = FILES "MTA MSA,MTA\n",
		.sender = {.address = OUTSIDE, .daemon = "msa"},
		.verdict = VERDICT_PASS,
		.log = "no MTA name match (host=mx.example.org, MTA=msa)"},
	    {.conf = FILES "MTA MSA\n",
		.sender = {.address = LOCAL, .daemon = "x"},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "MTA MSA\n", .sender = {.address = OUTSIDE}, .verdict = VERDICT_PASS},
	};

	(void)state;
	RUN(rows);
}

static void
test_macros(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES "MacroList x\n",
		.sender = {.address = OUTSIDE, .macro = {"x", ""}},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "MacroList {x}\n",
		.sender = {.address = OUTSIDE, .macro = {"x", "1"}},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "MacroList x=1|2\n",
		.sender = {.address = OUTSIDE, .macro = {"x", "2"}},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "MacroList x=1|2\n",
		.sender = {.address = OUTSIDE, .macro = {"x", "3"}},
		.verdict = VERDICT_PASS,
		.log = "no macros match"},
	    {.conf = FILES "MacroList x=a\n",
		.sender = {.address = OUTSIDE, .macro = {"x", "A"}},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "MacroList X=a\n",
		.sender = {.address = OUTSIDE, .macro = {"x", "a"}},
		.verdict = VERDICT_PASS},
	    /* opendkim: a later macro that does not match takes the match back. */
	    {.conf = FILES "MacroList x=1,y=1\n",
		.sender = {.address = OUTSIDE, .macro = {"x", "1", "y", "2"}},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "MacroList x=1,y=1\n",
		.sender = {.address = OUTSIDE, .macro = {"y", "1"}},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "MTA MSA\nMacroList y=1\n",
		.sender = {.address = OUTSIDE, .daemon = "MSA", .macro = {"y", "2"}},
		.verdict = VERDICT_SIGN},
	};

	(void)state;
	RUN(rows);
}

static void
test_single_key(void **state)
{
	static const struct row rows[] = {
	    {.conf = SINGLE,
		.sender = {.user = "joe"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s1",
		.identity = "",
		.key = "/k"},
	    {.conf = SINGLE,
		.sender = {.domain = "example.net"},
		.verdict = VERDICT_PASS,
		.log = "no signing domain match for 'example.net'"},
	    {.conf = SINGLE, .sender = {.domain = "sub.example.com"}, .verdict = VERDICT_PASS},
	    {.conf = SINGLE "SubDomains yes\n",
		.sender = {.domain = "a.sub.example.com"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s1",
		.identity = "@example.com",
		.key = "/k"},
	    {.conf = SINGLE "SubDomains yes\n",
		.sender = {.domain = "badexample.com"},
		.verdict = VERDICT_PASS,
		.log = "no signing subdomain match for 'badexample.com'"},
	    {.conf = SINGLE "SubDomains yes\nDomain example.com,a.example.com\n",
		.sender = {.domain = "b.a.example.com"},
		.verdict = VERDICT_SIGN,
		.domain = "a.example.com",
		.selector = "s1",
		.identity = "@a.example.com"},
	    {.conf = SINGLE "Domain *\n",
		.sender = {.domain = "any.example.net"},
		.verdict = VERDICT_SIGN,
		.domain = "any.example.net",
		.selector = "s1",
		.identity = ""},
	    {.conf = SINGLE "Domain EXAMPLE.com\n",
		.sender = {.user = "joe"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com"},
	    {.conf = SINGLE "KeyFile mail.private\n",
		.sender = {.user = "joe"},
		.verdict = VERDICT_SIGN,
		.key = "./mail.private"},
	};

	(void)state;
	RUN(rows);
}

static void
test_external(void **state)
{
	static const char words[] = "external host mx.example.org attempted to send as example.com";
	static const struct row rows[] = {
	    {.conf = SINGLE, .sender = {.address = OUTSIDE}, .verdict = VERDICT_PASS, .log = words},
	    {.conf = SINGLE,
		.sender = {.address = OUTSIDE, .domain = "example.net"},
		.verdict = VERDICT_PASS,
		.log = "!external host"},
	    {.conf = SINGLE "ExternalIgnoreList 192.0.2.0/24\n",
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_PASS,
		.log = "!external host"},
	    {.conf = SINGLE,
		.sender = {.address = OUTSIDE, .flags = REQUEST_FLAG_ROUTED},
		.verdict = VERDICT_PASS,
		.log = "!4Q1"},
	    /* Never with a SigningTable. */
	    {.conf = FILES,
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_PASS,
		.log = "!external host"},
	};

	(void)state;
	RUN(rows);
}

static void
test_ladder(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES,
		.sender = {.user = "joe"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s1",
		.identity = "",
		.key = "/keys/k1"},
	    {.conf = FILES,
		.sender = {.user = "JOE"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s1"},
	    {.conf = FILES,
		.sender = {.domain = "sub.example.com"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s2",
		.identity = "@example.com"},
	    {.conf = FILES,
		.sender = {.domain = "other.example.com"},
		.verdict = VERDICT_SIGN,
		.selector = "s3"},
	    {.conf = FILES,
		.sender = {.user = "ann", .domain = "other.example.com"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s4",
		.identity = "ann@example.com"},
	    {.conf = FILES,
		.sender = {.user = "bob", .domain = "example.org"},
		.verdict = VERDICT_SIGN,
		.domain = "example.org",
		.selector = "s5",
		.identity = "bob@example.org",
		.key = "/keys/example.org/key"},
	    {.conf = FILES,
		.sender = {.domain = "example.net"},
		.verdict = VERDICT_SIGN,
		.domain = "example.net",
		.selector = "s5",
		.identity = "",
		.key = "/keys/example.net/key"},
	    {.conf = FILES,
		.sender = {.domain = "sub.example.net"},
		.verdict = VERDICT_PASS,
		.log = "no signing table match for 'joe@sub.example.net'"},
	    /* i= only within d=; its case does not matter. */
	    {.conf = FILES,
		.sender = {.user = "list"},
		.verdict = VERDICT_SIGN,
		.domain = "example.com",
		.selector = "s1",
		.identity = "",
		.log = "identity 'list@example.org' is not within 'example.com'"},
	    {.conf = FILES,
		.sender = {.user = "caps"},
		.verdict = VERDICT_SIGN,
		.selector = "s3",
		.identity = "Caps@EXAMPLE.com"},
	};

	(void)state;
	RUN(rows);
}

static void
test_key_table_faults(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES,
		.sender = {.user = "lost"},
		.verdict = VERDICT_TEMPFAIL,
		.log = "signing table references unknown key 'nobody'"},
	    {.conf = FILES,
		.sender = {.user = "cut"},
		.verdict = VERDICT_TEMPFAIL,
		.log = "corrupt"},
	    {.conf = FILES,
		.sender = {.user = "void"},
		.verdict = VERDICT_TEMPFAIL,
		.log = "corrupt"},
	    /* Who may not sign learns nothing of it. */
	    {.conf = FILES,
		.sender = {.user = "lost", .address = OUTSIDE},
		.verdict = VERDICT_PASS,
		.log = "!unknown key"},
	};

	(void)state;
	RUN(rows);
}

static void
test_patterns(void **state)
{
	static const struct row rows[] = {
	    {.conf = REFILES, .sender = {.user = "joe"}, .verdict = VERDICT_SIGN, .selector = "s1"},
	    {.conf = REFILES,
		.sender = {.domain = "sub.example.com"},
		.verdict = VERDICT_SIGN,
		.selector = "s3"},
	    {.conf = REFILES,
		.sender = {.domain = "example.org"},
		.verdict = VERDICT_PASS,
		.log = "no signing table match"},
	};
	struct world w;

	(void)state;
	RUN(rows);
	begin(&w, REFILES "MultipleSignatures yes\n");
	ask(&w, &(struct sender){.user = "joe"});
	assert_int_equal(w.decision.verdict, VERDICT_SIGN);
	assert_int_equal(w.decision.key_count, 4);
	assert_text(w.decision.keys[0].selector, "s1");
	assert_text(w.decision.keys[1].selector, "s2");
	assert_text(w.decision.keys[1].identity, "@example.com");
	assert_text(w.decision.keys[2].selector, "s3");
	assert_text(w.decision.keys[3].selector, "s4");
	assert_text(w.decision.keys[3].identity, "joe@example.com");
	assert_text(w.decision.keys[3].key, "/keys/k4");
	ask(&w, &(struct sender){.user = "x"});
	assert_int_equal(w.decision.key_count, 1);
	end(&w);
}

/* Of several keys one is missing: none signs. */
static void
test_part_of_signatures(void **state)
{
	struct world w;

	(void)state;
	begin(&w, REFILES "MultipleSignatures yes\n");
	scratch_write(&w.scratch, "patterns", "*@example.com k1\n*@example.com nobody\n");
	(void)!table_refresh(w.rules->signing, NULL);
	ask(&w, &(struct sender){.user = "joe"});
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	end(&w);
}

static void
test_dont_sign(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES "DontSignMailTo a@b,c@d\n",
		.sender = {.recipients = {"x@y", "c@d"}},
		.verdict = VERDICT_PASS,
		.log = "recipient 'c@d' is in DontSignMailTo"},
	    {.conf = FILES "DontSignMailTo a@b\n",
		.sender = {.recipients = {"A@B"}},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "DontSignMailTo a@b,b\n",
		.sender = {.recipients = {"x@b", "xa@b"}},
		.verdict = VERDICT_SIGN},
	    {.conf = FILES "DontSignMailTo a@b\n",
		.sender = {.user = "joe"},
		.verdict = VERDICT_SIGN},
	    /* Not before a key was looked for. */
	    {.conf = FILES "DontSignMailTo a@b\n",
		.sender = {.user = "lost", .recipients = {"a@b"}},
		.verdict = VERDICT_TEMPFAIL},
	};

	(void)state;
	RUN(rows);
}

static void
test_mode(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES "Mode v\n", .sender = {.user = "joe"}, .verdict = VERDICT_PASS},
	    {.conf = FILES "Mode sv\n", .sender = {.user = "joe"}, .verdict = VERDICT_SIGN},
	};

	(void)state;
	RUN(rows);
}

/* What nothing signs is to be verified, if Mode says so; what is exempted or ours is let alone. */
static void
test_verify(void **state)
{
	static const struct row rows[] = {
	    {.conf = FILES "Mode sv\n",
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_VERIFY,
		.log = "not internal"},
	    {.conf = FILES "Mode sv\n", .sender = {.user = "nobody"}, .verdict = VERDICT_VERIFY},
	    {.conf = FILES "Mode v\n", .sender = {.address = OUTSIDE}, .verdict = VERDICT_VERIFY},
	    {.conf = FILES "Mode sv\nExemptDomains example.com\n",
		.sender = {.address = OUTSIDE},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "Mode sv\nDontSignMailTo a@b.example\n",
		.sender = {.recipients = {"a@b.example"}},
		.verdict = VERDICT_PASS},
	    {.conf = FILES "Mode sv\n", .sender = {.user = "lost"}, .verdict = VERDICT_TEMPFAIL},
	    {.conf = SINGLE "Mode sv\n",
		.sender = {.domain = "example.net"},
		.verdict = VERDICT_VERIFY},
	    {.conf = FILES "Mode s\n", .sender = {.address = OUTSIDE}, .verdict = VERDICT_PASS},
	};

	(void)state;
	RUN(rows);
}

static void
test_trusted(void **state)
{
	struct request request = {
	    .type = REQUEST_ROUTE, .family = 4, .domain = SPAN_LIT("a.example")};
	struct world w;
	struct buf signers;

	(void)state;
	begin(&w, FILES "Mode sv\nTrustSignaturesFrom list.example,Other.example\n");
	buf_init(&signers, 1000);
	frame_list_add(&signers, SPAN_LIT("a.example"));
	frame_list_add(&signers, SPAN_LIT("list.example"));
	frame_list_add(&signers, SPAN_EMPTY);
	frame_list_add(&signers, SPAN_LIT("other.example"));
	request.signers = buf_span(&signers);
	decision_make(w.rules, &request, &w.decision);
	assert_int_equal(w.decision.verdict, VERDICT_VERIFY);
	assert_int_equal(w.decision.trusted, 2 | 8);
	buf_free(&signers);
	end(&w);
}

/* Host lists that cannot be asked: nobody knows whether the client is ours. */
static void
test_lists_unavailable(void **state)
{
	const struct request request = {.type = REQUEST_SIGN,
	    .family = 4,
	    .user = SPAN_LIT("joe"),
	    .domain = SPAN_LIT("example.com")};
	struct table *gone = table_open_refusing("InternalHosts", TABLE_ICASE, "server is gone");
	struct hostlist *list;
	struct err err = ERR_NONE;
	struct world w;

	(void)state;
	assert_int_equal(hostlist_open("InternalHosts", gone, &list, &err), ST_OK);
	begin(&w, FILES "PeerList .example.org\n");
	hostlist_close(w.rules->internal);
	w.rules->internal = list;
	decision_make(w.rules, &request, &w.decision);
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	assert_true(scratch_log_has(&w.scratch, "error reading InternalHosts"));
	assert_false(scratch_log_has(&w.scratch, "not internal"));
	w.rules->internal = w.rules->peers;
	w.rules->peers = list;
	assert_false(decision_peer(w.rules, &request));
	assert_true(scratch_log_has(&w.scratch, "error reading PeerList"));
	end(&w);
	table_close(gone);
}

static void
test_peer(void **state)
{
	struct request request = {.family = 4, .host = SPAN_LIT("mx.example.org")};
	struct world w;

	(void)state;
	begin(&w, FILES "PeerList 192.0.2.9,.example.org,!bad.example.org\n");
	assert_int_equal(inet_pton(AF_INET, "198.51.100.1", request.address), 1);
	assert_true(decision_peer(w.rules, &request));
	request.host = SPAN_LIT("bad.example.org");
	assert_false(decision_peer(w.rules, &request));
	request.host = SPAN_LIT("mx.example.net");
	assert_false(decision_peer(w.rules, &request));
	assert_int_equal(inet_pton(AF_INET, "192.0.2.9", request.address), 1);
	assert_true(decision_peer(w.rules, &request));
	request.host = SPAN_LIT("[192.0.2.9]"); /* no name, but the address is listed */
	assert_true(decision_peer(w.rules, &request));
	end(&w);
	begin(&w, FILES);
	request.host = SPAN_LIT("mx.example.org");
	assert_false(decision_peer(w.rules, &request));
	end(&w);
}

/* Each table in turn answers "unavailable": tempfail, whatever the others say. */
static void
test_unavailable(void **state)
{
	static const struct {
		const char *conf;
		size_t at;
		struct sender sender;
	} rows[] = {
	    {FILES "ExemptDomains example.org\n", offsetof(struct rules, exempt), {.user = "joe"}},
	    {FILES "MTA x\n", offsetof(struct rules, mta), {.address = OUTSIDE, .daemon = "x"}},
	    {FILES "MTA x\n", offsetof(struct rules, mta), {.address = LOCAL}},
	    {FILES, offsetof(struct rules, signing), {.user = "joe"}},
	    {FILES, offsetof(struct rules, keys), {.user = "joe"}},
	    {FILES "DontSignMailTo a@b\n", offsetof(struct rules, dont_sign),
		{.recipients = {"x@y"}}},
	    {SINGLE, offsetof(struct rules, domains), {.user = "joe"}},
	    {SINGLE "SubDomains yes\n", offsetof(struct rules, domains), {.domain = "example.net"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct table **table, *good;
		struct world w;

		begin(&w, rows[i].conf);
		table = (struct table **)(void *)((char *)w.rules + rows[i].at);
		good = *table;
		*table = table_open_refusing(good->parameter, good->flags, "the server is down");
		ask(&w, &rows[i].sender);
		assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
		assert_true(scratch_log_has(&w.scratch, "the server is down"));
		assert_true(scratch_log_has(&w.scratch, "message tempfailed"));
		decision_release(&w.decision);
		table_close(*table);
		*table = good;
		end(&w);
	}
}

/* A table file that was deleted: what was read stays in use. */
static void
test_deleted_file(void **state)
{
	struct world w;

	(void)state;
	begin(&w, FILES);
	unlink(scratch_path(&w.scratch, "signing"));
	unlink(scratch_path(&w.scratch, "keys"));
	assert_int_not_equal(table_refresh(w.rules->signing, NULL), ST_OK);
	assert_int_not_equal(table_refresh(w.rules->keys, NULL), ST_OK);
	ask(&w, &(struct sender){.user = "joe"});
	assert_int_equal(w.decision.verdict, VERDICT_SIGN);
	end(&w);
	assert_int_not_equal(
	    try_begin(&w, "KeyTable file:@DIR@/keys\nSigningTable file:@DIR@/none\n"), ST_OK);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exempt),
	    cmocka_unit_test(test_origin),
	    cmocka_unit_test(test_macros),
	    cmocka_unit_test(test_single_key),
	    cmocka_unit_test(test_external),
	    cmocka_unit_test(test_ladder),
	    cmocka_unit_test(test_key_table_faults),
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_part_of_signatures),
	    cmocka_unit_test(test_dont_sign),
	    cmocka_unit_test(test_mode),
	    cmocka_unit_test(test_verify),
	    cmocka_unit_test(test_trusted),
	    cmocka_unit_test(test_lists_unavailable),
	    cmocka_unit_test(test_peer),
	    cmocka_unit_test(test_unavailable),
	    cmocka_unit_test(test_deleted_file),
	};

	return cmocka_run_group_tests_name("daemon/decision", tests, NULL, NULL);
}
