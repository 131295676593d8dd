/*
 * hostlist.c - an index over a host list, so that a client costs a few probes instead of up to 520.
 * Called by the daemon at connect and at end of headers; rebuilt in the watcher's thread.
 * It must never make a host internal that opendkim's probes would not find.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/hostlist.h"
#include "lib/store/keyindex.h"

/* How an entry was written; several may stand for one name or network. */
enum mark {
	MARK_NOT = 1,          /* !entry */
	MARK_PLAIN = 2,        /* entry */
	MARK_NOT_BRACKET = 4,  /* ![a] or ![net]/n */
	MARK_PLAIN_BRACKET = 8 /* [a] or [net]/n */
};

#define PREFIX_WHOLE 255 /* an address without "/n": asked before /32 or /128 */
#define WARNINGS_MAX 10

/* A network in one shape for both families, usable as a hash key. */
struct network {
	uint8_t family; /* 4 or 6 */
	uint8_t prefix;
	uint8_t octets[16];
};

struct item {
	struct span text; /* a name into the index's own text, or a network's octets */
	struct network network;
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

struct hostlist {
	char *parameter;
	struct table *table;
	struct host_index *index; /* NULL: the table is asked */
	pthread_rwlock_t lock;    /* of index, while it is swapped */
	struct table_listener listener;
};

static struct span
name_of(const void *context, uint32_t id)
{
	return ((const struct host_index *)context)->names[id].text;
}

static struct span
network_of(const void *context, uint32_t id)
{
	return span_of(
	    &((const struct host_index *)context)->networks[id].network, sizeof(struct network));
}

/* The first prefix bits of the octets; the rest zero. */
static void
mask(uint8_t *octets, size_t bytes, unsigned prefix)
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
parse_address(struct span text, struct network *out)
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
	out->prefix = PREFIX_WHOLE;
	if (strlen(copy) != text.n || inet_pton(family, copy, out->octets) != 1)
		return false;
	return inet_ntop(family, out->octets, again, sizeof(again)) != NULL &&
	       strcmp(copy, again) == 0;
}

/* "a", "[a]", "a/n", "[a]/n"; text behind the '!'. */
static bool
parse_network(struct span text, struct network *out, bool *bracket_out)
{
	struct span length, address = text;
	struct network masked;
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
	mask(masked.octets, 16, (unsigned)prefix);
	return memcmp(masked.octets, out->octets, 16) == 0;
}

struct builder {
	struct host_index *index;
	const struct hostlist *list;
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
	log_line(LOG_LEVEL_WARNING, "%s %s line %u: \"%.*s\": %s", b->list->parameter,
	    b->list->table->where, line, text.n > 80 ? 80 : (int)text.n, text.p, what);
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
		const struct network *network = &index->networks[i].network;

		index->networks[keyindex_put(&index->by_network, (uint32_t)i)].marks |=
		    index->networks[i].marks;
		(network->family == 4 ? index->used4 : index->used6)[network->prefix] = true;
	}
}

static void
index_free(struct host_index *index)
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

