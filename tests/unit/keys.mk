# Unit tests of lib/keys/plan.h and life.h. test_life_explorer tries all orders of events of a small world.
EXTRA_DIST += tests/unit/life_world.h tests/unit/life_explorer.h
if ADMIN
if CMOCKA
LIFE_TESTS = tests/unit/test_plan tests/unit/test_life tests/unit/test_life_slots tests/unit/test_life_canary tests/unit/test_life_mirror \
	tests/unit/test_life_discard tests/unit/test_life_random tests/unit/test_life_explorer
check_PROGRAMS += $(LIFE_TESTS)
TESTS += $(LIFE_TESTS)
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c
tests_unit_test_plan_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_SOURCES = tests/unit/test_life.c
tests_unit_test_life_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_slots_SOURCES = tests/unit/test_life_slots.c
tests_unit_test_life_slots_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_discard_SOURCES = tests/unit/test_life_discard.c
tests_unit_test_life_discard_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_mirror_SOURCES = tests/unit/test_life_mirror.c
tests_unit_test_life_mirror_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_canary_SOURCES = tests/unit/test_life_canary.c
tests_unit_test_life_canary_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_random_SOURCES = tests/unit/test_life_random.c
tests_unit_test_life_random_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
tests_unit_test_life_explorer_SOURCES = tests/unit/test_life_explorer.c
tests_unit_test_life_explorer_LDADD = $(LIFE_LDADD) $(UNIT_LDADD)
endif
endif
