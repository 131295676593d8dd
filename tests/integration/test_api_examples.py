"""The lines of curl in README and in signpost-api(7), run as they stand, and the table of errors of that page."""
import json
import os
import re
import shutil
import subprocess

import pytest

from lib import api, contract, lifecycle, patience, stores

pytestmark = pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None or shutil.which("curl") is None,
                                reason="signpost-admind, signpost or curl is not there")
PAGE = (contract.TOP / "man/signpost-api.7").read_text()


def lines_of_readme():
    text = (contract.TOP / "README").read_text().split("\nOver HTTP\n", 1)[1].split("\nManual pages\n", 1)[0]
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


def lines_of_page():
    return PAGE.split(".Sh EXAMPLES", 1)[1].split(".Bd -literal\n", 1)[1].split("\n.Ed", 1)[0].replace("\\e", "\\").splitlines()


def run(service, lines, **variables):
    """By a shell that ends with the first one that fails; signpost is that of the build, with the socket of the service."""
    here = service.folder / "bin"
    here.mkdir()
    (here / "signpost").write_text(f'#!/bin/sh\nexec "{stores.SIGNPOST.resolve()}" "$@" --socket "{service.socket}"\n')
    (here / "signpost").chmod(0o755)
    done = subprocess.run(["sh", "-e"], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=patience.seconds(120),
                          env={**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "API": f"http://127.0.0.1:{service.port}", **variables})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{service.log()[-2000:]}"
    return done.stdout


def test_the_lines_of_the_readme(folder):
    follow_readme(stores.sqlite_store(folder))


def follow_readme(store):
    lines = lines_of_readme()
    assert len(lines) >= 8
    with api.Service(store) as service:
        said = run(service, lines)
        assert '"done":3' in said
        assert '"tenant":"acme"' in said and '"domain":"example.com"' in said and "_domainkey.example.com" in said
        assert '"kind":"rotation"' in said and "event: rotation.started" in said
        rows = service.client(service.token("*")).good("GET", "/v1/audit")["audit"]
        assert {"tenant.add", "policy.set", "domain.add", "rotate"} <= {row["action"] for row in rows}


def test_the_lines_of_the_page(folder):
    follow_page(stores.sqlite_store(folder))


def follow_page(store):
    with api.Service(store) as service:
        said = run(service, lines_of_page(), TOKEN=service.token("role:platform-admin"))
        assert '"done":3' in said
        assert "update add s1._domainkey.example.net" in said and '"dry_run":true' in said and '"enabled":false' in said
        assert "event: domain.changed" in said
        assert re.search('"action":"domain.set"', said) and json.loads(said[said.rindex('{"audit"'):])


def test_the_page_has_all_errors():
    table = PAGE.split(".Sh ERRORS", 1)[1].split(".Sh EXAMPLES", 1)[0]
    documented = {(str(status), code) for _, _, status, code in contract.promised() if code}
    anywhere = contract.document().resolve({"$ref": "#/components/responses/Anywhere"})["x-codes"]
    documented |= {(status, code) for status, codes in anywhere.items() for code in codes}
    named = {(status, code) for item in re.split(r"\n\.It ", table)[1:] for status in re.findall("[45][0-9][0-9]", item.split("\n")[0])
             for code in re.findall(r"\b[a-z]+(?:-[a-z]+)*\b", item)}
    assert documented <= named, sorted(documented - named)