static enum status
index_build(struct hostlist *list, struct host_index **out, struct err *err)
{
	struct host_index *index = mem_zalloc(1, sizeof(*index));
	struct builder b = {.index = index, .list = list};
	enum status status = table_walk(list->table, add_entry, &b, err);

	index_items(index);
	if (status != ST_OK)
		index_free(index);
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

static void
table_changed(void *context)
{
	struct hostlist *list = context;
	struct host_index *next = NULL, *old;
	struct builder b = {.list = list};
	struct err err = ERR_NONE;

	if (list->table->ops->walk == NULL) {
		if (list->table->ops->walk_patterns != NULL &&
		    list->table->ops->walk_patterns(list->table, warn_pattern, &b) != ST_OK)
			log_line(LOG_LEVEL_WARNING, "%s: its patterns cannot be checked",
			    list->parameter);
		return;
	}
	if (index_build(list, &next, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s: the old list stays in use: %s", list->parameter,
		    err.text);
		return;
	}
	pthread_rwlock_wrlock(&list->lock);
	old = list->index;
	list->index = next;
	pthread_rwlock_unlock(&list->lock);
	index_free(old);
}

enum status
hostlist_open(const char *parameter, struct table *table, struct hostlist **out, struct err *err)
{
	struct hostlist *list = mem_zalloc(1, sizeof(*list));
	enum status status = ST_OK;

	*out = NULL;
	list->parameter = mem_strdup(parameter);
	list->table = table;
	pthread_rwlock_init(&list->lock, NULL);
	if (table->ops->walk == NULL)
		table_changed(list);
	else
		status = index_build(list, &list->index, err);
	if (status != ST_OK && status != ST_UNAVAILABLE) {
		mem_free(list->parameter);
		pthread_rwlock_destroy(&list->lock);
		mem_free(list);
		return status;
	}
	list->listener.changed = table_changed;
	list->listener.context = list;
	table_listen(table, &list->listener);
	*out = list;
	return ST_OK;
}

void
hostlist_close(struct hostlist *list)
{
	if (list == NULL)
		return;
	table_unlisten(list->table, &list->listener);
	index_free(list->index);
	pthread_rwlock_destroy(&list->lock);
	mem_free(list->parameter);
	mem_free(list);
}

/* Answers of one precision: -1 nothing said, 0 not in the list, 1 in the list. */
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

/* One question; trouble is not ST_OK when the table could not answer a probe. Whatever could not be
 * asked may have been a NOT, so nothing is asked after it. */
struct asking {
	const struct hostlist *list;
	enum status trouble;
	struct err *err;
	/* Probes that are not asked yet: their texts one behind the other. */
	struct buf text;
	size_t ends[TABLE_KEYS_MAX];
	unsigned negated; /* a bit for each that has a '!' in front */
	size_t waiting, at_once;
};

/* Asks the probes that wait; the first of them that is there decides. */
static int
ask_waiting(struct asking *asking)
{
	struct span keys[TABLE_KEYS_MAX], text = buf_span(&asking->text);
	struct table_value value = TABLE_VALUE_NONE;
	size_t from = 0, at = 0, count;
	enum status status;
	bool negated;

	if (asking->waiting == 0)
		return -1;
	for (size_t i = 0; i < asking->waiting; from = asking->ends[i++])
		keys[i] = span_sub(text, from, asking->ends[i] - from);
	status = table_lookup_many(
	    asking->list->table, keys, asking->waiting, 1, &value, &at, &count, asking->err);
	table_value_release(&value);
	negated = (asking->negated >> at & 1) != 0;
	asking->waiting = asking->negated = 0;
	buf_reset(&asking->text);
	if (status == ST_OK)
		return negated ? 0 : 1;
	if (status == ST_ABSENT)
		return -1;
	asking->trouble = status;
	return 0;
}

static int
add_probe(struct asking *asking, const char *mark, const char *name, size_t n)
{
	if (mark[0] == '!')
		asking->negated |= 1U << asking->waiting;
	buf_add_str(&asking->text, mark);
	buf_add(&asking->text, span_of(name, n));
	asking->ends[asking->waiting++] = asking->text.n;
	return asking->waiting == asking->at_once ? ask_waiting(asking) : -1;
}

/* Two probes of the table by text: "!name", then "name". */
static int
ask_table(struct asking *asking, const char *name, size_t n)
{
	int answer;

	if (n + 1 > TABLE_KEY_MAX)
		return -1;
	answer = add_probe(asking, "!", name, n);
	return answer >= 0 ? answer : add_probe(asking, "", name, n);
}

static int
ask_name(struct asking *asking, struct span name)
{
	const struct hostlist *list = asking->list;
	uint32_t id;

	if (list->index == NULL)
		return ask_table(asking, name.p, name.n);
	id = keyindex_find(&list->index->by_name, name);
	return id == KEYINDEX_NONE ? -1 : verdict(list->index->names[id].marks);
}

static int
match_host(struct asking *asking, struct span host)
{
	char room[TABLE_KEY_MAX];
	int answer;

	if (host.n == 0 || host.n >= sizeof(room))
		return -1;
	host = keyindex_fold(host, true, room);
	answer = ask_name(asking, host);
	for (size_t i = 1; i < host.n && answer < 0; i++)
		if (host.p[i] == '.')
			answer = ask_name(asking, span_from(host, i));
	return answer >= 0 ? answer : ask_waiting(asking);
}

/* The table's probes for one precision: !a, a, ![a], [a]. */
static int
ask_network_text(struct asking *asking, const struct network *network)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8], length[8] = "";
	int n, answer;

	inet_ntop(
	    network->family == 4 ? AF_INET : AF_INET6, network->octets, address, sizeof(address));
	if (network->prefix != PREFIX_WHOLE)
		snprintf(length, sizeof(length), "/%u", (unsigned)network->prefix);
	n = snprintf(text, sizeof(text), "%s%s", address, length);
	answer = ask_table(asking, text, (size_t)n);
	if (answer >= 0)
		return answer;
	n = snprintf(text, sizeof(text), "[%s]%s", address, length);
	return ask_table(asking, text, (size_t)n);
}

