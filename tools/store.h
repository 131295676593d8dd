/*
 * store.h - what the words of `signpost store` share: the store and the site key that the options
 * or the configuration name, keys read and sealed, rows found by their names. Main thread only.
 */
#ifndef SIGNPOST_TOOLS_STORE_H
#define SIGNPOST_TOOLS_STORE_H

#include "backends/settings.h"
#include "lib/crypto/key.h"
#include "lib/store/keystore.h"
#include "lib/store/sealedkey.h"
#include "tools/cli.h"

struct store_tool {
	const char *program; /* "signpost store load" */
	/* options */
	const char *conf_path, *spec, *site_key_path;
	bool json, dry_run, strict, plain, seal_plain;
	bool write; /* this word changes the store */
	/* while it is open */
	struct conf *conf;
	struct backend_settings settings;
	struct keystore *store;
	struct sitekey *sitekey; /* NULL: none is named */
	bool require_safe;
};

/* For tables of options. */
#define STORE_OPTIONS                                                                              \
	{"conf", 'x', "FILE", "configuration with KeyStore, SiteKeyFile and the rest",             \
	    offsetof(struct store_tool, conf_path)},                                               \
	    {"store", 's', "SPEC", "the key store instead of KeyStore",                            \
		offsetof(struct store_tool, spec)},                                                \
	    {"site-key", 'k', "FILE", "the site key file instead of SiteKeyFile",                  \
		offsetof(struct store_tool, site_key_path)},                                       \
	{                                                                                          \
		"json", 'j', NULL, "JSON, one object a line", offsetof(struct store_tool, json)    \
	}

#define STORE_PAGE 500U /* rows of one question of those who walk */

/* Opens what the options name. keys: this word works with private keys. 0, or the exit status
 * after a message. */
int store_tool_open(struct store_tool *tool, bool keys);
void store_tool_close(struct store_tool *tool);
/* Has the store room for DNS providers of tenants? false: a schema of before, or no answer. */
bool store_tool_has_providers(const struct store_tool *tool, struct err *err);
/* The same of tokens. */
bool store_tool_has_tokens(const struct store_tool *tool, struct err *err);
/* Can the backend do that (an op that may be NULL)? Said if not. */
bool store_tool_can(const struct store_tool *tool, bool can, const char *what);
/* The exit status for a question to the store that failed, after a message. */
int store_tool_failed(const struct store_tool *tool, enum status status, const struct err *err);

/* Does nothing stand behind the options? Said if something does. */
bool store_tool_no_words(const struct store_tool *tool, int argc, char **argv);

/* The words. */
int store_init_run(const char *program, int argc, char **argv);
int store_status_run(const char *program, int argc, char **argv);
int store_renew_run(const char *program, int argc, char **argv);
int store_load_run(const char *program, int argc, char **argv);
int store_check_run(const char *program, int argc, char **argv);
int store_records_run(const char *program, int argc, char **argv);
int store_reseal_run(const char *program, int argc, char **argv);
int store_sitekey_run(const char *program, int argc, char **argv);

/* ---- keys (store_key.c) ---- */

/* From a file, or made: "generate:rsa-2048", "generate:ed25519". The key is tried before it is
 * given out. key_free(). */
enum status store_key_obtain(
    const struct store_tool *tool, struct span source, struct key **out, struct err *err) MUST_USE;
/* What "generate:..." would make. ST_ABSENT: source is a file. ST_INVALID. */
enum status store_key_wanted(
    struct span source, enum key_algorithm *algorithm_out, int *bits_out, struct err *err) MUST_USE;
/* The private key of a row, whatever its form. ST_ABSENT: there is none, or no site key that could
 * open it; the others as sealedkey_open() and key_parse(). key_free(). */
enum status store_key_open(struct store_tool *tool, const struct store_key *row, struct key **out,
    struct err *err) MUST_USE;
/* The text for private_key of row (its names and revision), sealed if there is a site key; in
 * secret memory: secret_free(*text_out). */
enum status store_key_close(struct store_tool *tool, const struct store_key *row, struct key *key,
    char **text_out, size_t *n_out, struct err *err) MUST_USE;
/* Gives write (of a key) its mirror_pem, for directories that show it to Zimbra. key: the one of
 * the row, or NULL: it is opened if it can be. *pem_out: NULL where there is none to give (another
 * algorithm, no site key), else secret_free() it when the write is done. */
void store_key_mirror(
    struct store_tool *tool, struct keystore_write *write, const struct key *key, char **pem_out);

/* ---- rows by name (store_find.c) ---- */

/* Reads ahead while names are asked for in order. */
struct store_finder {
	struct keystore *store;
	enum store_what what;
	struct keystore_rows *page;
	char first[KEYSTORE_SUBJECT_MAX + 1], second[KEYSTORE_SUBJECT_MAX + 1]; /* page is behind */
	bool last; /* nothing comes behind page */
	size_t ahead, hits;
};

void store_finder_begin(struct store_finder *finder, struct keystore *store);
void store_finder_forget(struct store_finder *finder); /* what was read may have changed */
/* second: empty for tenants, domains and bindings. ST_OK: row *index_out of *rows_out, which the
 * caller holds (keystore_rows_hold) if it wants it longer than until the next question. ST_ABSENT,
 * ST_UNAVAILABLE, ... */
enum status store_find(struct store_finder *finder, enum store_what what, struct span first,
    struct span second, struct keystore_rows **rows_out, size_t *index_out,
    struct err *err) MUST_USE;
/* The names of a row by which it is found. */
void store_row_names(const struct keystore_rows *rows, enum store_what what, size_t index,
    struct span *first_out, struct span *second_out);
size_t store_row_count(const struct keystore_rows *rows, enum store_what what);

/* ---- walks (store_walk.c) ---- */

/* All rows of a kind in their order. */
struct store_walk {
	struct keystore *store;
	enum store_what what;
	struct keystore_rows *page; /* the current one, or NULL */
	size_t next;
	char after[KEYSTORE_SUBJECT_MAX * 2 + 2];
	bool ended;
};

void store_walk_begin(struct store_walk *walk, struct keystore *store, enum store_what what);
/* ST_OK: the row is index *index_out of walk->page, until the next call. ST_ABSENT: the end. */
enum status store_walk_next(struct store_walk *walk, size_t *index_out, struct err *err) MUST_USE;
void store_walk_end(struct store_walk *walk);

/* ---- writes (store_batch.c) ---- */

/* Changes that go together as long as none of them is refused. */
struct store_batch {
	struct keystore *store;
	struct keystore_write *writes; /* KEYSTORE_BATCH_MAX */
	size_t count;
	/* Called for each write: ST_OK, or why it was refused. */
	void (*done)(void *context, size_t index, enum status status, const struct err *err);
	void *context;
};

/* Writes all of it; what is refused is left out. ST_OK, also then; ST_UNAVAILABLE, ...: the store
 * failed; the writes for which done() was not called may or may not be there. */
enum status store_batch_write(struct store_batch *batch, struct err *err) MUST_USE;

#endif
