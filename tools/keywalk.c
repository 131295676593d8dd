/*
 * keywalk.c - walks a KeyTable and loads what it names.
 * Called by testkey and genzone. It must never stop at an entry that is bad (the others count too),
 * nor guess a domain for an entry that signs for whoever writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/settings.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/dkim/address.h"
#include "lib/store/keyfile.h"
#include "lib/store/keytable.h"
#include "tools/keywalk.h"

/* A rule of the SigningTable that names a key for a domain. */
struct rule {
	char *domain;
	char *keyname;
};

struct walk {
	const struct keywalk_options *options;
	struct table *keys;
	keywalk_visit *visit;
	void *context;
	bool ended;
	struct rule *rules;
	size_t rule_count, rule_room;
	struct err rules_err; /* why the SigningTable could not be listed, or "" */
	bool rules_failed;    /* it could not be read, where another time it can */
	unsigned *open_lines; /* rows whose domain is "%" */
	size_t open_count, open_room;
};

/* ---- one key ---- */

enum status
keywalk_load(const char *path, struct key **key_out, struct err *warning_out, struct err *err)
{
	struct keyfile_stamp stamp;
	struct err warning = ERR_NONE;
	char *text = NULL;
	size_t n;
	enum status status = keyfile_read(path, false, &text, &n, &stamp, &warning);

	if (status != ST_OK) {
		err_set(err, "%s", warning.text);
		return status;
	}
	if (warning_out != NULL)
		*warning_out = warning;
	status = key_parse(span_of(text, n), key_out, err);
	if (status != ST_OK)
		err_prefix(err, "%s", path);
	secret_free(text);
	return status;
}

static enum status
load_entry(
    const struct keytable_entry *entry, struct key **key_out, struct err *warning, struct err *err)
{
	enum status status = entry->key_is_path ? keywalk_load(entry->key.p, key_out, warning, err)
						: key_parse(entry->key, key_out, err);
	const char *has;

	if (status != ST_OK)
		return status;
	has = key_algorithm_name(key_algorithm(*key_out));
	if (entry->algorithm.n == 0 || span_ieq_str(entry->algorithm, has))
		return ST_OK;
	err_set(err, "the KeyTable says %.*s, the key is for %s; correct the fourth field",
	    SPAN_ARG(entry->algorithm), has);
	key_free(*key_out);
	*key_out = NULL;
	return ST_INVALID;
}

static void
visit_key(struct walk *walk, struct keywalk_key *key)
{
	key->where = walk->keys->where;
	if (!walk->visit(walk->context, key))
		walk->ended = true;
	key_free(key->key);
}

/* Both are names, and together one that DNS can have. */
static bool
names_fit(struct span domain, struct span selector)
{
	return domain_is_valid(domain) && selector_is_valid(selector) &&
	       selector.n + strlen("._domainkey.") + domain.n <= DOMAIN_BYTES_MAX;
}

/* entry is NULL when the row itself was bad; why is the reason then. */
static void
visit_entry(
    struct walk *walk, struct span name, const struct keytable_entry *entry, struct err *why)
{
	struct err warning = ERR_NONE;
	struct keywalk_key key = {.name = name, .why = why->text, .warning = warning.text};

	if (entry != NULL) {
		key.domain = entry->domain;
		key.selector = entry->selector;
		key.line = entry->line;
		if (!names_fit(key.domain, key.selector))
			err_set(why, "its domain or its selector is no name that DNS can have");
		else if (load_entry(entry, &key.key, &warning, why) == ST_OK)
			why->text[0] = '\0';
	}
	visit_key(walk, &key);
}

/* ---- rows ---- */

static void
remember_open(struct walk *walk, unsigned line)
{
	if (walk->open_count == walk->open_room) {
		walk->open_room = walk->open_room == 0 ? 16 : walk->open_room * 2;
		walk->open_lines =
		    mem_resize(walk->open_lines, walk->open_room, sizeof(*walk->open_lines));
	}
	walk->open_lines[walk->open_count++] = line;
}

