/*
 * hostindex.c - the entries of a host list, hashed.
 * Built by hostlist.c when a list is opened and when its file was edited.
 * It must never hold an entry under another name than opendkim's probes would find it by.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/hostindex.h"
#include "lib/store/keyindex.h"

/* How an entry was written; several may stand for one name or network. */
enum mark {
	MARK_NOT = 1,          /* !entry */
	MARK_PLAIN = 2,        /* entry */
	MARK_NOT_BRACKET = 4,  /* ![a] or ![net]/n */
	MARK_PLAIN_BRACKET = 8 /* [a] or [net]/n */
};

#define WARNINGS_MAX 10

struct item {
	struct span text; /* a name into the index's own text, or a network's octets */
	struct host_network network;
	unsigned marks;
};

struct host_index {
	struct item *names;
	size_t name_count;
	struct item *networks;
	size_t network_count;
	size_t capacity;
	char **texts; /* owned copies of the names */
	struct keyindex by_name;
	struct keyindex by_network;
	bool used4[256]; /* prefix lengths that occur */
	bool used6[256];
};

static struct span
name_of(const void *context, uint32_t id)
{
	return ((const struct host_index *)context)->names[id].text;
}

static struct span
network_of(const void *context, uint32_t id)
{
	return span_of(&((const struct host_index *)context)->networks[id].network,
	    sizeof(struct host_network));
}

void
host_network_mask(uint8_t *octets, size_t bytes, unsigned prefix)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned bits = prefix > i * 8 ? prefix - (unsigned)i * 8 : 0;

		if (bits < 8)
			octets[i] &= (uint8_t)(0xff00U >> bits);
	}
}

/* Canonical text only ("10.0.0.0", lower-case RFC 5952 as inet_ntop writes it): anything else is a
 * text that no probe of opendkim ever has. */
