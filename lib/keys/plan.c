/*
 * plan.c - the plan of a policy: JSON to struct key_plan, and back.
 * The reconciler reads the plan of each domain it looks at, the tools before they store one. What
 * could break an invariant of the life cycle is refused here, so that nobody further on has to ask.
 * It must never take a field that it does not know: a misspelt wait would be no wait.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/keys/plan.h"
#include "lib/keys/plan_private.h"

#define SIGNATURE_SLACK_S 172800 /* what x= does not know: clocks, and mail that is read later */

struct field {
	const char *name;
	enum {
		FIELD_BOOL,
		FIELD_INT,
		FIELD_DURATION,
		FIELD_NAME,
		FIELD_SELECTOR,
		FIELD_DOMAIN
	} kind;
	size_t at;
	int64_t least, most;
};

#define AT(member) offsetof(struct key_plan, member)
#define WAIT(name, member, least)                                                                  \
	{                                                                                          \
		name, FIELD_DURATION, AT(member), least, PLAN_DURATION_MAX                         \
	}

static const struct field fields[] = {
    {"manage", FIELD_BOOL, AT(manage), 0, 0},
    {"publisher", FIELD_NAME, AT(publisher), 0, PLAN_NAME_MAX},
    {"mirror", FIELD_NAME, AT(mirror), 0, PLAN_NAME_MAX},
    {"selector", FIELD_SELECTOR, AT(selector), 0, PLAN_TEMPLATE_MAX},
    {"delegation", FIELD_DOMAIN, AT(delegation), 0, PLAN_DELEGATION_MAX},
    {"slots", FIELD_INT, AT(slots), 0, PLAN_SLOTS_MAX},
    WAIT("interval", interval_s, 0),
    {"jitter", FIELD_INT, AT(jitter_percent), 0, 50},
    WAIT("ttl", ttl_s, 1),
    WAIT("negative_floor", neg_floor_s, 0),
    WAIT("negative_cap", neg_cap_s, 0),
    WAIT("lease", lease_s, 1),
    WAIT("signature_life", signature_s, 1),
    WAIT("clock_error", error_s, 1),
    WAIT("tombstone", tomb_s, 0),
    WAIT("activation_wait", activation_wait_s, 0),
    {"proofs", FIELD_INT, AT(proofs), 1, 100},
    WAIT("proof_interval", proof_gap_s, 1),
    WAIT("timed_ack", timed_ack_s, 0),
    WAIT("drift_interval", drift_s, 1),
    WAIT("canary_window", canary_window_s, 0),
    WAIT("retry", retry_s, 1),
    WAIT("retry_max", retry_max_s, 1),
    WAIT("give_up", give_up_s, 0),
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

void
key_plan_default(struct key_plan *out)
{
	*out = (struct key_plan){
	    .algorithms = {{"rsa-sha256", 2048}},
	    .algorithm_count = 1,
	    .selector = "s{year}{month}-{random}",
	    .interval_s = 180 * PLAN_DAY,
	    .jitter_percent = 10,
	    .ttl_s = PLAN_HOUR,
	    .neg_floor_s = 300,
	    .neg_cap_s = PLAN_DAY,
	    .lease_s = 7 * PLAN_DAY,
	    .signature_s = 7 * PLAN_DAY,
	    .error_s = 300,
	    .tomb_s = 30 * PLAN_DAY,
	    .activation_wait_s = PLAN_DAY,
	    .proofs = 3,
	    .proof_gap_s = 60,
	    .timed_ack_s = 600,
	    .drift_s = 6 * PLAN_HOUR,
	    .canary_window_s = PLAN_HOUR,
	    .retry_s = 30,
	    .retry_max_s = PLAN_HOUR,
	    .give_up_s = 7 * PLAN_DAY,
	};
}

/* ---- one field ---- */

static enum status
wrong(struct err *err, const char *field, const char *what)
{
	err_set(err, "\"%s\" of the plan %s", field, what);
	return ST_INVALID;
}

static struct span
text_of(const json_t *value)
{
	return span_of(json_string_value(value), json_string_length(value));
}

static enum status
read_number(const struct field *field, const json_t *value, int64_t *out, struct err *err)
{
	if (json_is_integer(value))
		*out = json_integer_value(value);
	else if (field->kind != FIELD_DURATION)
		return wrong(err, field->name, "is not a whole number");
	else if (!json_is_string(value) || plan_duration(text_of(value), out) != ST_OK)
		return wrong(err, field->name, "is no duration, such as \"7d\" or 3600");
	if (*out >= field->least && *out <= field->most)
		return ST_OK;
	err_set(err, "\"%s\" of the plan is not between %lld and %lld", field->name,
	    (long long)field->least, (long long)field->most);
	return ST_INVALID;
}

static enum status
read_text(const struct field *field, const json_t *value, char *out, struct err *err)
{
	struct span text = text_of(value);

	if (!json_is_string(value))
		return wrong(err, field->name, "is not a text");
	if (text.n > (size_t)field->most)
		return wrong(err, field->name, "is too long");
	if (field->kind == FIELD_NAME && !plan_name_is_valid(text))
		return wrong(err, field->name, "has other octets than [A-Za-z0-9._-]");
	if (field->kind == FIELD_SELECTOR && !plan_template_is_valid(text))
		return wrong(err, field->name,
		    "is no template: {year}, {month}, {day}, a-z, 0-9, and inside '-', with "
		    "{random} once, no longer than 63 octets in all; or, with a delegation, "
		    "{slot} once and no date");
	if (field->kind == FIELD_DOMAIN && text.n > 0 && !plan_domain_is_valid(text))
		return wrong(err, field->name,
		    "is no domain: labels of letters, digits and '-', two at least, without a "
		    "final dot");
	memset(out, 0, (size_t)field->most + 1);
	memcpy(out, text.p, text.n);
	for (size_t i = 0; field->kind == FIELD_DOMAIN && i < text.n; i++)
		out[i] = ascii_lower(out[i]);
	return ST_OK;
}

static enum status
read_field(const struct field *field, const json_t *value, struct key_plan *plan, struct err *err)
{
	char *at = (char *)plan + field->at;
	int64_t number = 0;
	enum status status;

	if (field->kind >= FIELD_NAME)
		return read_text(field, value, at, err);
	if (field->kind == FIELD_BOOL) {
		if (!json_is_boolean(value))
			return wrong(err, field->name, "is neither true nor false");
		*(bool *)at = json_is_true(value);
		return ST_OK;
	}
	status = read_number(field, value, &number, err);
	if (field->kind == FIELD_INT)
		*(int *)at = (int)number;
	else
		*(int64_t *)at = number;
	return status;
}

/* ---- lists ---- */

static enum status
read_algorithms(const json_t *value, struct key_plan *plan, struct err *err)
{
	size_t count = json_array_size(value); /* 0: no array */

	if (count == 0 || count > PLAN_ALGORITHMS_MAX)
		return wrong(err, "algorithms", "is no list of one or two of them");
	for (size_t i = 0; i < count; i++)
		if (!json_is_string(json_array_get(value, i)) ||
		    !plan_algorithm_parse(text_of(json_array_get(value, i)), &plan->algorithms[i]))
			return wrong(err, "algorithms",
			    "has something else than \"rsa-1024\" to \"rsa-8192\" or \"ed25519\"");
	if (count == 2 && strcmp(plan->algorithms[0].name, plan->algorithms[1].name) == 0)
		return wrong(err, "algorithms", "has the same algorithm twice");
	plan->algorithm_count = count;
	return ST_OK;
}

static enum status
read_windows(const json_t *value, struct key_plan *plan, struct err *err)
{
	size_t count = json_array_size(value);

	if (!json_is_array(value) || count > PLAN_WINDOWS_MAX)
		return wrong(err, "windows", "is no list of at most 8 of them");
	for (size_t i = 0; i < count; i++)
		if (!json_is_string(json_array_get(value, i)) ||
		    !plan_window_parse(text_of(json_array_get(value, i)), &plan->windows[i]))
			return wrong(err, "windows",
			    "has something else than \"Mon-Fri 08:00-16:00\" or \"Sun "
			    "00:00-24:00\"");
	plan->window_count = count;
	return ST_OK;
}

static enum status
read_named(const char *name, const json_t *value, struct key_plan *plan, struct err *err)
{
	struct span shown = span_sub(span_str(name), 0, 100);

	if (strcmp(name, "algorithms") == 0)
		return read_algorithms(value, plan, err);
	if (strcmp(name, "windows") == 0)
		return read_windows(value, plan, err);
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(name, fields[i].name) == 0)
			return read_field(&fields[i], value, plan, err);
	for (size_t i = 0; i < shown.n; i++)
		if (shown.p[i] < ' ' || shown.p[i] > '~')
			shown = SPAN_LIT("(not printable)");
	err_set(err, "the plan has a field that is unknown here: %.*s", SPAN_ARG(shown));
	return ST_INVALID;
}

