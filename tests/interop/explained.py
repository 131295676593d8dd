"""Where Signpost and another judge differ, and why Signpost is right. A difference that no entry explains fails the test.

mutation and reasons are regular expressions; reasons are searched in what that judge says of itself. passes: what
Signpost answers.
"""
import re
from dataclasses import dataclass


@dataclass
class Explanation:
    mutation: str
    judge: str
    passes: bool
    ours: str      # found in what Signpost says
    theirs: str    # found in what the judge says
    rfc: str
    why: str
    used: int = 0

    def fits(self, mutation, judge, ours, theirs):
        return (judge == self.judge and (ours[0] > theirs[0]) == self.passes and re.fullmatch(self.mutation, mutation)
                and re.search(self.ours, ours[1], re.S) and re.search(self.theirs, theirs[1], re.S))


EXPLANATIONS = [
]


def explain(mutation, judge, ours, theirs):
    """ours, theirs: (passes, reasons). The entry that explains the difference, or None."""
    for entry in EXPLANATIONS:
        if entry.fits(mutation, judge, ours, theirs):
            entry.used += 1
            return entry
    return None
