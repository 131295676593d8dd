# Unit tests of lib/keys/plan.h and life.h.
