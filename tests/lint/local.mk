# The rules of the house that a program can hold.
dist_check_SCRIPTS += tests/lint/lint.py tests/lint/test_lint.py
if LINT
TESTS += tests/lint/lint.py tests/lint/test_lint.py
endif
# Lays all sources out anew, as .clang-format says.
.PHONY: format
format:
	cd '$(top_srcdir)' && find lib backends daemon tools tests -name '*.[ch]' -exec clang-format -i {} +
