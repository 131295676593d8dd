#!/usr/bin/env python3
"""The rules of the tree that a program can check: where includes may point, calls that nobody may
make, lengths, formatting, manual pages. Prints TAP, one line per rule; `make check` runs it."""
import glob
import os
import re
import shutil
import subprocess
import sys

TOP = os.environ.get("SRCDIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
ROOMS = ("lib", "backends", "daemon", "admin-api", "tools", "tests")
FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 700
TEST_FILE_LINES_MAX = 1000  # tables of cases are long and still one idea

# What the files of a room may include from the tree; the longest prefix that fits decides.
MAY_INCLUDE = {
    "lib/base/": ["lib/base/"],
    "lib/crypto/": ["lib/base/", "lib/crypto/"],
    "lib/dkim/": ["lib/base/", "lib/crypto/", "lib/dkim/"],
    "lib/conf/": ["lib/base/", "lib/conf/"],
    "lib/dns/": ["lib/base/", "lib/dns/"],
    "lib/mailauth/": ["lib/base/", "lib/crypto/", "lib/dkim/", "lib/conf/", "lib/dns/", "lib/store/",
                      "lib/mailauth/"],
    "lib/store/": ["lib/base/", "lib/crypto/", "lib/keys/state.h", "lib/store/"],
    "lib/keys/": ["lib/base/", "lib/crypto/", "lib/store/", "lib/keys/"],
    "backends/": ["lib/base/", "lib/crypto/digest.h", "lib/store/", "lib/conf/", "backends/"],
    "daemon/": ["lib/", "backends/", "daemon/"],
    "admin-api/": ["lib/", "backends/", "admin-api/"],
    # The table of paths, and what a token looks like, are known to both sides.
    "tools/": ["lib/", "backends/", "tools/", "admin-api/route.h", "admin-api/token.h"],
    "tests/": ["lib/", "backends/", "daemon/", "admin-api/", "tools/", "tests/"],
}

BANNED_CALLS = {
    "strcpy": "span_dup, buf_add", "strcat": "buf_add", "sprintf": "snprintf, buf_add_fmt",
    "vsprintf": "vsnprintf", "gets": "read", "strtok": "span_cut", "strncpy": "span_dup",
    "strncat": "buf_add", "atoi": "span_number", "atol": "span_number", "atof": "span_number",
    "alloca": "mem_alloc", "system": "posix_spawn", "popen": "posix_spawn",
    "rand": "random_bytes", "random": "random_bytes", "srand": "random_bytes",
    "tmpnam": "mkdtemp", "mktemp": "mkstemp", "tempnam": "mkstemp",
}
HEAP_CALLS = {"malloc": "mem_alloc", "calloc": "mem_zalloc", "realloc": "mem_resize",
              "free": "mem_free", "strdup": "mem_strdup", "strndup": "mem_strndup",
              "reallocarray": "mem_resize", "asprintf": "buf_add_fmt"}

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
BUILD_PATHS = re.compile(r"/(?:home|root|build|work|tmp)/[A-Za-z0-9_.-]*/")


class Skip(Exception):
    pass


def tree_files(pattern):
    """Files of the source tree, relative; never a build folder."""
    found = []
    for room in ROOMS:
        for folder, names, files in os.walk(os.path.join(TOP, room)):
            names[:] = [n for n in names if n not in ("__pycache__", "seeds") and not n.startswith(".")]
            found += [os.path.relpath(os.path.join(folder, f), TOP) for f in files
                      if re.search(pattern, f)]
    return sorted(found)


def text_of(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code_of(path):
    """The text with comments and strings blanked, lines kept."""
    def blank(match):
        token = match.group()
        return re.sub(r"[^\n]", " ", token) if token[0] == "/" else '""'
    return TOKEN.sub(blank, text_of(path))


def numbered(text):
    return enumerate(text.split("\n"), 1)


SOURCES = tree_files(r"\.[ch]$")
OUR_CODE = [path for path in SOURCES if not path.startswith("tests/")]


def include_direction():
    for path in SOURCES:
        room = max((r for r in MAY_INCLUDE if path.startswith(r)), key=len, default=None)
        if room is None:
            yield f"{path}: no rule for this folder; add one to MAY_INCLUDE"
            continue
        for number, line in numbered(text_of(path)):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match or match.group(1) == "config.h":
                continue
            if not any(match.group(1).startswith(allowed) for allowed in MAY_INCLUDE[room]):
                yield f"{path}:{number}: {room} may not include {match.group(1)}"
            elif not os.path.exists(os.path.join(TOP, match.group(1))):
                yield f"{path}:{number}: there is no {match.group(1)} from the top of the tree"


def openssl_only_in_crypto():
    for path in OUR_CODE:
        if path.startswith("lib/crypto/"):
            continue
        for number, line in numbered(text_of(path)):
            if re.match(r"\s*#\s*include\s+<openssl/", line):
                yield f"{path}:{number}: only lib/crypto includes OpenSSL"


def calls(path, names):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
    for number, line in numbered(code_of(path)):
        for match in pattern.finditer(line):
            yield number, match.group(1)


def banned_calls():
    for path in OUR_CODE:
        for number, name in calls(path, BANNED_CALLS):
            yield f"{path}:{number}: {name}() is not used here; see {BANNED_CALLS[name]}"


def heap_calls_outside_base():
    for path in OUR_CODE:
        if path.startswith("lib/base/"):
            continue
        for number, name in calls(path, HEAP_CALLS):
            yield f"{path}:{number}: {name}() belongs to lib/base; see {HEAP_CALLS[name]}"


def file_begins_with_comment():
    seen = {}
    for path in SOURCES:
        match = re.match(r"/\*.*?\*/", text_of(path), re.DOTALL)
        if not match:
            yield f"{path}:1: begins without a comment that says what the file is"
        elif not path.startswith("tests/") and os.path.basename(path) not in match.group():
            yield f"{path}:1: the first comment does not name the file"
        elif match.group() in seen:
            yield f"{path}:1: the first comment is that of {seen[match.group()]}"
        else:
            seen[match.group()] = path


def functions(path):
    """(first line, name, lines) of each function; the layout puts its braces into column 1."""
    start, name = None, ""
    previous = ""
    for number, line in numbered(code_of(path)):
        if line == "{":
            start = number
            found = re.search(r"(\w+)\(", previous)
            name = found.group(1) if found else "?"
        elif line.startswith("}") and start is not None:
            yield start, name, number - start - 1
            start, previous = None, ""
        elif line[:1].isalpha():
            previous = line if "(" in line else previous


def function_length():
    for path in OUR_CODE:
        for number, name, lines in functions(path):
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{number}: {name}() has {lines} lines; at most {FUNCTION_LINES_MAX}"


def file_length():
    for path in SOURCES:
        lines = text_of(path).count("\n")
        most = TEST_FILE_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
        if lines > most:
            yield f"{path}: {lines} lines; at most {most}: a file is one idea"


def formatting():
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        raise Skip("clang-format is not installed")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    if " 14." not in version:
        raise Skip(f"the layout is that of clang-format 14, here is {version.strip()}")
    result = subprocess.run([tool, "--dry-run", "--Werror", "--style=file", *SOURCES], cwd=TOP,
                            capture_output=True, text=True, check=False)
    bad = {}
    for match in re.finditer(r"^([^\s:]+):(\d+):\d+: error", result.stderr, re.MULTILINE):
        bad.setdefault(match.group(1), match.group(2))
    for path, number in bad.items():
        yield f"{path}:{number}: not as clang-format writes it (make format)"


def other_texts():
    named = ["README", "NEWS", "HACKING", "Makefile.am", "configure.ac", "bootstrap", "setup"]
    named += [os.path.relpath(p, TOP) for p in glob.glob(TOP + "/man/*") + glob.glob(TOP + "/packaging/**/*", recursive=True)]
    named += tree_files(r"\.(mk|py|sh|md)$")
    return [p for p in named if os.path.isfile(os.path.join(TOP, p))]


def trailing_blanks():
    for path in SOURCES + other_texts():
        text = text_of(path)
        for number, line in numbered(text):
            if line != line.rstrip(" \t\r"):
                yield f"{path}:{number}: blanks at the end of the line"
        if text and not text.endswith("\n"):
            yield f"{path}: no line feed at the end"


def no_paths_of_a_build_machine():
    for path in OUR_CODE + other_texts():
        for number, line in numbered(text_of(path)):
            match = BUILD_PATHS.search(line)
            if match and "lint" not in path:
                yield f"{path}:{number}: {match.group()} is a place on somebody's machine"


def manual_pages():
    pages = sorted(glob.glob(os.path.join(TOP, "man", "*.[1-9]")))
    if shutil.which("mandoc") is None:
        raise Skip("mandoc is not installed")
    if not pages:
        yield "man/: there is no manual page"
    for page in pages:
        result = subprocess.run(["mandoc", "-Tlint", "-W", "error", page], capture_output=True,
                                text=True, check=False)
        for line in result.stdout.splitlines():
            yield line.replace(TOP + "/", "")


RULES = [include_direction, openssl_only_in_crypto, banned_calls, heap_calls_outside_base,
         file_begins_with_comment, function_length, file_length, formatting, trailing_blanks,
         no_paths_of_a_build_machine, manual_pages]


def longest_functions():
    every = [(lines, f"{path}:{start} {name}()") for path in OUR_CODE
             for start, name, lines in functions(path)]
    return sorted(every, reverse=True)[:3]


def main():
    failed = 0
    print(f"1..{len(RULES)}")
    for number, rule in enumerate(RULES, 1):
        title = rule.__name__.replace("_", " ")
        try:
            faults = list(rule())
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}")
            continue
        print(f"{'not ok' if faults else 'ok'} {number} - {title}")
        for fault in faults:
            print("# " + fault)
        failed += bool(faults)
    for lines, where in longest_functions():
        print(f"# longest: {lines} lines, {where}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
