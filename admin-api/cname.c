/*
 * cname.c - what is wrong with a customer's CNAME, in words that they can act upon.
 * Called by the reconciler when the record is right at its target and not at the customer's name,
 * and by the operations that look at DNS. It must never leave out which record is to be set: this
 * sentence is all that a customer may ever see.
 */
#include "admin-api/cname.h"

enum status
cname_target(const struct life_domain *domain, const struct life_key *key, struct buf *out)
{
	bool begun = key->times.publishing > 0 || key->times.published > 0 ||
		     key->times.active > 0 || key->times.sign_until > 0;

	if (key->life.target[0] != '\0') {
		buf_add_str(out, key->life.target);
		return buf_status(out);
	}
	if (begun || plan_slot_of(&domain->plan, key->selector) == 0)
		return ST_OK;
	return plan_target(&domain->plan, key->selector, domain->name, out);
}

static struct span
alias_of(const struct authority_question *way)
{
	return span_str(way->alias);
}

bool
cname_is_right(const struct authority_question *way, struct span target)
{
	return way->alias[0] != '\0' && span_ieq(alias_of(way), target);
}

/* ---- where it leads instead ---- */

/* What is behind the first label of a name. */
static struct span
parent_of(struct span name)
{
	struct span label;

	return span_cut(&name, '.', &label) ? name : SPAN_EMPTY;
}

/* The domain of "selector._domainkey.domain". */
static struct span
domain_of(struct span name)
{
	return parent_of(parent_of(name));
}

static bool
is_below(struct span name, struct span zone)
{
	return zone.n > 0 && name.n > zone.n && name.p[name.n - zone.n - 1] == '.' &&
	       span_iends(name, zone);
}

/* Its target with the name of a zone of the customer's behind it: in their zone's file there is no
 * dot at the end. */
static bool
has_zone_behind(struct span alias, struct span target, struct span domain)
{
	struct span rest;

	if (alias.n <= target.n || !span_ieq(span_sub(alias, 0, target.n), target) ||
	    alias.p[target.n] != '.')
		return false;
	rest = span_from(alias, target.n + 1);
	return span_ieq(rest, domain) || is_below(domain, rest) ||
	       span_iends(rest, domain); /* "_domainkey.DOMAIN", too */
}

static const char *
mistake_in(struct span alias, struct span target, struct span domain)
{
	struct span below = parent_of(target); /* DOMAIN.DELEGATION */
	struct span delegation = below.n > domain.n ? span_from(below, domain.n + 1) : SPAN_EMPTY;

	if (has_zone_behind(alias, target, domain))
		return "the dot at the end of its target is missing, so that the zone's name was "
		       "put "
		       "behind it";
	if (is_below(alias, below))
		return "that is the target of another slot";
	if (is_below(alias, delegation))
		return "that is the target of another domain";
	return "that is another name";
}

/* ---- the sentence ---- */

static void
add_record(struct span name, struct span target, struct buf *out)
{
	buf_add_fmt(out, "the customer must set the record \"%.*s. CNAME %.*s.\": ", SPAN_ARG(name),
	    SPAN_ARG(target));
}

static bool
is_text(const struct authority_question *way)
{
	return way->seen == AUTHORITY_FOREIGN || way->seen == AUTHORITY_RIGHT ||
	       way->seen == AUTHORITY_OTHER;
}

void
cname_explain(const struct authority_question *way, struct span target, struct buf *out)
{
	struct span alias = alias_of(way), domain = domain_of(way->name);

	if (alias.n > 0 && !cname_is_right(way, target)) {
		add_record(way->name, target, out);
		buf_add_fmt(out, "the CNAME there leads to %.*s; %s", SPAN_ARG(alias),
		    mistake_in(alias, target, domain));
	} else if (alias.n > 0) {
		buf_add_str(out, way->why); /* a server that lags, or does not answer */
	} else if (is_text(way)) {
		add_record(way->name, target, out);
		buf_add_str(out,
		    "there is a TXT record at that name, which must go: nothing can be "
		    "beside a CNAME");
	} else if (way->seen == AUTHORITY_UNAVAILABLE) {
		buf_add_str(out, way->why);
	} else {
		add_record(way->name, target, out);
		buf_add_str(out, way->seen == AUTHORITY_ABSENT ? "there is none: " : "");
		buf_add_str(out, way->why);
	}
}
