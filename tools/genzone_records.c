/*
 * genzone_records.c - the records of a walk, one for each name, in the order of the table.
 * Called by genzone.c. It must never write two TXT records at one name: verifiers would use
 * neither.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/txt.h"
#include "tools/cli.h"
#include "tools/genzone.h"
#include "tools/publication.h"

#define STRING_BYTES 250 /* per quoted string; DNS allows 255 */

static char *
owner_name(const struct genzone *request, const struct keywalk_key *key)
{
	bool full = request->full_name || request->update;
	struct buf name;
	char *copy;

	buf_init(&name, 2048);
	buf_add(&name, key->selector);
	if (full || request->suffix)
		buf_add_str(&name, "._domainkey");
	if (full)
		buf_add_fmt(&name, ".%.*s.", SPAN_ARG(key->domain));
	copy = mem_strdup(buf_text(&name));
	buf_free(&name);
	return copy;
}

void
genzone_record_add(struct genzone_records *records, const struct keywalk_key *key)
{
	/* No h=, as opendkim-genzone: signatures are with SHA-256 anyhow. */
	const struct publication shape = {
	    .hashes = "", .restrict_email = records->request->mail_only};
	struct genzone_record *record;
	struct buf value;

	buf_init(&value, PUBLICATION_TEXT_MAX);
	if (publication_value(&shape, key->key, &value) != ST_OK) {
		cli_say(records->request->program, "key '%.*s' left out: its record cannot be made",
		    SPAN_ARG(key->name));
		records->failed++;
		buf_free(&value);
		return;
	}
	if (records->count == records->room) {
		records->room = records->room == 0 ? 256 : records->room * 2;
		records->items = mem_resize(records->items, records->room, sizeof(*records->items));
	}
	record = &records->items[records->count];
	*record = (struct genzone_record){.owner = owner_name(records->request, key),
	    .domain = span_dup_lower(key->domain),
	    .value = mem_strdup(buf_text(&value)),
	    .keyname = span_dup(key->name),
	    .order = records->count++};
	buf_free(&value);
}

static int
compare_names(const void *a, const void *b)
{
	const struct genzone_record *left = a, *right = b;
	int order = strcmp(left->domain, right->domain);

	if (order == 0)
		order = strcasecmp(left->owner, right->owner);
	if (order != 0)
		return order;
	return left->order < right->order ? -1 : left->order > right->order;
}

static int
compare_owners(const void *a, const void *b)
{
	const struct genzone_record *left = a, *right = b;
	int order = strcasecmp(left->owner, right->owner);

	if (order != 0)
		return order;
	return left->order < right->order ? -1 : left->order > right->order;
}

static int
compare_order(const void *a, const void *b)
{
	const struct genzone_record *left = a, *right = b;

	return left->order < right->order ? -1 : left->order > right->order;
}

void
genzone_records_settle(struct genzone_records *records)
{
	struct genzone_record *items = records->items, *first = items;
	bool update = records->request->update;

	if (records->count == 0)
		return;
	qsort(items, records->count, sizeof(*items), compare_owners);
	for (size_t i = 1; i < records->count; i++) {
		if (strcasecmp(first->owner, items[i].owner) != 0) {
			first = &items[i];
			continue;
		}
		items[i].dropped = true;
		if (strcmp(first->value, items[i].value) == 0)
			continue;
		cli_say(records->request->program,
		    "key '%s' left out: %s is also the name of key '%s', which is another one%s",
		    items[i].keyname, items[i].owner, first->keyname,
		    strcmp(first->domain, items[i].domain) == 0
			? ""
			: "; they are of different domains: use -F, or -d for one of them");
		records->failed++;
	}
	qsort(items, records->count, sizeof(*items), update ? compare_names : compare_order);
}

static void
write_zone(struct genzone_records *records, struct buf *out)
{
	const struct genzone *request = records->request;

	genzone_head(request, out);
	for (size_t i = 0; i < records->count; i++) {
		const struct genzone_record *record = &records->items[i];

		if (record->dropped)
			continue;
		buf_add_str(out, record->owner);
		if (request->ttl_set)
			buf_add_fmt(out, "\t%u", request->ttl_s);
		buf_add_str(out, "\tIN\tTXT\t( ");
		(void)!txt_write(span_str(record->value), STRING_BYTES, "\n\t", out);
		buf_add_str(out, " )\n");
		records->written++;
	}
}

/* One transaction for each domain. What stood at the name goes, or two keys would stand there. */
static void
write_update(struct genzone_records *records, struct buf *out)
{
	const struct genzone *request = records->request;
	uint32_t ttl = request->ttl_set ? request->ttl_s : GENZONE_UPDATE_TTL_S;
	const char *domain = NULL;

	for (size_t i = 0; i < records->count; i++) {
		const struct genzone_record *record = &records->items[i];

		if (record->dropped)
			continue;
		if (domain == NULL || strcmp(domain, record->domain) != 0) {
			if (domain != NULL)
				buf_add_str(out, "send\nanswer\n");
			genzone_update_begin(request, out);
		}
		domain = record->domain;
		buf_add_fmt(out, "update delete %s TXT\nupdate add %s %u TXT ", record->owner,
		    record->owner, ttl);
		(void)!txt_write(span_str(record->value), STRING_BYTES, " ", out);
		buf_add_char(out, '\n');
		records->written++;
	}
	if (domain != NULL)
		buf_add_str(out, "send\nanswer\n");
}

void
genzone_write(struct genzone_records *records, struct buf *out)
{
	if (records->request->update)
		write_update(records, out);
	else
		write_zone(records, out);
}

void
genzone_records_free(struct genzone_records *records)
{
	for (size_t i = 0; i < records->count; i++) {
		mem_free(records->items[i].owner);
		mem_free(records->items[i].domain);
		mem_free(records->items[i].value);
		mem_free(records->items[i].keyname);
	}
	mem_free(records->items);
	*records = (struct genzone_records){.request = records->request};
}
