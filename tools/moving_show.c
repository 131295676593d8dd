/*
 * moving_show.c - what a site is, as a report, and as lines for `signpost store load`.
 * Called by import. It must never print a private key: those that came in rows go into files.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/moving.h"
#include "tools/newfile.h"

#define LINE_BYTES_MAX 65536U

static const char *const kinds[] = {"address", "domain", "suffix", "pattern", "pattern"};
static const char *const theres[] = {"new", "there", "there, does not sign", "conflict"};

/* ---- the report ---- */

/* What a terminal may see. */
static void
add_shown(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= ' ' && text.p[i] <= '~')
			buf_add_char(out, text.p[i]);
		else
			buf_add_fmt(out, "\\x%02x", (unsigned char)text.p[i]);
}

static void
add_member(struct buf *out, const char *name, struct span text)
{
	buf_add_fmt(out, ",\"%s\":", name);
	cli_json_string(out, text);
}

static void
show_sender(const struct moving_site *site, const struct moving_sender *row, bool json)
{
	const struct moving_key *key = &site->keys[row->key];
	struct buf line;

	buf_init(&line, LINE_BYTES_MAX);
	if (json) {
		buf_add_str(&line, "{\"sender\":");
		cli_json_string(&line, row->written);
		add_member(&line, "kind", span_str(kinds[row->kind]));
		add_member(&line, "domain", key->domain);
		add_member(&line, "selector", key->selector);
		add_member(&line, "algorithm", span_str(key_algorithm_name(key->algorithm)));
		add_member(&line, "identity", row->identity);
		add_member(&line, "store", span_str(theres[key->there]));
		buf_add_fmt(&line, ",\"bits\":%d,\"rule\":%s,\"signs\":%s}", key->bits,
		    row->rule ? "true" : "false",
		    key->stand_by || key->dns == MOVING_WRONG ? "false" : "true");
	} else {
		add_shown(&line, row->written);
		buf_add_fmt(&line, " -> d=%.*s s=%.*s %s %d (%s%s%s)", SPAN_ARG(key->domain),
		    SPAN_ARG(key->selector), key_algorithm_name(key->algorithm), key->bits,
		    theres[key->there], row->rule ? ", by a rule" : "",
		    key->stand_by || key->dns == MOVING_WRONG ? ", not signing" : "");
	}
	puts(buf_text(&line));
	buf_free(&line);
}

static void
show_finding(const struct moving_finding *finding, bool json)
{
	struct buf line;

	buf_init(&line, LINE_BYTES_MAX);
	if (json) {
		buf_add_fmt(&line, "{\"finding\":\"%s\",\"severity\":\"%s\"", finding->code,
		    severity_name(finding->severity));
		add_member(&line, "about", finding->about);
		add_member(&line, "where", finding->where);
		buf_add_fmt(&line, ",\"line\":%u", finding->line);
		add_member(&line, "text", finding->text);
		buf_add_char(&line, '}');
	} else {
		buf_add_fmt(&line, "%-8s %-13s ", severity_name(finding->severity), finding->code);
		add_shown(&line, finding->about);
		buf_add_str(&line, ": ");
		if (finding->where.n > 0)
			add_shown(&line, finding->where);
		if (finding->where.n > 0 && finding->line > 0)
			buf_add_fmt(&line, " line %u", finding->line);
		buf_add_str(&line, finding->where.n > 0 ? ": " : "");
		add_shown(&line, finding->text);
	}
	puts(buf_text(&line));
	buf_free(&line);
}

static void
show_sum(const struct moving_site *site, bool json)
{
	size_t keys[4] = {0}, rules[4] = {0}, domains[4] = {0}, senders = 0;

	for (size_t i = 0; i < site->key_count; i++)
		if (!site->keys[i].left_out && site->keys[i].pem != NULL)
			keys[site->keys[i].there]++;
	for (size_t i = 0; i < site->domain_count; i++)
		domains[site->domains[i].there]++;
	for (size_t i = 0; i < site->sender_count; i++) {
		const struct moving_sender *row = &site->senders[i];

		senders += !row->left_out;
		if (!row->left_out && row->rule)
			rules[row->there]++;
	}
	printf(json ? "{\"summary\":{\"senders\":%zu,\"new_domains\":%zu,\"domains\":%zu,"
		      "\"new_keys\":%zu,\"keys\":%zu,\"new_rules\":%zu,\"rules\":%zu,"
		      "\"errors\":%zu,\"warnings\":%zu}}\n"
		    : "%zu senders; domains: %zu new of %zu; keys: %zu new of %zu; rules: %zu new "
		      "of %zu; %zu errors, %zu warnings\n",
	    senders, domains[MOVING_NEW], site->domain_count, keys[MOVING_NEW],
	    keys[0] + keys[1] + keys[2] + keys[3], rules[MOVING_NEW],
	    rules[0] + rules[1] + rules[2] + rules[3], site->weights[SEVERITY_ERROR],
	    site->weights[SEVERITY_WARNING]);
}