static bool
visit_row(void *context, struct span name, struct span value, unsigned line)
{
	struct walk *walk = context;
	struct span domain = keytable_row_domain(value);
	struct keytable_entry entry;
	struct err err = ERR_NONE;

	if (span_eq_str(domain, "%") && walk->options->domain == NULL) {
		remember_open(walk, line);
		return true;
	}
	if (span_eq_str(domain, "%"))
		domain = span_str(walk->options->domain);
	if (keytable_row_read(walk->keys, name, value, line, domain, &entry, &err) != ST_OK) {
		visit_entry(walk, name, NULL, &err);
		return !walk->ended;
	}
	visit_entry(walk, name, &entry, &err);
	keytable_entry_release(&entry);
	return !walk->ended;
}

/* ---- entries whose domain is that of the author ---- */

/* The domain for which a line of the SigningTable speaks; patterns that stand for many have none.
 */
static struct span
rule_domain(struct span pattern)
{
	size_t at = span_rfind(pattern, '@');

	if (at != SIZE_MAX)
		pattern = span_from(pattern, at + 1);
	return domain_is_valid(pattern) ? pattern : SPAN_EMPTY;
}

static bool
collect_rule(void *context, struct span pattern, struct span value, unsigned line)
{
	struct walk *walk = context;
	struct span domain = rule_domain(pattern), keyname;
	struct rule *rule;

	(void)line;
	(void)span_cut(&value, ':', &keyname);
	if (domain.n == 0 || keyname.n == 0)
		return true;
	if (walk->rule_count == walk->rule_room) {
		walk->rule_room = walk->rule_room == 0 ? 64 : walk->rule_room * 2;
		walk->rules = mem_resize(walk->rules, walk->rule_room, sizeof(*walk->rules));
	}
	rule = &walk->rules[walk->rule_count++];
	rule->domain = span_dup_lower(domain);
	rule->keyname = span_eq_str(keyname, "%") ? mem_strdup(rule->domain) : span_dup(keyname);
	return true;
}

static int
compare_rules(const void *a, const void *b)
{
	const struct rule *left = a, *right = b;
	int order = strcmp(left->keyname, right->keyname);

	return order != 0 ? order : strcmp(left->domain, right->domain);
}

static void
close_line(struct walk *walk, unsigned line)
{
	for (size_t i = 0; i < walk->open_count; i++)
		if (walk->open_lines[i] == line)
			walk->open_lines[i] = 0;
}

static void
visit_rule(struct walk *walk, const struct rule *rule)
{
	struct span name = span_str(rule->keyname);
	struct keytable_entry entry;
	struct err err = ERR_NONE;

	/* A rule without its key is for signpostd -n to find; here keys are asked for rules. */
	if (keytable_lookup(walk->keys, name, span_str(rule->domain), &entry, &err) != ST_OK)
		return;
	if (span_eq_str(keytable_row_domain(entry.value.text), "%")) {
		close_line(walk, entry.line);
		visit_entry(walk, name, &entry, &err);
	}
	keytable_entry_release(&entry);
}

static enum status
read_rules(struct walk *walk, struct err *err)
{
	const char *spec = conf_string(walk->options->conf, CONF_SIGNING_TABLE);
	struct backend_settings settings;
	struct table *signing;
	enum status status;

	if (spec == NULL)
		return ST_OK;
	status = table_open(backend_registry_for(walk->options->conf, &settings), "SigningTable",
	    spec, TABLE_ICASE | TABLE_ASCII_ONLY | TABLE_VALUE_NEEDED, &signing, err);
	walk->rules_failed = status != ST_OK;
	if (status != ST_OK)
		return status;
	if (signing->ops->walk == NULL && signing->ops->walk_patterns != NULL)
		status = signing->ops->walk_patterns(signing, collect_rule, walk);
	else
		status = table_walk(signing, collect_rule, walk, err);
	table_close(signing);
	walk->rules_failed = status == ST_UNAVAILABLE;
	return status;
}

