noinst_LIBRARIES += lib/keys/libkeys.a
lib_keys_libkeys_a_SOURCES = lib/keys/canary.c lib/keys/canary.h lib/keys/mailword.c lib/keys/mailword.h lib/keys/state.c lib/keys/state.h
LIBKEYS = lib/keys/libkeys.a
# The life cycle: for signpost-admind and the tools that speak to it, not for signpostd.
if ADMIN
noinst_LIBRARIES += lib/keys/liblife.a
endif
lib_keys_liblife_a_SOURCES = lib/keys/plan.c lib/keys/plan_text.c lib/keys/plan_slots.c lib/keys/life_text.c \
	lib/keys/life_guard.c lib/keys/life_slots.c lib/keys/life_decide.c lib/keys/life_next.c lib/keys/life_next_activate.c \
	lib/keys/life_steps.c lib/keys/life_mirror.c lib/keys/life_canary.c lib/keys/life_look.c lib/keys/life_orders.c \
	lib/keys/plan.h lib/keys/plan_private.h lib/keys/life.h lib/keys/life_private.h
lib_keys_liblife_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
LIBLIFE = lib/keys/liblife.a
LIFE_LDADD = $(LIBLIFE) $(LIBKEYS) $(LIBBASE) $(JANSSON_LIBS)
