"""The command lines of a guide (doc/guides), as its reader types them.

A guide is text. What is indented by four blanks is a command for root's shell, longer with a backslash at the end of a line;
what is indented by eight is what it prints, where that matters: "..." is anything, alone on a line any number of lines. After a
line that is the name of a file and a colon, the indented lines are that file, or the lines to put at its end:

    /etc/signpost/publishers:                    /etc/postfix/master.cf, at its end:
"""
import re
from dataclasses import dataclass, field

FILE = re.compile(r"^(/[!-~]+?)(, at its end| の末尾)?:$")


@dataclass
class Step:
    line: int
    command: str = ""           # or the path of a file
    text: str = ""              # of a file
    shown: list = field(default_factory=list)
    kind: str = "run"           # run, file, append

    def same(self):
        """What two languages of a guide have in common."""
        return (self.kind, self.command, self.text, self.shown)


def blocks(lines):
    """(number of its first line, the line before it, its lines) of each indented block."""
    at, before = 0, ""
    while at < len(lines):
        if not lines[at].startswith("    "):
            before = lines[at] if lines[at].strip() else before
            at += 1
            continue
        end = at
        while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
            end += 1
        found = lines[at:end]
        while not found[-1].strip():
            found.pop()
        yield at + 1, before, [line[4:] for line in found]
        at, before = end, ""


def commands(number, lines):
    for offset, line in enumerate(lines):
        if offset and lines[offset - 1].endswith("\\"):
            step.command = step.command[:-1].rstrip() + " " + line.strip()
        elif line.startswith("    "):
            step.shown.append(line.strip())
        elif line:
            if offset:
                yield step
            step = Step(number + offset, line)
    yield step


def read(path):
    steps = []
    for number, before, lines in blocks(path.read_text(encoding="utf-8").splitlines()):
        named = FILE.match(before)
        if named:
            steps.append(Step(number, named.group(1), "\n".join(lines) + "\n", kind="append" if named.group(2) else "file"))
        else:
            steps.extend(commands(number, lines))
    return steps


def squeeze(text):
    return "".join(" ".join(line.split()) + "\n" for line in text.splitlines() if line.strip())


def is_shown(shown, printed):
    """Does what was PRINTED look as it is SHOWN? How many blanks stand between words does not count."""
    def line_of(line):
        return r"(?:.*\n)*" if line == "..." else re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*") + "\n"
    return re.fullmatch("".join(map(line_of, shown)), squeeze(printed)) is not None