/* A SigningTable that cannot be listed leaves the entries open; that is said with each. */
static void
visit_rules(struct walk *walk)
{
	if (read_rules(walk, &walk->rules_err) == ST_OK)
		walk->rules_err.text[0] = '\0';
	if (walk->rule_count == 0)
		return;
	qsort(walk->rules, walk->rule_count, sizeof(*walk->rules), compare_rules);
	for (size_t i = 0; i < walk->rule_count && !walk->ended; i++)
		if (i == 0 || compare_rules(&walk->rules[i - 1], &walk->rules[i]) != 0)
			visit_rule(walk, &walk->rules[i]);
}

static bool
visit_open(void *context, struct span name, struct span value, unsigned line)
{
	struct walk *walk = context;
	char why[ERR_TEXT_MAX + 100] = "its domain is that of the author (%), and the SigningTable "
				       "names none for it";
	struct keywalk_key key = {.name = name,
	    .domain = SPAN_LIT("%"),
	    .line = line,
	    .why = why,
	    .warning = "",
	    .open = true,
	    .unknown = walk->rules_failed};

	(void)value;
	if (walk->rules_err.text[0] != '\0')
		snprintf(why, sizeof(why), "its domain is that of the author (%%), and %s",
		    walk->rules_err.text);
	for (size_t i = 0; i < walk->open_count; i++)
		if (walk->open_lines[i] == line)
			visit_key(walk, &key);
	return !walk->ended;
}

static void
walk_free(struct walk *walk)
{
	for (size_t i = 0; i < walk->rule_count; i++) {
		mem_free(walk->rules[i].domain);
		mem_free(walk->rules[i].keyname);
	}
	mem_free(walk->rules);
	mem_free(walk->open_lines);
	table_close(walk->keys);
}

static enum status
open_keys(struct walk *walk, struct err *err)
{
	const char *spec = walk->options->dataset;
	struct backend_settings settings;

	if (spec == NULL)
		spec = conf_string(walk->options->conf, CONF_KEY_TABLE);
	if (spec == NULL) {
		err_set(err, "there is no KeyTable; name one, or a configuration that has it");
		return ST_INVALID;
	}
	return table_open(backend_registry_for(walk->options->conf, &settings), "KeyTable", spec,
	    TABLE_SECRET | TABLE_VALUE_NEEDED, &walk->keys, err);
}

/* ---- lines that are not in the table ---- */

static void
visit_dropped(struct walk *walk, unsigned line, const char *text)
{
	struct keywalk_key key = {.why = text, .warning = "", .line = line};
	char name[64];

	snprintf(name, sizeof(name), line == 0 ? "(more lines)" : "(line %u)", line);
	key.name = span_str(name);
	visit_key(walk, &key);
}

/* They are keys as much as the others, and nobody knows which. */
static void
visit_all_dropped(struct walk *walk)
{
	struct table_report report;
	char more[64];

	table_report(walk->keys, &report);
	for (size_t i = 0; i < report.problem_count && i < TABLE_PROBLEMS_MAX; i++)
		if (report.problems[i].dropped && !walk->ended) {
			visit_dropped(walk, report.problems[i].line, report.problems[i].text);
			report.dropped--;
		}
	if (report.dropped == 0 || walk->ended)
		return;
	snprintf(more, sizeof(more), "%zu more lines are not used", report.dropped);
	visit_dropped(walk, 0, more);
}

enum status
keywalk_run(
    const struct keywalk_options *options, keywalk_visit *visit, void *context, struct err *err)
{
	struct walk walk = {.options = options, .visit = visit, .context = context};
	enum status status = open_keys(&walk, err);

	if (status == ST_OK) {
		table_report_log(walk.keys);
		status = keytable_walk(walk.keys, visit_row, &walk, err);
	}
	if (status == ST_OK && !walk.ended)
		visit_all_dropped(&walk);
	if (status == ST_OK && walk.open_count > 0 && !walk.ended)
		visit_rules(&walk);
	if (status == ST_OK && walk.open_count > 0 && !walk.ended)
		status = keytable_walk(walk.keys, visit_open, &walk, err);
	walk_free(&walk);
	return status;
}
