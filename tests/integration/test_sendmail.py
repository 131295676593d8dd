"""1,000 messages of many shapes through a real Sendmail; every delivered message verifies with three verifiers.

Sendmail writes address fields anew after the milter has seen them, so shapes with odd address fields are left out here.
"""
import pytest

from lib import campaign, corpus, patience, sendmail, smtpc

COUNT = 1000


def usable(message):
    return not message.address_odd


def test_thousand_messages(program, folder, sink):
    if sendmail.missing():
        pytest.skip(sendmail.missing())
    signers = campaign.make_signers(program, folder)
    made = corpus.make(COUNT * 5 // 4, [s.domain for s in signers], seed=2)
    messages = [m for m in made if usable(m)][-COUNT:]
    groups = [signers[:8], signers[8:]]
    mtas = []
    for number, group in enumerate(groups):
        (folder / f"mta{number}").mkdir(mode=0o755)
        mtas.append(sendmail.Sendmail(folder / f"mta{number}", sink.port, [s.daemon.address for s in group]))
    ports = [port for mta in mtas for port in mta.ports]
    clock = campaign.Clock()
    try:
        campaign.start_all(signers)
        for mta in mtas:
            mta.start()
        clock.lap("start")
        refused = smtpc.send_all([(ports[m.number % len(signers)], m) for m in messages])
        arrived = sink.wait_for(len(messages) - len(refused), patience.seconds(300))
        clock.lap("send and deliver")
    finally:
        for mta in mtas:
            mta.stop()
        campaign.stop_all(signers)
    for message, error in refused[:10]:
        print("   REFUSED", message.shape, message.sender, error)
    totals, failures = campaign.check(messages, sink.take(), signers)
    clock.lap("verify")
    campaign.report("Sendmail", totals, failures, clock)
    assert not refused
    assert arrived
    assert not failures