void
moving_show(const struct moving_site *site, bool json)
{
	for (size_t i = 0; i < site->sender_count; i++)
		if (!site->senders[i].left_out)
			show_sender(site, &site->senders[i], json);
	for (size_t i = 0; i < site->finding_count; i++)
		show_finding(&site->findings[i], json);
	show_sum(site, json);
}

/* ---- lines of `signpost store load` ---- */

static bool
fits_line(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '"' || (unsigned char)text.p[i] < ' ')
			return false;
	return true;
}

static bool
has_same(const char *path, const struct moving_key *key)
{
	struct err err = ERR_NONE;
	struct buf text;
	bool same =
	    moving_slurp(path, &text, &err) == ST_OK && span_eq_str(buf_span(&text), key->pem);

	buf_free(&text);
	return same;
}

/* A file for a key that came in a row. "": said. */
static void
make_file(const struct moving_site *site, const struct moving_key *key, const char *folder,
    struct buf *path)
{
	struct err err = ERR_NONE;
	struct newfile file = {.content = span_str(key->pem), .mode = 0600};
	struct buf name;
	enum status status;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	buf_init(&name, NEWFILE_NAME_MAX + 1);
	buf_add_fmt(&name, "%.*s.%.*s.private", SPAN_ARG(key->domain), SPAN_ARG(key->selector));
	file.name = buf_text(&name);
	if (fd < 0)
		err_set(&err, "%s: %s", folder, strerror(errno));
	status = fd < 0 ? ST_FAILED : newfile_write_all(fd, folder, &file, 1, &err);
	if (fd >= 0)
		close(fd);
	buf_add_fmt(path, "%s/%s", folder, file.name);
	/* A call before this one may have written it. */
	if (status != ST_OK && !(status == ST_DENIED && has_same(buf_text(path), key))) {
		cli_say(site->program, "%s", err.text);
		buf_reset(path);
	}
	buf_free(&name);
}

static int
print_key(const struct moving_site *site, const struct moving_key *key,
    const struct moving_domain *domain, const char *folder)
{
	struct buf path;
	int exit_code = EX_OK;

	buf_init(&path, LINE_BYTES_MAX);
	buf_add(&path, key->path);
	if (path.n == 0 && folder != NULL)
		make_file(site, key, folder, &path);
	if (path.n == 0 || !fits_line(buf_span(&path))) {
		cli_say(site->program,
		    "key %.*s of %.*s is in no file that a line can name; --keys-to=FOLDER writes "
		    "it into one",
		    SHOWN(key->selector), SHOWN(key->domain));
		exit_code = EX_DATAERR;
	} else {
		printf("key %.*s %.*s %.*s \"%s\"%s\n", SPAN_ARG(domain->tenant),
		    SPAN_ARG(key->domain), SPAN_ARG(key->selector), buf_text(&path),
		    key->stand_by || key->dns == MOVING_WRONG ? "" : " active=now");
	}
	buf_free(&path);
	return exit_code;
}

static int
print_rule(const struct moving_site *site, const struct moving_sender *row)
{
	const struct moving_domain *domain = moving_domain_of(site, site->keys[row->key].domain);

	if (!fits_line(row->subject) || !fits_line(row->identity)) {
		cli_say(site->program, "%.*s: a line cannot say it", SHOWN(row->written));
		return EX_DATAERR;
	}
	printf("rule %.*s %s %s \"%.*s\" %.*s", SPAN_ARG(domain->tenant), row->id, kinds[row->kind],
	    SPAN_ARG(row->subject), SPAN_ARG(domain->name));
	if (row->identity.n > 0)
		printf(" \"identity=%.*s\"", SPAN_ARG(row->identity));
	if (row->kind >= MOVING_PATTERN)
		printf(" priority=%u", row->line);
	putchar('\n');
	return EX_OK;
}

int
moving_print_lines(
    struct moving_site *site, const char *tenant, const char *policy, const char *folder)
{
	int exit_code = EX_OK, one;

	if (tenant != NULL)
		printf("tenant %s\n", tenant);
	for (size_t i = 0; i < site->domain_count; i++) {
		const struct moving_domain *domain = &site->domains[i];

		if (tenant == NULL)
			printf("tenant %.*s\n", SPAN_ARG(domain->tenant));
		printf("domain %.*s %.*s%s%s%s\n", SPAN_ARG(domain->tenant), SPAN_ARG(domain->name),
		    domain->subdomains ? " subdomains=yes" : "",
		    policy == NULL ? "" : " policy=", policy == NULL ? "" : policy);
	}
	for (size_t i = 0; i < site->key_count; i++) {
		const struct moving_key *key = &site->keys[i];

		if (key->left_out || key->pem == NULL)
			continue;
		one = print_key(site, key, moving_domain_of(site, key->domain), folder);
		exit_code = one != EX_OK ? one : exit_code;
	}
	for (size_t i = 0; i < site->sender_count; i++) {
		one = site->senders[i].left_out || !site->senders[i].rule
			  ? EX_OK
			  : print_rule(site, &site->senders[i]);
		exit_code = one != EX_OK ? one : exit_code;
	}
	return exit_code;
}
