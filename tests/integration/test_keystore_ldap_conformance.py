"""The questions that are put to every key store, put to one in a directory: those of test_keystore_sql.py and
test_keystore_life.py."""
import pytest

from lib import ldapstore
from lib.keystores import Store, populate
from test_keystore_sql import (Place, test_a_group_with_a_bad_row, test_eight_threads, test_hostile_names, test_identity,  # noqa: F401
                               test_keys, test_pages, test_questions, test_refusals, test_rules_of_one_subject, test_two_writers)
from test_keystore_life import (test_a_deposed_leader, test_a_hundred_domains, test_a_race_for_a_lease, test_due,  # noqa: F401
                                test_many_report_at_once, test_old_revisions)

pytestmark = pytest.mark.skipif(ldapstore.missing() is not None, reason=str(ldapstore.missing()))


@pytest.fixture(scope="module")
def running(module_folder):
    one = ldapstore.Directory(module_folder)
    one.load(ldapstore.top())
    one.start()
    yield one
    one.stop()


@pytest.fixture
def place(running):
    running.clear()
    spec = f"{running.url}/{ldapstore.BASE}"

    def who(dn, password):
        return ["-o", f"user={dn}", "-o", f"password={password}", spec]

    gateway = who(ldapstore.GATEWAY, ldapstore.GATEWAY_PASSWORD)
    made = Place(who(ldapstore.ADMIN, ldapstore.ADMIN_PASSWORD), gateway, gateway=gateway)
    with Store(made.write, write=True) as store:
        assert store.ask("init").text == "from=0 to=1"
    return made


@pytest.fixture
def writer(place):
    with Store(place.write, write=True) as store:
        populate(store)
        yield store


@pytest.fixture
def reader(place, writer):
    with Store(place.read) as store:
        yield store
