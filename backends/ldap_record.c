/*
 * ldap_record.c - an entry of a directory as the record of a table.
 * Called by ldap.c for the first entry of an answer.
 * It must never leave a key outside of secret memory, nor cut a value.
 */
#include "backends/ldap_link.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

/* The value of a table: fields, and their octets behind them. */
struct record {
	bool secret;
	struct span fields[];
};

static void
record_free(void *owner)
{
	struct record *record = owner;

	if (record->secret)
		secret_free(record);
	else
		mem_free(record);
}

/* Of several values the first one counts. */
static struct span
first_value(const struct ldapentry *entry, size_t i)
{
	return entry->values[i].count == 0 ? SPAN_EMPTY : entry->values[i].items[0];
}

static enum status
check_values(const struct ldapentry *entry, const char *const *attributes, size_t count,
    size_t *bytes_out, struct err *err)
{
	*bytes_out = 0;
	for (size_t i = 0; i < count; i++) {
		struct span value = first_value(entry, i);

		if (value.n > TABLE_LINE_MAX) {
			err_set(err, "the value of %s has more than %u octets", attributes[i],
			    TABLE_LINE_MAX);
			return ST_INVALID;
		}
		if (span_find(value, '\0') != SIZE_MAX) {
			err_set(
			    err, "the value of %s has a NUL octet; text is needed", attributes[i]);
			return ST_INVALID;
		}
		*bytes_out += value.n;
	}
	return ST_OK;
}

static void
copy_values(const struct ldapentry *entry, size_t count, struct record *record)
{
	char *at = (char *)&record->fields[count];

	for (size_t i = 0; i < count; i++) {
		struct span value = first_value(entry, i);

		record->fields[i] = SPAN_EMPTY;
		if (entry->values[i].count == 0)
			continue;
		if (value.n > 0)
			memcpy(at, value.p, value.n);
		record->fields[i] = span_of(at, value.n);
		at += value.n;
	}
}

enum status
ldaplink_record(const struct ldapentry *entry, const char *const *attributes, size_t count,
    bool secret, struct table_value *out, struct err *err)
{
	struct record *record;
	size_t bytes;
	enum status status = check_values(entry, attributes, count, &bytes, err);

	if (status != ST_OK)
		return status;
	/* One octet more: an empty last value has a place too. */
	bytes += sizeof(*record) + count * sizeof(record->fields[0]) + 1;
	record = secret ? secret_malloc(bytes) : mem_alloc(bytes);
	if (record == NULL) {
		err_set(err, "no secret memory left for a record");
		return ST_UNAVAILABLE;
	}
	record->secret = secret;
	copy_values(entry, count, record);
	*out = (struct table_value){.text = record->fields[0],
	    .release = record_free,
	    .owner = record,
	    .columns = record->fields,
	    .column_count = count};
	return ST_OK;
}
