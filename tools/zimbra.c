/*
 * zimbra.c - signpost zimbra, also by the name zmdkimkeyutil: the options of Zimbra's tool, and the
 * domains that they name.
 * Called by signpost.c. It must never begin with anything before the directory says that the
 * domain is there.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/crypto/key.h"
#include "tools/admin.h"
#include "tools/cli.h"
#include "tools/command.h"
#include "tools/zimbra.h"

#define EXIT_STOCK 1 /* what zmdkimkeyutil answers to whatever is wrong */

#define AT(member) offsetof(struct zimbra_request, member)

static const struct cli_option options[] = {
    {"add", 'a', NULL, "a first key for a domain", AT(add)},
    {"update", 'u', NULL, "another key: published and proven before it signs", AT(update)},
    {"remove", 'r', NULL, "a domain is signed for no more", AT(remove)},
    {"query", 'q', NULL, "show the DKIM data of a domain or selector", AT(query)},
    {"all", 0, NULL, "all domains, with the state of their DKIM data", AT(all)},
    {"domain", 'd', "DOMAIN", "the domain", AT(domain)},
    {"selector", 's', "SELECTOR", "of the new key; of -q: which key", AT(selector)},
    {"bits", 'b', "N", "of the new key, at least 2048", AT(bits_text)},
    {"nosubdomains", 'S', NULL, "t=s in the record; refused, the manual says why",
	AT(no_subdomains)},
    {"with-aliases", 0, NULL, "and all domains that are aliases of it", AT(aliases)},
    {"wait", 0, NULL, "until the new key signs", AT(wait)},
    {"dry-run", 'n', NULL, "check, and say what would be done", AT(dry_run)},
    {"json", 'j', NULL, "one JSON object for each domain", AT(json)},
    {"show-private-key", 0, NULL, "of -q: in clear", AT(show_key)},
    {"policy", 0, "POLICY", "of new domains; default: zimbra", AT(policy)},
    {"tenant", 0, "TENANT", "of new domains; default: zimbra", AT(tenant)},
    {"localconfig", 0, "FILE", "default: " ZIMBRA_LOCALCONFIG, AT(localconfig)},
    {"ldap-url", 0, "URLS", "in place of that file's", AT(ldap_url)},
    {"bind-dn", 0, "DN", "in place of that file's", AT(bind_dn)},
    {"bind-password-file", 0, "FILE", "one line: the password of --bind-dn", AT(password_file)},
    {"ca", 0, "FILE", "who may have signed the directory's certificate", AT(ca)},
    {"socket", 0, "PATH", "of signpost-admind, instead of AdminSocket", AT(socket)},
    {"conf", 'x', "FILE", "configuration with AdminSocket", AT(conf)},
    {"usage", 'h', NULL, "these lines", AT(usage)},
};

static const struct cli_usage usage = {.words = "",
    .purpose = "Zimbra's zmdkimkeyutil: keys that are rotated without a bad signature.",
    .options = options,
    .count = sizeof(options) / sizeof(options[0])};

/* ---- domains ---- */

struct work {
	const char *program;
	const struct zimbra_request *request;
	struct zimbra_directory *directory;
	struct zimbra_api *api;
};

static int
say_unavailable(const struct work *work, const struct err *err)
{
	cli_say(work->program, "%s", err->text);
	return EX_UNAVAILABLE;
}

static int
do_one(const struct work *work, const struct zimbra_entry *entry)
{
	switch (work->request->mode) {
	case ZIMBRA_ADD:
		return zimbra_add(work->api, work->directory, entry);
	case ZIMBRA_UPDATE:
		return zimbra_update(work->api, work->directory, entry);
	case ZIMBRA_REMOVE:
		return zimbra_remove(work->api, work->directory, entry);
	case ZIMBRA_QUERY:
	case ZIMBRA_ALL:
		break;
	}
	if (entry->selector != NULL)
		return zimbra_show_entry(work->program, work->request, entry);
	zimbra_tell(work->request, "No DKIM Information for domain %s", entry->name);
	return EXIT_STOCK;
}

/* All of them, whatever one answers; the worst of the answers. */
static int
do_all(const struct work *work, const struct zimbra_entries *entries)
{
	int worst = EX_OK;

	for (size_t i = 0; i < entries->count; i++) {
		int exit_code =
		    entries->items[i].name == NULL ? EXIT_STOCK : do_one(work, &entries->items[i]);

		if (exit_code == EX_UNAVAILABLE)
			return exit_code; /* nor would the next one be done */
		if (exit_code > worst)
			worst = exit_code;
	}
	return worst;
}

static bool
needs_key(const struct zimbra_request *request)
{
	return request->mode == ZIMBRA_QUERY || request->mode == ZIMBRA_UPDATE;
}

