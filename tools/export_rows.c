/*
 * export_rows.c - domains, keys and rules of a store, as far as they sign now; and the files of the
 * keys.
 * Called by export.c. It must never write a key over another one, nor leave one unread in silence.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"
#include "tools/export.h"
#include "tools/newfile.h"

void
export_leave_out(struct export_site *site, struct span about, const char *why)
{
	site->left_out++;
	cli_say(site->tool.program, "left out: %.*s: %s", SPAN_ARG(about), why);
}

void
export_free(struct export_site *site)
{
	mem_free(site->domains);
	mem_free(site->keys);
	mem_free(site->rules);
	mem_free(site->real);
	arena_free(&site->arena);
}

static void *
grown(void *all, size_t count, size_t *room, size_t bytes)
{
	if (count < *room)
		return all;
	*room = *room == 0 ? 64 : *room * 2;
	return mem_resize(all, *room, bytes);
}

static struct span
keep(struct export_site *site, struct span text)
{
	return text.n == 0 ? SPAN_EMPTY : arena_copy(&site->arena, text);
}

static int
compare_names(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : a.n < b.n ? -1 : a.n > b.n;
}

static int
compare_domains(const void *a, const void *b)
{
	return compare_names(
	    ((const struct export_domain *)a)->name, ((const struct export_domain *)b)->name);
}

struct export_domain *
export_find(const struct export_site *site, struct span name)
{
	struct export_domain wanted = {.name = name};

	return site->domain_count == 0 || name.n == 0
		   ? NULL
		   : bsearch(&wanted, site->domains, site->domain_count, sizeof(wanted),
			 compare_domains);
}

/* ---- rows ---- */

static bool
is_meant(const struct export_site *site, struct span tenant)
{
	return site->tenant == NULL || span_eq_str(tenant, site->tenant);
}

static void
take_domain(struct export_site *site, const struct store_domain *row)
{
	site->domains =
	    grown(site->domains, site->domain_count, &site->domain_room, sizeof(*site->domains));
	site->domains[site->domain_count++] = (struct export_domain){.name = keep(site, row->name),
	    .tenant = keep(site, row->tenant),
	    .signs_as = keep(site, row->signs_as),
	    .subdomains = row->subdomains,
	    .enabled = row->enabled,
	    .key = SIZE_MAX};
}

static void
take_rule(struct export_site *site, const struct store_rule *row)
{
	if (!row->enabled)
		return;
	site->rules = grown(site->rules, site->rule_count, &site->rule_room, sizeof(*site->rules));
	site->rules[site->rule_count++] = (struct export_rule){.kind = row->kind,
	    .tenant = keep(site, row->tenant),
	    .id = keep(site, row->id),
	    .subject = keep(site, row->subject),
	    .domain = keep(site, row->domain),
	    .identity = keep(site, row->identity),
	    .priority = row->priority};
}

/* ---- keys ---- */

static bool
has_same(const char *path, const char *pem)
{
	struct keyfile_stamp stamp;
	struct err err = ERR_NONE;
	char *text = NULL;
	size_t n = 0;
	bool same = keyfile_read(path, false, &text, &n, &stamp, &err) == ST_OK &&
		    span_eq_str(span_of(text, n), pem);

	secret_free(text);
	return same;
}

static enum status
write_pem(struct export_site *site, const struct store_key *row, const char *pem, struct err *err)
{
	struct newfile file = {.content = span_str(pem), .mode = 0600};
	struct buf folder, name, path;
	enum status status = ST_FAILED;
	int fd;

	buf_init(&folder, 65536);
	buf_init(&name, NEWFILE_NAME_MAX + 1);
	buf_init(&path, 65536);
	buf_add_fmt(&folder, "%s/keys", site->real);
	buf_add_fmt(&name, "%.*s.%.*s.private", SPAN_ARG(row->domain), SPAN_ARG(row->selector));
	buf_add_fmt(&path, "%s/%s", buf_text(&folder), buf_text(&name));
	file.name = buf_text(&name);
	fd = open(buf_text(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err_set(err, "%s: %s", buf_text(&folder), strerror(errno));
	else
		status = newfile_write_all(fd, buf_text(&folder), &file, 1, err);
	if (status == ST_DENIED && has_same(buf_text(&path), pem))
		status = ST_OK;
	if (fd >= 0)
		close(fd);
	buf_free(&folder);
	buf_free(&name);
	buf_free(&path);
	return status;
}

static enum status
write_key(struct export_site *site, const struct store_key *row, struct err *err)
{
	struct key *key = NULL;
	char *pem = NULL;
	enum status status = store_key_open(&site->tool, row, &key, err);

	if (status == ST_OK)
		status = key_private_pem(key, &pem, err);
	if (status == ST_OK)
		status = write_pem(site, row, pem, err);
	secret_free(pem);
	key_free(key);
	return status;
}

static void
take_key(struct export_site *site, const struct store_key *row)
{
	struct export_domain *domain = export_find(site, row->domain);
	struct err err = ERR_NONE;
	const struct export_key *before;

	if (domain == NULL || !domain->enabled || !key_may_sign(&row->times, site->now_utc))
		return;
	if (!span_eq_str(row->algorithm, "rsa-sha256")) {
		export_leave_out(site, row->domain, "OpenDKIM signs with RSA keys only");
		return;
	}
	before = domain->key == SIZE_MAX ? NULL : &site->keys[domain->key];
	if (before != NULL && before->active >= row->times.active)
		return;
	if (write_key(site, row, &err) != ST_OK) {
		export_leave_out(
		    site, row->domain, err.text[0] != '\0' ? err.text : "its key cannot be opened");
		return;
	}
	site->keys = grown(site->keys, site->key_count, &site->key_room, sizeof(*site->keys));
	domain->key = site->key_count;
	site->keys[site->key_count++] = (struct export_key){
	    keep(site, row->domain), keep(site, row->selector), row->times.active};
}

/* ---- all of it ---- */

static void
take(struct export_site *site, const struct keystore_rows *rows, enum store_what what, size_t i)
{
	if (what == STORE_DOMAIN && is_meant(site, rows->domains[i].tenant))
		take_domain(site, &rows->domains[i]);
	else if (what == STORE_RULE && is_meant(site, rows->rules[i].tenant))
		take_rule(site, &rows->rules[i]);
	else if (what == STORE_KEY && is_meant(site, rows->keys[i].tenant))
		take_key(site, &rows->keys[i]);
	else if (what == STORE_TENANT && !rows->tenants[i].enabled)
		for (size_t k = 0; k < site->domain_count; k++)
			if (span_eq(site->domains[k].tenant, rows->tenants[i].name))
				site->domains[k].enabled = false;
}

int
export_read(struct export_site *site)
{
	static const enum store_what order[] = {STORE_DOMAIN, STORE_TENANT, STORE_RULE, STORE_KEY};
	struct err err = ERR_NONE;
	struct store_walk walk;
	enum status status = ST_ABSENT;
	size_t index;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && status == ST_ABSENT; i++) {
		store_walk_begin(&walk, site->tool.store, order[i]);
		while ((status = store_walk_next(&walk, &index, &err)) == ST_OK)
			take(site, walk.page, order[i], index);
		store_walk_end(&walk);
		if (order[i] == STORE_DOMAIN && site->domain_count > 0)
			qsort(site->domains, site->domain_count, sizeof(*site->domains),
			    compare_domains);
	}
	return status == ST_ABSENT ? EX_OK : store_tool_failed(&site->tool, status, &err);
}
