"""What becomes of signed messages on their way, or in the hands of somebody who wants to know: each mutation is a
function (Parts, random) that changes header, body, signature or key record, or answers False when there is nothing of
the kind to change. MUTATIONS holds them in the order of this file; the name is the class of the report.
"""
import base64
import re
from dataclasses import dataclass

MUTATIONS = []


def mutation(function):
    MUTATIONS.append(function)
    return function


@dataclass
class Parts:
    """A message whose first field is the signature; fields have no last CRLF. record_name's record may be a list."""
    fields: list
    body: object          # None: no empty line either
    record_name: str
    record: object

    @property
    def value(self):
        return self.fields[0].split(b":", 1)[1]

    @value.setter
    def value(self, value):
        self.fields[0] = self.fields[0].split(b":", 1)[0] + b":" + value

    @property
    def tags(self):
        return self.value.rstrip().rstrip(b";").split(b";")

    @tags.setter
    def tags(self, tags):
        self.value = b";".join(tags)

    @property
    def record_tags(self):
        return [t for t in self.record.split(";") if t.strip()]

    @record_tags.setter
    def record_tags(self, tags):
        self.record = ";".join(tags)

    def tag_index(self, name):
        for at, tag in enumerate(self.tags):
            if tag.split(b"=")[0].strip() == name:
                return at
        return None

    def set_tag(self, name, change):
        """CHANGE(value octets) -> value octets."""
        at = self.tag_index(name)
        if at is None:
            return False
        tags = self.tags
        head, value = tags[at].split(b"=", 1)
        tags[at] = head + b"=" + change(value)
        self.tags = tags
        return True

    def signed_names(self):
        at = self.tag_index(b"h")
        return [n.strip().lower() for n in self.tags[at].split(b"=", 1)[1].split(b":")]

    def indexes(self, signed):
        """Of the fields that h= names, or of those that it does not."""
        names = self.signed_names()
        return [i for i, f in enumerate(self.fields)
                if i > 0 and (f.split(b":")[0].strip().lower() in names) == signed]

    @property
    def octets(self):
        head = b"".join(f + b"\r\n" for f in self.fields)
        return head if self.body is None else head + b"\r\n" + self.body


def parts_of(data, records):
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        head, body = data.removesuffix(b"\r\n"), None
    fields = re.split(rb"\r\n(?![ \t])", head)
    (name, record), = records.items()
    return Parts(fields, body, name, record)


def flip(octets, rnd, unfit=b"\r\n"):
    """One bit, so that no CR or LF comes or goes."""
    for _ in range(50):
        at = rnd.randrange(len(octets))
        new = octets[at] ^ (1 << rnd.randrange(8))
        if octets[at] not in unfit and new not in unfit:
            return octets[:at] + bytes([new]) + octets[at + 1:]
    return octets


def other_base64(octets, rnd):
    places = [i for i, c in enumerate(octets) if chr(c).isalnum() or c in b"+/"]
    at = rnd.choice(places)
    new = rnd.choice([c for c in b"ABCDEFGHabcdefgh0123456789+/" if c != octets[at]])
    return octets[:at] + bytes([new]) + octets[at + 1:]


def pick(rnd, found):
    return rnd.choice(found) if found else None


# Bits

@mutation
def signed_field_bit(parts, rnd):
    at = rnd.choice(parts.indexes(True))
    parts.fields[at] = flip(parts.fields[at], rnd)


@mutation
def unsigned_field_bit(parts, rnd):
    at = pick(rnd, parts.indexes(False))
    if at is None:
        return False
    name, value = parts.fields[at].split(b":", 1)
    if not value.strip():
        return False
    parts.fields[at] = name + b":" + flip(value, rnd)
    return True


@mutation
def body_bit(parts, rnd):
    if not parts.body or not parts.body.strip(b"\r\n"):
        return False
    parts.body = flip(parts.body, rnd)
    return True


@mutation
def signature_field_bit(parts, rnd):
    parts.value = flip(parts.value, rnd)


@mutation
def b_value(parts, rnd):
    return parts.set_tag(b"b", lambda v: other_base64(v, rnd))


