"""Child of verify.py: dkimpy over a list of files. argv: file of records; stdin: names; stdout: name, d=, verdict."""
import sys

import dkim


def load(path):
    records = {}
    for line in open(path, encoding="ascii"):
        name, record = line.rstrip("\n").split(" ", 1)
        records[name.encode() + b"."] = record.encode()
    return records


def domain_of(field):
    for part in field.split(b";"):
        tag, _, value = part.partition(b"=")
        if tag.strip() == b"d":
            return value.strip().decode("ascii", "replace")
    return "?"


def verdicts(message, records):
    checker = dkim.DKIM(message, minkey=1024)
    fields = [value for name, value in checker.headers if name.lower() == b"dkim-signature"]
    for index, field in enumerate(fields):
        try:
            checker = dkim.DKIM(message, minkey=1024)
            good = checker.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name))
            yield domain_of(field), "pass" if good else "fail"
        except Exception as error:
            yield domain_of(field), "error: " + " ".join(str(error).split())


def main():
    records = load(sys.argv[1])
    for name in sys.stdin.read().split():
        with open(name, "rb") as file:
            message = file.read()
        found = False
        try:
            for domain, verdict in verdicts(message, records):
                found = True
                print(name, domain, verdict, sep="\t")
        except Exception as error:
            print(name, "?", "error: " + " ".join(str(error).split()), sep="\t")
            continue
        if not found:
            print(name, "", "no signature", sep="\t")


main()
