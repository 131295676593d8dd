#!/usr/bin/env python3
"""signpost completions: bash reads the script and completes words with it. Prints TAP."""
import shutil
import subprocess
import sys

from common import SIGNPOST, Skip, answers, main, tool, write


def has_admin():
    return "--without-admin" not in tool("tenant", "list", "--socket=/nowhere").stderr


class Bash:
    def __init__(self, d):
        if shutil.which("bash") is None:
            raise Skip("bash is not installed")
        self.script, self.d = write(f"{d}/completions", answers(0, "completions", "bash").stdout), d

    def complete(self, *words):
        """What would be offered for the last word. Bash takes --url=x apart at '='; so have the tests."""
        result = subprocess.run(["bash", "--norc", "-c", '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _signpost; '
                                 'printf "%s\\n" "${COMPREPLY[@]}"', self.script, "signpost", *words],
                                capture_output=True, text=True, cwd=self.d, check=True)
        assert result.stderr == "", result.stderr
        return result.stdout.split()


def test_words(d):
    bash = Bash(d)
    assert {"key", "domain", "store", "genkey", "help"} <= set(bash.complete(""))
    assert bash.complete("ro") == ["rotate", "rotation"] and bash.complete("help", "genk") == ["genkey"]
    assert bash.complete("completions", "") == ["bash", "zsh"]
    assert "sitekey" in bash.complete("store", "")
    if not has_admin():
        raise Skip("the rest is signpost-admind's")
    assert set(bash.complete("key", "")) == {"activate", "generate", "hold", "import", "list", "publish", "record", "release", "remove", "retire",
                                             "revoke", "rollback", "show", "verify"}
    assert bash.complete("audit", "v") == ["verify"]
    assert bash.complete("--url", "https://x", "--ca", "=", "y", "key", "sh") == ["show"]


def test_options(d):
    bash = Bash(d)
    assert "--version" in bash.complete("--") and "--token-file=" in bash.complete("--to")
    if not has_admin():
        raise Skip("the rest is signpost-admind's")
    assert bash.complete("key", "generate", "--b") == ["--bits="]
    assert bash.complete("key", "activate", "example.org", "s1", "--dr") == ["--dry-run"]
    assert set(bash.complete("rotate", "--")) >= {"--tenant=", "--due", "--reason=", "--dry-run", "--json", "--url="}
    # Each option that is offered is one.
    for words in (("rotate",), ("policy", "set"), ("domain", "show")):
        shown = answers(0, *words, "--help").stdout
        assert all(option.rstrip("=") in shown for option in bash.complete(*words, "--")), words


def test_files(d):
    bash = Bash(d)
    write(f"{d}/plan.json", "{}")
    assert bash.complete("policy", "set", "acme", "std", "--plan", "pl") == ["plan.json"]
    assert bash.complete("policy", "set", "acme", "std", "--plan", "=") == bash.complete("policy", "set", "acme", "std", "--plan", "=", "")
    assert bash.complete("policy", "set", "acme", "std", "--plan", "=", "pl") == ["plan.json"]


def test_zsh(d):
    text = answers(0, "completions", "zsh").stdout
    assert text.startswith("#compdef signpost\n"), text[:200]
    if shutil.which("zsh") is None:
        raise Skip("zsh is not installed")
    subprocess.run(["zsh", "-n", write(f"{d}/_signpost", text)], check=True)


def test_what_is_wrong(_):
    for words in ((), ("fish",), ("bash", "zsh")):
        assert tool("completions", *words).returncode == 64
    assert SIGNPOST


if __name__ == "__main__":
    sys.exit(main(globals()))
