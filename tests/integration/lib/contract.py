"""The OpenAPI document of the HTTP API as a judge: every answer that a test gets is held against it (record), and in the end
all that it promises must have happened (missing). Its schemas are read by a small validator of our own, which knows the words
that the document uses, and takes no other ones.
"""
import json
import os
import re
from pathlib import Path

TOP = Path(os.environ.get("SRCDIR") or Path(__file__).resolve().parents[3])
PATH = TOP / "admin-api" / "openapi.json"
SEEN = {}       # (method, path, status, code): how often
ANYWHERE = {}   # (status, code): how often, of answers that no route has
FREE = {"Date", "Content-Length", "Content-Type", "Connection", "Cache-Control", "X-Content-Type-Options", "X-Request-Id", "Content-Security-Policy",
        "Referrer-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy"}


class Document:
    def __init__(self, json_document):
        self.json = json_document
        self.routes = [(re.compile(self.pattern(path)), path, item) for path, item in json_document["paths"].items()]

    @staticmethod
    def pattern(path):
        """{name} is a part of a path; one before an action of ours (:hold) may have colons."""
        return "^" + re.sub(r"\\\{\w+\\\}", "[^/?]+", re.escape(path)) + "$"

    def find(self, method, target):
        """(path, operation); None: there is none. Without colons in values: :hold is no selector."""
        path = target.split("?", 1)[0]
        found = [(template, item) for pattern, template, item in self.routes if pattern.match(path)]
        found = [(t, i) for t, i in found if t.rsplit("/", 1)[1].count(":") == path.rsplit("/", 1)[1].count(":")]
        for template, item in found:
            if method.lower() in item:
                return template, item[method.lower()]
        return None

    def resolve(self, thing):
        while "$ref" in thing:
            place = self.json
            for part in thing["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            thing = place
        return thing

    def operations(self):
        for path, item in self.json["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def codes_of(self, response):
        """The codes of a problem; [None] of what is none."""
        kinds = self.resolve(response).get("content", {})
        if "application/problem+json" not in kinds:
            return [None]
        found = []
        for part in kinds["application/problem+json"]["schema"].get("allOf", []):
            found += part.get("properties", {}).get("code", {}).get("enum", [])
        return found


KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
WORDS = {"$ref", "type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern", "minLength", "maxLength",
         "minimum", "maximum", "oneOf", "anyOf", "allOf", "propertyNames", "dependentRequired", "format", "description", "writeOnly"}


def is_kind(value, kind):
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, KINDS[kind])


def faults(document, schema, value, at=""):
    """What is wrong with the value; empty: nothing."""
    assert set(schema) <= WORDS, set(schema) - WORDS
    if "$ref" in schema:
        return faults(document, document.resolve(schema), value, at)
    out = []
    kinds = schema.get("type")
    if kinds is not None and not any(is_kind(value, k) for k in ([kinds] if isinstance(kinds, str) else kinds)):
        return [f"{at}: {value!r} is no {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        out.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "const" in schema and (value != schema["const"] or isinstance(value, bool) != isinstance(schema["const"], bool)):
        out.append(f"{at}: {value!r} is not {schema['const']!r}")
    if isinstance(value, str):
        out += [f"{at}: {value!r} does not fit {schema['pattern']}" for _ in [0] if "pattern" in schema and not re.search(schema["pattern"], value)]
        out += [f"{at}: too short" for _ in [0] if len(value) < schema.get("minLength", 0)]
        out += [f"{at}: too long" for _ in [0] if len(value) > schema.get("maxLength", len(value))]
    if is_kind(value, "integer"):
        out += [f"{at}: {value} is too small" for _ in [0] if value < schema.get("minimum", value)]
        out += [f"{at}: {value} is too much" for _ in [0] if value > schema.get("maximum", value)]
    if isinstance(value, list) and "items" in schema:
        for i, one in enumerate(value):
            out += faults(document, schema["items"], one, f"{at}/{i}")
    if isinstance(value, dict):
        out += of_object(document, schema, value, at)
    for word, good in (("oneOf", lambda n, of: n == 1), ("anyOf", lambda n, of: n >= 1), ("allOf", lambda n, of: n == of)):
        if word in schema:
            each = [faults(document, one, value, at) for one in schema[word]]
            if not good(sum(not f for f in each), len(each)):
                out.append(f"{at}: {word}: {each}")
    return out


def of_object(document, schema, value, at):
    known, rest, out = schema.get("properties", {}), schema.get("additionalProperties", True), []
    out += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
    for name, one in value.items():
        if "propertyNames" in schema:
            out += faults(document, schema["propertyNames"], name, f"{at}/{name}")
        if name in known:
            out += faults(document, known[name], one, f"{at}/{name}")
        elif rest is False:
            out.append(f"{at}: {name} is not in the document")
        elif isinstance(rest, dict):
            out += faults(document, rest, one, f"{at}/{name}")
    for name, others in schema.get("dependentRequired", {}).items():
        out += [f"{at}: {name} without {other}" for other in others if name in value and other not in value]
    return out


DOCUMENT = None


def document():
    global DOCUMENT
    if DOCUMENT is None:
        DOCUMENT = Document(json.loads(PATH.read_text()))
    return DOCUMENT


def of_response(doc, answer, response):
    """What an answer has that its response in the document has not."""
    response, out = doc.resolve(response), []
    for name, value in answer.fields:
        known = next((h for n, h in response.get("headers", {}).items() if n.lower() == name.lower()), None)
        if known is not None:
            out += faults(doc, doc.resolve(known)["schema"], value, name)
        elif name not in FREE:
            out.append(f"the field {name} is not in the document")
    kind = (answer.field("Content-Type") or "").split(";")[0]
    content = response.get("content", {})
    if bool(content) != bool(answer.octets) or (content and kind not in content):
        out.append(f"{kind!r} with {len(answer.octets)} octets, and not {list(content)}")
    elif content:
        out += faults(doc, content[kind]["schema"], answer.json if answer.json is not None else answer.octets.decode())
        if "x-itemSchema" in content[kind]:
            for line in answer.octets.splitlines():
                out += faults(doc, content[kind]["x-itemSchema"], json.loads(line), line.decode())
    return out


def record(answer):
    """Holds an answer against the document."""
    doc = document()
    found = doc.find(answer.method, answer.target)
    responses = found[1]["responses"] if found else {}
    own = responses.get(str(answer.status))
    if own is not None and answer.code in doc.codes_of(own):
        assert not (wrong := of_response(doc, answer, own)), f"{answer}\n{wrong}"
        key = (answer.method, found[0], answer.status, answer.code)
        SEEN[key] = SEEN.get(key, 0) + 1
        return
    anywhere = doc.resolve({"$ref": "#/components/responses/Anywhere"})
    assert answer.code in anywhere["x-codes"].get(str(answer.status), []), f"not in the document: {answer}"
    assert not (wrong := of_response(doc, answer, anywhere)), f"{answer}\n{wrong}"
    ANYWHERE[answer.status, answer.code] = ANYWHERE.get((answer.status, answer.code), 0) + 1


def promised():
    """All (method, path, status, code) of the document."""
    doc = document()
    return {(method, path, int(status), code) for method, path, operation in doc.operations()
            for status, response in operation["responses"].items() if status != "default" for code in doc.codes_of(response)}


def missing():
    return sorted(promised() - set(SEEN), key=str)
