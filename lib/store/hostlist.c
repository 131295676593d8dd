/*
 * hostlist.c - opendkim's probes of a host list: asked of an index (hostindex.h), so that a client
 * costs a few of them instead of up to 520, or of the table itself.
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
#include "lib/store/hostindex.h"
#include "lib/store/hostlist.h"
#include "lib/store/keyindex.h"

struct hostlist {
	char *parameter;
	struct table *table;
	struct host_index *index; /* NULL: the table is asked */
	pthread_rwlock_t lock;    /* of index, while it is swapped */
	struct table_listener listener;
};

static void
table_changed(void *context)
{
	struct hostlist *list = context;
	struct host_index *next = NULL, *old;
	struct err err = ERR_NONE;

	if (list->table->ops->walk == NULL) {
		host_index_check_patterns(list->parameter, list->table);
		return;
	}
	if (host_index_build(list->parameter, list->table, &next, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s: the old list stays in use: %s", list->parameter,
		    err.text);
		return;
	}
	pthread_rwlock_wrlock(&list->lock);
	old = list->index;
	list->index = next;
	pthread_rwlock_unlock(&list->lock);
	host_index_free(old);
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
		status = host_index_build(parameter, table, &list->index, err);
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
	host_index_free(list->index);
	pthread_rwlock_destroy(&list->lock);
	mem_free(list->parameter);
	mem_free(list);
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

	return list->index == NULL ? ask_table(asking, name.p, name.n)
				   : host_index_name(list->index, name);
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
ask_network_text(struct asking *asking, const struct host_network *network)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8], length[8] = "";
	int n, answer;

	inet_ntop(
	    network->family == 4 ? AF_INET : AF_INET6, network->octets, address, sizeof(address));
	if (network->prefix != HOST_PREFIX_WHOLE)
		snprintf(length, sizeof(length), "/%u", (unsigned)network->prefix);
	n = snprintf(text, sizeof(text), "%s%s", address, length);
	answer = ask_table(asking, text, (size_t)n);
	if (answer >= 0)
		return answer;
	n = snprintf(text, sizeof(text), "[%s]%s", address, length);
	return ask_table(asking, text, (size_t)n);
}

static int
ask_network(struct asking *asking, const struct host_network *network)
{
	const struct host_index *index = asking->list->index;

	return index == NULL ? ask_network_text(asking, network)
			     : host_index_network(index, network);
}

static int
match_address(struct asking *asking, struct host_network network)
{
	int bits = network.family == 4 ? 32 : 128, answer;

	network.prefix = HOST_PREFIX_WHOLE;
	answer = ask_network(asking, &network);
	for (int prefix = bits; prefix >= 0 && answer < 0; prefix--) {
		network.prefix = (uint8_t)prefix;
		host_network_mask(network.octets, (size_t)bits / 8, (unsigned)prefix);
		answer = ask_network(asking, &network);
	}
	return answer >= 0 ? answer : ask_waiting(asking);
}

static void
network_from(const struct sockaddr *address, struct host_network *out)
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
	struct host_network network;
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
