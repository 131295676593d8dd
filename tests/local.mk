# Tests. Each room's tests have a fragment of their own.
include tests/unit/base.mk
include tests/unit/crypto.mk
include tests/unit/dkim.mk
include tests/unit/mailauth.mk
include tests/unit/conf.mk
include tests/unit/store.mk
include tests/unit/route.mk
include tests/unit/milter.mk
include tests/unit/daemon.mk
include tests/unit/dns.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
include tests/integration/local.mk
include tests/interop/local.mk
include tests/lint/local.mk
include tests/load/local.mk
