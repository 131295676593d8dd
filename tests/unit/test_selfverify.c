/*
 * test_selfverify.c - signatures of our own, verified by the front-end that inserted them: the
 * message as it was emitted, by each way in which an MTA takes fields; what is a failure and what
 * is not; and that nothing of it happens before the MTA has its reply.
 */
#include "tests/unit/verify_world.h"

#include "daemon/selfverify.h"

struct told {
	unsigned count;
	char ids[200]; /* one after the other, with a blank behind each */
	enum canary_result result;
	char why[CANARY_WHY_MAX + 1];
};

static void
tell(void *context, struct span id, enum canary_result result, struct span why)
{
	struct told *told = context;
	size_t n = strlen(told->ids);

	told->count++;
	snprintf(told->ids + n, sizeof(told->ids) - n, "%.*s ", SPAN_ARG(id));
	told->result = result;
	snprintf(told->why, sizeof(told->why), "%.*s", SPAN_ARG(why));
}

static void
open_as(struct vworld *v, struct told *told, const char *conf, const char *zone, uint32_t version,
    uint32_t protocol)
{
	vbegin_as(v, conf, zone, version, protocol);
	*told = (struct told){.count = 0};
	v->w.host.selfverify = selfverify_new(&(struct selfverify_config){.loop = &v->loop,
	    .resolver = v->w.host.resolver,
	    .timeout_ms = 50,
	    .tell = tell,
	    .context = told});
}

static void
close_all(struct vworld *v)
{
	selfverify_free(v->w.host.selfverify);
	v->w.host.selfverify = NULL;
	vend(v);
}

/* The signature that the keeper would make for the request, over these canonical headers. */
static void
sign(struct vworld *v, struct span canonical, struct buf *out)
{
	const struct request *request = &v->w.request;
	struct signature_params params = SIGNATURE_PARAMS_INIT;
	uint8_t hash[SHA256_BYTES], raw[KEY_SIGNATURE_MAX];
	struct digest *digest = digest_new();
	struct err err = ERR_NONE;
	struct buf value;
	size_t n;

	buf_init(&value, SIGNATURE_VALUE_MAX);
	params.algorithm = KEY_ED25519_SHA256;
	params.header_canon =
	    (request->flags & REQUEST_FLAG_HEADER_RELAXED) != 0 ? CANON_RELAXED : CANON_SIMPLE;
	params.body_canon =
	    (request->flags & REQUEST_FLAG_BODY_RELAXED) != 0 ? CANON_RELAXED : CANON_SIMPLE;
	params.domain = SPAN_LIT("example.com");
	params.selector = SPAN_LIT("s");
	params.header_names = request->header_names;
	params.body_hash = span_of(request->body_hash, SHA256_BYTES);
	params.time_utc = NOW;
	params.body_length = request->body_length;
	assert_int_equal(signature_build(&params, &value, &err), ST_OK);
	signature_digest(digest, canonical, params.header_canon, buf_span(&value), hash);
	assert_int_equal(key_sign(v->key, hash, raw, &n, &err), ST_OK);
	assert_int_equal(signature_finish(&value, span_of(raw, n)), ST_OK);
	assert_int_equal(signature_milter_value(buf_span(&value), true, out), ST_OK);
	buf_free(&value);
	digest_free(digest);
}

/* marks: a letter for each field: '-' not asked for, else the id of its key. */
static void
give_signed(struct vworld *v, const char *marks, struct span canonical)
{
	struct reply reply = {
	    .verdict = VERDICT_SIGN, .id = v->w.request.id, .field_count = strlen(marks)};
	struct buf value;

	buf_init(&value, SIGNATURE_VALUE_MAX);
	sign(v, canonical, &value);
	for (size_t i = 0; i < reply.field_count; i++)
		reply.fields[i] = (struct reply_field){.name = SPAN_LIT("DKIM-Signature"),
		    .value = buf_span(&value),
		    .check = marks[i] != '-',
		    .key_id = marks[i] == '-' ? SPAN_EMPTY : span_of(&marks[i], 1)};
	session_answer(&v->w.session, &reply);
	buf_free(&value);
}