static int
ask_network(struct asking *asking, const struct network *network)
{
	const struct host_index *index = asking->list->index;
	uint32_t id;

	if (index == NULL)
		return ask_network_text(asking, network);
	if (!(network->family == 4 ? index->used4 : index->used6)[network->prefix])
		return -1;
	id = keyindex_find(&index->by_network, span_of(network, sizeof(*network)));
	return id == KEYINDEX_NONE ? -1 : verdict(index->networks[id].marks);
}

static int
match_address(struct asking *asking, struct network network)
{
	int bits = network.family == 4 ? 32 : 128, answer;

	network.prefix = PREFIX_WHOLE;
	answer = ask_network(asking, &network);
	for (int prefix = bits; prefix >= 0 && answer < 0; prefix--) {
		network.prefix = (uint8_t)prefix;
		mask(network.octets, (size_t)bits / 8, (unsigned)prefix);
		answer = ask_network(asking, &network);
	}
	return answer >= 0 ? answer : ask_waiting(asking);
}

static void
network_from(const struct sockaddr *address, struct network *out)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};

	memset(out, 0, sizeof(*out));
	out->family = 4;
	if (address != NULL && address->sa_family == AF_INET6) {
		out->family = 6;
		memcpy(out->octets,
		    &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
	} else if (address != NULL && address->sa_family == AF_INET) {
		memcpy(
		    out->octets, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
	} else {
		memcpy(out->octets, loopback, sizeof(loopback));
	}
}

enum status
hostlist_match(
    struct hostlist *list, struct span host, const struct sockaddr *address, struct err *err)
{
	struct asking asking = {.list = list, .trouble = ST_OK, .err = err};
	struct network network;
	bool in;

	if (list == NULL)
		return ST_ABSENT;
	network_from(address, &network);
	asking.at_once = table_keys_at_once(list->table);
	buf_init(&asking.text, (size_t)TABLE_KEY_MAX * TABLE_KEYS_MAX);
	pthread_rwlock_rdlock(&list->lock);
	/* Two questions, as in opendkim: "!name" is no NOT for the client's address. */
	in = match_host(&asking, host) > 0;
	if (!in && asking.trouble == ST_OK)
		in = match_address(&asking, network) > 0;
	pthread_rwlock_unlock(&list->lock);
	buf_free(&asking.text);
	if (asking.trouble != ST_OK)
		return asking.trouble;
	return in ? ST_OK : ST_ABSENT;
}
