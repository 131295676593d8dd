"""A site of OpenDKIM moves to Signpost, with the steps and the code of tests/bench/moving.py: imported, rehearsed in shadow mode behind
opendkim and Postfix, switched, and all its keys rotated while there is mail. dkimpy judges every signature.
"""
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib import lifecycle, patience, stores

DOMAINS, RSA = 40, 4
PLAN = {"ttl": 2, "clock_error": 1, "tombstone": 3, "proofs": 2, "proof_interval": 1, "timed_ack": 3, "retry": 1, "retry_max": 2}
LEASE_S, LIFE_S = 6, 5
# A busy machine may be later than a lease or a signature lasts here. What is not judged in time, or waits for a gateway that has
# not heard of the store for so long, is not wrong.
BY_THE_CLOCK = ("not judged in time", "deferred or lost")
pytestmark = [pytest.mark.signpost("it is moved to"),
              pytest.mark.skipif(lifecycle.program() is None or not stores.SIGNPOST.exists(), reason="no signpost-admind in this build")]


@pytest.fixture
def bench(program, monkeypatch):
    """What bench.py gives to a group."""
    folder = Path(__file__).resolve().parent.parent / "bench"
    monkeypatch.syspath_prepend(str(folder))
    programs = Path(os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or ".").resolve() / "tests" / "bench"
    if not os.access(programs / "miltergen", os.X_OK):
        pytest.skip("tests/bench/miltergen is not built")
    args = SimpleNamespace(server=str(program), programs=str(programs), conf=[], inet=True, replies=False)
    return SimpleNamespace(args=args, facts={}, program=lambda name: str(programs / name))


def small(moving):
    size = moving.Size(f"{DOMAINS},{RSA}")
    size.pool, size.settle_s, size.slice_s = 4, 1, 0.5
    size.patience_s = patience.seconds(120)
    size.life_s = int(patience.seconds(LIFE_S))
    size.plan = {**PLAN, "lease": int(patience.seconds(LEASE_S)), "signature_life": size.life_s, "algorithms": ["ed25519"]}
    return size


def test_a_site_of_opendkim_moves(bench):
    import moving  # pylint: disable=import-outside-toplevel
    from goals import Goals  # pylint: disable=import-outside-toplevel
    if moving.missing():
        pytest.skip(moving.missing())
    goals = Goals()
    show = moving.move(bench, goals, small(moving))
    missed = [line for line in goals.lines if not line["met"] and not line["what"].endswith(BY_THE_CLOCK)]
    assert not missed, (missed, show.bad, show.judge.faults)
    assert show.facts["mail"]["sent"]["signed"] > DOMAINS
    typed = [command.split("  ")[0] for command, _, _ in show.steps.rows]
    assert sum(one.startswith("signpost import opendkim") for one in typed) == 9 and typed[-1].startswith("signpost rotate"), typed
