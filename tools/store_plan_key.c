/*
 * store_plan_key.c - the keys of load: new ones are made and sealed, those that are there get their
 * times.
 * Called by store_plan.c. It must never put another key under a selector that was used, nor make a
 * key where one is.
 */
#include "config.h"

#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/crypto/digest.h"
#include "tools/store_plan.h"

#define BITS_ADVISED 2048
#define ID_OCTETS 16U
#define ID_TEXT (1 + ID_OCTETS * 2)
#define PUBLIC_MAX 4096U

/* "now" is done once. */
static int64_t
time_wanted(const struct store_line_time *given, int64_t has, int64_t now_utc)
{
	switch (given->given) {
	case TIME_NOT_GIVEN:
		return has;
	case TIME_NOW:
		return has > 0 && has <= now_utc ? has : now_utc;
	case TIME_AT:
		return given->at_utc;
	}
	return has;
}

/* Did a time change? */
static bool
set_times(const struct store_line *line, int64_t now_utc, struct key_times *times)
{
	struct key_times before = *times;

	times->active = time_wanted(&line->active, times->active, now_utc);
	times->retiring = time_wanted(&line->retiring, times->retiring, now_utc);
	times->sign_until = time_wanted(&line->sign_until, times->sign_until, now_utc);
	return before.active != times->active || before.retiring != times->retiring ||
	       before.sign_until != times->sign_until;
}