@mutation
def b_cut(parts, rnd):
    return parts.set_tag(b"b", lambda v: v.rstrip()[:-rnd.randint(1, 9)])


@mutation
def bh_value(parts, rnd):
    return parts.set_tag(b"bh", lambda v: other_base64(v, rnd))


@mutation
def record_bit(parts, rnd):
    parts.record = flip(parts.record.encode(), rnd).decode("utf-8", "surrogateescape")


@mutation
def record_key_value(parts, rnd):
    head, value = re.split(r"(?<=p)\s*=", parts.record, maxsplit=1)
    parts.record = head + "=" + other_base64(value.encode(), rnd).decode()


@mutation
def record_key_bit(parts, rnd):
    """In the key itself, so that the record stays readable."""
    found = re.search(r"p=([A-Za-z0-9+/=]{40,})", parts.record)
    if not found:
        return False
    key = flip(base64.b64decode(found.group(1)), rnd, b"")
    parts.record = parts.record.replace(found.group(1), base64.b64encode(key).decode())
    return True


# Tags of the signature

@mutation
def tag_removed(parts, rnd):
    tags = parts.tags
    tags.pop(rnd.randrange(len(tags)))
    parts.tags = tags


@mutation
def tag_doubled(parts, rnd):
    tags = parts.tags
    tags.insert(rnd.randrange(len(tags) + 1), rnd.choice(tags))
    parts.tags = tags


@mutation
def tag_doubled_with_another_value(parts, rnd):
    name = rnd.choice([b"d", b"s", b"v", b"l", b"x", b"c"])
    parts.tags = parts.tags + [b" " + name + b"=" + rnd.choice([b"1", b"other.test", b"relaxed"])]


@mutation
def tags_reordered(parts, rnd):
    tags = parts.tags
    rnd.shuffle(tags)
    parts.tags = tags


@mutation
def b_moved_to_the_front(parts, _rnd):
    tags = parts.tags
    tags.insert(0, tags.pop(parts.tag_index(b"b")))
    parts.tags = tags


@mutation
def unknown_tag_added(parts, rnd):
    tags = parts.tags
    tags.insert(rnd.randrange(len(tags) + 1), b" zz=1")
    parts.tags = tags


@mutation
def blank_before_a_tag(parts, rnd):
    tags = parts.tags
    at = rnd.randrange(len(tags))
    tags[at] = rnd.choice([b" ", b"\t", b"\r\n ", b"  "]) + tags[at]
    parts.tags = tags


@mutation
def blank_before_the_equals_sign(parts, rnd):
    tags = parts.tags
    at = rnd.randrange(len(tags))
    name, value = tags[at].split(b"=", 1)
    tags[at] = name + rnd.choice([b" ", b"\t", b"\r\n\t"]) + b"=" + value
    parts.tags = tags


@mutation
def blank_after_a_value(parts, rnd):
    tags = parts.tags
    at = rnd.randrange(len(tags))
    tags[at] += rnd.choice([b" ", b"\t", b"\r\n "])
    parts.tags = tags


@mutation
def blank_inside_b(parts, rnd):
    return parts.set_tag(b"b", lambda v: v[:30] + rnd.choice([b" ", b"\t", b"\r\n ", b"\r\n\t "]) + v[30:])


@mutation
def b_unfolded(parts, _rnd):
    return parts.set_tag(b"b", lambda v: re.sub(rb"\s+", b"", v))


@mutation
def blank_inside_bh(parts, rnd):
    return parts.set_tag(b"bh", lambda v: v[:9] + rnd.choice([b" ", b"\r\n "]) + v[9:])


@mutation
def blank_inside_a_name_of_h(parts, _rnd):
    return parts.set_tag(b"h", lambda v: re.sub(rb"(?i)from", b"fr om", v, count=1))


@mutation
def blank_inside_d(parts, _rnd):
    return parts.set_tag(b"d", lambda v: v.replace(b".", b" .", 1))


@mutation
def comment_in_d(parts, rnd):
    return parts.set_tag(b"d", lambda v: v.rstrip() + rnd.choice([b"(.good.test", b"(good)", b" (good)", b"\"", b"\\"]))


