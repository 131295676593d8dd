"""How long a test waits: every time limit of the tests comes from here, so that a slow and busy machine fails none of them.

  seconds(n)    a limit for what must happen sooner or later. It costs nothing where it happens; N is ample for a good machine
                already. With a sanitizer it is three times as long, and SIGNPOST_PATIENCE (a number) multiplies it.
  below(hang)   a limit for what would take HANG seconds at least if it were wrong, by the program's own clock (a time limit
                that is waited for, once or many times): most of that time. It is not multiplied: HANG does not grow. A test
                that needs more room makes the hang longer, by asking more often.
  check(...)    asserts that a measured time is below(hang) and says what is usual and what a hang would be.

How fast something is belongs into tests/bench. Here a clock only tells what is bounded from what is not.
"""
import functools
import os
from pathlib import Path

from . import daemon

OF_A_SANITIZER = 3
PART_OF_A_HANG = 0.8


@functools.lru_cache(maxsize=None)
def factor():
    given = float(os.environ.get("SIGNPOST_PATIENCE") or 1)
    program = daemon.find_program() or Path(os.environ.get("BUILDDIR", ".")) / "signpostd"
    slow = os.access(program, os.R_OK) and daemon.is_sanitized(program)
    return given * (OF_A_SANITIZER if slow else 1)


def seconds(count):
    return count * factor()


def below(hang):
    return hang * PART_OF_A_HANG


def check(took, usual, hang, what):
    """TOOK, USUAL and HANG in seconds; WHAT: what would take so long if it hung, in words."""
    assert took < below(hang), f"{what}: took {took:.1f} s; usual are {usual} s, and {hang} s or more if it hung"
