/*
 * publish_cname.c - a CNAME record in the notations that customers and their tools want it in.
 * Called by the operations that show the CNAMEs of delegated slots. It must never write a target
 * without the dot at its end where a zone's name would be put behind it.
 */
#include "admin-api/publish_private.h"

struct record {
	struct span name, target;
	unsigned int ttl_s;
};

static void
write_single(const struct record *record, struct buf *out)
{
	buf_add(out, record->target);
	buf_add_char(out, '.');
}

static void
write_rfc1035(const struct record *record, struct buf *out)
{
	buf_add_fmt(out, "%.*s. %u IN CNAME %.*s.\n", SPAN_ARG(record->name), record->ttl_s,
	    SPAN_ARG(record->target));
}

static void
write_bind(const struct record *record, struct buf *out)
{
	buf_add_fmt(out, "%.*s.\t%u\tIN\tCNAME\t%.*s.\n", SPAN_ARG(record->name), record->ttl_s,
	    SPAN_ARG(record->target));
}

/* Nothing may be there: nothing can be beside a CNAME. */
static void
write_nsupdate(const struct record *record, struct buf *out)
{
	buf_add_fmt(out, "prereq nxdomain %.*s.\nupdate add ", SPAN_ARG(record->name));
	write_rfc1035(record, out);
	buf_add_str(out, "send\n");
}

/* CREATE, not UPSERT: it fails where there is a record. */
static void
write_route53(const struct record *record, struct buf *out)
{
	buf_add_fmt(out,
	    "{\"Comment\":\"DKIM delegation\",\"Changes\":[{\"Action\":\"CREATE\","
	    "\"ResourceRecordSet\":{\"Name\":\"%.*s.\",\"Type\":\"CNAME\",\"TTL\":%u,"
	    "\"ResourceRecords\":[{\"Value\":\"%.*s.\"}]}}]}\n",
	    SPAN_ARG(record->name), record->ttl_s, SPAN_ARG(record->target));
}

static void
write_terraform(const struct record *record, struct buf *out)
{
	buf_add_str(out, "resource \"aws_route53_record\" \"dkim_");
	for (size_t i = 0; i < record->name.n; i++)
		buf_add_char(out, record->name.p[i] == '.' ? '_' : record->name.p[i]);
	buf_add_fmt(out,
	    "\" {\n  zone_id = var.zone_id\n  name    = \"%.*s\"\n  type    = \"CNAME\"\n"
	    "  ttl     = %u\n  records = [\"%.*s.\"]\n}\n",
	    SPAN_ARG(record->name), record->ttl_s, SPAN_ARG(record->target));
}

static void
write_json(const struct record *record, struct buf *out)
{
	buf_add_fmt(out, "{\"name\":\"%.*s\",\"type\":\"CNAME\",\"ttl\":%u,\"target\":\"%.*s.\"}\n",
	    SPAN_ARG(record->name), record->ttl_s, SPAN_ARG(record->target));
}

static void (*const writers[PUBLISH_NOTATIONS])(const struct record *record, struct buf *out) = {
    [PUBLISH_SINGLE] = write_single,
    [PUBLISH_RFC1035] = write_rfc1035,
    [PUBLISH_BIND] = write_bind,
    [PUBLISH_NSUPDATE] = write_nsupdate,
    [PUBLISH_ROUTE53] = write_route53,
    [PUBLISH_TERRAFORM] = write_terraform,
    [PUBLISH_JSON] = write_json,
};

enum status
publish_write_cname(enum publish_notation notation, struct span name, struct span target,
    uint32_t ttl_s, struct buf *out)
{
	struct record record = {name, target, ttl_s};

	if ((size_t)notation >= PUBLISH_NOTATIONS || !publish_name_good(name) ||
	    !publish_name_good(target))
		return ST_INVALID;
	writers[notation](&record, out);
	return buf_status(out);
}
