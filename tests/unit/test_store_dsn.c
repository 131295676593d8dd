/*
 * test_store_dsn.c - the grammar of dsn: tables, the statements made of them, and when a server is
 * asked: with a driver of the test that fails as it is told.
 */
#include "tests/unit/store_help.h"

#include "backends/dsn.h"
#include "backends/sql_pool.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define ITEMS "/table=t?keycol=k?datacol=a"

static void
accepted(void **state)
{
	static const struct {
		const char *text, *user, *password, *host;
		unsigned port;
		const char *database, *describes;
	} cases[] = {
	    {"mysql://u:pw@3306+db.example/mail" ITEMS, "u", "pw", "db.example", 3306, "mail",
		"mysql://db.example:3306/mail, table t"},
	    {"mysql://h/d" ITEMS, NULL, NULL, "h", 0, "d", "mysql://h/d, table t"},
	    {"MySQL://u@h/d" ITEMS, "u", NULL, "h", 0, "d", "mysql://h/d, table t"},
	    {"mysql://u:@h/d" ITEMS, "u", "", "h", 0, "d", "mysql://h/d, table t"},
	    {"mysql://u:a@b:c@h/d" ITEMS, "u", "a@b:c", "h", 0, "d", "mysql://h/d, table t"},
	    {"mysql://u:=2F=2f=40=3D=zz=@h/d" ITEMS, "u", "//@==zz=", "h", 0, "d",
		"mysql://h/d, table t"},
	    {"mysql://u:p@=2Frun=2fs.sock/d" ITEMS, "u", "p", "/run/s.sock", 0, "d",
		"mysql:///run/s.sock/d, table t"},
	    {"mysql://=3A=3A1/d" ITEMS, NULL, NULL, "::1", 0, "d", "mysql://::1/d, table t"},
	    {"sqlite3:///var/lib/a.db" ITEMS, NULL, NULL, NULL, 0, "/var/lib/a.db",
		"sqlite3:///var/lib/a.db, table t"},
	    {"sqlite3:/a" ITEMS, NULL, NULL, NULL, 0, "/a", "sqlite3:///a, table t"},
	    {" sqlite3:///with=20blank@:+" ITEMS " ", NULL, NULL, NULL, 0, "/with blank@:+",
		"sqlite3:///with blank@:+, table t"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn dsn;
		struct err err = ERR_NONE;
		struct buf text;

		if (dsn_parse(span_str(cases[i].text), &dsn, &err) != ST_OK)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_true(span_eq(span_str(dsn.user), span_str(cases[i].user)));
		assert_true((dsn.password == NULL) == (cases[i].password == NULL));
		assert_true(span_eq(span_str(dsn.password), span_str(cases[i].password)));
		assert_true(span_eq(span_str(dsn.host), span_str(cases[i].host)));
		assert_int_equal(dsn.port, cases[i].port);
		assert_string_equal(dsn.database, cases[i].database);
		buf_init(&text, 1000);
		dsn_describe(&dsn, &text);
		assert_string_equal(buf_text(&text), cases[i].describes);
		buf_free(&text);
		dsn_free(&dsn);
		dsn_free(&dsn);
	}
}

static void
refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"", "no kind of server"},
	    {"mysql", "no kind of server"},
	    {"://h/d" ITEMS, "no kind of server"},
	    {"mysql://u:S3CRET@h/d", "no table"},
	    {"mysql://u:S3CRET@h/d/keycol=k?datacol=a", "no table"},
	    {"mysql://u:S3CRET@h/d/table=t?datacol=a", "no keycol"},
	    {"mysql://u:S3CRET@h/d/table=t?keycol=a", "no datacol"},
	    {"mysql://u:S3CRET@h/d/table=t?keycol=a?datacol=", "datacol of the dsn is empty"},
	    {"mysql://u:S3CRET@h/d/table=?keycol=a?datacol=b", "table of the dsn is empty"},
	    {"mysql://u:S3CRET@h/d" ITEMS "?keycol=k", "keycol twice"},
	    {"mysql://u:S3CRET@h/d" ITEMS "?where=x", "option that is none of"},
	    {"mysql://u:S3CRET@h/d" ITEMS "?filter=x=?S3CRET", "option that is none of"},
	    {"mysql://u:S3CRET@h/d" ITEMS "?filter=x=0a", "written =3D"},
	    {"mysql://u:S3CRET@/d" ITEMS, "SQL host not defined"},
	    {"mysql://u:S3CRET@h/" ITEMS, "database of the dsn is empty"},
	    {"mysql://u:S3CRET@h" ITEMS, "database of the dsn is empty"},
	    {"mysql://u:S3CRET/x@h/d" ITEMS, "=2F"},
	    {"mysql://u:S3CRET/x@h" ITEMS, "=2F"},
	    {"mysql://u:S3CRET" ITEMS, "port+host"},
	    {"mysql://u:S3CRET/d" ITEMS, "ends with '@'"},
	    {"mysql://u:S3CRET@h:3306/d" ITEMS, "port+host"},
	    {"mysql://u:S3CRET@0+h/d" ITEMS, "port"},
	    {"mysql://u:S3CRET@65536+h/d" ITEMS, "port"},
	    {"mysql://u:S3CRET@x+h/d" ITEMS, "port"},
	    {"mysql://u:S3CRET=00@h/d" ITEMS, "NUL"},
	    {"mysql://:S3CRET@h/d" ITEMS, "user of the dsn is empty"},
	    {"mysql://u:S3CRET@h/d/preset=x?table=t", "has a preset"},
	    {"mysql://u:S3CRET@h/d/preset=x?filter=f", "has a preset"},
	    {"mysql://u:S3CRET@h/d" ITEMS "?prefix=p", "prefix without a preset"},
	    {"sqlite3://" ITEMS, "path of the dsn is empty"},
	    {"sqlite3://a/b" ITEMS, "begin with a slash"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn dsn;
		struct err err = ERR_NONE;

		if (dsn_parse(span_str(cases[i].text), &dsn, &err) != ST_INVALID ||
		    strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].text, err.text);
		assert_null(strstr(err.text, "S3CRET"));
	}
}

