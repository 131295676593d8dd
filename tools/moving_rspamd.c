/*
 * moving_rspamd.c - reads the maps of rspamd's module dkim_signing: path_map, "domain path", and
 * selector_map, "domain selector".
 * Called by import. It must never read a file that a map does not name, and a map names one with
 * "$domain" and "$selector" only.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/store/keyindex.h"
#include "tools/cli.h"
#include "tools/moving.h"

#define PATH_MAP "dkim_paths.map"
#define SELECTOR_MAP "dkim_selectors.map"
#define PATH_BYTES_MAX 4096U
#define PATH_USUAL "/var/lib/rspamd/dkim/$domain.$selector.key"

struct pair {
	struct span name, value;
	unsigned line;
};

struct map {
	struct moving_site *site;
	struct span where;
	struct pair *pairs;
	size_t count, room;
	struct keyindex index;
};

/* ---- a map ---- */

static struct span
without_quotes(struct span text)
{
	text = span_trim(text);
	if (text.n >= 2 && (text.p[0] == '"' || text.p[0] == '\'') &&
	    text.p[text.n - 1] == text.p[0])
		return span_sub(text, 1, text.n - 2);
	return text;
}

void
moving_parse_map(struct span text, moving_pair *pair, void *context)
{
	struct span line, name;
	unsigned number = 0;
	bool more = text.n > 0;

	while (more) {
		more = span_cut(&text, '\n', &line);
		number++;
		line = span_trim(line);
		if (line.n == 0 || line.p[0] == '#' || !span_word(&line, &name))
			continue;
		pair(context, without_quotes(name), without_quotes(line), number);
	}
}

static void
keep_pair(void *context, struct span name, struct span value, unsigned line)
{
	struct map *map = context;

	if (value.n == 0 || name.n > TABLE_KEY_MAX) {
		moving_find(map->site, SEVERITY_ERROR, "bad-line", name, map->where, line,
		    "a domain and a value are needed");
		return;
	}
	if (map->count == map->room) {
		map->room = map->room == 0 ? 64 : map->room * 2;
		map->pairs = mem_resize(map->pairs, map->room, sizeof(*map->pairs));
	}
	map->pairs[map->count++] =
	    (struct pair){moving_keep(map->site, name), moving_keep(map->site, value), line};
}

static struct span
name_of_pair(const void *context, uint32_t id)
{
	const struct map *map = context;

	return map->pairs[id].name;
}

static enum status
read_map(struct map *map, struct moving_site *site, const char *path, struct err *err)
{
	struct buf text;
	enum status status = ST_OK;

	*map = (struct map){.site = site, .where = moving_keep(site, span_str(path))};
	buf_init(&text, 1);
	if (path != NULL)
		status = moving_slurp(path, &text, err);
	if (status == ST_OK)
		moving_parse_map(buf_span(&text), keep_pair, map);
	buf_free(&text);
	keyindex_init(&map->index, map->count, false, name_of_pair, map);
	for (size_t i = 0; i < map->count; i++)
		(void)keyindex_put(&map->index, (uint32_t)i);
	return status;
}

static void
free_map(struct map *map)
{
	keyindex_free(&map->index);
	mem_free(map->pairs);
}

static const struct pair *
find_pair(const struct map *map, struct span name)
{
	uint32_t at = keyindex_find(&map->index, name);

	return at == KEYINDEX_NONE ? NULL : &map->pairs[at];
}

/* ---- keys ---- */

static void
add_replaced(struct buf *out, struct span template, struct span domain, struct span selector)
{
	static const struct span names[] = {SPAN_LIT("$domain"), SPAN_LIT("$selector")};

	while (template.n > 0) {
		bool first = span_starts(template, names[0]);

		if (first || span_starts(template, names[1])) {
			buf_add(out, first ? domain : selector);
			template = span_from(template, names[first ? 0 : 1].n);
		} else {
			buf_add_char(out, template.p[0]);
			template = span_from(template, 1);
		}
	}
}

static void
take(struct moving_site *site, const struct pair *named, struct span template, struct span selector,
    struct moving_place place)
{
	struct span domain = named->name;
	struct buf path;
	size_t key;

	if (!domain_is_valid(domain) || !selector_is_valid(selector)) {
		moving_find(site, SEVERITY_ERROR, "bad-name", domain, place.where, place.line,
		    "a domain with a selector is needed: no pattern and no key of several");
		return;
	}
	buf_init(&path, PATH_BYTES_MAX);
	add_replaced(&path, template, domain, selector);
	key = buf_status(&path) == ST_OK
		  ? moving_add_key_file(site, domain, selector, buf_text(&path), place)
		  : MOVING_NONE;
	buf_free(&path);
	if (key == MOVING_NONE)
		return;
	domain = site->keys[key].domain;
	moving_add_sender(site, MOVING_DOMAIN, named->name, domain, SPAN_EMPTY, key, place);
}

/* Domains of path_map, then those that selector_map alone names, whose keys are at the usual path.
 */
static void
take_maps(struct moving_site *site, const struct map *paths, const struct map *selectors,
    const char *selector)
{
	struct span usual = selector == NULL ? SPAN_LIT("dkim") : span_str(selector);

	for (size_t i = 0; i < paths->count; i++) {
		const struct pair *of = find_pair(selectors, paths->pairs[i].name);
		struct moving_place place = {paths->where, paths->pairs[i].line};

		take(site, &paths->pairs[i], paths->pairs[i].value, of == NULL ? usual : of->value,
		    place);
	}
	for (size_t i = 0; i < selectors->count; i++) {
		struct moving_place place = {selectors->where, selectors->pairs[i].line};

		if (find_pair(paths, selectors->pairs[i].name) == NULL)
			take(site, &selectors->pairs[i], SPAN_LIT(PATH_USUAL),
			    selectors->pairs[i].value, place);
	}
}

static int
read_maps(
    struct moving_site *site, const char *path_map, const char *selector_map, const char *selector)
{
	struct map paths, selectors;
	struct err err = ERR_NONE;
	enum status status = read_map(&paths, site, path_map, &err), other;

	other = read_map(&selectors, site, selector_map, &err);
	if (status == ST_OK)
		status = other;
	if (status == ST_OK)
		take_maps(site, &paths, &selectors, selector);
	else
		cli_say(site->program, "%s", err.text);
	free_map(&paths);
	free_map(&selectors);
	return status == ST_OK ? EX_OK : EX_NOINPUT;
}

int
moving_read_rspamd(struct moving_site *site, char *const *paths, size_t count, const char *selector)
{
	char names[2][PATH_BYTES_MAX];
	struct stat st;
	bool has[2];

	if (count == 2)
		return read_maps(site, paths[0], paths[1], selector);
	if (stat(paths[0], &st) != 0 || !S_ISDIR(st.st_mode))
		return read_maps(site, paths[0], NULL, selector);
	snprintf(names[0], sizeof(names[0]), "%s/%s", paths[0], PATH_MAP);
	snprintf(names[1], sizeof(names[1]), "%s/%s", paths[0], SELECTOR_MAP);
	for (size_t i = 0; i < 2; i++)
		has[i] = stat(names[i], &st) == 0;
	if (has[0] || has[1])
		return read_maps(
		    site, has[0] ? names[0] : NULL, has[1] ? names[1] : NULL, selector);
	cli_say(site->program, "%s: there is neither %s nor %s in it", paths[0], PATH_MAP,
	    SELECTOR_MAP);
	return EX_NOINPUT;
}
