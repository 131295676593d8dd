/*
 * sitekey_text.c - the text of a site key file, read and written.
 * sitekey.c calls it when a file is read and for `signpost store sitekey`. It must never show a
 * part of a line in a message, nor take half of a file for a whole one.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/sitekey_private.h"

#define KEY_BASE64 44U /* octets of text */

struct reading {
	struct sitekey_content *content;
	const char *name;
	unsigned line;
	unsigned current_line; /* 0: not said */
};

static enum status
refuse(const struct reading *reading, struct err *err, const char *why)
{
	err_set(err, "%s line %u: %s", reading->name, reading->line, why);
	return ST_INVALID;
}

const struct sitekey_version *
sitekey_content_find(const struct sitekey_content *content, uint32_t number)
{
	for (size_t i = 0; i < content->count; i++)
		if (content->versions[i].number == number)
			return &content->versions[i];
	return NULL;
}

static bool
version_number(struct span word, uint32_t *number_out)
{
	uint64_t value;

	if (!span_number(word, SITEKEY_VERSION_MAX, &value) || value == 0)
		return false;
	*number_out = (uint32_t)value;
	return true;
}

static enum status
take_current(struct reading *reading, struct span word, struct err *err)
{
	if (reading->current_line != 0)
		return refuse(reading, err, "says a second time which version is current");
	if (!version_number(word, &reading->content->current))
		return refuse(reading, err, "\"current\" needs the number of a version");
	reading->current_line = reading->line;
	return ST_OK;
}

static enum status
take_key(struct reading *reading, struct span number, struct span base64, struct err *err)
{
	struct sitekey_content *content = reading->content;
	struct sitekey_version *version = &content->versions[content->count];
	uint8_t room[KEY_BASE64 / 4 * 3 + 3];
	enum status status = ST_OK;
	size_t n = 0;

	if (!version_number(number, &version->number))
		return refuse(reading, err,
		    "does not begin with the number of a version, 1 to "
		    "999999, or with \"current\"");
	if (sitekey_content_find(content, version->number) != NULL)
		return refuse(reading, err, "has a version that was there before");
	if (base64.n != KEY_BASE64 || base64_decode(base64, room, &n) != ST_OK ||
	    n != SEAL_KEY_BYTES)
		status = refuse(reading, err,
		    "has no key of 32 octets in base64 behind its "
		    "version; is the file half-written?");
	else
		memcpy(version->key, room, SEAL_KEY_BYTES);
	secret_wipe(room, sizeof(room));
	for (size_t i = 0; status == ST_OK && i < content->count; i++)
		if (secret_equal(content->versions[i].key, version->key, SEAL_KEY_BYTES))
			status = refuse(reading, err, "has the same key as another version");
	if (status == ST_OK)
		content->count++;
	return status;
}

static enum status
take_line(struct reading *reading, struct span line, struct err *err)
{
	struct span rest = span_trim(line), first, second, more;

	if (rest.n == 0 || rest.p[0] == '#')
		return ST_OK;
	if (!span_word(&rest, &first) || !span_word(&rest, &second) || span_word(&rest, &more))
		return refuse(reading, err,
		    "is not a version and its key, nor \"current\" and a "
		    "version; is the file half-written?");
	if (span_eq_str(first, "current"))
		return take_current(reading, second, err);
	if (reading->content->count == SITEKEY_VERSIONS_MAX)
		return refuse(reading, err, "is one version too many; 64 are allowed");
	return take_key(reading, first, second, err);
}

static enum status
finish(struct reading *reading, struct err *err)
{
	struct sitekey_content *content = reading->content;

	if (content->count == 0) {
		err_set(err, "%s: there is no key in it; is the file half-written?", reading->name);
		return ST_INVALID;
	}
	if (reading->current_line == 0) {
		for (size_t i = 0; i < content->count; i++)
			if (content->versions[i].number > content->current)
				content->current = content->versions[i].number;
		return ST_OK;
	}
	if (sitekey_content_find(content, content->current) != NULL)
		return ST_OK;
	reading->line = reading->current_line;
	return refuse(
	    reading, err, "names a current version that is not in the file; is it half-written?");
}

static enum status
take_lines(struct reading *reading, struct span text, struct err *err)
{
	enum status status = ST_OK;

	while (status == ST_OK && text.n > 0) {
		size_t end = span_find(text, '\n');

		reading->line++;
		if (end == SIZE_MAX)
			return refuse(reading, err, "has no end: the file is half-written");
		status = take_line(reading, span_sub(text, 0, end), err);
		text = span_from(text, end + 1);
	}
	return status == ST_OK ? finish(reading, err) : status;
}

enum status
sitekey_content_parse(
    struct span text, const char *name, struct sitekey_content **out, struct err *err)
{
	struct reading reading = {.name = name};
	enum status status;

	*out = NULL;
	if (text.n > SITEKEY_FILE_MAX) {
		err_set(err, "%s: has more than %u octets", name, SITEKEY_FILE_MAX);
		return ST_INVALID;
	}
	reading.content = secret_malloc(sizeof(*reading.content));
	if (reading.content == NULL) {
		err_set(err, "%s: no secret memory left for it", name);
		return ST_UNAVAILABLE;
	}
	memset(reading.content, 0, sizeof(*reading.content));
	status = take_lines(&reading, text, err);
	if (status == ST_OK)
		*out = reading.content;
	else
		secret_free(reading.content);
	return status;
}

enum status
sitekey_content_text(
    const struct sitekey_content *content, char **text_out, size_t *n_out, struct err *err)
{
	static const char head[] = "# Signpost site key. Whoever has it can read every key of the "
				   "store; without it nobody can.\n";
	size_t room = sizeof(head) + 32 + content->count * (KEY_BASE64 + 16), n;
	char *text = secret_malloc(room);

	*text_out = text;
	if (text == NULL) {
		err_set(err, "no secret memory left for the site key file");
		return ST_FAILED;
	}
	/* First of all, so that a file that was cut does not name what it has not. */
	n = (size_t)snprintf(text, room, "%scurrent %u\n", head, content->current);
	for (size_t i = 0; i < content->count; i++) {
		n += (size_t)snprintf(text + n, room - n, "%u ", content->versions[i].number);
		base64_encode(content->versions[i].key, SEAL_KEY_BYTES, text + n);
		n += KEY_BASE64;
		text[n++] = '\n';
	}
	text[n] = '\0';
	*n_out = n;
	return ST_OK;
}