@mutation
def nul_in_d(parts, _rnd):
    return parts.set_tag(b"d", lambda v: v.rstrip() + b"\0.good.test")


@mutation
def semicolon_at_the_end(parts, rnd):
    parts.value = parts.value.rstrip() + rnd.choice([b";", b"; ", b";\r\n ", b";;"])


@mutation
def empty_tag_in_front(parts, _rnd):
    parts.value = b";" + parts.value


@mutation
def tag_name_in_capitals(parts, rnd):
    tags = parts.tags
    at = rnd.randrange(len(tags))
    name, value = tags[at].split(b"=", 1)
    tags[at] = name.upper() + b"=" + value
    parts.tags = tags


@mutation
def value_in_capitals(parts, rnd):
    name = rnd.choice([b"a", b"c", b"d", b"s", b"h", b"i", b"q"])
    return parts.set_tag(name, bytes.upper)


@mutation
def signature_name_in_capitals(parts, rnd):
    parts.fields[0] = rnd.choice([b"DKIM-SIGNATURE", b"dkim-signature", b"Dkim-Signature"]) + b":" + parts.value


@mutation
def signature_twice(parts, _rnd):
    parts.fields.insert(0, parts.fields[0])


@mutation
def signature_below(parts, rnd):
    """Moved; where it stands means nothing."""
    field = parts.fields.pop(0)
    parts.fields.insert(rnd.randrange(1, len(parts.fields) + 1), field)


@mutation
def signature_cut(parts, rnd):
    parts.value = parts.value[:rnd.randrange(1, len(parts.value))].rstrip(b"\r\n \t") or b" "


@mutation
def length_changed(parts, rnd):
    return parts.set_tag(b"l", lambda v: rnd.choice(
        [b"%d" % (int(v) + 1), b"%d" % max(0, int(v) - 1), b"0", b"99999999999999999999", b"-1", b"", b"1e3",
         b"0" * 9 + v.strip()]))


@mutation
def length_added(parts, rnd):
    if parts.tag_index(b"l") is not None:
        return False
    tags = parts.tags
    tags.insert(1, b" l=" + rnd.choice([b"0", b"1", b"%d" % len(parts.body or b""), b"9999999"]))
    parts.tags = tags
    return True


@mutation
def name_added_to_h(parts, rnd):
    name = rnd.choice([b"x-absent", b"from", b"subject", b"received", b""])
    return parts.set_tag(b"h", lambda v: v.rstrip() + b":" + name)


@mutation
def name_removed_from_h(parts, _rnd):
    return parts.set_tag(b"h", lambda v: v.split(b":", 1)[1] if b":" in v else b"")


@mutation
def time_changed(parts, rnd):
    return parts.set_tag(b"t", lambda v: rnd.choice([b"1", b"0", b"999999999999", b"x", v.strip() + b"0"]))


@mutation
def expiry_added(parts, rnd):
    parts.tags = parts.tags + [b" x=" + rnd.choice([b"1", b"1000000000", b"99999999999"])]


@mutation
def signature_folded_otherwise(parts, _rnd):
    """Every fold becomes one blank, as some relays do."""
    parts.value = re.sub(rb"\r\n[ \t]+", b" ", parts.value)


# The header

@mutation
def fields_reordered(parts, rnd):
    rest = parts.fields[1:]
    rnd.shuffle(rest)
    parts.fields[1:] = rest


@mutation
def signed_field_doubled_on_top(parts, rnd):
    parts.fields.insert(1, parts.fields[rnd.choice(parts.indexes(True))])


@mutation
def signed_field_doubled_at_the_end(parts, rnd):
    parts.fields.append(parts.fields[rnd.choice(parts.indexes(True))])


@mutation
def second_from_on_top(parts, _rnd):
    parts.fields.insert(1, b"From: someone@else.test")


@mutation
def second_from_at_the_end(parts, _rnd):
    parts.fields.append(b"From: someone@else.test")


