"""Where Signpost and another judge differ, and why Signpost is right. A difference that no entry explains fails the test.

mutation, judge and reasons are regular expressions; reasons are searched in what that judge says of itself. passes: what
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
        return (re.fullmatch(self.judge, judge) and (ours[0] > theirs[0]) == self.passes and re.fullmatch(self.mutation, mutation)
                and re.search(self.ours, ours[1], re.S) and re.search(self.theirs, theirs[1], re.S))


BOTH = "dkimpy|Mail::DKIM"
MD = "Mail::DKIM"
EXPLANATIONS = [Explanation(*entry) for entry in (
    # Fields that are not what the grammar says.
    (".*", MD, False, "b= is not base64", "pass", "RFC 6376 3.5", "b= is base64, not what is left when other octets are dropped"),
    (".*", MD, False, "bh= is not base64", "pass", "RFC 6376 3.5", "bh= is base64"),
    (".*", MD, False, "stands twice", "pass", "RFC 6376 3.2", "a list with a tag twice is not valid"),
    (".*", BOTH, False, "is not name=value", "pass", "RFC 6376 3.2", "no empty tags, names of letters, digits and _"),
    (".*", MD, False, "there is no v=", "pass", "RFC 6376 3.5", "v= is required"),
    (".*", BOTH, False, "From is not in h=", "pass", "RFC 6376 5.4, 6.1.1", "From must be signed"),
    (".*", BOTH, False, "there is no [hs]=", "pass", "RFC 6376 3.5", "h= and s= are required and not empty"),
    (".*", BOTH, False, "[ds]= is not a domain name", "pass", "RFC 6376 3.1, 3.5", "names are checked before they are used"),
    (".*", BOTH, False, "x= is not behind t=", "pass", "RFC 6376 3.5", "x= must be greater than t="),
    (".*", MD, False, "made in the future", "pass", "RFC 6376 3.5", "a signature of the future may be ignored, and is here"),
    (".*", MD, False, "[tl]= is no number, or too long", "pass", "RFC 6376 3.5", "digits, of l= at most 76"),
    (".*", BOTH, False, "rsa-sha1 is not accepted", "pass", "RFC 8301 3.1", "rsa-sha1 must not be used for verifying"),
    (".*", BOTH, False, "body shorter than signed", "pass", "RFC 6376 3.5", "l= must not be larger than the body"),
    # Records.
    ("(illegal_)?record.*", BOTH, False, "it is no RSA public key", "pass", "RFC 6376 3.6.1, RFC 8017 A.1",
     "the octets are no DER of a key, or more than that; others do not look at all of them"),
    (".*", BOTH, False, "key record does not allow subdomains", "pass", "RFC 6376 3.6.1",
     "t=s: the domain of i= must be d=; dkimpy does not look, Mail::DKIM not when there are more flags"),
    (".*", BOTH, False, "v= is not the first tag", "pass", "RFC 6376 3.6.1", "v= must be the first tag of a record"),
    (".*", BOTH, False, "key record does not allow sha256", "pass", "RFC 6376 3.6.1", "h= names the digests that are allowed"),
    ("record_in_quotes|illegal_record_not_base64", BOTH, False, "p= is not base64", "pass", "RFC 6376 3.6.1", "p= is base64"),
    ("record_tag_added", MD, False, "key record is not for email", "pass", "RFC 6376 3.6.1", "s= without a word allows nothing"),
    ("record_in_quotes", MD, False, "v= is not DKIM1", "pass", "RFC 6376 3.6.1", "v= is DKIM1 without quotes"),
    (".*", BOTH, False, "key type does not fit", "pass", "RFC 6376 3.6.1, 6.1.2", "k= says what the key is, a= must fit it"),
    ("record_(case|of_another_kind)|disputed_record_type_in_capitals", BOTH, True, "", "unsupported key type|fail",
     "RFC 5234 2.3", "literals of ABNF are without case; OpenDKIM reads k= so too"),
    ("record_tag_added", MD, True, "", "granularity", "RFC 6376 C.2", "g= is no longer a tag; unknown ones are ignored"),
    # As signed: what RFC 6376 allows and a judge does not know.
    ("as_signed", "dkimpy", True, "", "UnknownKeyTypeError", "RFC 6376 3.6.1", "s= is a list"),
    ("as_signed", MD, True, "", "does not support email", "RFC 6376 3.6.1", "white space around the colons of s="),
    ("as_signed", MD, True, "", "body has been altered", "RFC 6376 3.5", "l=0 is a length, and not none"),
    ("as_signed", "dkimpy", True, "", "fail", "RFC 6376 3.4.1, 3.7",
     "simple: blanks at the end of the signature field are signed, only its CRLF is not"),
    ("disputed_.*_in_capitals", "dkimpy", True, "", "Error", "RFC 5234 2.3",
     "literals of ABNF are without case; Mail::DKIM and OpenDKIM read a= and c= so too"),
    # Messages.
    ("blank_after_a_value", "dkimpy", True, "", "fail", "RFC 6376 3.7", "the white space around b= goes with it"),
    ("(signed_field_doubled|second_from)_.*", "dkimpy", True, "", "fail", "RFC 6376 5.4.2, 8.15",
     "the signature covers the lowest From and verifies; that there are two is for the daemon to say"),
    ("field_name_with_blank", "dkimpy", True, "", "Unexpected characters|fail", "RFC 5322 4.5, RFC 6376 3.4.2",
     "a blank in front of the colon is obsolete syntax, and relaxed takes it away"),
    ("last_line_end_removed", MD, True, "", "body has been altered", "RFC 6376 3.4.3, 3.4.4",
     "a missing CRLF at the end of a body is added"),
    ("last_line_end_removed", "dkimpy", True, "", "body hash mismatch", "RFC 6376 3.4.4",
     "a last line of blanks is empty when they are gone, and empty lines at the end are ignored"),
)]


def explain(mutation, judge, ours, theirs):
    """ours, theirs: (passes, reasons). The entry that explains the difference, or None."""
    for entry in EXPLANATIONS:
        if entry.fits(mutation, judge, ours, theirs):
            entry.used += 1
            return entry
    return None