static bool
parse_address(struct span text, struct host_network *out)
{
	char copy[INET6_ADDRSTRLEN + 1], again[INET6_ADDRSTRLEN + 1];
	int family;

	memset(out, 0, sizeof(*out));
	if (text.n == 0 || text.n >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	for (char *p = copy; *p != '\0'; p++)
		*p = ascii_lower(*p);
	family = strchr(copy, ':') == NULL ? AF_INET : AF_INET6;
	out->family = family == AF_INET ? 4 : 6;
	out->prefix = HOST_PREFIX_WHOLE;
	if (strlen(copy) != text.n || inet_pton(family, copy, out->octets) != 1)
		return false;
	return inet_ntop(family, out->octets, again, sizeof(again)) != NULL &&
	       strcmp(copy, again) == 0;
}

/* "a", "[a]", "a/n", "[a]/n"; text behind the '!'. */
static bool
parse_network(struct span text, struct host_network *out, bool *bracket_out)
{
	struct span length, address = text;
	struct host_network masked;
	bool slash;
	uint64_t prefix;

	length = text;
	slash = span_cut(&length, '/', &address);
	*bracket_out = address.n > 2 && address.p[0] == '[' && address.p[address.n - 1] == ']';
	if (*bracket_out)
		address = span_sub(address, 1, address.n - 2);
	if (!parse_address(address, out))
		return false;
	if (!slash)
		return true;
	if (!span_number(length, out->family == 4 ? 32 : 128, &prefix) ||
	    (length.n > 1 && length.p[0] == '0'))
		return false;
	out->prefix = (uint8_t)prefix;
	masked = *out;
	host_network_mask(masked.octets, 16, (unsigned)prefix);
	return memcmp(masked.octets, out->octets, 16) == 0;
}

struct builder {
	struct host_index *index;
	const char *parameter;
	const struct table *table;
	size_t warnings;
};

/* What an operator probably meant by an entry that no probe ever finds. */
static const char *
advice(struct span text)
{
	if (span_starts(text, SPAN_LIT("*.")))
		return "'*' is no pattern here; for all names below a domain write .example.com";
	if (text.n > 0 && span_find(text, '/') != SIZE_MAX)
		return "it never matches: write the network's first address without leading zeros, "
		       "as "
		       "in 192.168.0.0/24";
	if (span_find(text, ':') != SIZE_MAX)
		return "it never matches: write the IPv6 address in its shortest form";
	return NULL;
}

static void
warn(struct builder *b, unsigned line, struct span text, const char *what)
{
	if (what == NULL || ++b->warnings > WARNINGS_MAX)
		return;
	log_line(LOG_LEVEL_WARNING, "%s %s line %u: \"%.*s\": %s", b->parameter, b->table->where,
	    line, text.n > 80 ? 80 : (int)text.n, text.p, what);
}

static bool
add_entry(void *context, struct span key, struct span value, unsigned line)
{
	struct builder *b = context;
	struct host_index *index = b->index;
	bool negated = key.n > 1 && key.p[0] == '!', bracket;
	struct span text = negated ? span_from(key, 1) : key;
	struct item item = {0};

	(void)value;
	if (index->name_count == index->capacity) {
		index->capacity = index->capacity == 0 ? 16 : index->capacity * 2;
		index->names = mem_resize(index->names, index->capacity, sizeof(struct item));
		index->networks = mem_resize(index->networks, index->capacity, sizeof(struct item));
		index->texts = mem_resize(index->texts, index->capacity, sizeof(char *));
	}
	item.marks = negated ? MARK_NOT : MARK_PLAIN;
	/* Names and addresses share one table: "10.0.0.1" is asked as a name, too. */
	index->texts[index->name_count] = span_dup_lower(text);
	item.text = span_of(index->texts[index->name_count], text.n);
	index->names[index->name_count++] = item;
	if (parse_network(text, &item.network, &bracket)) {
		item.marks <<= bracket ? 2 : 0;
		index->networks[index->network_count++] = item;
	} else {
		warn(b, line, text, advice(text));
	}
	return true;
}

static void
index_items(struct host_index *index)
{
	keyindex_init(&index->by_name, index->name_count, false, name_of, index);
	keyindex_init(&index->by_network, index->network_count, false, network_of, index);
	for (size_t i = 0; i < index->name_count; i++)
		index->names[keyindex_put(&index->by_name, (uint32_t)i)].marks |=
		    index->names[i].marks;
	for (size_t i = 0; i < index->network_count; i++) {
		const struct host_network *network = &index->networks[i].network;

		index->networks[keyindex_put(&index->by_network, (uint32_t)i)].marks |=
		    index->networks[i].marks;
		(network->family == 4 ? index->used4 : index->used6)[network->prefix] = true;
	}
}

void
host_index_free(struct host_index *index)
{
	if (index == NULL)
		return;
	for (size_t i = 0; i < index->name_count; i++)
		mem_free(index->texts[i]);
	keyindex_free(&index->by_name);
	keyindex_free(&index->by_network);
	mem_free(index->texts);
	mem_free(index->names);
	mem_free(index->networks);
	mem_free(index);
}

enum status
host_index_build(
    const char *parameter, struct table *table, struct host_index **out, struct err *err)
{
	struct host_index *index = mem_zalloc(1, sizeof(*index));
	struct builder b = {.index = index, .parameter = parameter, .table = table};
	enum status status = table_walk(table, add_entry, &b, err);

	index_items(index);
	if (status != ST_OK)
		host_index_free(index);
	else
		*out = index;
	return status;
}

static bool
warn_pattern(void *context, struct span key, struct span value, unsigned line)
{
	(void)value;
	if (key.n > 0 && key.p[0] == '*')
		warn(context, line, key,
		    "a pattern that begins with '*' matches the \"!host\" probe, so it means NOT "
		    "in the "
		    "list; for all names below a domain write .example.com in a list or file: "
		    "table");
	return true;
}

void
host_index_check_patterns(const char *parameter, struct table *table)
{
	struct builder b = {.parameter = parameter, .table = table};

	if (table->ops->walk_patterns != NULL &&
	    table->ops->walk_patterns(table, warn_pattern, &b) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "%s: its patterns cannot be checked", parameter);
}

static int
verdict(unsigned marks)
{
	if ((marks & MARK_NOT) != 0)
		return 0;
	if ((marks & MARK_PLAIN) != 0)
		return 1;
	if ((marks & MARK_NOT_BRACKET) != 0)
		return 0;
	return (marks & MARK_PLAIN_BRACKET) != 0 ? 1 : -1;
}

int
host_index_name(const struct host_index *index, struct span name)
{
	uint32_t id = keyindex_find(&index->by_name, name);

	return id == KEYINDEX_NONE ? -1 : verdict(index->names[id].marks);
}

int
host_index_network(const struct host_index *index, const struct host_network *network)
{
	uint32_t id;

	if (!(network->family == 4 ? index->used4 : index->used6)[network->prefix])
		return -1;
	id = keyindex_find(&index->by_network, span_of(network, sizeof(*network)));
	return id == KEYINDEX_NONE ? -1 : verdict(index->networks[id].marks);
}