@mutation
def second_subject_on_top(parts, _rnd):
    parts.fields.insert(1, b"Subject: buy this")


@mutation
def signed_field_removed(parts, rnd):
    parts.fields.pop(rnd.choice(parts.indexes(True)))


@mutation
def unsigned_field_removed(parts, rnd):
    at = pick(rnd, parts.indexes(False))
    if at is None:
        return False
    parts.fields.pop(at)
    return True


@mutation
def unknown_field_added(parts, rnd):
    parts.fields.insert(rnd.randrange(len(parts.fields) + 1), b"X-Added-On-The-Way: yes")
    if not parts.fields[0].lower().startswith(b"dkim-"):
        parts.fields.insert(0, parts.fields.pop(1))


@mutation
def field_name_in_capitals(parts, rnd):
    at = rnd.choice(parts.indexes(True))
    name, value = parts.fields[at].split(b":", 1)
    parts.fields[at] = name.upper() + b":" + value


@mutation
def field_name_with_blank(parts, rnd):
    """The obsolete blank in front of the colon."""
    at = rnd.choice(parts.indexes(True))
    name, value = parts.fields[at].split(b":", 1)
    parts.fields[at] = name + b" :" + value


@mutation
def blank_at_the_end_of_a_field(parts, rnd):
    at = rnd.choice(parts.indexes(True))
    parts.fields[at] += rnd.choice([b" ", b"\t", b"\r\n "])


@mutation
def blank_at_the_begin_of_a_field(parts, rnd):
    at = rnd.choice(parts.indexes(True))
    name, value = parts.fields[at].split(b":", 1)
    parts.fields[at] = name + b":" + rnd.choice([b" ", b"\t", b"\r\n "]) + value


@mutation
def blank_inside_a_field_doubled(parts, rnd):
    places = [i for i in parts.indexes(True) if b" " in parts.fields[i].split(b":", 1)[1].strip()]
    at = pick(rnd, places)
    if at is None:
        return False
    name, value = parts.fields[at].split(b":", 1)
    lead = value[:len(value) - len(value.lstrip())]
    parts.fields[at] = name + b":" + lead + value.lstrip().replace(b" ", rnd.choice([b"  ", b"\t", b"\r\n "]), 1)
    return True


@mutation
def field_folded(parts, rnd):
    at = rnd.choice(parts.indexes(True))
    parts.fields[at] = re.sub(rb"(?<=\S) (?=\S)", b"\r\n ", parts.fields[at], count=1)


@mutation
def field_unfolded(parts, rnd):
    places = [i for i in parts.indexes(True) if b"\r\n" in parts.fields[i]]
    at = pick(rnd, places)
    if at is None:
        return False
    parts.fields[at] = parts.fields[at].replace(b"\r\n", b"")
    return True


@mutation
def case_of_a_value(parts, rnd):
    at = rnd.choice(parts.indexes(True))
    name, value = parts.fields[at].split(b":", 1)
    parts.fields[at] = name + b":" + value.swapcase()


# The body

@mutation
def empty_lines_appended(parts, rnd):
    if parts.body is None:
        return False
    parts.body += b"\r\n" * rnd.randint(1, 5)
    return True


@mutation
def lines_of_blanks_appended(parts, rnd):
    if parts.body is None:
        return False
    parts.body += rnd.choice([b" \r\n", b"\t\r\n\r\n", b" \r\n \r\n"])
    return True


@mutation
def empty_lines_removed(parts, _rnd):
    if not parts.body or not parts.body.endswith(b"\r\n\r\n"):
        return False
    parts.body = parts.body.rstrip(b"\r\n") + b"\r\n"
    return True


@mutation
def last_line_end_removed(parts, _rnd):
    if not parts.body or not parts.body.strip(b"\r\n"):
        return False
    parts.body = parts.body.rstrip(b"\r\n")
    return True


@mutation
def empty_line_at_the_begin(parts, _rnd):
    if parts.body is None:
        return False
    parts.body = b"\r\n" + parts.body
    return True


@mutation
def text_appended(parts, _rnd):
    if parts.body is None:
        return False
    parts.body += b"-- \r\nsent through a list\r\n"
    return True


