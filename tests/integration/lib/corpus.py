"""Messages of many shapes, the same for the same seed. Every line ends in CRLF, no bare CR or LF.

A shape is a function (random, author) -> (headers, body): headers as a list of octet strings without the last CRLF.
`address_odd` marks shapes whose address fields Sendmail writes anew after the milter has seen them.
"""
import base64
import random
from dataclasses import dataclass

SHAPES = []
CRLF = b"\r\n"


@dataclass
class Message:
    number: int
    shape: str
    sender: str
    recipient: str
    data: bytes
    eightbit: bool
    address_odd: bool


def shape(weight=1, address_odd=False):
    def register(function):
        SHAPES.append((function.__name__, function, weight, address_odd))
        return function
    return register


WORDS = ("letter box stamp road sign post mile stone wax seal rider relay gate bridge night lamp fog harbour "
         "ledger ink paper quill route parcel carrier domain selector key").split()


def sentence(rnd, words=9):
    return " ".join(rnd.choice(WORDS) for _ in range(words)).encode()


def text(rnd, lines=8):
    return b"".join(sentence(rnd, rnd.randint(3, 11)) + CRLF for _ in range(lines))


def basic(rnd, author, subject=None):
    return [b"From: " + author.encode(), b"To: someone@sink.test",
            b"Subject: " + (subject or sentence(rnd, 4)),
            b"Date: Tue, 01 Sep 2026 10:%02d:%02d +0000" % (rnd.randint(0, 59), rnd.randint(0, 59)),
            b"Message-ID: <%016x@client.test>" % rnd.getrandbits(64)]


@shape(weight=8)
def plain(rnd, author):
    return basic(rnd, author), text(rnd, rnd.randint(1, 40))


