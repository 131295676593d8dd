/*
 * conf.c - the values of a configuration: keeping one, asking for one, saying where it came from.
 * The parser and the command line write, everybody else reads. It must never show a password, and
 * wipes every value it lets go, because it does not know which of them holds one.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/conf/private.h"
#include "lib/conf/values.h"

struct conf *
conf_new(void)
{
	return mem_zalloc(1, sizeof(struct conf));
}

static void
value_clear(struct conf_value *value)
{
	if (value->text != NULL)
		secret_wipe(value->text, strlen(value->text));
	mem_free(value->text);
	mem_free(value->origin);
	value->text = NULL;
	value->origin = NULL;
}

void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (int p = 0; p < CONF_COUNT; p++)
		value_clear(&conf->values[p]);
	for (size_t i = 0; i < conf->file_count; i++)
		mem_free(conf->files[i]);
	mem_free(conf->files);
	mem_free(conf);
}

const char *
conf_file_name(struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->file_count; i++) {
		if (strcmp(conf->files[i], name) == 0)
			return conf->files[i];
	}
	conf->files = mem_resize(conf->files, conf->file_count + 1, sizeof(*conf->files));
	conf->files[conf->file_count] = mem_strdup(name);
	return conf->files[conf->file_count++];
}

/* "dsn:mysql://user:SECRET@host/..." and the like: where the password begins and ends. */
static bool
find_password(struct span text, size_t *from_out, size_t *to_out)
{
	const char *mark = text.n == 0 ? NULL : memmem(text.p, text.n, "://", 3);
	size_t at = mark == NULL ? 0 : (size_t)(mark - text.p) + 3;
	struct span rest = span_from(text, at), head;
	size_t colon, last;

	if (mark == NULL)
		return false;
	/* In a dsn a '/' may be part of a password by mistake: rather hide too much. */
	if (!span_istarts(text, SPAN_LIT("dsn:"))) {
		(void)span_cut(&rest, '/', &head);
		rest = head;
	}
	colon = span_find(rest, ':');
	last = span_rfind(rest, '@');
	if (colon == SIZE_MAX || last == SIZE_MAX || last < colon)
		return false;
	*from_out = at + colon + 1;
	*to_out = at + last;
	return true;
}

void
conf_show_text(enum conf_parameter parameter, const char *text, struct buf *text_out)
{
	struct span all = span_str(text);
	size_t from, to;

	if (parameter == CONF_LDAP_BIND_PASSWORD) {
		buf_add_str(text_out, "***");
	} else if (find_password(all, &from, &to)) {
		buf_add(text_out, span_sub(all, 0, from));
		buf_add_str(text_out, "***");
		buf_add(text_out, span_from(all, to));
	} else {
		buf_add(text_out, all);
	}
}

static enum status
value_number(enum conf_parameter parameter, struct span text, int64_t *number_out, struct err *err)
{
	enum status status = ST_OK;
	int64_t least, most;
	bool flag = false;

	switch (conf_type_of(parameter)) {
	case CONF_TYPE_BOOL:
		status = conf_parse_bool(text, &flag, err);
		*number_out = flag;
		break;
	case CONF_TYPE_INT:
		conf_int_range(parameter, &least, &most);
		status = conf_parse_int(text, least, most, number_out, err);
		break;
	case CONF_TYPE_INCLUDE:
		err_set(err, "Include holds no value");
		status = ST_INVALID;
		break;
	case CONF_TYPE_STRING:
	case CONF_TYPE_DATASET:
		break;
	}
	return status;
}

static void
warn_repeated(const struct conf_value *old, enum conf_parameter parameter, struct span text,
    struct conf_place place, struct conf_report *report)
{
	struct buf shown;

	if (old->text == NULL || span_eq_str(text, old->text))
		return;
	buf_init(&shown, CONF_FILE_MAX);
	conf_show_text(parameter, old->text, &shown);
	conf_report_add(report, CONF_WARNING, place.file, place.line,
	    "\"%s\" was \"%.200s\" at %s; the value of this line wins, remove one of them",
	    conf_name(parameter), buf_text(&shown), old->origin);
	buf_free(&shown);
}

