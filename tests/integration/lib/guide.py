"""The command lines of a guide (doc/guides), as its reader types them.

A guide is text. What is indented by four blanks is a command for root's shell, longer with a backslash at the end of a line;
what is indented by eight is what it prints, where that matters: "..." is anything, alone on a line any number of lines. After a
line that is the name of a file and a colon, the indented lines are that file, or the lines to put at its end:

    /etc/signpost/publishers:                    /etc/postfix/master.cf, at its end:

Where there are several machines, "On gw1, gw2:" says whose all that follows is.
"""
import re
from dataclasses import dataclass, field

HOSTS = re.compile(r"^On (\w+(?:, \w+)*):$")
FILE = re.compile(r"^(/[!-~]+?)(, at its end| の末尾)?:$")


@dataclass
class Step:
    line: int
    command: str = ""           # or the path of a file
    text: str = ""              # of a file
    shown: list = field(default_factory=list)
    kind: str = "run"           # run, file, append
    hosts: list = field(default_factory=list)

    def same(self):
        """What two languages of a guide have in common."""
        return (self.kind, self.command, self.text, self.shown, self.hosts)


def blocks(lines):
    """(number of its first line, the line before it, its lines) of each indented block behind an empty line; what is indented
    below a line of text belongs to that."""
    at, before = 0, ""
    while at < len(lines):
        if not lines[at].startswith("    ") or lines[at - 1].strip():
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
    text = path.read_text(encoding="utf-8").splitlines()
    steps = []
    for number, before, lines in blocks(text):
        named = FILE.match(before)
        if named:
            found = [Step(number, named.group(1), "\n".join(lines) + "\n", kind="append" if named.group(2) else "file")]
        else:
            found = list(commands(number, lines))
        for step in found:
            step.hosts = hosts_at(text, number)
        steps += found
    return steps


def hosts_at(lines, number):
    said = [line for line in lines[:number - 1] if line.startswith("On ") and HOSTS.match(line)]
    return HOSTS.match(said[-1]).group(1).split(", ") if said else []


def squeeze(text):
    return "".join(" ".join(line.split()) + "\n" for line in text.splitlines() if line.strip())


def is_shown(shown, printed):
    """Does what was PRINTED look as it is SHOWN? How many blanks stand between words does not count."""
    def line_of(line):
        return r"(?:.*\n)*" if line == "..." else re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*") + "\n"
    return re.fullmatch("".join(map(line_of, shown)), squeeze(printed)) is not None
