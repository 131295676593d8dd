/*
 * dsn_preset.c - the tables of known panels, so that nobody has to know their columns.
 * Called by sql.c for a dsn with preset=NAME. Only what stands here becomes part of a statement.
 */
#include <string.h>

#include "backends/dsn.h"
#include "lib/base/mem.h"

/* What a parameter asks for. expression: what SQLite says otherwise; NULL: the same. */
struct question {
	const char *table, *key_column, *data_columns, *sqlite_columns, *filter;
};

static const struct preset {
	const char *name;
	struct question signing, keys;
} presets[] = {
    {"froxlor", {"panel_domains", "domain", "id", NULL, "dkim = 1"},
	{"panel_domains", "id", "domain,CONCAT('dkim',dkim_id),dkim_privkey",
	    "domain,'dkim'||dkim_id,dkim_privkey", "dkim = 1"}},
    {"ispconfig", {"mail_domain", "domain", "domain_id", NULL, "dkim = 'y' AND active = 'y'"},
	{"mail_domain", "domain_id", "domain,dkim_selector,dkim_private", NULL,
	    "dkim = 'y' AND active = 'y'"}},
    {"modoboa", {"admin_domain", "name", "id", NULL, "enable_dkim = 1"},
	{"admin_domain", "id", "name,dkim_key_selector,dkim_private_key_path", NULL,
	    "enable_dkim = 1"}},
    /* README.SQL of OpenDKIM, whose table of signers is that of the keys. */
    {"opendkim", {"dkim", "domain_name", "id", NULL, NULL},
	{"dkim", "id", "domain_name,selector,private_key", NULL, NULL}},
    {"postfixadmin", {"dkim_signing", "author", "dkim_id", NULL, NULL},
	{"dkim", "id", "domain_name,selector,private_key", NULL, NULL}},
};

static const struct preset *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (span_ieq_str(span_str(name), presets[i].name))
			return &presets[i];
	return NULL;
}

static enum status
refuse(const struct dsn *dsn, struct err *err)
{
	err_set(err,
	    "the dsn's preset \"%.64s\" is unknown; there are froxlor, ispconfig, modoboa, "
	    "opendkim and postfixadmin",
	    dsn->preset);
	return ST_INVALID;
}

static void
set(char **place, const char *prefix, const char *text)
{
	struct buf full;

	mem_free(*place);
	*place = NULL;
	if (text == NULL)
		return;
	buf_init(&full, DSN_MAX * 2);
	buf_add_fmt(&full, "%s%s", prefix, text);
	*place = mem_strdup(buf_text(&full));
	buf_free(&full);
}

enum status
dsn_preset_apply(struct dsn *dsn, const char *parameter, struct err *err)
{
	const struct preset *preset = find(dsn->preset);
	const struct question *question;
	bool sqlite = strcmp(dsn->backend, "sqlite3") == 0;

	if (preset == NULL)
		return refuse(dsn, err);
	if (span_ieq_str(span_str(parameter), "SigningTable")) {
		question = &preset->signing;
	} else if (span_ieq_str(span_str(parameter), "KeyTable")) {
		question = &preset->keys;
	} else {
		err_set(err, "a preset is for SigningTable and KeyTable; name table, keycol and "
			     "datacol here");
		return ST_INVALID;
	}
	set(&dsn->table, dsn->prefix == NULL ? "" : dsn->prefix, question->table);
	set(&dsn->key_column, "", question->key_column);
	set(&dsn->data_columns, "",
	    sqlite && question->sqlite_columns != NULL ? question->sqlite_columns
						       : question->data_columns);
	set(&dsn->filter, "", question->filter);
	return ST_OK;
}
