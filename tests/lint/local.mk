# The rules of the house that a program can hold.
dist_check_SCRIPTS += tests/lint/lint.py
if LINT
TESTS += tests/lint/lint.py
endif
