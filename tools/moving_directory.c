/*
 * moving_directory.c - reads keys that are files in a folder, as opendkim-genkey, rspamd, mailcow
 * and others lay them out.
 * Called by import. What is no key by its name is told, never guessed at.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "tools/cli.h"
#include "tools/moving.h"

struct folder {
	struct moving_site *site;
	const char *path;
	struct span name; /* of a folder in it, which is a domain; empty: itself */
	struct span selector;
};

static bool
without(struct span name, const char *suffix, struct span *head_out)
{
	struct span end = span_str(suffix);

	if (name.n <= end.n || !span_ends(name, end))
		return false;
	*head_out = span_sub(name, 0, name.n - end.n);
	return true;
}

bool
moving_name_of_file(struct span folder, struct span name, struct span selector,
    struct span *domain_out, struct span *selector_out)
{
	struct span head;
	size_t dot;

	*selector_out = selector;
	if (folder.n > 0) {
		*domain_out = folder;
		return without(name, ".private", selector_out) && domain_is_valid(folder);
	}
	if (without(name, ".key", &head)) {
		dot = span_rfind(head, '.');
		if (dot == SIZE_MAX)
			return false;
		*domain_out = span_sub(head, 0, dot);
		*selector_out = span_from(head, dot + 1);
	} else if (without(name, ".dkim", &head)) {
		*domain_out = head;
		if (selector.n == 0)
			*selector_out = SPAN_LIT("dkim"); /* as mailcow has it */
	} else if (without(name, ".pem", &head)) {
		*domain_out = head;
	} else {
		return false;
	}
	return domain_is_valid(*domain_out) && selector_out->n > 0 &&
	       selector_is_valid(*selector_out);
}

static void
take_file(const struct folder *folder, const char *name)
{
	struct moving_place place = {span_str(folder->path), 0};
	struct span domain, selector;
	struct buf path;
	size_t key;

	if (!moving_name_of_file(
		folder->name, span_str(name), folder->selector, &domain, &selector)) {
		moving_find(folder->site, SEVERITY_NOTE, "not-a-key", span_str(name), place.where,
		    0,
		    "its name says neither domain nor selector (DOMAIN/SELECTOR.private, "
		    "DOMAIN.SELECTOR.key, DOMAIN.dkim; DOMAIN.pem with --selector)");
		return;
	}
	buf_init(&path, 65536);
	buf_add_fmt(&path, "%s/%s", folder->path, name);
	place.where = buf_span(&path);
	key = moving_add_key_file(folder->site, domain, selector, buf_text(&path), place);
	if (key != MOVING_NONE) {
		domain = folder->site->keys[key].domain;
		moving_add_sender(
		    folder->site, MOVING_DOMAIN, domain, domain, SPAN_EMPTY, key, place);
	}
	buf_free(&path);
}

static bool take_folder(const struct folder *folder);

static void
take_name(const struct folder *folder, const char *name)
{
	struct folder inner = *folder;
	struct stat st;
	struct buf path;

	buf_init(&path, 65536);
	buf_add_fmt(&path, "%s/%s", folder->path, name);
	inner.path = buf_text(&path);
	inner.name = span_str(name);
	if (stat(inner.path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (folder->name.n > 0)
			moving_find(folder->site, SEVERITY_NOTE, "not-a-key", span_str(name),
			    span_str(folder->path), 0, "a folder in the folder of a domain");
		else if (!take_folder(&inner))
			moving_find(folder->site, SEVERITY_ERROR, "bad-folder", span_str(name),
			    span_str(folder->path), 0, "it cannot be read: %s", strerror(errno));
	} else if (!span_ends(inner.name, SPAN_LIT(".txt"))) {
		/* Beside each key stands its record, which is not wanted. */
		take_file(folder, name);
	}
	buf_free(&path);
}

static bool
take_folder(const struct folder *folder)
{
	struct dirent **names = NULL;
	int count = scandir(folder->path, &names, NULL, alphasort);

	if (count < 0)
		return false;
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.')
			take_name(folder, names[i]->d_name);
		mem_free(names[i]);
	}
	mem_free(names);
	return true;
}

int
moving_read_directory(struct moving_site *site, const char *path, const char *selector)
{
	struct folder folder = {.site = site, .path = path, .selector = span_str(selector)};

	if (take_folder(&folder))
		return EX_OK;
	cli_say(site->program, "%s: %s", path, strerror(errno));
	return EX_NOINPUT;
}
