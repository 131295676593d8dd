noinst_LIBRARIES += lib/store/libstore.a
lib_store_libstore_a_SOURCES = \
	lib/store/adminrows.h lib/store/adminrows_audit.c lib/store/adminrows_check.c \
	lib/store/failure.c lib/store/failure.h \
	lib/store/cache.c lib/store/cache.h lib/store/cache_private.h \
	lib/store/cache_flight.c \
	lib/store/cache_shard.c \
	lib/store/cache_sweep.c \
	lib/store/cached_keystore.c lib/store/cached_keystore.h lib/store/cached_keystore_private.h \
	lib/store/cached_keystore_follow.c lib/store/cached_keystore_news.c lib/store/cached_keystore_past.c \
	lib/store/cached_keystore_revisions.c lib/store/cached_keystore_shared.c \
	lib/store/cached_keystore_thread.c \
	lib/store/cached_table.c lib/store/cached_table.h lib/store/cached_table_private.h \
	lib/store/cached_table_shared.c \
	lib/store/flat.c lib/store/flat.h \
	lib/store/hostindex.c lib/store/hostindex.h \
	lib/store/hostlist.c lib/store/hostlist.h \
	lib/store/keyfile.c lib/store/keyfile.h \
	lib/store/keysafe.c \
	lib/store/keyindex.c lib/store/keyindex.h \
	lib/store/keystore.c lib/store/keystore.h lib/store/keystore_admin.c \
	lib/store/keystore_check.c \
	lib/store/keystore_digest.c lib/store/keystore_octets.c lib/store/keystore_octets.h \
	lib/store/keystore_identity.c lib/store/keystore_rows.c lib/store/keystore_pack.c \
	lib/store/keystore_chunk.h \
	lib/store/keytable.c lib/store/keytable.h \
	lib/store/leaseclock.c lib/store/leaseclock.h \
	lib/store/list.c lib/store/list.h \
	lib/store/pattern.c lib/store/pattern.h \
	lib/store/pattern_cache.c lib/store/pattern_cache.h \
	lib/store/route.c lib/store/route.h lib/store/route_answer.c lib/store/route_choose.c \
	lib/store/route_choose.h lib/store/route_finding.h lib/store/route_keys.c \
	lib/store/marks.c lib/store/marks.h \
	lib/store/rows.c lib/store/rows.h \
	lib/store/sealedkey.c lib/store/sealedkey.h lib/store/sealedprovider.c lib/store/sealedprovider.h \
	lib/store/sharedcache.c lib/store/sharedcache.h lib/store/sharedcache_private.h \
	lib/store/sharedcache_value.c lib/store/shared.h \
	lib/store/signing.c lib/store/signing.h \
	lib/store/sitekey.c lib/store/sitekey.h lib/store/sitekey_private.h \
	lib/store/sitekey_tenants.c lib/store/sitekey_text.c \
	lib/store/slurp.c lib/store/slurp.h \
	lib/store/table.c lib/store/table.h \
	lib/store/table_octets.c lib/store/table_octets.h \
	lib/store/together.c lib/store/together.h \
	lib/store/tenant.c lib/store/tenant.h \
	lib/store/watch.c lib/store/watch.h
LIBSTORE = lib/store/libstore.a
lib_store_libstore_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
