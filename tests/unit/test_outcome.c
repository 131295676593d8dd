/*
 * test_outcome.c - results of signatures into what becomes of the message: which of them decides,
 * and which On- action with which reply code follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/outcome.h"
#include "lib/dkim/verify_private.h"

#define SIGNATURES_MAX 3

/* In place of a verifier: reasons with the result that the verifier gives them. */
struct results {
	struct verify verify;
	struct verify_signature signatures[SIGNATURES_MAX];
};

static const struct verify *
results_of(struct results *results, const enum verify_reason *reasons)
{
	*results = (struct results){.verify.signatures = results->signatures};
	for (size_t i = 0; i < SIGNATURES_MAX && reasons[i] != VERIFY_IGNORED; i++) {
		const struct verify_verdict verdict = verify_verdict_of(reasons[i]);

		verify_decide(&results->signatures[i], &verdict);
		results->verify.count++;
	}
	return &results->verify;
}

/* An action of its own for each cause. */
static struct settings
settings_mixed(void)
{
	struct settings settings = {.on_internal_error = CONF_ACTION_TEMPFAIL};

	settings.verifying.on_bad_signature = CONF_ACTION_REJECT;
	settings.verifying.on_key_not_found = CONF_ACTION_DISCARD;
	settings.verifying.on_dns_error = CONF_ACTION_QUARANTINE;
	settings.verifying.on_no_signature = CONF_ACTION_REJECT;
	return settings;
}

static void
test_each_reason(void **state)
{
	static const enum outcome_cause causes[] = {[VERIFY_OK] = OUTCOME_FINE,
	    [VERIFY_IGNORED] = OUTCOME_FINE,
	    [VERIFY_KEY_ABSENT] = OUTCOME_KEY_ABSENT,
	    [VERIFY_DNS_UNAVAILABLE] = OUTCOME_DNS_ERROR,
	    [VERIFY_INTERNAL] = OUTCOME_INTERNAL};
	static const enum verdict verdicts[] = {[OUTCOME_FINE] = VERDICT_PASS,
	    [OUTCOME_KEY_ABSENT] = VERDICT_DISCARD,
	    [OUTCOME_DNS_ERROR] = VERDICT_QUARANTINE,
	    [OUTCOME_INTERNAL] = VERDICT_TEMPFAIL,
	    [OUTCOME_BAD_SIGNATURE] = VERDICT_REJECT};
	const struct settings settings = settings_mixed();

	(void)state;
	for (int i = VERIFY_OK; i <= VERIFY_INTERNAL; i++) {
		const struct verify_verdict verdict = verify_verdict_of((enum verify_reason)i);
		struct verify_signature signature = {.testing = false};
		const struct verify verify = {.signatures = &signature, .count = 1};
		enum outcome_cause cause = causes[i];
		struct outcome outcome;

		if (cause == OUTCOME_FINE && i != VERIFY_OK && i != VERIFY_IGNORED)
			cause = OUTCOME_BAD_SIGNATURE;
		verify_decide(&signature, &verdict);
		outcome = outcome_of(&settings, &verify);
		assert_int_equal(outcome.cause, cause);
		assert_int_equal(outcome.verdict, verdicts[cause]);
		assert_ptr_equal(outcome.signature, &signature);
	}
}

/* VERIFY_IGNORED ends a row. */
static void
test_which_decides(void **state)
{
	static const struct {
		enum verify_reason reasons[SIGNATURES_MAX];
		size_t decides;
		enum outcome_cause cause;
	} rows[] = {
	    {{VERIFY_SIGNATURE_BAD, VERIFY_DNS_UNAVAILABLE, VERIFY_OK}, 2, OUTCOME_FINE},
	    {{VERIFY_OK, VERIFY_OK, VERIFY_SIGNATURE_BAD}, 0, OUTCOME_FINE},
	    {{VERIFY_SIGNATURE_BAD, VERIFY_DNS_UNAVAILABLE, VERIFY_INTERNAL}, 1, OUTCOME_DNS_ERROR},
	    {{VERIFY_SIGNATURE_BAD, VERIFY_KEY_ABSENT, VERIFY_INTERNAL}, 2, OUTCOME_INTERNAL},
	    {{VERIFY_KEY_ABSENT, VERIFY_KEY_REVOKED, VERIFY_KEY_ABSENT}, 1, OUTCOME_BAD_SIGNATURE},
	    {{VERIFY_KEY_REVOKED, VERIFY_SHA1, VERIFY_KEY_ABSENT}, 0, OUTCOME_BAD_SIGNATURE},
	    {{VERIFY_KEY_ABSENT, VERIFY_KEY_ABSENT, VERIFY_IGNORED}, 0, OUTCOME_KEY_ABSENT},
	};
	const struct settings settings = settings_mixed();
	struct results results;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct verify *verify = results_of(&results, rows[i].reasons);
		struct outcome outcome = outcome_of(&settings, verify);

		assert_int_equal(outcome.cause, rows[i].cause);
		assert_ptr_equal(outcome.signature, &results.signatures[rows[i].decides]);
	}
}