/* ---- the whole ---- */

/* What was not given of a delegation. */
static void
complete_delegation(const json_t *object, struct key_plan *plan)
{
	if (plan->delegation[0] == '\0')
		return;
	if (json_object_get(object, "selector") == NULL)
		snprintf(plan->selector, sizeof(plan->selector), "sp{slot}");
	if (json_object_get(object, "slots") == NULL)
		plan->slots = PLAN_SLOTS_MIN * (int)plan->algorithm_count;
}

static enum status
check_delegation(const struct key_plan *plan, struct err *err)
{
	bool slot = plan_template_has_slot(span_str(plan->selector));
	int least = PLAN_SLOTS_MIN * (int)plan->algorithm_count;

	if (plan->delegation[0] == '\0' && slot)
		return wrong(err, "selector", "has {slot}, which needs a \"delegation\"");
	if (plan->delegation[0] == '\0')
		return plan->slots == 0
			   ? ST_OK
			   : wrong(err, "slots", "is given, which needs a \"delegation\"");
	if (!slot)
		return wrong(err, "selector",
		    "must have {slot}, and neither {random} nor a date: with a \"delegation\" the "
		    "selectors are fixed");
	if (plan->slots >= least)
		return ST_OK;
	err_set(err,
	    "\"slots\" of the plan is below %d: each algorithm needs %d, one that signs, one that "
	    "stands by, and one that ends",
	    least, PLAN_SLOTS_MIN);
	return ST_INVALID;
}