static void
message(struct vworld *v, const char *extra)
{
	struct world *w = &v->w;
	bool waits = (w->session.protocol & SMFIP_NR_HDR) == 0;

	MACROS(w, SMFIC_MAIL, "i", "4Q1");
	step(w, MILTER_MAIL);
	if (extra != NULL)
		header(w, "DKIM-Signature", extra);
	header(w, "From", waits ? "Joe  <joe@example.com>" : " Joe  <joe@example.com>");
	header(w, "Subject", waits ? "a\n\tb " : " a\n\tb ");
	header(w, "Date", waits ? "now" : " now");
	step(w, MILTER_EOH);
	/* An MTA that waits for the headers asks at their end, too. */
	if (w->session.question == QUESTION_ROUTE)
		session_answer(
		    &w->session, &(struct reply){.verdict = VERDICT_SIGN, .id = w->request.id});
	body(w, SPAN_LIT("Hello \r\n"), false);
	eom(w, "world\r\n\r\n");
	assert_int_equal(w->session.question, QUESTION_SIGN);
}

static void
rounds(struct vworld *v)
{
	for (int i = 0; i < 20 && selfverify_open(v->w.host.selfverify) > 0; i++)
		loop_step(&v->loop);
	assert_int_equal(selfverify_open(v->w.host.selfverify), 0);
}

static void
test_as_it_was_emitted(void **state)
{
	const uint32_t no_blank = SMFIP_V6 & ~SMFIP_HDR_LEADSPC & ~SMFIP_NR_ALL;
	static const char *const confs[] = {"Mode s\n",
	    "Mode s\nCanonicalization relaxed/relaxed\n",
	    "Mode s\nCanonicalization relaxed/simple\nMaximumSignedBytes 5\n",
	    "Mode s\nRemoveOldSignatures yes\n", "Mode s\nSoftwareHeader yes\n",
	    "Mode s\nOverSignHeaders From,Reply-To\nCanonicalization simple/relaxed\n"};
	const struct {
		uint32_t version, protocol;
	} mtas[] = {{6, SMFIP_V6}, {6, no_blank}, {2, SMFIP_NOHELO}};

	(void)state;
	for (size_t i = 0; i < sizeof(confs) / sizeof(confs[0]); i++)
		for (size_t m = 0; m < sizeof(mtas) / sizeof(mtas[0]); m++)
			for (int old = 0; old < 2; old++) {
				struct vworld v;
				struct told told;

				open_as(
				    &v, &told, confs[i], ZONE, mtas[m].version, mtas[m].protocol);
				message(&v, old ? " v=1; d=x.example; b=old" : NULL);
				give_signed(&v, "a-b", v.w.request.canonical);
				/* The MTA has its reply before anything is looked at. */
				assert_int_equal(told.count, 0);
				assert_int_equal(v.w.session.state, SESSION_CONNECTED);
				rounds(&v);
				assert_int_equal(told.count, 2);
				if (told.result != CANARY_GOOD)
					fail_msg("%s MTA %zu: %s", confs[i], m, told.why);
				close_all(&v);
			}
}

static void
test_not_asked_for(void **state)
{
	struct vworld v;
	struct told told;

	(void)state;
	open_as(&v, &told, "Mode s\n", ZONE, 6, SMFIP_V6);
	message(&v, NULL);
	give_signed(&v, "--", v.w.request.canonical);
	assert_int_equal(selfverify_open(v.w.host.selfverify), 0);
	assert_int_equal(told.count, 0);
	close_all(&v);
}

