"""The HTTP API with its rows in MariaDB and in slapd: the tests of test_api.py that reach into no file of SQLite, and the lines of the README and of the manual page.
"""
import re
import time

import pytest

import test_api
import test_api_examples
from lib import api, ldapstore, mariadb, stores
# What is imported is run here, too, in the order that it has there, with the fixture service of this file.
from test_api import (acme, beta, root, table, test_a_domain_from_its_tenant_to_its_rotation,  # noqa: F401
                      test_a_rotation_and_what_is_done_to_it, test_a_token_ends, test_a_token_may_not_more_than_its_maker,
                      test_another_tenants_objects_are_not_there, test_changing_and_removing, test_each_route_refuses, test_many_rotations,
                      test_nothing_of_that_name, test_pages, test_pages_have_the_rows_of_their_tenant, test_reading_all,
                      test_requests_that_are_malformed, test_the_audit, test_the_same_key_twice_at_once, test_tokens,
                      test_two_rotate_the_same_domain, test_what_the_customer_has_to_do_is_said_again, world)

pytestmark = [test_api.pytestmark,
              pytest.mark.skipif(mariadb.missing() is not None, reason=str(mariadb.missing())),
              pytest.mark.skipif(ldapstore.missing() is not None, reason=str(ldapstore.missing()))]


@pytest.fixture(scope="module", params=["mariadb", "slapd"])
def make_store(request, module_folder):
    """Makes an empty store of its kind, in a folder. A database for each in one server; a directory has a server for each, since
    what the daemon of another test still writes would be in the way when it is emptied."""
    place, servers = module_folder / request.param, []
    place.mkdir()

    def mariadb_store(folder, name):
        if not servers:
            servers.append(mariadb.MariaDB(place).start())
        return stores.mysql_store(servers[0], folder, name)

    def directory_store(folder, _name):
        servers.append(ldapstore.Directory(folder))
        servers[-1].load(ldapstore.top())
        servers[-1].start()
        return stores.ldap_store(servers[-1], folder)

    def make(name):
        (place / name).mkdir()
        return (mariadb_store if request.param == "mariadb" else directory_store)(place / name, name)

    make.servers = servers
    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def service(make_store, world):  # noqa: F811
    with api.Service(make_store("api"), world) as one:
        for name in ("acme", "beta"):
            one.cli("tenant", "add", name)
        yield one


def test_the_same_key_twice_at_once_at_two_servers(make_store, service, acme):  # noqa: F811
    """What runs is known to each process for itself: the store lets one of two go on."""
    here = test_api.on_its_own(acme, "two.example")
    with api.Service(service.store, name="second") as second:
        for _ in range(12):
            key, body = api.new_key(), {"algorithm": "ed25519-sha256"}
            before = len(acme.good("GET", f"{here}/keys")["keys"])
            answers = api.together(*(lambda c=one.client(acme.token): c.post(f"{here}/keys", body, key=key)
                                     for one in (service, second, service, second)))
            assert sum(a.status == 201 and a.field("Idempotency-Replayed") is None for a in answers) == 1, answers
            assert all(a.status == 201 or a.code == "request-in-progress" for a in answers), answers
            again = second.client(acme.token).post(f"{here}/keys", body, key=key)
            assert again.status == 201 and again.field("Idempotency-Replayed") == "true"
            assert len(acme.good("GET", f"{here}/keys")["keys"]) == before + 1


def test_cut_off_between_key_and_effect(make_store, service, acme):  # noqa: F811
    """In a directory the key is taken first: who comes again a moment later has to wait, and then does it."""
    if not isinstance(make_store.servers[0], ldapstore.Directory):
        pytest.skip("all of it is one transaction")
    here, key, body = test_api.on_its_own(acme, "cut.example"), api.new_key(), {"algorithm": "ed25519-sha256"}
    first = acme.post(f"{here}/keys", body, key=key).json["key"]["selector"]
    entries = make_store.servers[0].search("(objectClass=signpostReply)", "signpostIdempotencyKey", dn=ldapstore.ROOT_DN,
                                       password=ldapstore.ROOT_PASSWORD).split("\n\n")
    dn = next(re.search("^dn: (.*)$", entry, re.M)[1] for entry in entries if f": {key}" in entry.splitlines()[-1])

    def cut_off(ago_s):
        at = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - ago_s))
        make_store.servers[0].modify(f"dn: {dn}\nchangetype: modify\nreplace: signpostReplyStatus\nsignpostReplyStatus: 0\n-\n"
                                 f"replace: signpostReplyAnswer\n-\nreplace: signpostReplyAt\nsignpostReplyAt: {at}\n")

    cut_off(0)
    answer = test_api.problem(acme.post(f"{here}/keys", body, key=key), 409, "request-in-progress")
    assert answer.field("Retry-After") == "1"
    cut_off(1000)
    done = acme.post(f"{here}/keys", body, key=key)
    assert done.status == 201 and done.field("Idempotency-Replayed") is None and done.json["key"]["selector"] != first
    again = acme.post(f"{here}/keys", body, key=key)
    assert again.field("Idempotency-Replayed") == "true" and again.json["key"] == done.json["key"]


def test_the_lines_of_the_readme(make_store):
    test_api_examples.follow_readme(make_store("readme"))


def test_the_lines_of_the_page(make_store):
    test_api_examples.follow_page(make_store("page"))