/* Letters that no other key has. */
static void
make_id(char id[ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t octets[ID_OCTETS];

	random_bytes(octets, sizeof(octets));
	id[0] = 'k';
	for (size_t i = 0; i < ID_OCTETS; i++) {
		id[1 + 2 * i] = digits[octets[i] >> 4];
		id[2 + 2 * i] = digits[octets[i] & 15];
	}
}

/* Everything of the row but the private key. */
static enum status
describe(struct store_plan *out, const struct key *key, struct err *err)
{
	struct store_key *row = &out->write.row.key;
	struct buf public_key;

	buf_init(&public_key, PUBLIC_MAX);
	if (key_public_base64(key, &public_key) != ST_OK) {
		buf_free(&public_key);
		err_set(err, "the public half of the key cannot be written");
		return ST_FAILED;
	}
	out->texts = mem_alloc(ID_TEXT + public_key.n);
	make_id(out->texts);
	memcpy(out->texts + ID_TEXT, public_key.p, public_key.n);
	if (row->id.n == 0)
		row->id = span_of(out->texts, ID_TEXT);
	row->public_key = span_of(out->texts + ID_TEXT, public_key.n);
	row->algorithm = span_str(key_algorithm_name(key_algorithm(key)));
	row->bits = key_bits(key);
	out->weak = key_algorithm(key) == KEY_RSA_SHA256 && key_bits(key) < BITS_ADVISED;
	buf_free(&public_key);
	return ST_OK;
}

/* A dry run makes no key. */
static enum status
pretend(const struct store_line *line, struct store_plan *out, struct err *err)
{
	struct store_key *row = &out->write.row.key;
	enum key_algorithm algorithm;
	enum status status = store_key_wanted(line->source, &algorithm, &row->bits, err);

	if (status != ST_OK)
		return status;
	if (row->id.n == 0)
		row->id = SPAN_LIT("k");
	row->algorithm = span_str(key_algorithm_name(algorithm));
	return ST_OK;
}

enum status
store_plan_new_key(struct store_tool *tool, const struct store_line *line, int64_t now_utc,
    struct store_plan *out, struct err *err)
{
	struct store_key *row = &out->write.row.key;
	struct key *key = NULL;
	enum status status;
	size_t n = 0;

	if (tool->sitekey == NULL && !tool->plain) {
		err_set(err, "there is no site key to seal the key with: give --site-key=FILE or "
			     "set SiteKeyFile (signpost store sitekey new FILE makes one), or "
			     "--plain to store keys that everybody who reads the store can use");
		return ST_DENIED;
	}
	row->times.created = now_utc;
	(void)set_times(line, now_utc, &row->times);
	if (tool->dry_run) {
		status = pretend(line, out, err);
		if (status != ST_ABSENT)
			return status;
	}
	status = store_key_obtain(tool, line->source, &key, err);
	if (status == ST_OK)
		status = describe(out, key, err);
	if (status == ST_OK)
		status = keystore_write_check(&out->write, err);
	if (status == ST_OK)
		status = store_key_close(tool, row, key, &out->secret, &n, err);
	if (status == ST_OK)
		row->private_key = span_of(out->secret, n);
	if (status == ST_OK && !tool->dry_run)
		store_key_mirror(tool, &out->write, key, &out->pem);
	key_free(key);
	return status;
}

/* ---- keys that are there ---- */

static enum status
refuse_other(const char *what, struct err *err)
{
	err_set(
	    err, "is there with %s; a selector is used once: take a new one for another key", what);
	return ST_DENIED;
}

static enum status
compare_public(
    struct store_tool *tool, const struct store_key *row, const struct key *key, struct err *err)
{
	struct buf wanted, stored;
	struct key *has = NULL;
	enum status status;

	buf_init(&wanted, PUBLIC_MAX);
	buf_init(&stored, PUBLIC_MAX);
	status = key_public_base64(key, &wanted);
	buf_add(&stored, row->public_key);
	/* Written by somebody who left it out: the private key tells. */
	if (status == ST_OK && row->public_key.n == 0) {
		status = store_key_open(tool, row, &has, err);
		if (status == ST_OK)
			status = key_public_base64(has, &stored);
		key_free(has);
	}
	if (status == ST_OK && !span_eq(buf_span(&wanted), buf_span(&stored)))
		status = refuse_other("another key", err);
	buf_free(&wanted);
	buf_free(&stored);
	return status == ST_ABSENT ? ST_INVALID : status;
}

/* Is it the key that the line means? */
static enum status
compare_key(struct store_tool *tool, const struct store_line *line, const struct store_key *row,
    struct err *err)
{
	enum key_algorithm algorithm;
	struct key *key = NULL;
	enum status status;
	int bits;

	if (line->write.row.key.id.n > 0 && !span_eq(line->write.row.key.id, row->id))
		return refuse_other("another id", err);
	status = store_key_wanted(line->source, &algorithm, &bits, err);
	if (status == ST_OK) {
		if (!span_eq_str(row->algorithm, key_algorithm_name(algorithm)))
			return refuse_other("a key of another algorithm", err);
		return row->bits != 0 && row->bits != bits
			   ? refuse_other("a key of another length", err)
			   : ST_OK;
	}
	if (status != ST_ABSENT)
		return status;
	status = store_key_obtain(tool, line->source, &key, err);
	if (status == ST_OK)
		status = compare_public(tool, row, key, err);
	key_free(key);
	return status;
}

/* A line that was right for the former key of a slot, or comes too early, lets none sign that is
 * not proven. */
static enum status
check_life(const struct store_key *row, const struct key_times *times, struct err *err)
{
	if (row->life.n == 0 || row->times.proven > 0 || times->active == row->times.active ||
	    times->active == 0)
		return ST_OK;
	err_set(err,
	    "is looked after by signpost-admind and not proven yet: \"signpost key activate\" says "
	    "when it signs");
	return ST_DENIED;
}

enum status
store_plan_old_key(struct store_tool *tool, const struct store_line *line,
    const struct store_key *row, int64_t now_utc, struct store_plan *out, struct err *err)
{
	enum status status = compare_key(tool, line, row, err);

	if (status != ST_OK)
		return status;
	out->write.row.key = *row;
	out->write.how = WRITE_CHANGE;
	out->action =
	    set_times(line, now_utc, &out->write.row.key.times) ? STORE_CHANGE : STORE_NOTHING;
	status = check_life(row, &out->write.row.key.times, err);
	if (status != ST_OK)
		return status;
	if (out->action == STORE_CHANGE && !tool->dry_run)
		store_key_mirror(tool, &out->write, NULL, &out->pem);
	return ST_OK;
}