static void
test_results(void **state)
{
	static const struct {
		const char *zone;
		enum canary_result result;
		const char *why;
	} rows[] = {
	    {ZONE, CANARY_GOOD, ""},
	    {"", CANARY_FAILED, "no key"},
	    {"s._domainkey.example.com v=DKIM1; p=\n", CANARY_FAILED, "revoked"},
	    {"s._domainkey.example.com v=DKIM1; k=ed25519; "
	     "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n",
		CANARY_FAILED, "verification failed"},
	    {"s._domainkey.example.com v=DKIM1; k=rsa; p=x\n", CANARY_FAILED, ""},
	    {"s._domainkey.example.com v=DKIM1; p==;;\n", CANARY_FAILED, ""},
	    {ZONE ZONE, CANARY_FAILED, ""},
	    {"s._domainkey.example.com !SERVFAIL\n", CANARY_UNAVAILABLE, ""},
	    {"s._domainkey.example.com !TIMEOUT\n", CANARY_UNAVAILABLE, ""},
	    {"s._domainkey.example.com !BOGUS\n", CANARY_UNAVAILABLE, ""},
	    {"s._domainkey.example.com !DELAY 10 $K\n", CANARY_GOOD, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		struct told told;

		open_as(&v, &told, "Mode s\n", rows[i].zone, 6, SMFIP_V6);
		message(&v, NULL);
		give_signed(&v, "a", v.w.request.canonical);
		rounds(&v);
		assert_int_equal(told.count, 1);
		assert_string_equal(told.ids, "a ");
		if (told.result != rows[i].result || strstr(told.why, rows[i].why) == NULL)
			fail_msg("%s: %d %s", rows[i].zone, (int)told.result, told.why);
		assert_int_equal(scratch_log_has(&v.w.scratch, "cannot be verified"),
		    rows[i].result == CANARY_FAILED);
		close_all(&v);
	}
}

/* Whatever the keeper signed: it is not what goes out. */
static void
test_another_message(void **state)
{
	struct vworld v;
	struct told told;

	(void)state;
	open_as(&v, &told, "Mode s\n", ZONE, 6, SMFIP_V6);
	message(&v, NULL);
	give_signed(&v, "a", SPAN_LIT("From: somebody@else.example\r\n"));
	rounds(&v);
	assert_int_equal(told.result, CANARY_FAILED);

	told.count = 0;
	message(&v, NULL);
	v.w.request.body_hash[7] ^= 1;
	give_signed(&v, "a", v.w.request.canonical);
	rounds(&v);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.result, CANARY_FAILED);
	assert_non_null(strstr(told.why, "body"));
	close_all(&v);

	/* We sign that there is no such field, and then put one in. */
	open_as(&v, &told, "Mode s\nSoftwareHeader yes\nOverSignHeaders DKIM-Filter\n", ZONE, 6,
	    SMFIP_V6);
	message(&v, NULL);
	give_signed(&v, "a", v.w.request.canonical);
	rounds(&v);
	assert_int_equal(told.result, CANARY_FAILED);
	close_all(&v);
}

/* Those beyond the limit are dropped, and who asked is told; a session that ends takes none away.
 */
static void
test_slow_answers(void **state)
{
	struct vworld v;
	struct told told;

	(void)state;
	open_as(&v, &told, "Mode s\n", "s._domainkey.example.com !TIMEOUT\n", 6, SMFIP_V6);
	for (unsigned i = 0; i < SELFVERIFY_OPEN_MAX + 3; i++) {
		message(&v, NULL);
		give_signed(&v, "a", v.w.request.canonical);
		told.ids[0] = '\0';
	}
	assert_int_equal(selfverify_open(v.w.host.selfverify), SELFVERIFY_OPEN_MAX);
	assert_int_equal(told.count, 3);
	assert_int_equal(told.result, CANARY_UNAVAILABLE);
	step(&v.w, MILTER_QUIT_NC);
	told.ids[0] = '\0';
	for (int i = 0; i < 200 && selfverify_open(v.w.host.selfverify) > 0; i++) {
		loop_step(&v.loop);
		told.ids[0] = '\0';
	}
	assert_int_equal(told.count, SELFVERIFY_OPEN_MAX + 3);
	/* And what is open when all ends is nobody's. */
	message(&v, NULL);
	give_signed(&v, "a", v.w.request.canonical);
	loop_step(&v.loop);
	close_all(&v);
}

static void
test_log_is_bounded(void **state)
{
	struct vworld v;
	struct told told;
	size_t before = 0, after = 0;

	(void)state;
	open_as(&v, &told, "Mode s\n", "", 6, SMFIP_V6);
	for (unsigned i = 0; i < SELFVERIFY_LINES_MAX + 5; i++) {
		message(&v, NULL);
		give_signed(&v, "a", v.w.request.canonical);
		rounds(&v);
		told.ids[0] = '\0';
		before = after;
		after = scratch_log_bytes(&v.w.scratch);
		assert_int_equal(after > before, i < SELFVERIFY_LINES_MAX);
	}
	assert_int_equal(told.count, SELFVERIFY_LINES_MAX + 5);
	close_all(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_as_it_was_emitted),
	    cmocka_unit_test(test_not_asked_for),
	    cmocka_unit_test(test_results),
	    cmocka_unit_test(test_another_message),
	    cmocka_unit_test(test_slow_answers),
	    cmocka_unit_test(test_log_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