static void
value_keep(struct conf_value *value, char *text, int64_t number, struct conf_place place)
{
	struct buf origin;

	buf_init(&origin, CONF_LINE_MAX + 64);
	buf_add_str(&origin, place.file);
	if (place.line > 0)
		buf_add_fmt(&origin, ":%u", place.line);
	value_clear(value);
	value->text = text;
	value->number = number;
	value->origin = span_dup(buf_span(&origin));
	value->file = place.file;
	value->line = place.line;
	value->fixed = place.line == 0;
	buf_free(&origin);
}

enum status
conf_assign(struct conf *conf, enum conf_parameter parameter, struct span text,
    struct conf_place place, struct conf_report *report)
{
	struct conf_value *value = &conf->values[parameter];
	struct err err = ERR_NONE;
	int64_t number = 0;
	char *copy;

	if (value_number(parameter, text, &number, &err) != ST_OK) {
		conf_report_add(report, CONF_ERROR, place.file, place.line,
		    "illegal value \"%.*s\" for \"%s\": %s", text.n > 200 ? 200 : (int)text.n,
		    text.n == 0 ? "" : text.p, conf_name(parameter), err.text);
		return ST_INVALID;
	}
	if (value->fixed && place.line > 0)
		return ST_OK;
	copy = span_dup(text);
	if (place.line > 0) {
		warn_repeated(value, parameter, text, place, report);
		if (conf_class_of(parameter) == CONF_CLASS_OBSOLETE && !value->warned) {
			conf_report_add(report, CONF_WARNING, place.file, place.line,
			    "\"%s\" is obsolete and has no effect; remove the line",
			    conf_name(parameter));
			value->warned = true;
		}
	}
	conf_warn_traps(parameter, copy, place, report);
	value_keep(value, copy, number, place);
	return ST_OK;
}

enum status
conf_set(struct conf *conf, enum conf_parameter parameter, const char *value, const char *origin,
    struct conf_report *report)
{
	struct conf_place place = {conf_file_name(conf, origin), 0};
	struct span text = span_trim(span_str(value));

	if (text.n == 0) {
		conf_report_add(report, CONF_ERROR, place.file, 0,
		    "required value missing for \"%s\"", conf_name(parameter));
		return ST_INVALID;
	}
	return conf_assign(conf, parameter, text, place, report);
}

const char *
conf_string(const struct conf *conf, enum conf_parameter parameter)
{
	const char *text = conf->values[parameter].text;

	return text != NULL ? text : conf_default(parameter);
}

static int64_t
number_of(const struct conf *conf, enum conf_parameter parameter)
{
	int64_t number = conf->values[parameter].number;
	const char *text = conf_default(parameter);

	if (conf->values[parameter].text != NULL)
		return number;
	if (text == NULL || value_number(parameter, span_str(text), &number, NULL) != ST_OK)
		return 0;
	return number;
}

bool
conf_bool(const struct conf *conf, enum conf_parameter parameter)
{
	if (conf_type_of(parameter) != CONF_TYPE_BOOL)
		return false;
	/* X-Header is its old name. */
	if (parameter == CONF_SOFTWARE_HEADER && !conf_is_set(conf, parameter))
		parameter = CONF_X_HEADER;
	return number_of(conf, parameter) != 0;
}

int64_t
conf_int(const struct conf *conf, enum conf_parameter parameter)
{
	return conf_type_of(parameter) == CONF_TYPE_INT ? number_of(conf, parameter) : 0;
}

bool
conf_is_set(const struct conf *conf, enum conf_parameter parameter)
{
	return conf->values[parameter].text != NULL;
}

const char *
conf_origin(const struct conf *conf, enum conf_parameter parameter)
{
	const char *origin = conf->values[parameter].origin;

	return origin == NULL ? "default" : origin;
}

const char *
conf_origin_file(const struct conf *conf, enum conf_parameter parameter)
{
	return conf_is_set(conf, parameter) ? conf->values[parameter].file : NULL;
}

unsigned int
conf_origin_line(const struct conf *conf, enum conf_parameter parameter)
{
	return conf_is_set(conf, parameter) ? conf->values[parameter].line : 0;
}

const char *
conf_main_file(const struct conf *conf)
{
	return conf->main_file;
}

bool
conf_show(const struct conf *conf, enum conf_parameter parameter, struct buf *text_out)
{
	const char *text = conf_string(conf, parameter);

	if (text == NULL)
		return false;
	conf_show_text(parameter, text, text_out);
	return true;
}
