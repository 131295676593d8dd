noinst_LIBRARIES += backends/libbackends.a
backends_libbackends_a_SOURCES = \
	backends/breaker.c backends/breaker.h \
	backends/csl.c \
	backends/dsn.c backends/dsn.h backends/dsn_preset.c \
	backends/file.c \
	backends/keystore_ldap.h backends/keystore_ldap_filters.c backends/keystore_ldap_reports.c \
	backends/keystore_ldap_rows.c backends/keystore_ldap_admin.h backends/keystore_ldap_admin_rows.c backends/keystore_ldap_provider.c \
	backends/keystore_ldap_quota.c \
	backends/keystore_ldap_values.c \
	backends/ldap_entry.h \
	backends/ldap_many.c backends/ldap_many.h \
	backends/keystore_mysql.c backends/keystore_url.c backends/keystore_url.h \
	backends/keystore_sql.c backends/keystore_sql.h \
	backends/keystore_sql_admin.c \
	backends/keystore_sql_admin_write.c \
	backends/keystore_sql_provider.c backends/keystore_sql_quota.c \
	backends/keystore_sql_ask.c \
	backends/keystore_sql_gateways.c \
	backends/keystore_sql_lease.c \
	backends/keystore_sql_life.c \
	backends/keystore_sql_migrate.c \
	backends/keystore_sql_rows.c \
	backends/keystore_sql_values.c \
	backends/keystore_sql_write.c backends/keystore_sql_writer.h \
	backends/keystore_sql_write_life.c \
	backends/keystore_sql_write_rows.c \
	backends/keystore_sqlite.c \
	backends/ldap_url.c backends/ldap_url.h \
	backends/memcached_answer.c backends/memcached_answer.h \
	backends/memcached_spec.c backends/memcached_spec.h \
	backends/refile.c \
	backends/registry.c backends/registry.h \
	backends/settings.c backends/settings.h \
	backends/sql.c backends/sql.h \
	backends/sql_pool.c backends/sql_pool.h \
	backends/sql_text.h
nodist_backends_libbackends_a_SOURCES = backends/sql_text.c
LDAP_FILES = \
	backends/keystore_ldap.c \
	backends/keystore_ldap_admin.c \
	backends/keystore_ldap_admin_private.h \
	backends/keystore_ldap_admin_write.c \
	backends/keystore_ldap_audit.c \
	backends/keystore_ldap_changes.c \
	backends/keystore_ldap_check.c \
	backends/keystore_ldap_crowd.c \
	backends/keystore_ldap_entries.c \
	backends/keystore_ldap_epoch.c \
	backends/keystore_ldap_identity.c \
	backends/keystore_ldap_renew.c \
	backends/keystore_ldap_gateways.c \
	backends/keystore_ldap_known.c \
	backends/keystore_ldap_lease.c \
	backends/keystore_ldap_list.c \
	backends/keystore_ldap_lives.c \
	backends/keystore_ldap_loading.c \
	backends/keystore_ldap_owners.c \
	backends/keystore_ldap_page.c \
	backends/keystore_ldap_plan.c \
	backends/keystore_ldap_private.h \
	backends/keystore_ldap_question.c \
	backends/keystore_ldap_tree.c \
	backends/keystore_ldap_write.c \
	backends/ldap.c \
	backends/ldap_ask.c \
	backends/ldap_change.c \
	backends/ldap_config.c \
	backends/ldap_link.c backends/ldap_link.h \
	backends/ldap_pool.c backends/ldap_pool.h \
	backends/ldap_record.c
if LDAP
backends_libbackends_a_SOURCES += $(LDAP_FILES)
else
backends_libbackends_a_SOURCES += backends/ldap_none.c backends/keystore_ldap_none.c
endif
MYSQL_FILES = backends/mysql.c backends/mysql_session.c backends/mysql_session.h backends/mysql_sha2.c
if MYSQL
backends_libbackends_a_SOURCES += $(MYSQL_FILES)
else
backends_libbackends_a_SOURCES += backends/mysql_none.c
endif
if SQLITE
backends_libbackends_a_SOURCES += backends/sqlite.c
else
backends_libbackends_a_SOURCES += backends/sqlite_none.c
endif
MEMCACHED_FILES = \
	backends/memcache_table.c \
	backends/memcached.c \
	backends/memcached_asker.c \
	backends/memcached_link.c backends/memcached_link.h \
	backends/memcached_pool.c backends/memcached_pool.h backends/memcached_pool_private.h \
	backends/memcached_put.c backends/memcached_put.h \
	backends/memcached_ring.c backends/memcached_ring.h \
	backends/memcached_thread.c backends/memcached_thread.h
if MEMCACHED
backends_libbackends_a_SOURCES += $(MEMCACHED_FILES)
else
backends_libbackends_a_SOURCES += backends/memcached_none.c
endif
EXTRA_DIST += $(LDAP_FILES) backends/ldap_none.c backends/keystore_ldap_none.c \
	$(MYSQL_FILES) backends/mysql_none.c backends/sqlite.c backends/sqlite_none.c \
	$(MEMCACHED_FILES) backends/memcached_none.c
backends_libbackends_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS) $(LDAP_CFLAGS) $(MYSQL_CFLAGS) $(SQLITE_CFLAGS) \
	$(MEMCACHED_CFLAGS)
# The statements and scripts of sql/ are built into the program.
SQL_FILES = sql/STATEMENTS sql/sqlite/001.sql sql/sqlite/002.sql sql/sqlite/003.sql sql/sqlite/004.sql sql/sqlite/005.sql \
	sql/sqlite/006.sql sql/mysql/001.sql sql/mysql/002.sql sql/mysql/003.sql sql/mysql/004.sql sql/mysql/005.sql sql/mysql/006.sql
EXTRA_DIST += sql/embed.awk
CLEANFILES += backends/sql_text.c
backends/sql_text.c: sql/embed.awk $(SQL_FILES)
	$(AM_V_GEN)$(MKDIR_P) backends && for f in $(SQL_FILES); do echo "$(srcdir)/$$f"; done \
		| xargs $(AWK) -f $(srcdir)/sql/embed.awk > $@-t && mv $@-t $@
sqldir = $(pkgdatadir)/sql
sqlitesqldir = $(sqldir)/sqlite
mysqlsqldir = $(sqldir)/mysql
dist_sql_DATA = sql/README sql/STATEMENTS
dist_sqlitesql_DATA = sql/sqlite/001.sql sql/sqlite/002.sql sql/sqlite/003.sql sql/sqlite/004.sql sql/sqlite/005.sql sql/sqlite/006.sql
dist_mysqlsql_DATA = sql/mysql/001.sql sql/mysql/002.sql sql/mysql/003.sql sql/mysql/004.sql sql/mysql/005.sql sql/mysql/006.sql sql/mysql/grants.sql
LIBBACKENDS = backends/libbackends.a
# What programs that link it need besides.
BACKENDS_LIBS = $(PCRE2_LIBS) $(LDAP_LIBS) $(MYSQL_LIBS) $(SQLITE_LIBS) $(MEMCACHED_LIBS)
