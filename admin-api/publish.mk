# Publishers: a library of its own, so that tests can link it.
EXTRA_DIST += admin-api/publish.h
