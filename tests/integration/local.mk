# Integration tests: real MTAs, independent verifiers, our own milter client. `make check-integration` runs them
# against the signpostd of this build; MILTER=/usr/sbin/opendkim runs them against another program.
EXTRA_DIST += \
	tests/client/package.json tests/client/package-lock.json tests/client/provision.ts tests/client/tsconfig.json \
	tests/integration/README \
	tests/integration/conftest.py \
	tests/integration/lib/__init__.py \
	tests/integration/lib/adminhttp.py \
	tests/integration/lib/api.py \
	tests/integration/lib/authorities.py \
	tests/integration/lib/campaign.py \
	tests/integration/lib/contract.py \
	tests/integration/lib/corpus.py \
	tests/integration/lib/cutlink.py \
	tests/integration/lib/daemon.py \
	tests/integration/lib/delegation.py \
	tests/integration/lib/dnsservers.py \
	tests/integration/lib/fakememcached.py \
	tests/integration/lib/fakemysql.py \
	tests/integration/lib/gateways.py \
	tests/integration/test_guides.py tests/integration/lib/guide.py tests/integration/lib/machine.py tests/integration/lib/machine_filter.py \
	tests/integration/lib/machine_init.py tests/integration/lib/machine_sink.py tests/integration/lib/machine_units.py \
	tests/integration/lib/hostile.py tests/integration/lib/httpdriver.py \
	tests/integration/lib/keys.py \
	tests/integration/lib/ldapstore.py \
	tests/integration/lib/keystores.py \
	tests/integration/lib/lifecycle.py \
	tests/integration/lib/load.py \
	tests/integration/lib/manymail.py \
	tests/integration/lib/mariadb.py \
	tests/integration/lib/memcached.py \
	tests/integration/lib/milter.py \
	tests/integration/lib/mtaload.py \
	tests/integration/lib/patience.py \
	tests/integration/lib/postfix.py \
	tests/integration/lib/procs.py \
	tests/integration/lib/publishing.py \
	tests/integration/lib/sendmail.py \
	tests/integration/lib/sink.py \
	tests/integration/lib/slapd.py \
	tests/integration/lib/sources.py \
	tests/integration/lib/stores.py \
	tests/integration/lib/smtpc.py \
	tests/integration/lib/verify.py \
	tests/integration/lib/verify_dkimpy.py \
	tests/integration/lib/verifying.py \
	tests/integration/lib/zimbradir.py \
	tests/integration/test_attacks.py \
	tests/integration/test_authenticated.py \
	tests/integration/test_authority.py \
	tests/integration/test_beside_opendkim.py \
	tests/integration/test_bulk.py tests/integration/test_verify_api.py \
	tests/integration/test_bulk_stores.py tests/integration/lib/bulk.py \
	tests/integration/test_canary.py \
	tests/integration/test_check.py \
	tests/integration/test_cli.py \
	tests/integration/test_conformance.py \
	tests/integration/test_dashboard.py \
	tests/integration/test_dns.py \
	tests/integration/test_dns_shared.py \
	tests/integration/test_every_store.py \
	tests/integration/test_faults.py \
	tests/integration/test_memory_of_keys.py \
	tests/integration/test_memcache_table.py \
	tests/integration/test_memcached_backend.py \
	tests/integration/test_api.py tests/integration/test_api_client.py tests/integration/test_api_events.py tests/integration/test_api_examples.py \
	tests/integration/test_api_hostile.py tests/integration/test_api_stores.py \
	tests/integration/test_http.py tests/integration/test_http_tls.py tests/integration/test_import.py tests/integration/test_import_stores.py \
	tests/integration/test_admin_metrics.py tests/integration/test_gateway_report.py tests/integration/test_metrics.py \
	tests/integration/test_milter_client.py \
	tests/integration/test_mirror.py \
	tests/integration/test_moving.py \
	tests/integration/test_mta_faults.py \
	tests/integration/test_mysql8.py \
	tests/integration/test_keystore.py \
	tests/integration/test_keystore_hostile.py \
	tests/integration/test_keystore_operator.py \
	tests/integration/test_keystore_slot.py \
	tests/integration/test_keystore_ldap.py \
	tests/integration/test_keystore_life.py \
	tests/integration/test_adminrows.py tests/integration/test_providers.py tests/integration/test_quotas.py \
	tests/integration/test_keystore_ldap_conformance.py \
	tests/integration/test_keystore_ldap_life.py \
	tests/integration/test_keystore_sql.py \
	tests/integration/test_ldap.py \
	tests/integration/test_ldap_many.py \
	tests/integration/test_many_connections.py \
	tests/integration/test_presets.py \
	tests/integration/test_publishers.py \
	tests/integration/test_postfix.py \
	tests/integration/test_replica.py \
	tests/integration/test_rotation.py \
	tests/integration/test_shared_cache.py \
	tests/integration/test_postfix_verify.py \
	tests/integration/test_rotation_hazards.py \
	tests/integration/test_sendmail.py \
	tests/integration/test_shadow.py tests/integration/test_loopback_trap.py \
	tests/integration/test_sendmail_verify.py \
	tests/integration/test_slots.py \
	tests/integration/test_sql.py \
	tests/integration/test_start.py \
	tests/integration/test_store_single_flight.py \
	tests/integration/test_tutorial_configs.py \
	tests/integration/test_verifiers.py \
	tests/integration/test_verify_faults.py \
	tests/integration/test_verify_load.py \
	tests/integration/test_zimbra.py \
	tests/integration/test_zimbra_show.py \
	tests/integration/test_zone.py \
	tests/integration/verify_maildkim.pl

PYTEST = /usr/bin/python3 -m pytest

if ADMIN
AUTHORITY_PROBE = tests/tools/authority_probe$(EXEEXT)
endif

.PHONY: check-integration
check-integration: all tests/conformance/keystore_driver$(EXEEXT) tests/conformance/table_driver$(EXEEXT) tests/conformance/shared_driver$(EXEEXT) tests/bench/miltergen$(EXEEXT) tests/tools/dns_probe$(EXEEXT) $(PUBLISH_DRIVER)
check-integration: all tests/conformance/keystore_driver$(EXEEXT) tests/conformance/table_driver$(EXEEXT) tests/conformance/shared_driver$(EXEEXT) tests/bench/miltergen$(EXEEXT) tests/tools/dns_probe$(EXEEXT) $(INTEGRATION_ADMIN)
check-integration: all tests/conformance/keystore_driver$(EXEEXT) tests/conformance/table_driver$(EXEEXT) tests/conformance/shared_driver$(EXEEXT) tests/bench/miltergen$(EXEEXT) tests/tools/dns_probe$(EXEEXT) $(PUBLISH_DRIVER) $(AUTHORITY_PROBE)
	cd $(srcdir)/tests/integration && SIGNPOST_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 $(PYTEST) -p no:cacheprovider -rs -s
