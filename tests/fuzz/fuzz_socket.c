/*
 * fuzz_socket.c - single values: the first octet chooses the parser, the rest is its text. A Socket
 * that was understood, written out again and read again must be the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_socket(const char *text)
{
	struct conf_socket first, second;
	struct err err = ERR_NONE;
	char again[1024];

	if (conf_socket(text, &first, &err) != ST_OK) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	if (first.kind == CONF_SOCKET_UNIX)
		snprintf(again, sizeof(again), "local:%s", first.path);
	else
		snprintf(again, sizeof(again), "inet%s:%s%s%s",
		    first.kind == CONF_SOCKET_INET ? "" : "6", first.service,
		    first.host[0] == '\0' ? "" : "@", first.host);
	if (conf_socket(again, &second, &err) != ST_OK || second.kind != first.kind ||
	    strcmp(second.path, first.path) != 0 || strcmp(second.host, first.host) != 0 ||
	    strcmp(second.service, first.service) != 0 || second.port != first.port)
		abort();
}

static void
try_list(const char *text)
{
	struct conf_list list;

	if (conf_list(text, &list, NULL) != ST_OK)
		return;
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i][0] == '\0' || strchr(list.items[i], ',') != NULL)
			abort();
	conf_list_free(&list);
}

static void
try_numbers(const char *text)
{
	unsigned int count, seconds;
	int64_t number;
	mode_t mask;

	if (conf_restart_rate(text, &count, &seconds, NULL) == ST_OK &&
	    (count == 0 || seconds == 0))
		abort();
	if (conf_parse_int(span_str(text), -5, 5, &number, NULL) == ST_OK &&
	    (number < -5 || number > 5))
		abort();
	if (conf_umask(text, &mask, NULL) == ST_OK && mask > 0777)
		abort();
}

static void
try_words(const char *text)
{
	enum conf_action action;
	bool one, two;
	int facility;

	if (conf_action(text, &action, NULL) == ST_OK && conf_action_name(action) == NULL)
		abort();
	if (conf_mode(text, &one, &two, NULL) == ST_OK && !one && !two)
		abort();
	if (conf_canonicalization(text, &one, &two, NULL) != ST_OK &&
	    conf_parse_bool(span_str(text), &one, NULL) != ST_OK &&
	    conf_syslog_facility(text, &facility, NULL) == ST_OK && facility < 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *) = {try_socket, try_list, try_numbers, try_words};
	char *text;

	if (size == 0)
		return 0;
	text = mem_strndup((const char *)data + 1, size - 1);
	tries[data[0] % 4](text);
	mem_free(text);
	return 0;
}