@mutation
def body_cut(parts, rnd):
    if not parts.body or len(parts.body) < 3:
        return False
    parts.body = parts.body[:rnd.randrange(len(parts.body))].rstrip(b"\r\n") + b"\r\n"
    return True


@mutation
def body_removed(parts, rnd):
    parts.body = rnd.choice([None, b""])


@mutation
def blanks_at_line_ends(parts, rnd):
    if not parts.body or b"\r\n" not in parts.body:
        return False
    parts.body = parts.body.replace(b"\r\n", rnd.choice([b" \r\n", b"\t\r\n"]), 1)
    return True


@mutation
def blanks_in_lines_doubled(parts, rnd):
    if not parts.body or b" " not in parts.body:
        return False
    parts.body = parts.body.replace(b" ", rnd.choice([b"  ", b"\t", b" \t "]), 1)
    return True


@mutation
def case_of_the_body(parts, _rnd):
    if not parts.body:
        return False
    parts.body = parts.body.swapcase()
    return True


@mutation
def dot_stuffed(parts, _rnd):
    if not parts.body or b"\r\n." not in b"\r\n" + parts.body:
        return False
    parts.body = (b"\r\n" + parts.body).replace(b"\r\n.", b"\r\n..")[2:]
    return True


# The record

@mutation
def record_tag_removed(parts, rnd):
    tags = parts.record_tags
    tags.pop(rnd.randrange(len(tags)))
    parts.record_tags = tags


@mutation
def record_tag_doubled(parts, rnd):
    tags = parts.record_tags
    parts.record_tags = tags + [rnd.choice(tags)]


@mutation
def record_tags_reordered(parts, rnd):
    tags = parts.record_tags
    rnd.shuffle(tags)
    parts.record_tags = tags


@mutation
def record_tag_added(parts, rnd):
    parts.record = parts.record.rstrip("; ") + "; " + rnd.choice(
        ["zz=1", "h=sha256", "h=sha1", "h=sha1:sha256", "s=email", "s=*", "s=other", "t=y", "t=s", "t=y:s", "n=note", "g=*",
         "g=", "h=", "s=", "t=", "x"])


@mutation
def record_blanks(parts, rnd):
    tags = parts.record_tags
    at = rnd.randrange(len(tags))
    name, value = tags[at].split("=", 1)
    tags[at] = rnd.choice([f" {name}={value}", f"{name} ={value}", f"{name}= {value}", f"{name}={value} ",
                           f"{name}={value[:5]} {value[5:]}", f"{name}={value}\t"])
    parts.record_tags = tags


@mutation
def record_case(parts, rnd):
    tags = parts.record_tags
    at = rnd.randrange(len(tags))
    name, value = tags[at].split("=", 1)
    tags[at] = rnd.choice([name.upper() + "=" + value, name + "=" + value.swapcase()])
    parts.record_tags = tags


@mutation
def record_semicolons(parts, rnd):
    parts.record = rnd.choice([parts.record.rstrip("; ") + ";", parts.record + ";;", ";" + parts.record,
                               parts.record.replace(";", ";;", 1), parts.record.replace(";", ",", 1)])


@mutation
def record_in_quotes(parts, rnd):
    parts.record = rnd.choice(['"' + parts.record + '"', parts.record.replace("p=", 'p="') + '"',
                               parts.record.replace(";", "\\;")])


@mutation
def record_cut(parts, rnd):
    parts.record = parts.record[:rnd.randrange(len(parts.record))]


@mutation
def record_empty(parts, rnd):
    parts.record = rnd.choice(["", " ", ";", "v=DKIM1", "v=DKIM1; p=", "p="])


@mutation
def record_missing(parts, _rnd):
    parts.record = []


@mutation
def record_of_another_kind(parts, rnd):
    parts.record = parts.record.replace("k=rsa", rnd.choice(["k=ed25519", "k=dsa", "k=", "k=RSA"])) \
        if "k=rsa" in parts.record else parts.record.replace("k=ed25519", rnd.choice(["k=rsa", "k=ed448", "k="]))
