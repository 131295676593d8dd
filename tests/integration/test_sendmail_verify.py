"""Forged results and a real Sendmail: it counts the fields of a name in its own way, and they must be gone all the same."""
import re

import pytest

from lib import keys, sendmail, smtpc, verifying
from lib.verifying import ID, MESSAGE, Verifier, sign

pytestmark = pytest.mark.signpost("results removed from the last to the first")


def mixed_with(data, fields):
    """FIELDS one by one between those of the message; what is left over at the end."""
    head, body = data.split(b"\r\n\r\n", 1)
    own = re.split(rb"\r\n(?![ \t])", head)
    fields = list(fields)
    mixed = []
    for one in own:
        mixed += [fields.pop(0)] if fields else []
        mixed.append(one)
    return b"".join(f + b"\r\n" for f in mixed + fields) + b"\r\n" + body


def test_forged_results_are_removed(program, folder, sink):
    why_not = sendmail.missing() or verifying.missing()
    if why_not:
        pytest.skip(why_not)
    data, records = sign(keys.make_key("rsa2048", folder / "key"))
    forged = [b"Authentication-Results: " + f"{ID}; dkim=pass header.d=bank.test header.s=f{i}".encode() for i in range(4)]
    others = [b"Authentication-Results: " + f"other{i}.test; dkim=pass header.d=elsewhere.test".encode() for i in range(4)]
    orders = [[x for pair in zip(forged, others) for x in pair], others + forged, forged + others]
    with Verifier(program, folder, records) as daemon, sendmail.Sendmail(folder, sink.port, [daemon.address]) as mta:
        for number, order in enumerate(orders):
            client = smtpc.Client(mta.ports[0])
            client.send("bounce@outside.test", [f"t{number}@sink.test"], mixed_with(data, order))
            client.quit()
            assert sink.wait_for(1), mta.log()[-3000:]
            (delivered,) = sink.take()
            left = verifying.results_fields(delivered.data)
            assert left[0].startswith(f"{ID}; dkim=pass (2048-bit key) header.d={verifying.DOMAIN}"), left
            assert [v.split(";")[0] for v in left[1:]] == [re.search(rb"other\d\.test", x).group().decode() for x in order
                                                           if b"other" in x], left
            assert MESSAGE.split(b"\r\n")[2] in delivered.data
