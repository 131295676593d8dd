/*
 * zimbra_request.c - which options of "signpost zimbra" go together, and the texts that it makes.
 * Called by zimbra.c and its neighbours. Pure. It must never let a key be made that the stock tool
 * would have refused, nor octets of a directory onto a terminal as they are.
 */
#include "config.h"

#include "lib/crypto/key.h"
#include "tools/zimbra.h"

#define CHUNK 250U

/* ---- options ---- */

static enum status
wrong(struct err *err, const char *text)
{
	err_set(err, "%s", text);
	return ST_INVALID;
}

static enum status
check_mode(struct zimbra_request *request, struct err *err)
{
	int modes = (request->add ? 1 : 0) + (request->update ? 1 : 0) + (request->remove ? 1 : 0) +
		    (request->query ? 1 : 0);

	if (request->all && modes == (request->query ? 1 : 0)) {
		request->mode = ZIMBRA_ALL;
		if (request->domain != NULL || request->selector != NULL || request->aliases)
			return wrong(
			    err, "--all is all domains: -d, -s and --with-aliases name some");
		return ST_OK;
	}
	if (request->all)
		return wrong(err, "--all only shows: it goes with -q");
	if (modes != 1)
		return wrong(err, "one of -a, -q, -r and -u is needed");
	request->mode = request->add      ? ZIMBRA_ADD
			: request->update ? ZIMBRA_UPDATE
			: request->remove ? ZIMBRA_REMOVE
					  : ZIMBRA_QUERY;
	return ST_OK;
}

static enum status
check_names(const struct zimbra_request *request, struct err *err)
{
	bool query = request->mode == ZIMBRA_QUERY;

	if (request->mode == ZIMBRA_ALL)
		return ST_OK;
	if (request->domain == NULL && !(query && request->selector != NULL))
		return wrong(err,
		    query ? "-q needs -d DOMAIN, -s SELECTOR or --all" : "-d DOMAIN is needed");
	if (request->domain != NULL && request->domain[0] == '\0')
		return wrong(err, "the name of the domain is empty");
	if (request->selector != NULL && request->selector[0] == '\0')
		return wrong(err, "the selector is empty");
	if (request->mode == ZIMBRA_REMOVE && request->selector != NULL)
		return wrong(err, "-r removes the DKIM data of a domain, whatever its selector is");
	if (request->aliases && request->domain == NULL)
		return wrong(err, "--with-aliases needs -d DOMAIN");
	if (request->aliases && request->selector != NULL)
		return wrong(err,
		    "--with-aliases: each domain has a selector of its own, so -s cannot "
		    "be for all of them");
	return ST_OK;
}

static enum status
check_rest(const struct zimbra_request *request, struct err *err)
{
	bool makes = request->mode == ZIMBRA_ADD || request->mode == ZIMBRA_UPDATE;
	bool reads = request->mode == ZIMBRA_QUERY || request->mode == ZIMBRA_ALL;

	if (makes && request->no_subdomains)
		return wrong(err,
		    "-S: zmdkimkeyutil put t=s into the record with it (no signatures for "
		    "subdomains), though its help says the reverse; records of keys that are "
		    "rotated have no such flag: leave -S out");
	if (request->wait && !makes)
		return wrong(err, "--wait is for -a and -u");
	if (request->dry_run && reads)
		return wrong(err, "--dry-run: nothing would be changed anyway");
	if (request->show_key && request->mode != ZIMBRA_QUERY)
		return wrong(err, "--show-private-key is for -q with -d or -s");
	if (request->password_file != NULL && request->bind_dn == NULL)
		return wrong(err, "--bind-password-file is the password of --bind-dn: give both");
	return ST_OK;
}

static enum status
check_bits(struct zimbra_request *request, struct err *err)
{
	uint64_t bits;

	if (request->bits_text == NULL)
		return ST_OK;
	if (!span_number(span_str(request->bits_text), KEY_RSA_BITS_MAX, &bits)) {
		err_set(err, "-b: a number of bits is needed, %d to %d", ZIMBRA_BITS_MIN,
		    KEY_RSA_BITS_MAX);
		return ST_INVALID;
	}
	if (bits < ZIMBRA_BITS_MIN) {
		err_set(err, "Bit size less than %d is not allowed, as it is insecure.",
		    ZIMBRA_BITS_MIN);
		return ST_DENIED;
	}
	request->bits = (int)bits;
	return ST_OK;
}

enum status
zimbra_request_check(struct zimbra_request *request, struct err *err)
{
	enum status status = check_mode(request, err);

	if (status == ST_OK)
		status = check_names(request, err);
	if (status == ST_OK)
		status = check_rest(request, err);
	if (status == ST_OK)
		status = check_bits(request, err);
	if (request->policy == NULL)
		request->policy = "zimbra";
	if (request->tenant == NULL)
		request->tenant = "zimbra";
	if (request->localconfig == NULL)
		request->localconfig = ZIMBRA_LOCALCONFIG;
	return status;
}

/* ---- texts ---- */

static void
add_strings(struct buf *out, struct span text)
{
	for (size_t at = 0; at < text.n; at += CHUNK) {
		buf_add_str(out, at == 0 ? "\"" : "\n\t  \"");
		buf_add(out, span_sub(text, at, CHUNK));
		buf_add_char(out, '"');
	}
}

void
zimbra_record_text(struct span selector, struct span domain, struct span value, struct buf *out)
{
	size_t at = 0;

	while (at < value.n && !span_starts(span_from(value, at), SPAN_LIT("p=")))
		at++;
	buf_add_fmt(out, "%.*s._domainkey\tIN\tTXT\t( ", SPAN_ARG(selector));
	if (at > 0)
		add_strings(out, span_sub(value, 0, at));
	if (at > 0 && at < value.n)
		buf_add_str(out, "\n\t  ");
	add_strings(out, span_from(value, at));
	buf_add_fmt(
	    out, " )  ; ----- DKIM key %.*s for %.*s\n", SPAN_ARG(selector), SPAN_ARG(domain));
}

void
zimbra_safe(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if ((c >= ' ' && c <= '~') || c == '\n' || c == '\t')
			buf_add_char(out, c);
		else
			buf_add_fmt(out, "\\x%02x", (unsigned char)c);
	}
}

enum status
zimbra_ldap_spec(struct span urls, struct buf *out, struct err *err)
{
	bool first = true;
	struct span url;

	urls = span_trim(urls);
	while (span_word(&urls, &url)) {
		if (span_find(url, '?') != SIZE_MAX) {
			err_set(err, "\"%.*s\" has a '?': only servers and a base are named here",
			    url.n > 100 ? 100 : (int)url.n, url.p);
			return ST_INVALID;
		}
		if (!first)
			buf_add_char(out, ' ');
		buf_add(out, url);
		/* The reader of URLs wants attributes; these searches have their own. */
		if (first)
			buf_add_str(out, "?DKIMSelector?sub");
		first = false;
	}
	if (first) {
		err_set(err, "no URL of a directory is there");
		return ST_INVALID;
	}
	return ST_OK;
}
