#!/usr/bin/env python3
"""Holds the lint to its word: a tree with one fault per rule must fail each rule, and the same
tree without the faults must pass. Prints TAP."""
import os
import subprocess
import sys
import tempfile

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint.py")
GOOD = "/*\n * %s - a file of a test.\n */\nint\none(void)\n{\n\treturn 1;\n}\n"
PAGE = ".Dd January 1, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd a page\n"
BUILD_PLACE = "/ho" + "me/somebody/x"

# rule: (file, its text); the text follows a comment that names the file.
FAULTS = {
    "include direction": ("lib/base/bad.c", '#include "lib/crypto/key.h"\n'),
    "openssl only in crypto": ("daemon/bad.c", "#include <openssl/evp.h>\n"),
    "banned calls": ("tools/bad.c", "int\nbad(void)\n{\n\treturn atoi(\"1\");\n}\n"),
    "heap calls outside base": ("tools/bad.c", "void\nbad(void *p)\n{\n\tfree(p);\n}\n"),
    "file begins with comment": ("tools/bad.c", None),
    "function length": ("tools/bad.c", "void\nbad(void)\n{\n" + "\t;\n" * 81 + "}\n"),
    "file length": ("tools/bad.c", "extern int x;\n" * 701),
    "formatting": ("tools/bad.c", "int bad(void) { return 1; }\n"),
    "trailing blanks": ("tools/bad.c", "extern int x; \n"),
    "no paths of a build machine": ("tools/bad.c", f"/* see {BUILD_PLACE} */\n"),
    "manual pages": ("man/bad.1", "not a page\n.Xx\n.TH\n"),
}


def write(top, path, text):
    full = os.path.join(top, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="ascii") as f:
        f.write(text)


def tree(top):
    with open(os.path.join(os.path.dirname(LINT), "../../.clang-format"), encoding="ascii") as f:
        write(top, ".clang-format", f.read())
    for path in ("lib/base/good.c", "lib/crypto/key.h", "tools/good.c"):
        write(top, path, GOOD % path)
    write(top, "man/good.1", PAGE)


def verdicts(top):
    result = subprocess.run([sys.executable, "-B", LINT], env={**os.environ, "SRCDIR": top},
                            capture_output=True, text=True, check=False)
    lines = [line for line in result.stdout.splitlines() if " - " in line and "ok" in line[:6]]
    return {line.split(" - ")[1].split(" #")[0]: line for line in lines}


def main():
    failed = 0
    print(f"1..{len(FAULTS) + 1}")
    with tempfile.TemporaryDirectory(prefix="signpost-lint.") as top:
        tree(top)
        good = verdicts(top)
        wrong = [line for line in good.values() if not line.startswith("ok")]
        missing = set(good) ^ set(FAULTS)
        failed += bool(wrong or missing)
        print(f"{'not ok' if wrong or missing else 'ok'} 1 - a tree without faults passes every rule")
        print("".join(f"# {line}\n" for line in [*wrong, *missing]), end="")
    for number, (rule, (path, text)) in enumerate(FAULTS.items(), 2):
        with tempfile.TemporaryDirectory(prefix="signpost-lint.") as top:
            tree(top)
            head = f"/*\n * {os.path.basename(path)} - a file of a test.\n */\n"
            body = "int x;\n" if text is None else text
            write(top, path, body if text is None or path.startswith("man") else head + body)
            line = verdicts(top).get(rule, "no such rule")
        if "# SKIP" in line:
            print(f"ok {number} - {rule} # SKIP {line.split('# SKIP ')[1]}")
            continue
        failed += not line.startswith("not ok")
        print(f"{'ok' if line.startswith('not ok') else 'not ok'} {number} - a fault is found: {rule}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