@shape(weight=4)
def multipart(rnd, author):
    mark = b"=_%012x" % rnd.getrandbits(48)
    headers = basic(rnd, author) + [b"MIME-Version: 1.0", b'Content-Type: multipart/mixed;\r\n\tboundary="' + mark + b'"']
    attachment = base64.encodebytes(rnd.randbytes(rnd.randint(200, 9000))).replace(b"\n", CRLF)
    body = (b"preamble\r\n--" + mark + b"\r\nContent-Type: text/plain\r\n\r\n" + text(rnd) + b"--" + mark
            + b"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + attachment + b"--" + mark + b"--\r\n")
    return headers, body


@shape(weight=3)
def eight_bit(rnd, author):
    headers = basic(rnd, author) + [b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8",
                                    b"Content-Transfer-Encoding: 8bit"]
    return headers, "Grüße aus Köln, žluťoučký kůň, 手紙\r\n".encode() * rnd.randint(1, 30)


@shape(weight=2)
def utf8_headers(rnd, author):
    headers = basic(rnd, author, "Grüße – письмо 手紙".encode())
    return headers + ["X-Note: päivää ".encode() + sentence(rnd)], text(rnd)


@shape()
def latin1_header(rnd, author):
    return basic(rnd, author, b"caf\xe9 \xff\xfe raw octets"), text(rnd)


@shape()
def encoded_words(rnd, author):
    return basic(rnd, author, b"=?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?Q?caf=E9?=\r\n =?utf-8?Q?_rest?="), text(rnd)


@shape(weight=2)
def line_998(rnd, author):
    return basic(rnd, author), text(rnd, 2) + b"x" * 998 + CRLF + b"y" * 997 + CRLF + text(rnd, 1)


@shape()
def line_2000(rnd, author):
    return basic(rnd, author), text(rnd, 2) + bytes(97 + i % 26 for i in range(2000)) + CRLF + text(rnd, 1)


@shape(weight=2)
def no_body(rnd, author):
    return basic(rnd, author), None


@shape()
def empty_body(rnd, author):
    return basic(rnd, author), b""


@shape(weight=2)
def body_only_crlf(rnd, author):
    return basic(rnd, author), CRLF * rnd.randint(1, 50)


@shape(weight=3)
def trailing_crlf(rnd, author):
    return basic(rnd, author), text(rnd) + CRLF * rnd.randint(1, 200)


@shape(weight=2)
def dot_lines(rnd, author):
    return basic(rnd, author), b".\r\n..\r\n...\r\n.leading\r\n" + text(rnd, 2) + b".\r\n"


@shape(weight=2)
def blank_lines_of_blanks(rnd, author):
    return basic(rnd, author), text(rnd, 2) + b" \r\n\t\r\n \t \r\n" + text(rnd, 1) + b"  \r\n\t\t\r\n\r\n \r\n"


@shape(weight=2)
def body_only_blanks(rnd, author):
    return basic(rnd, author), rnd.choice([b" \r\n", b"\t\r\n", b" \r\n\r\n\t \r\n\r\n", b"   \r\n \r\n"])


@shape(weight=3)
def trailing_blanks(rnd, author):
    return basic(rnd, author), b"".join(sentence(rnd, 4) + rnd.choice([b" ", b"\t", b"  \t ", b""]) + CRLF
                                        for _ in range(12)) + b" inner  many \t blanks\r\n"


@shape(weight=3)
def folded_headers(rnd, author):
    headers = basic(rnd, author, b"folded\r\n here\r\n\tand there\r\n   and here")
    return headers + [b"X-Folded:\r\n value below", b"X-Blank-Fold: a\r\n \t b  ", b"References: <a@b>\r\n\t<c@d>\r\n\t<e@f>"], text(rnd)


@shape(weight=2)
def odd_blanks(rnd, author):
    headers = basic(rnd, author, b"   three before,  two  inside, two after  ")
    return headers + [b"X-Tab:\tvalue\tmore\t", b"In-Reply-To:      <far@away.test>"], text(rnd)


@shape(weight=2)
def empty_values(rnd, author):
    headers = basic(rnd, author)
    headers[2] = rnd.choice([b"Subject:", b"Subject: ", b"Subject:\t"])
    return headers + [b"X-Empty:", b"X-Blank: ", b"Comments:"], text(rnd)


@shape(weight=2)
def no_blank_after_colon(rnd, author):
    headers = basic(rnd, author)
    headers[2] = b"Subject:" + sentence(rnd, 3)
    return headers + [b"References:<x@y.test>"], text(rnd)


@shape(weight=1, address_odd=True)
def no_blank_in_from(rnd, author):
    headers = basic(rnd, author)
    headers[0] = b"From:" + author.encode()
    headers[1] = b"To:someone@sink.test"
    return headers, text(rnd)


@shape(weight=2)
def odd_case(rnd, author):
    headers = basic(rnd, author)
    headers[2] = rnd.choice([b"sUBJECT: ", b"SUBJECT: ", b"subject: "]) + sentence(rnd, 3)
    return headers + [b"LIST-id: <one.sink.test>", b"mime-VERSION: 1.0"], text(rnd)


@shape(weight=1, address_odd=True)
def odd_case_from(rnd, author):
    headers = basic(rnd, author)
    headers[0] = b"fROM: " + author.encode()
    return headers, text(rnd)


@shape(weight=2, address_odd=True)
def duplicates(rnd, author):
    headers = [b"Received: from a by b; Tue, 01 Sep 2026 10:00:00 +0000",
               b"Received: from c by d; Tue, 01 Sep 2026 09:00:00 +0000"] + basic(rnd, author)
    return headers + [b"To: second@sink.test", b"List-Id: <one.test>", b"List-Id: <two.test>",
                      b"List-Help: <mailto:h@one.test>", b"Subject: second subject"], text(rnd)


@shape(weight=2)
def received_twice(rnd, author):
    return [b"Received: from a.test by b.test; Tue, 01 Sep 2026 10:00:00 +0000",
            b"Received: from c.test (c.test [192.0.2.1])\r\n\tby d.test with SMTP;\r\n\tTue, 01 Sep 2026 09:00:00 +0000",
            ] + basic(rnd, author) + [b"List-Id: <one.test>", b"List-Id: <two.test>"], text(rnd)


@shape(weight=1, address_odd=True)
def address_lists(rnd, author):
    headers = basic(rnd, author)
    headers[0] = b'From: "Odd, Name"   (comment)\r\n <' + author.encode() + b">"
    headers[1] = b"To: a@sink.test,b@sink.test ,\r\n\t\"C D\" <c@sink.test>,  d@sink.test"
    return headers + [b"Cc:   e@sink.test", b"Reply-To: <r@sink.test>"], text(rnd)


@shape(weight=2)
def many_headers(rnd, author):
    return basic(rnd, author) + [b"X-Number-%d: " % i + sentence(rnd, 5) for i in range(200)], text(rnd)


@shape()
def long_header(rnd, author):
    many = b"\r\n ".join(b"<%016x@references.test>" % rnd.getrandbits(64) for _ in range(250))
    return basic(rnd, author) + [b"References: " + many], text(rnd)


@shape()
def header_line_900(rnd, author):
    return basic(rnd, author, b"s" * 900), text(rnd)


@shape(weight=2)
def old_signature(rnd, author):
    fake = (b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=elsewhere.test; s=x;\r\n\th=from;"
            b" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb=AAAA")
    return [fake] + basic(rnd, author), text(rnd)


def exact(rnd, size, ending=CRLF):
    line = b"%074d\r\n"
    body = b"".join(line % i for i in range(size // 76))
    rest = size - len(body)
    if rest < 2:
        body, rest = body[:-76], rest + 76
    return body + b"z" * (rest - len(ending)) + ending


@shape(weight=4)
def chunk_edges(rnd, author):
    return basic(rnd, author), exact(rnd, rnd.choice([65533, 65534, 65535, 65536, 65537, 65538, 131070, 131071]))


@shape(weight=4)
def crlf_over_the_edge(rnd, author):
    """A CRLF, or CRLFs and blanks, that the 65535-octet chunk of the milter protocol cuts in two."""
    at = 65535 - rnd.randint(0, 4)
    edge = rnd.choice([CRLF, CRLF + CRLF, b" \t" + CRLF, b" " + CRLF + b"\t" + CRLF + b" "])
    head = exact(rnd, at - 3, b"") if at > 3 else b""
    return basic(rnd, author), head[:at - 1] + edge + b"after" + CRLF + rnd.choice([b"", CRLF * 3])


@shape(weight=2)
def binary_ish(rnd, author):
    octets = bytes(b for b in rnd.randbytes(6000) if b not in (0, 10, 13))
    lines = [octets[i:i + 200] for i in range(0, len(octets), 200)]
    return basic(rnd, author) + [b"MIME-Version: 1.0", b"Content-Transfer-Encoding: 8bit",
                                 b"Content-Type: application/octet-stream"], b"".join(x + CRLF for x in lines)


@shape(weight=2)
def middle_sized(rnd, author):
    return basic(rnd, author), text(rnd, rnd.randint(2000, 6000))


def big_body(rnd, size):
    block = text(rnd, 400)
    return (block * (size // len(block) + 1))[:size - 2].rstrip(b"\r") + CRLF


def build(headers, body):
    head = b"".join(h + CRLF for h in headers)
    return head if body is None else head + CRLF + body


def make(count, domains, seed=1, big=3, big_size=10 * 1024 * 1024):
    """COUNT messages; message N is from a user of DOMAINS[N % len]. The last BIG of them have 10 MB bodies."""
    rnd = random.Random(seed)
    deck = []
    result = []
    for number in range(count):
        domain = domains[number % len(domains)]
        author = f"user{number % 17}@{domain}"
        if number >= count - big:
            name, odd = "ten_megabytes", False
            headers, body = basic(rnd, author), big_body(rnd, big_size)
        else:
            if not deck:
                deck = [s for s in SHAPES for _ in range(s[2])]
                rnd.shuffle(deck)
            name, function, _, odd = deck.pop()
            headers, body = function(rnd, author)
        headers = headers + [b"X-Test-Number: %d" % number]
        data = build(headers, body)
        result.append(Message(number, name, f"bounce{number}@{domain}", f"t{number}@sink.test", data,
                              any(b > 127 for b in data), odd))
    return result