static enum status
check(const struct key_plan *plan, int64_t signature_ttl_s, struct err *err)
{
	if (plan->manage && plan->publisher[0] == '\0')
		return wrong(err, "publisher", "is missing; \"manual\" is always there");
	if (plan->neg_floor_s > plan->neg_cap_s)
		return wrong(err, "negative_floor", "is above \"negative_cap\"");
	if (plan->lease_s < plan->error_s)
		return wrong(err, "lease", "is below \"clock_error\"");
	if (plan->retry_s > plan->retry_max_s)
		return wrong(err, "retry", "is above \"retry_max\"");
	if (plan->signature_s < signature_ttl_s)
		return wrong(err, "signature_life",
		    "is below the policy's signature TTL: keys would go before signatures do");
	return check_delegation(plan, err);
}

static enum status
read_object(const json_t *object, int64_t signature_ttl_s, struct key_plan *plan, struct err *err)
{
	const char *name;
	json_t *value;
	json_t *mutable = (json_t *)(uintptr_t)object;

	if (!json_is_object(object)) {
		err_set(err, "the plan is no JSON object");
		return ST_INVALID;
	}
	json_object_foreach(mutable, name,
	    value) if (read_named(name, value, plan, err) != ST_OK) return ST_INVALID;
	complete_delegation(object, plan);
	return check(plan, signature_ttl_s, err);
}

enum status
key_plan_parse(struct span text, int64_t signature_ttl_s, struct key_plan *out, struct err *err)
{
	json_error_t fault;
	json_t *object;
	enum status status;

	key_plan_default(out);
	if (signature_ttl_s > PLAN_DURATION_MAX)
		signature_ttl_s = PLAN_DURATION_MAX - SIGNATURE_SLACK_S;
	if (signature_ttl_s > 0)
		out->signature_s = signature_ttl_s + SIGNATURE_SLACK_S;
	if (span_trim(text).n == 0)
		return ST_OK;
	if (text.n > PLAN_TEXT_MAX) {
		err_set(err, "the plan has more than %u octets", PLAN_TEXT_MAX);
		return ST_INVALID;
	}
	object = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &fault);
	if (object == NULL) {
		err_set(err, "the plan is no JSON: line %d, column %d", fault.line, fault.column);
		return ST_INVALID;
	}
	status = read_object(object, signature_ttl_s, out, err);
	json_decref(object);
	return status;
}

/* ---- writing ---- */

static void
write_field(const struct field *field, const struct key_plan *plan, struct buf *out)
{
	const char *at = (const char *)plan + field->at;

	buf_add_fmt(out, ",\"%s\":", field->name);
	switch (field->kind) {
	case FIELD_BOOL:
		buf_add_str(out, *(const bool *)at ? "true" : "false");
		break;
	case FIELD_INT:
		buf_add_fmt(out, "%d", *(const int *)at);
		break;
	case FIELD_DURATION:
		buf_add_char(out, '"');
		plan_duration_write(*(const int64_t *)at, out);
		buf_add_char(out, '"');
		break;
	default: /* no octet of these needs an escape */
		buf_add_fmt(out, "\"%s\"", at);
		break;
	}
}

void
key_plan_write(const struct key_plan *plan, struct buf *out)
{
	buf_add_str(out, "{\"algorithms\":[");
	for (size_t i = 0; i < plan->algorithm_count; i++) {
		buf_add_str(out, i > 0 ? ",\"" : "\"");
		plan_algorithm_write(&plan->algorithms[i], out);
		buf_add_char(out, '"');
	}
	buf_add_str(out, "],\"windows\":[");
	for (size_t i = 0; i < plan->window_count; i++) {
		buf_add_str(out, i > 0 ? ",\"" : "\"");
		plan_window_write(&plan->windows[i], out);
		buf_add_char(out, '"');
	}
	buf_add_char(out, ']');
	for (size_t i = 0; i < FIELDS; i++)
		write_field(&fields[i], plan, out);
	buf_add_char(out, '}');
}
