"""Requests that nobody should send, made from the OpenAPI document: each route with paths, parameters, head fields, tokens and
bodies that are wrong in one way or another. By a fixed seed, so that a run can be had again."""
import json
import random
import urllib.parse

from . import contract

TEXTS = ["", " ", "\u0000", "../..", "%2e%2e", "a" * 600, "ä", "\u202e", "\U0001f4a3", "ﬀ", "'; DROP TABLE keys; --", "*)(uid=*", "${jndi:x}",
         "<script>", "\\", "\"", "/", "//", "%", "%25", "null", "true", "-1", "0", "9" * 40, "1e400", "NaN", "A.EXAMPLE", ".", "..", "-",
         "_", "a..b", "xn--", "xn--zz--", "x" * 64 + ".example", "localhost", "acme", "beta", "{tenant}", "a.example", "s1", "s1:hold", ":",
         "\r\nX-Injected: 1", "\t", "\x7f", "k" * 255, "spt_x", "*", "*.*", "::1", "0.0.0.0/0", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z"]
GOOD = ["a.example", "new.example", "keys:read", "s3", "a reason", "std", "acme", "role:operator"]
VALUES = [None, True, False, 0, -1, 1, 2 ** 31, 2 ** 63 - 1, 2 ** 63, -2 ** 63, 10 ** 30, 1.5, 1e308, [], {}, [[]], {"a": {"b": []}}, [None] * 50]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"]
KINDS = ["application/json", "application/json", "application/json", "application/json; charset=utf-8", "text/plain", "", "application/xml", None]


class Hostile:
    def __init__(self, seed, tokens, names):
        """tokens: those that are good; names: {name in braces: values that are there}."""
        self.random, self.tokens, self.names = random.Random(seed), tokens, names
        self.operations = list(contract.document().operations())

    def chance(self, part):
        return self.random.random() < part

    def text(self):
        return self.random.choice(TEXTS) if self.chance(0.8) else "".join(chr(self.random.choice((self.random.randrange(1, 128), self.random.randrange(128, 0x2000)))) for _ in range(self.random.randrange(1, 20)))

    def quoted(self, text):
        how = self.random.randrange(4)
        if how == 0:
            return "".join(f"%{octet:02X}" for octet in text.encode())
        if how == 1 and self.chance(0.2):
            return urllib.parse.quote(text, safe="") + self.random.choice(["%", "%4", "%zz", "%00", "%ff", "%c0%af"])
        return urllib.parse.quote(text, safe="/" if self.chance(0.1) else "")

    def path(self, path):
        for name in contract.re.findall(r"\{(\w+)\}", path):
            good = self.chance(0.85)
            value = self.random.choice(self.names.get(name, ["x"])) if good else self.text()
            path = path.replace("{%s}" % name, self.quoted(value) or "%20", 1)
        if self.chance(0.03):
            path = self.random.choice([path + "/", "/" + path, path + ":hold", path.replace("/v1", "/v2"), path.replace("/", "//", 2), path.upper()])
        return path

    def value(self, schema):
        schema = contract.document().resolve(schema)
        if self.chance(0.15):
            return self.random.choice([*VALUES, self.text()])
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        kind = schema.get("type")
        return {"boolean": self.chance(0.5), "integer": self.random.choice([0, 1, 500, 2048]), "object": {self.text(): self.random.choice(VALUES)}}.get(
            kind if isinstance(kind, str) else "", self.random.choice(GOOD) if self.chance(0.5) else self.text())

    def query(self, operation):
        doc, parts = contract.document(), []
        for parameter in map(doc.resolve, operation["parameters"]):
            if parameter["in"] == "query" and self.chance(0.3):
                value = self.value(parameter["schema"])
                text = value if isinstance(value, str) else json.dumps(value)
                parts += [f"{parameter['name']}={self.quoted(text)}"] * self.random.choice([1, 1, 1, 2])
        if self.chance(0.1):
            parts.append(self.random.choice(["", "=", "&", "a", "a=b", "dry_run=true", "dry_run=1", "cursor=AAAA", "after=x", "limit=-1", "%00=1", "x=%", "+=+", "a" * 300]))
        return "?" + "&".join(parts) if parts else ""

    def body(self, operation):
        if "requestBody" not in operation:
            return b"{}" if self.chance(0.05) else None
        if self.chance(0.08):
            return self.random.choice([b"", b"{", b"[]", b"\xff", b"{}{}", b"\x00", b'{"a":' * 2000, b"[" * 31 + b"]" * 31, b'{"a":1,"a":2}', b'{"\\ud800":1}',
                                       b" " * 70000, b'"' + b"x" * 100000 + b'"', b"-0", b"1e999", b'{"' + b"k" * 5000 + b'":1}'])
        kinds = operation["requestBody"]["content"]
        if "application/x-ndjson" in kinds:
            return self.lines(kinds["application/x-ndjson"]["x-itemSchema"]["oneOf"])
        if "message/rfc822" in kinds:
            return (b"From: a@a.example\r\nDKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s1; h=from;\r\n bh=AAAA; b=AAAA\r\n\r\n"
                    + str(self.value({"type": "string"})).encode("utf-8", "replace"))
        return self.object(kinds["application/json"]["schema"])

    def lines(self, schemas):
        """Of each that goes in pieces: at most a few lines, for many requests."""
        out = []
        for _ in range(self.random.randrange(6)):
            line = self.random.choice(schemas)["properties"]
            octets = b'{"operation":%s,"arguments":%s}' % (json.dumps(line["operation"]["const"]).encode(), self.object(line["arguments"]))
            out.append(octets if self.chance(0.9) else self.random.choice([b"", b"\xff", octets[:-1], b"[]", octets * 2, b" " * 70000, b"\x00"]))
        return b"\n".join(out)

    def object(self, schema):
        needed = schema.get("required", [])
        body = {name: self.value(one) for name, one in schema["properties"].items() if self.chance(0.9 if name in needed else 0.25)}
        if self.chance(0.05):
            body[self.text()] = self.random.choice(VALUES)
        return json.dumps(body, ensure_ascii=self.chance(0.5)).encode("utf-8", "surrogatepass")

    def token(self):
        if self.chance(0.97):
            return self.random.choice(self.tokens)
        return self.random.choice(["spt_" + "A" * 43, "spt_", "x", "spt_" + "é" * 20, self.tokens[0][:-1], self.tokens[0] + "A", self.tokens[0].lower()])

    def fields(self, method):
        fields = [("Authorization", self.random.choice(["Bearer ", "Bearer ", "Bearer ", "bearer ", "Bearer  "]) + self.token())]
        if self.chance(0.01):
            fields = [("Authorization", self.random.choice(["Basic eDp5", "Bearer", "Bearer a b", "", "Negotiate x"]))]
        if method != "GET" and self.chance(0.85):
            fields.append(("Idempotency-Key", f"hostile-{self.random.randrange(3000)}" if self.chance(0.9) else self.text()))
        if self.chance(0.6):
            fields.append(("If-Match", "*" if self.chance(0.6) else self.random.choice(['"x"', "x", 'W/"x"', '"', '""', '"a","b"', '"' + "y" * 300 + '"'])))
        if self.chance(0.1):
            fields.append(("If-None-Match", self.random.choice(["*", '"x"', "x", ",", ",,", 'W/', '"' * 9])))
        if self.chance(0.02):
            fields.append(self.random.choice([("Range", "bytes=0-1"), ("X-Forwarded-For", "::1"), ("Cookie", "a=b"), ("Accept", "x/y"), ("X" * 200, "y"), ("Expect", "x")]))
        return [(name, "".join(c for c in value if c.isprintable()).encode("latin-1", "replace")) for name, value in fields]

    def request(self):
        """(method, target, body, fields, kind)"""
        method, path, operation = self.random.choice(self.operations)
        if self.chance(0.02):
            method = self.random.choice(METHODS)
        target = (self.path(path) + self.query(operation))[:4300]
        kinds = [*operation.get("requestBody", {}).get("content", KINDS[:1])]
        return method, target, self.body(operation), self.fields(method), self.random.choice(KINDS if self.chance(0.2) else kinds)
