/*
 * publish_options.c - the options behind '?' in the line of a publisher, and secrets in files.
 * Called when a publisher is opened; secrets are read whenever they are needed, so that a new one
 * counts at once. It must never keep a secret, nor put one into a sentence.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin-api/publish_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/slurp.h"

#define TIMEOUT_S_MAX 600U

static enum status
set_timeout(struct publisher *publisher, struct span text, struct err *err)
{
	uint64_t seconds;

	if (!span_number(text, TIMEOUT_S_MAX, &seconds) || seconds == 0) {
		err_set(err, "timeout: a number of seconds from 1 to %u", TIMEOUT_S_MAX);
		return ST_INVALID;
	}
	publisher->timeout_ms = (int)seconds * 1000;
	if (!publisher->of_tenant || publisher->timeout_ms <= PUBLISH_TENANT_TIMEOUT_MS)
		return ST_OK;
	err_set(err, "timeout: at most %d seconds of a tenant's provider",
	    PUBLISH_TENANT_TIMEOUT_MS / 1000);
	return ST_INVALID;
}

static enum status
read_option(struct publisher *publisher, struct span text, const struct publish_option *options,
    struct err *err)
{
	struct span value = text, name;

	if (!span_cut(&value, '=', &name) || value.n == 0) {
		err_set(err, "option \"%.*s\" has no value", SPAN_ARG(span_sub(name, 0, 60)));
		return ST_INVALID;
	}
	if (span_eq_str(name, "timeout"))
		return set_timeout(publisher, value, err);
	for (size_t i = 0; options[i].name != NULL; i++) {
		if (!span_eq_str(name, options[i].name))
			continue;
		if (*options[i].value_out == NULL) {
			*options[i].value_out = span_dup(value);
			return ST_OK;
		}
		err_set(err, "option \"%s\" is given twice", options[i].name);
		return ST_INVALID;
	}
	err_set(err, "there is no option \"%.*s\" of %s:", SPAN_ARG(span_sub(name, 0, 60)),
	    publisher->ops->kind);
	return ST_INVALID;
}

enum status
publish_options_read(struct publisher *publisher, struct span value, struct span *what_out,
    const struct publish_option *options, struct err *err)
{
	struct span rest = value, option;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] > ' ' && value.p[i] <= '~')
			continue;
		err_set(
		    err, "%s: has a blank or an octet that is not printable", publisher->ops->kind);
		return ST_INVALID;
	}
	span_cut(&rest, '?', what_out);
	if (what_out->n == 0) {
		err_set(err, "%s: has nothing behind it", publisher->ops->kind);
		return ST_INVALID;
	}
	while (rest.n > 0) {
		enum status status;

		span_cut(&rest, '&', &option);
		status = read_option(publisher, option, options, err);
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

/* A group may read it: that is how a file of root's is given to the user that this runs as. */
static enum status
check_readers(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		return ST_UNAVAILABLE;
	}
	if ((st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & 027) == 0)
		return ST_OK;
	err_set(err,
	    "%s: is a secret that others may read, or of another owner than root and this user; "
	    "chown it, and chmod o=,g-w",
	    path);
	return ST_DENIED;
}

enum status
publish_secret_read(const char *path, char **room_out, struct span *text_out, struct err *err)
{
	struct slurp slurp;
	enum status status;

	*room_out = NULL;
	status = check_readers(path, err);
	if (status == ST_OK)
		status = slurp_file(path, PUBLISH_SECRET_MAX, true, &slurp, err);
	if (status != ST_OK)
		return status;
	*room_out = slurp.text;
	*text_out = span_trim(span_of(slurp.text, slurp.n));
	if (text_out->n > 0 && memchr(text_out->p, '\n', text_out->n) == NULL)
		return ST_OK;
	slurp_free(&slurp);
	*room_out = NULL;
	err_set(err, "%s: is not one line", path);
	return ST_INVALID;
}

enum status
publish_secret_of(const struct publisher *publisher, const char *path, char **room_out,
    struct span *text_out, struct err *err)
{
	if (publisher->secret == NULL)
		return publish_secret_read(path, room_out, text_out, err);
	*room_out = secret_malloc(publisher->secret_bytes + 1);
	if (*room_out == NULL) {
		err_set(err, "no secret memory left");
		return ST_FAILED;
	}
	memcpy(*room_out, publisher->secret, publisher->secret_bytes);
	(*room_out)[publisher->secret_bytes] = '\0';
	*text_out = span_of(*room_out, publisher->secret_bytes);
	return ST_OK;
}

enum status
publish_secret_check(const struct publisher *publisher, const char *option, const char *path,
    bool wanted, struct err *err)
{
	if (!publisher->of_tenant) {
		if (!wanted || (path != NULL && publish_path_good(span_str(path))))
			return ST_OK;
		err_set(err, "%s: the absolute path of a file with the secret", option);
		return ST_INVALID;
	}
	if (path != NULL)
		err_set(err, "%s: files are the operator's; give the secret itself", option);
	else if (wanted && publisher->secret == NULL)
		err_set(err, "the secret is missing");
	else if (!wanted && publisher->secret != NULL)
		err_set(err, "there is a secret, and nothing that it is for");
	else
		return ST_OK;
	return ST_INVALID;
}

bool
publish_path_good(struct span path)
{
	return path.n > 1 && path.p[0] == '/' && path.n < 4096 &&
	       memchr(path.p, '\0', path.n) == NULL;
}
