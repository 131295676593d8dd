"""Mail that comes back from a content filter, with Postfix wired as Zimbra does it: what comes in and what users submit
goes through a filter on this machine, and the MTA that takes it back asks the milter. There all of it comes from
127.0.0.1. Mail of users has to be signed, and a forged From of a hosted domain never.
"""
import pytest

from lib import keys, patience, postfix, smtpc
from lib.daemon import Daemon
from lib.sink import Sink

INBOUND, SUBMISSION, BACK_INBOUND, BACK_ORIGINATING = range(4)
DOMAIN = "hosted.test"
TRAP = "can have mail signed as your domains; see SignOnly"


class Filter(Sink):
    """Takes mail and sends it back to another port, as amavis does: with XFORWARD, and without a change."""

    def __init__(self, back_to):
        super().__init__()
        self.back_to, self.faults = back_to, []

    def store(self, message):
        try:
            client = smtpc.Client(self.back_to())
            client.command("XFORWARD ADDR=192.0.2.25 NAME=mail.outside.test", 250)
            client.send(message.sender, message.recipients, message.data, eightbit=True)
            client.quit()
        except (smtpc.SmtpError, OSError) as error:
            self.faults.append(str(error))


class Zimbra(postfix.Postfix):
    """25 and 587, each with a filter of its own; the milter where mail comes back, or where it is submitted too."""

    def __init__(self, folder, sink_port, spec, at_submission):
        super().__init__(folder, sink_port, ["", spec if at_submission else "", spec, spec],
                         {"smtpd_authorized_xforward_hosts": "127.0.0.0/8", "smtpd_relay_restrictions": "check_client_access static:OK, reject"})
        self.filters = [Filter(lambda: self.ports[BACK_INBOUND]), Filter(lambda: self.ports[BACK_ORIGINATING])]

    def options(self, index):
        if index in (INBOUND, SUBMISSION):
            found = [f"-o content_filter=scan:[127.0.0.1]:{self.filters[index].port}"]
            # Else it comes back with another queue id in its content, and the milter is asked twice.
            return found + ["-o milter_macro_daemon_name=EDGE"]
        name = "ORIGINATING" if index == BACK_ORIGINATING else "BACK"
        return [f"-o milter_macro_daemon_name={name}", "-o receive_override_options=no_unknown_recipient_checks"]

    def services(self):
        return super().services() + "scan unix - - n - 10 smtp\n    -o smtp_send_xforward_command=yes\n"

    def stop(self):
        super().stop()
        for one in self.filters:
            one.close()


def message(label):
    return (f"From: boss@{DOMAIN}\r\nTo: someone@far.test\r\nSubject: {label}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{label}@x.test>\r\n\r\nWords.\r\n").encode()


def run(program, folder, sink, settings, at_submission=False):
    """({subject: d= of its signatures}, log of the milter) for a forged message from outside and a user's own."""
    if postfix.missing():
        pytest.skip(postfix.missing())
    key = keys.make_key("rsa2048", folder / "hosted.private")
    base = {"Domain": DOMAIN, "Selector": "s1", "KeyFile": key.path, "Mode": "s", "Canonicalization": "relaxed/simple"}
    with Daemon(program, folder, {**base, **settings}) as milter:
        mta = Zimbra(folder, sink.port, f"inet:127.0.0.1:{milter.port}", at_submission)
        try:
            mta.start()
            assert mta.process.poll() is None, mta.log()
            outside = smtpc.Client(mta.ports[INBOUND])
            outside.xclient("192.0.2.25", "mail.outside.test")
            outside.command("EHLO mail.outside.test", 250)
            send(outside, "forged", mta.ports[INBOUND])
            user = smtpc.Client(mta.ports[SUBMISSION])
            user.command(f"XCLIENT ADDR=198.51.100.7 NAME=home.test LOGIN=boss@{DOMAIN}", 220)
            user.command("EHLO home.test", 250)
            send(user, "genuine", mta.ports[SUBMISSION])
            arrived = sink.wait_for(2, patience.seconds(60))
            assert arrived, (mta.filters[0].faults, mta.filters[1].faults, mta.log()[-3000:])
        finally:
            mta.stop()
        found = {}
        for one in sink.take():
            head = one.data.split(b"\r\n\r\n", 1)[0].replace(b"\r\n\t", b" ")
            subject = "forged" if b"Subject: forged" in head else "genuine"
            found[subject] = [f"d={DOMAIN}" in line for line in head.decode().split("\r\n")
                              if line.lower().startswith("dkim-signature:")]
        return found, milter.log()


def send(client, label, _port):
    client.send(f"boss@{DOMAIN}", ["someone@far.test"], message(label))
    client.quit()


@pytest.mark.parametrize("settings", [{}, {"InternalHosts": "csl:127.0.0.1"}], ids=["default", "as Zimbra has it"])
def test_the_trap(program, folder, sink, settings):
    """What opendkim.conf says is done, as opendkim does it; and who wrote it is told what that means."""
    found, log = run(program, folder, sink, settings)
    assert found == {"forged": [True], "genuine": [True]}, log
    assert (TRAP in log) == bool(settings)


@pytest.mark.signpost("SignOnly")
@pytest.mark.parametrize("more", [{}, {"InternalHosts": "csl:127.0.0.1,192.0.2.0/24"}], ids=["alone", "beside InternalHosts"])
def test_by_the_name_of_the_daemon(program, folder, sink, more):
    """Two ways back: what users submitted comes back to an smtpd of its own."""
    found, log = run(program, folder, sink, {"MTA": "csl:ORIGINATING", "SignOnly": "mta", "LogWhy": True, **more})
    assert found == {"forged": [], "genuine": [True]}, log
    assert "MTA=BACK)" in log and TRAP not in log


@pytest.mark.signpost("SignOnly")
def test_by_the_login(program, folder, sink):
    """The milter where mail is submitted, and the filter changes nothing: it may be asked again when that comes back."""
    found, log = run(program, folder, sink, {"InternalHosts": "csl:127.0.0.1", "SignOnly": "authenticated"}, at_submission=True)
    assert found == {"forged": [], "genuine": [True]}, log


@pytest.mark.signpost("SignOnly")
def test_a_login_is_lost_behind_the_filter(program, folder, sink):
    """XFORWARD tells the log of an MTA where mail came from, and its milter nothing: neither of them is logged in."""
    found, log = run(program, folder, sink, {"SignOnly": "authenticated", "LogWhy": True})
    assert found == {"forged": [], "genuine": []}, log
    assert log.count("not authenticated") >= 2 and "192.0.2.25" not in log and "198.51.100.7" not in log


@pytest.mark.signpost("SignOnly")
def test_what_it_may_say(program, folder):
    key = keys.make_key("rsa1024", folder / "k")
    for bad in ("internal,nobody", ","):
        daemon = Daemon(program, folder, {"Domain": DOMAIN, "Selector": "s", "KeyFile": key.path, "SignOnly": bad}, name="bad")
        with pytest.raises(RuntimeError, match="SignOnly"):
            daemon.start()
