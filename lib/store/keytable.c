/*
 * keytable.c - from a key name to domain, selector and key.
 * Called by the keeper for each key that is not in its cache.
 * It must never put text of a key into a message, nor let a From domain choose a path outside of
 * the one that the administrator wrote.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/store/keytable.h"

bool
keytable_key_is_path(struct span key)
{
	return span_starts(key, SPAN_LIT("/")) || span_starts(key, SPAN_LIT("./")) ||
	       span_starts(key, SPAN_LIT("../"));
}

static enum status
corrupt(
    const struct table *keys, struct span keyname, unsigned line, const char *why, struct err *err)
{
	int shown = keyname.n > 128 ? 128 : (int)keyname.n;

	if (line == 0)
		err_set(err,
		    "KeyTable entry for '%.*s' corrupt: %s (%s); it needs domain, selector and key",
		    shown, keyname.n == 0 ? "" : keyname.p, why, keys->where);
	else
		err_set(err,
		    "KeyTable entry for '%.*s' corrupt: %s (%s line %u); write domain:selector:key",
		    shown, keyname.n == 0 ? "" : keyname.p, why, keys->where, line);
	return ST_INVALID;
}

/* Only a known name at the end of a key is the fourth field. */
static void
split_algorithm(struct keytable_entry *entry)
{
	static const char *const names[] = {":rsa-sha256", ":ed25519-sha256"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span name = span_str(names[i]);

		if (span_iends(entry->key, name)) {
			entry->algorithm = span_from(entry->key, entry->key.n - name.n + 1);
			entry->key.n -= name.n;
			return;
		}
	}
}

static const char *
split_fields(const struct table_value *value, struct keytable_entry *entry)
{
	enum { DOMAIN, SELECTOR, KEY, ALGORITHM, FIELDS };
	struct span fields[FIELDS];
	/* In a text the key takes the whole rest, ':' too. */
	size_t n = table_value_fields(value, fields, value->columns == NULL ? KEY + 1 : FIELDS);

	if (value->columns == NULL && value->text.n == 0)
		return "it is empty";
	if (n == 1)
		return "it has one field, selector and key are missing";
	if (n == 2)
		return "it has two fields, the key is missing";
	entry->domain = fields[DOMAIN];
	entry->selector = fields[SELECTOR];
	entry->key = fields[KEY];
	if (n == FIELDS)
		entry->algorithm = fields[ALGORITHM];
	else
		split_algorithm(entry);
	if (entry->domain.n == 0)
		return "the first field, the domain, is empty";
	if (entry->selector.n == 0)
		return "the second field, the selector, is empty";
	if (entry->key.n == 0)
		return "the third field, the key, is empty";
	return NULL;
}

/* One part of a path and no more: no '/', no "..", nothing a file system may read otherwise. */
static bool
domain_fits_path(struct span domain)
{
	if (domain.n == 0 || domain.n > 255 || domain.p[0] == '.')
		return false;
	for (size_t i = 0; i < domain.n; i++) {
		char c = ascii_lower(domain.p[i]);
		bool dot = c == '.' && i + 1 < domain.n && domain.p[i + 1] != '.';

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
		    !dot)
			return false;
	}
	return true;
}

static enum status
make_path(struct keytable_entry *entry, struct span from_domain, struct err *err)
{
	bool replace = entry->key.p[0] == '/' && span_find(entry->key, '%') != SIZE_MAX;
	enum status status;
	struct buf path;

	if (replace && !domain_fits_path(from_domain)) {
		err_set(err,
		    "'%%' of a key's path is not replaced by the From domain '%.*s': it is not a "
		    "plain domain name",
		    from_domain.n > 64 ? 64 : (int)from_domain.n,
		    from_domain.n == 0 ? "" : from_domain.p);
		return ST_DENIED;
	}
	buf_init(&path, KEYTABLE_PATH_MAX);
	for (size_t i = 0; i < entry->key.n; i++) {
		if (replace && entry->key.p[i] == '%')
			buf_add(&path, from_domain);
		else
			buf_add_char(&path, entry->key.p[i]);
	}
	buf_add_char(&path, '\0');
	status = buf_status(&path);
	if (status != ST_OK) {
		err_set(err, "a key's path has more than %d octets", KEYTABLE_PATH_MAX - 1);
		buf_free(&path);
		return ST_INVALID;
	}
	entry->path_owned = path.p;
	entry->key = span_of(path.p, path.n - 1);
	return ST_OK;
}

static enum status
fill(struct table *keys, struct span keyname, struct span from_domain, struct keytable_entry *entry,
    struct err *err)
{
	const char *why = split_fields(&entry->value, entry);

	entry->line = entry->value.line;
	if (why != NULL)
		return corrupt(keys, keyname, entry->line, why, err);
	if (span_eq_str(entry->domain, "%"))
		entry->domain = from_domain;
	entry->key_is_path = keytable_key_is_path(entry->key);
	return entry->key_is_path ? make_path(entry, from_domain, err) : ST_OK;
}

enum status
keytable_lookup(struct table *keys, struct span keyname, struct span from_domain,
    struct keytable_entry *out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	status = table_lookup(keys, keyname, &out->value, err);
	if (status == ST_ABSENT)
		err_set(err, "signing table references unknown key '%.*s'; add it to %s %s",
		    keyname.n > 128 ? 128 : (int)keyname.n, keyname.n == 0 ? "" : keyname.p,
		    keys->parameter, keys->where);
	if (status != ST_OK)
		return status;
	status = fill(keys, keyname, from_domain, out, err);
	if (status != ST_OK)
		keytable_entry_release(out);
	return status;
}

enum status
keytable_walk(struct table *keys, table_visit *visit, void *context, struct err *err)
{
	if (keys->ops->walk == NULL && keys->ops->walk_patterns != NULL)
		return keys->ops->walk_patterns(keys, visit, context);
	return table_walk(keys, visit, context, err);
}

struct span
keytable_row_domain(struct span value)
{
	struct span domain;

	return span_cut(&value, ':', &domain) ? domain : SPAN_EMPTY;
}

enum status
keytable_row_read(struct table *keys, struct span keyname, struct span value, unsigned line,
    struct span from_domain, struct keytable_entry *out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	out->value.text = value;
	out->value.line = line;
	status = fill(keys, keyname, from_domain, out, err);
	if (status != ST_OK)
		keytable_entry_release(out);
	return status;
}

void
keytable_entry_release(struct keytable_entry *entry)
{
	table_value_release(&entry->value);
	mem_free(entry->path_owned);
	memset(entry, 0, sizeof(*entry));
}
