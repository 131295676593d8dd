"""1,000 messages of many shapes through a real Postfix; every delivered message verifies with three verifiers."""
import pytest

from lib import campaign, corpus, patience, postfix, smtpc

COUNT = 1000


def test_thousand_messages(program, folder, sink):
    if postfix.missing():
        pytest.skip(postfix.missing())
    signers = campaign.make_signers(program, folder)
    mta = postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{s.daemon.port}" for s in signers])
    messages = corpus.make(COUNT, [s.domain for s in signers], seed=1)
    clock = campaign.Clock()
    try:
        campaign.start_all(signers)
        mta.start()
        clock.lap("start")
        jobs = [(mta.ports[m.number % len(signers)], m) for m in messages]
        refused = smtpc.send_all(jobs)
        arrived = sink.wait_for(COUNT - len(refused), patience.seconds(300))
        clock.lap("send and deliver")
    finally:
        mta.stop()
        campaign.stop_all(signers)
    for message, error in refused[:10]:
        print("   REFUSED", message.shape, message.sender, error)
    totals, failures = campaign.check(messages, sink.take(), signers)
    clock.lap("verify")
    campaign.report("Postfix", totals, failures, clock)
    assert not refused
    assert arrived
    assert not failures