/* One that was not processed says nothing, wherever it stands: the log names the other. */
static void
test_ignored_decides_nothing(void **state)
{
	static const enum verify_reason reasons[] = {
	    VERIFY_KEY_ABSENT, VERIFY_SIGNATURE_BAD, VERIFY_IGNORED};
	const struct verify_verdict ignored = verify_verdict_of(VERIFY_IGNORED);
	const struct settings settings = settings_mixed();
	struct results results;
	struct outcome outcome;

	(void)state;
	(void)results_of(&results, reasons);
	verify_decide(&results.signatures[0], &ignored);
	results.signatures[1].testing = true;
	outcome = outcome_of(&settings, &results.verify);
	assert_int_equal(outcome.cause, OUTCOME_FINE);
	assert_ptr_equal(outcome.signature, &results.signatures[1]);
}

/* RFC 6376 3.6.1: whatever is wrong with a signature whose record says t=y, also where its record
 * gave no key. What our side cannot do is another matter. */
static void
test_testing_is_no_cause(void **state)
{
	static const enum verify_reason reasons[] = {VERIFY_SIGNATURE_BAD, VERIFY_BODY_MISMATCH,
	    VERIFY_KEY_REVOKED, VERIFY_KEY_TYPE, VERIFY_KEY_SMALL, VERIFY_KEY_SYNTAX};
	const struct settings settings = settings_mixed();
	struct verify_signature signature = {.testing = true};
	const struct verify verify = {.signatures = &signature, .count = 1};
	struct verify_verdict verdict;

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		verdict = verify_verdict_of(reasons[i]);
		verify_decide(&signature, &verdict);
		signature.key_known = reasons[i] == VERIFY_SIGNATURE_BAD;
		assert_int_equal(outcome_of(&settings, &verify).cause, OUTCOME_FINE);
		assert_int_equal(outcome_of(&settings, &verify).verdict, VERDICT_PASS);
	}
	verdict = verify_verdict_of(VERIFY_INTERNAL);
	verify_decide(&signature, &verdict);
	assert_int_equal(outcome_of(&settings, &verify).verdict, VERDICT_TEMPFAIL);
}

/* BogusKey and UnprotectedKey neutral. */
static void
test_neutral_is_no_cause(void **state)
{
	const struct settings settings = settings_mixed();
	struct verify_verdict verdict = verify_verdict_of(VERIFY_KEY_BOGUS);
	struct verify_signature signature = {.testing = false};
	const struct verify verify = {.signatures = &signature, .count = 1};

	(void)state;
	verdict.result = VERIFY_NEUTRAL;
	verify_decide(&signature, &verdict);
	assert_int_equal(outcome_of(&settings, &verify).verdict, VERDICT_PASS);
}

static void
test_no_signature(void **state)
{
	struct settings settings = settings_mixed();
	const struct verify none = {.count = 0};

	(void)state;
	assert_int_equal(outcome_of(&settings, NULL).cause, OUTCOME_NO_SIGNATURE);
	assert_int_equal(outcome_of(&settings, NULL).verdict, VERDICT_REJECT);
	assert_null(outcome_of(&settings, NULL).signature);
	assert_int_equal(outcome_of(&settings, &none).cause, OUTCOME_NO_SIGNATURE);
}

static void
test_capture_unknown_errors(void **state)
{
	const struct verify_verdict verdict = verify_verdict_of(VERIFY_INTERNAL);
	struct verify_signature signature = {.testing = false};
	const struct verify verify = {.signatures = &signature, .count = 1};
	struct settings settings = settings_mixed();

	(void)state;
	verify_decide(&signature, &verdict);
	settings.verifying.quarantine_errors = true;
	assert_int_equal(outcome_of(&settings, &verify).verdict, VERDICT_QUARANTINE);
}

static void
test_words(void **state)
{
	static const enum verdict verdicts[] = {
	    VERDICT_PASS, VERDICT_REJECT, VERDICT_TEMPFAIL, VERDICT_DISCARD, VERDICT_QUARANTINE};

	(void)state;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(
			    outcome_verdict_words(verdicts[i]), outcome_verdict_words(verdicts[j]));
	for (int i = OUTCOME_FINE; i <= OUTCOME_INTERNAL; i++)
		assert_non_null(outcome_words((enum outcome_cause)i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_reason),
	    cmocka_unit_test(test_which_decides),
	    cmocka_unit_test(test_ignored_decides_nothing),
	    cmocka_unit_test(test_testing_is_no_cause),
	    cmocka_unit_test(test_neutral_is_no_cause),
	    cmocka_unit_test(test_no_signature),
	    cmocka_unit_test(test_capture_unknown_errors),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