static int
do_aliases(const struct work *work, const struct zimbra_entry *entry)
{
	struct zimbra_entries aliases = {NULL, 0};
	struct err err = ERR_NONE;
	int exit_code = EX_OK;

	if (entry->id == NULL)
		return EX_OK;
	if (zimbra_find(work->directory, ZIMBRA_BY_TARGET, entry->id, needs_key(work->request),
		&aliases, &err) != ST_OK)
		return say_unavailable(work, &err);
	exit_code = do_all(work, &aliases);
	zimbra_entries_free(&aliases);
	return exit_code;
}

static int
do_domain(const struct work *work)
{
	const struct zimbra_request *request = work->request;
	char *name = span_dup_lower(span_str(request->domain));
	struct zimbra_entries found = {NULL, 0};
	struct err err = ERR_NONE;
	int exit_code = EX_OK, others = EX_OK;

	if (zimbra_find(work->directory, ZIMBRA_BY_NAME, name, needs_key(request), &found, &err) !=
	    ST_OK) {
		exit_code = say_unavailable(work, &err);
	} else if (found.count == 0) {
		zimbra_tell(request, "Domain %s not found.", request->domain);
		exit_code = EXIT_STOCK;
	} else if (request->selector != NULL && request->mode == ZIMBRA_QUERY &&
		   (found.items[0].selector == NULL ||
		       strcmp(found.items[0].selector, request->selector) != 0)) {
		zimbra_tell(request, "No DKIM Information for domain %s", request->domain);
		exit_code = EXIT_STOCK;
	} else {
		exit_code = do_all(work, &found);
		if (request->aliases && exit_code != EX_UNAVAILABLE)
			others = do_aliases(work, &found.items[0]);
	}
	zimbra_entries_free(&found);
	mem_free(name);
	return exit_code > others ? exit_code : others;
}

static int
do_selector(const struct work *work)
{
	struct zimbra_entries found = {NULL, 0};
	struct err err = ERR_NONE;
	int exit_code;

	if (zimbra_find(work->directory, ZIMBRA_BY_SELECTOR, work->request->selector, true, &found,
		&err) != ST_OK)
		return say_unavailable(work, &err);
	exit_code = do_all(work, &found);
	if (found.count == 0) {
		zimbra_tell(
		    work->request, "No DKIM Information for Selector %s", work->request->selector);
		exit_code = EXIT_STOCK;
	}
	zimbra_entries_free(&found);
	return exit_code;
}

static void
show_row(void *context, const struct zimbra_entry *entry)
{
	const struct work *work = context;

	zimbra_show_row(work->request, entry);
}

static int
do_walk(struct work *work)
{
	struct err err = ERR_NONE;

	return zimbra_walk(work->directory, show_row, work, &err) == ST_OK
		   ? EX_OK
		   : say_unavailable(work, &err);
}

/* ---- options ---- */

static int
work_on(const char *program, const struct zimbra_request *request)
{
	struct work work = {.program = program, .request = request};
	bool changes = request->mode == ZIMBRA_ADD || request->mode == ZIMBRA_UPDATE ||
		       request->mode == ZIMBRA_REMOVE;
	int exit_code = zimbra_directory_open(program, request, &work.directory);

	if (exit_code == EX_OK && request->mode == ZIMBRA_ALL)
		exit_code = do_walk(&work);
	else if (exit_code == EX_OK && request->domain == NULL)
		exit_code = do_selector(&work);
	else if (exit_code == EX_OK && !changes)
		exit_code = do_domain(&work);
	else if (exit_code == EX_OK) {
		exit_code = zimbra_api_open(program, request, &work.api);
		if (exit_code == EX_OK)
			exit_code = do_domain(&work);
		zimbra_api_close(work.api);
	}
	zimbra_directory_close(work.directory);
	return exit_code;
}

static int
show_usage(const char *program)
{
	char name[] = "zimbra", option[] = "--help";
	char *words[3] = {name, option, NULL};

	return cli_options(program, &usage, 2, words, NULL) == CLI_DONE ? EX_OK : EXIT_STOCK;
}

int
zimbra_run(const char *program, int argc, char **argv)
{
	struct zimbra_request request = {.add = false};
	struct err err = ERR_NONE;
	enum cli_answer answer;
	enum status status;

	answer = cli_options(program, &usage, argc, argv, &request);
	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EXIT_STOCK;
	if (request.usage)
		return show_usage(program);
	if (optind < argc) {
		cli_say(
		    program, "\"%s\" is one word too many; --help tells the options", argv[optind]);
		return EXIT_STOCK;
	}
	status = zimbra_request_check(&request, &err);
	if (status == ST_DENIED)
		zimbra_tell(&request, "%s", err.text);
	else if (status != ST_OK)
		cli_say(program, "%s; --help tells the options", err.text);
	if (status != ST_OK)
		return EXIT_STOCK;
	if (key_memory_secure() != ST_OK) {
		cli_say(
		    program, "OpenSSL is in use already: keys could not be kept in locked memory");
		return EX_OSERR;
	}
	admin_json_in_secret();
	return work_on(program, &request);
}
