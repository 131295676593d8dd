noinst_LIBRARIES += lib/keys/libkeys.a
lib_keys_libkeys_a_SOURCES = lib/keys/state.c lib/keys/state.h
LIBKEYS = lib/keys/libkeys.a
EXTRA_DIST += lib/keys/plan.h lib/keys/life.h