static void
presets(void **state)
{
	static const struct {
		const char *spec, *parameter, *statement; /* or what is said */
	} cases[] = {
	    {"mysql://h/d/preset=postfixadmin", "SigningTable",
		"SELECT `author`,`dkim_id` FROM `dkim_signing` WHERE `author` = ?"},
	    {"mysql://h/d/preset=PostfixAdmin?prefix=pa_", "KeyTable",
		"SELECT `id`,`domain_name`,`selector`,`private_key` FROM `pa_dkim` WHERE `id` = ?"},
	    {"mysql://h/d/preset=froxlor", "KeyTable",
		"SELECT `id`,domain,CONCAT('dkim',dkim_id),dkim_privkey FROM `panel_domains` WHERE "
		"`id` = ? AND (dkim = 1)"},
	    {"sqlite3:///d/preset=froxlor", "KeyTable",
		"SELECT `id`,domain,'dkim'||dkim_id,dkim_privkey FROM `panel_domains` WHERE "
		"`id` = ? AND (dkim = 1)"},
	    {"mysql://h/d/preset=ispconfig", "SigningTable",
		"SELECT `domain`,`domain_id` FROM `mail_domain` WHERE `domain` = ? AND (dkim = 'y' "
		"AND active = 'y')"},
	    {"mysql://h/d/preset=ispconfig", "InternalHosts", "for SigningTable and KeyTable"},
	    {"mysql://h/d/preset=plesk", "KeyTable", "\"plesk\" is unknown"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn dsn;
		struct err err = ERR_NONE;
		struct buf text;

		buf_init(&text, DSN_STATEMENT_MAX);
		assert_int_equal(dsn_parse(span_str(cases[i].spec), &dsn, &err), ST_OK);
		if (dsn_preset_apply(&dsn, cases[i].parameter, &err) == ST_OK) {
			assert_int_equal(dsn_statement(&dsn, 1, &text, &err), ST_OK);
			assert_string_equal(buf_text(&text), cases[i].statement);
		} else if (strstr(err.text, cases[i].statement) == NULL) {
			fail_msg("%s: \"%s\"", cases[i].spec, err.text);
		}
		buf_free(&text);
		dsn_free(&dsn);
	}
}

static void
statements(void **state)
{
	static const struct {
		const char *items, *one; /* NULL: refused */
	} cases[] = {
	    {"table=t?keycol=k?datacol=a", "SELECT `k`,`a` FROM `t` WHERE `k` = ?"},
	    {"datacol=a, b-c,d$?keycol=x.k?table=db.t",
		"SELECT `x`.`k`,`a`,`b-c`,`d$` FROM `db`.`t` WHERE `x`.`k` = ?"},
	    {"table=abc?keycol=ac?datacol=de", "SELECT `ac`,`de` FROM `abc` WHERE `ac` = ?"},
	    {"table=t?keycol=k?datacol=a?filter=x=3D1 OR y='=3F'",
		"SELECT `k`,`a` FROM `t` WHERE `k` = ? AND (x=1 OR y='?')"},
	    {"table=t?keycol=k?datacol=CONCAT('dkim',id),b",
		"SELECT `k`,CONCAT('dkim',id),b FROM `t` WHERE `k` = ?"},
	    {"table=t`;drop?keycol=k?datacol=a", NULL},
	    {"table=t t?keycol=k?datacol=a", NULL},
	    {"table=t.?keycol=k?datacol=a", NULL},
	    {"table=.t?keycol=k?datacol=a", NULL},
	    {"table=t?keycol=k'?datacol=a", NULL},
	    {"table=t?keycol=lower(k)?datacol=a", NULL},
	    {"table=t?keycol=k?datacol=a;b", NULL},
	    {"table=t?keycol=k?datacol=a+b--", NULL},
	    {"table=t?keycol=k?datacol=`", NULL},
	    {"table=t?keycol=k?datacol=a /*", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn dsn;
		struct err err = ERR_NONE;
		struct buf text;
		char spec[300];

		snprintf(spec, sizeof(spec), "mysql://h/d/%s", cases[i].items);
		buf_init(&text, DSN_STATEMENT_MAX);
		if (dsn_parse(span_str(spec), &dsn, &err) != ST_OK)
			fail_msg("%s: %s", spec, err.text);
		if (cases[i].one == NULL) {
			assert_int_equal(dsn_statement(&dsn, 1, &text, &err), ST_INVALID);
			assert_true(strlen(err.text) > 10);
		} else {
			assert_int_equal(dsn_statement(&dsn, 1, &text, &err), ST_OK);
			assert_string_equal(buf_text(&text), cases[i].one);
		}
		buf_free(&text);
		dsn_free(&dsn);
	}
}

static void
many_slots(void **state)
{
	struct dsn dsn;
	struct err err = ERR_NONE;
	struct buf text;

	(void)state;
	buf_init(&text, DSN_STATEMENT_MAX);
	assert_int_equal(dsn_parse(SPAN_LIT("mysql://h/d" ITEMS "?filter=1"), &dsn, &err), ST_OK);
	assert_int_equal(dsn_statement(&dsn, 3, &text, &err), ST_OK);
	assert_string_equal(
	    buf_text(&text), "SELECT `k`,`a` FROM `t` WHERE `k` IN (?,?,?) AND (1)");
	buf_free(&text);
	dsn_free(&dsn);
}

/* ---- the pool, with a server that is up or not ---- */

static bool up;
static unsigned connects, open_now;

static enum status
fake_connect(const struct sql_source *source, void **out, struct err *err)
{
	(void)source;
	connects++;
	if (!up) {
		err_set(err, "nobody there");
		return ST_UNAVAILABLE;
	}
	open_now++;
	*out = &open_now;
	return ST_OK;
}

static void
fake_disconnect(void *connection)
{
	assert_ptr_equal(connection, &open_now);
	open_now--;
}

static const struct sql_driver fake = {.name = "fake",
    .pause_min_ms = 20,
    .pause_max_ms = 40,
    .connect = fake_connect,
    .disconnect = fake_disconnect};

static void
connections_are_kept(void **state)
{
	static const struct sql_source source = {.where = "fake"};
	struct sql_link *a, *b, *c;
	struct err err = ERR_NONE;
	struct sql_pool pool;

	(void)state;
	up = true;
	connects = open_now = 0;
	sql_pool_init(&pool, &fake, &source, "KeyTable");
	assert_int_equal(sql_pool_take(&pool, &a, &err), ST_OK);
	assert_int_equal(sql_pool_take(&pool, &b, &err), ST_OK);
	assert_true(a->fresh);
	sql_pool_give(&pool, a);
	assert_int_equal(sql_pool_take(&pool, &c, &err), ST_OK);
	assert_ptr_equal(a, c);
	assert_false(c->fresh);
	assert_int_equal(connects, 2);
	sql_pool_give(&pool, c);
	/* One is lost: those that lie idle went the same way. */
	sql_pool_lose(&pool, b);
	assert_int_equal(open_now, 0);
	assert_int_equal(sql_pool_take(&pool, &a, &err), ST_OK);
	assert_int_equal(sql_pool_take(&pool, &b, &err), ST_OK);
	sql_pool_lose(&pool, b);
	/* a was made before the loss. */
	sql_pool_give(&pool, a);
	assert_int_equal(open_now, 0);
	assert_int_equal(sql_pool_take(&pool, &a, &err), ST_OK);
	sql_pool_give(&pool, a);
	/* Nobody used it for a minute: it is not used again. */
	connects = 0;
	pool.idle->idle_since_ms -= SQL_IDLE_MAX_MS + 1000;
	assert_int_equal(sql_pool_take(&pool, &a, &err), ST_OK);
	assert_int_equal(connects, 1);
	assert_int_equal(open_now, 1);
	sql_pool_give(&pool, a);
	sql_pool_free(&pool);
	assert_int_equal(open_now, 0);
}

/* A minute before its time nobody is asked; when it has come a connection is tried. Says whether
 * that was answered. */
static bool
try_in_time(struct sql_pool *pool, struct sql_link **out)
{
	unsigned before = connects;
	struct err err = ERR_NONE;
	enum status status;

	pool->again_at_ms = clock_mono_ms() + 60000;
	assert_int_equal(sql_pool_take(pool, out, &err), ST_UNAVAILABLE);
	assert_string_equal(err.text, "nobody there");
	assert_int_equal(connects, before);
	pool->again_at_ms = clock_mono_ms();
	status = sql_pool_take(pool, out, &err);
	assert_int_equal(connects, before + 1);
	return status == ST_OK;
}

/* The next try is PAUSE from a moment since BEFORE_MS on. */
static void
assert_pause(const struct sql_pool *pool, int64_t before_ms, int64_t pause_ms)
{
	assert_int_equal(pool->pause_ms, pause_ms);
	assert_in_range(pool->again_at_ms, before_ms + pause_ms, clock_mono_ms() + pause_ms);
}

static void
who_is_away_is_left_alone(void **state)
{
	static const struct sql_source source = {.where = "fake"};
	struct sql_link *link = NULL, *other;
	struct err err = ERR_NONE;
	struct sql_pool pool;
	int64_t before_ms = clock_mono_ms();

	(void)state;
	up = false;
	connects = open_now = 0;
	sql_pool_init(&pool, &fake, &source, "KeyTable");
	assert_int_equal(sql_pool_take(&pool, &link, &err), ST_UNAVAILABLE);
	assert_pause(&pool, before_ms, 20);
	assert_int_equal(connects, 1);
	assert_false(try_in_time(&pool, &link));
	assert_pause(&pool, before_ms, 40);
	assert_false(try_in_time(&pool, &link));
	assert_pause(&pool, before_ms, 40);
	up = true;
	assert_true(try_in_time(&pool, &link));
	/* While one tries the others are answered. */
	assert_int_equal(sql_pool_take(&pool, &other, &err), ST_UNAVAILABLE);
	assert_int_equal(connects, 4);
	sql_pool_give(&pool, link);
	assert_int_equal(sql_pool_take(&pool, &link, &err), ST_OK);
	assert_int_equal(sql_pool_take(&pool, &other, &err), ST_OK);
	sql_pool_lose(&pool, link);
	sql_pool_trip(&pool, &err);
	assert_int_equal(pool.pause_ms, 20);
	sql_pool_give(&pool, other);
	assert_int_equal(open_now, 0);
	sql_pool_free(&pool);
}

/* Columns are fields; a text is cut at ':' and its last field takes the rest. */
static void
fields_of_values(void **state)
{
	const struct span columns[] = {SPAN_LIT("a:b"), SPAN_EMPTY, SPAN_LIT("c")};
	struct table_value value = {.text = SPAN_LIT("a:b:c")};
	struct span fields[4];

	(void)state;
	assert_int_equal(table_value_fields(&value, fields, 2), 2);
	assert_true(span_eq_str(fields[0], "a") && span_eq_str(fields[1], "b:c"));
	assert_int_equal(table_value_fields(&value, fields, 4), 3);
	assert_true(span_eq_str(fields[2], "c") && fields[3].p == NULL);
	assert_int_equal(table_value_fields(&value, fields, 1), 1);
	assert_true(span_eq_str(fields[0], "a:b:c"));
	assert_int_equal(table_value_fields(&value, fields, 0), 0);
	value.text = SPAN_LIT("");
	assert_int_equal(table_value_fields(&value, fields, 2), 1);
	value = (struct table_value){.text = columns[0], .columns = columns, .column_count = 3};
	assert_int_equal(table_value_fields(&value, fields, 4), 3);
	assert_true(span_eq_str(fields[0], "a:b") && fields[1].p == NULL && fields[3].p == NULL);
	assert_int_equal(table_value_fields(&value, fields, 1), 1);
	assert_true(span_eq_str(fields[0], "a:b"));
}

static int
setup(void **state)
{
	(void)state;
	log_threshold(LOG_LEVEL_ERROR);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepted),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(presets),
	    cmocka_unit_test(statements),
	    cmocka_unit_test(many_slots),
	    cmocka_unit_test(connections_are_kept),
	    cmocka_unit_test(who_is_away_is_left_alone),
	    cmocka_unit_test(fields_of_values),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
