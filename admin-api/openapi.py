#!/usr/bin/python3
"""Writes openapi.json, the description of the HTTP API (OpenAPI 3.1): admin-api/openapi.py TABLE > admin-api/openapi.json,
TABLE being what tests/tools/api_table prints: the paths, the operations behind them and their arguments. What a table does
not know stands here: what answers look like, and with which codes each operation refuses.

A new route needs a row of CODES here if it refuses in a way of its own, and one of RESULTS; a test compares openapi.json
with what this writes.
"""
import json
import re
import sys

TEXT = {"type": "string", "maxLength": 512}
NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?$"}
DOMAIN = {"type": "string", "minLength": 1, "maxLength": 255, "description": "as A-labels, lower case"}
PROVIDER = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$"}
SELECTOR = {"type": "string", "minLength": 1, "maxLength": 255}
COUNT = {"type": "integer", "minimum": 0}
FLAG = {"type": "boolean"}
TIME = {"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}
HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
STATES = ["PREPARED", "PUBLISHING", "PUBLISHED", "PROVEN", "LOADED", "ACTIVE", "RETIRING", "REVOKED", "REMOVED", "DESTROYED",
          "HELD", "COMPROMISED", "FAILED"]
STATE = {"type": "string", "enum": STATES}
ALGORITHMS = ["rsa-sha256", "ed25519-sha256"]
NOTATIONS = ["single", "rfc1035", "bind", "nsupdate", "route53", "terraform", "json"]


def null(schema):
    """It, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"], **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def array(items):
    return {"type": "array", "items": items}


def thing(needed, more=None, description=None):
    """An object with these members and no other one; needed: all of them."""
    out = {"type": "object", "additionalProperties": False, "required": list(needed), "properties": {**needed, **(more or {})}}
    return {"description": description, **out} if description else out


TIMES = ["created", "publishing", "published", "proven", "loaded", "active", "retiring", "revoking", "revoked", "removed",
         "destroyed", "held", "compromised", "failed", "sign_until"]
KEY = {"domain": DOMAIN, "selector": SELECTOR, "id": {"type": "string"}, "tenant": NAME, "algorithm": {"enum": ALGORITHMS},
       "bits": COUNT, "state": STATE, "state_since": null(TIME), "signs": FLAG, "p_sha256": null(HASH), "revision": COUNT,
       "times": ref("Times")}
KEY_MORE = {"next": null(ref("Next")), "trouble": {"type": "string"}, "failure": {"type": "string"}, "publisher": {"type": "string"},
            "target": {"type": "string"}, "imported": FLAG, "drifted": FLAG, "proofs": COUNT, "tries": COUNT, "looked": null(TIME),
            "verified_by": COUNT, "failing_at": COUNT, "suspect": FLAG,
            "conditions": array(ref("Condition")),
            "gateways": thing({"live": COUNT, "tested": COUNT, "missing": array({"type": "string"}),
                               "ack": {"enum": ["reported", "timed"]}})}

RULE = {"rule": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "kind": {"type": "string", "enum": ["address", "domain", "suffix", "pattern"]},
        "subject": {"type": "string", "minLength": 1, "maxLength": 512}, "domain": {"type": "string", "minLength": 1, "maxLength": 253}}
RULE_MORE = {"identity": null({"type": "string", "maxLength": 512}),
             "priority": {"type": "integer", "minimum": -1000000, "maximum": 1000000}, "enabled": FLAG}

# What a tenant may have and do, and the least that can be asked for; null: as much as it wants.
CAUSE = {"type": "string", "pattern": "^[a-z_]+$"}
MAIL_COUNTS = {"signed": COUNT, "unsigned": COUNT,
               "unsigned_cause": null({**CAUSE, "description": "of the newest, where most of them were; as the label of signpost_unsigned_total"}),
               "deferred": COUNT, "deferred_cause": null({**CAUSE, "description": "as the label of signpost_tempfail_total"}),
               "more_at_most": {**COUNT, "description": "messages that may have been there, too, and were not counted"},
               "counted_s": {**COUNT, "description": "seconds that all of them have counted for; an hour at most"}}
QUOTA = {"domains": 0, "keys": 0, "rotations_per_day": 0, "requests_per_minute": 1}

REASONS = ["ignored", "syntax", "algorithm", "sha1", "expired", "future", "header-unsigned", "body-hash", "body-short", "body-part", "signature",
           "key-missing", "key-revoked", "key-syntax", "key-type", "key-hash", "key-service", "key-subdomain", "key-small", "key-big", "key-many",
           "key-unprotected", "key-bogus", "dns-unavailable", "dns-syntax", "internal"]
OPERATION = {"id": {"type": "string"}, "kind": {"type": "string", "enum": ["rotation", "rollback", "publish", "activate", "retire", "revoke",
                                                                          "hold", "release", "return", "emergency", "rotations"]},
             "state": {"type": "string", "enum": ["running", "done", "failed", "cancelled"]}, "about": null({"type": "string", "pattern": "^/v1/"}),
             "steps": array(ref("OperationStep")), "retry_after": null(COUNT), "result": null(ref("OperationResult"))}
BEGUN = {"operation": {"type": "string", "pattern": "^[A-Za-z0-9._~-]+$", "description": "what was begun: /v1/operations/{operation}"}}

SCHEMAS = {
    "Tenant": thing({"tenant": NAME, "enabled": FLAG, "failure": {"type": "string"}, "revision": COUNT},
                    {"quota": thing({name: null({**COUNT, "minimum": least}) for name, least in QUOTA.items()}),
                     "usage": thing({"domains": COUNT, "keys": COUNT, "rotations_today": COUNT})}),
    "Condition": thing({"type": {"type": "string", "enum": ["PublishedAuthoritative", "SeenByResolvers", "NodesReady", "Drifted", "Suspect", "Stuck"]},
                        "status": FLAG, "since": {**null(TIME), "description": "null: it does not hold, or nobody wrote down since when"}},
                       {"at": {**null(TIME), "description": "when the servers were asked last and had it"}, "proofs": COUNT, "acked": COUNT, "of": COUNT,
                        "missing": array({"type": "string"}), "why": {"type": "string"}}),
    "Policy": thing({"tenant": NAME, "policy": NAME, "failure": {"type": "string"}, "signature_ttl": null(COUNT),
                     "plan": {"type": ["object", "string", "null"], "description": "signpost-plan(5); a text if it cannot be read"},
                     "revision": COUNT}),
    "Domain": thing({"domain": DOMAIN, "tenant": NAME, "policy": null(NAME), "signs_as": null(DOMAIN), "subdomains": FLAG,
                     "enabled": FLAG, "revision": COUNT, "due": null(TIME)},
                    {"rotate_asked": null(TIME), "rotate_at": null(TIME), "paused": null(TIME), "rolled_back": null(TIME), "reason": {"type": "string"},
                     "trouble": {"type": "string"}}),
    "Times": thing({}, {name: TIME for name in TIMES}, "when it came into each state; those that it never had are not there"),
    "Next": thing({"action": {"type": "string"}, "earliest": null(TIME), "blocked_by": array({"type": "string"})},
                  description="what will be done with it, from when on, and what that waits for"),
    "Key": thing(KEY, KEY_MORE, "never with the private key"),
    "Record": thing({"name": {"type": "string"}, "value": {"type": "string"}, "ttl": COUNT, "notation": {"enum": NOTATIONS},
                     "text": {"type": "string"}}, description="what is to stand in DNS"),
    "CnameRecord": thing({"name": {"type": "string"}, "type": {"const": "CNAME"}, "ttl": COUNT, "notation": {"enum": NOTATIONS},
                          "text": {"type": "string"}}),
    "Cname": thing({"name": {"type": "string"}, "target": {"type": "string"}},
                   {"slot": COUNT, "key": null(STATE), "seen": {"enum": ["yes", "no"]}, "why": {"type": "string"}}),
    "Look": thing({"name": {"type": "string"}, "target": null({"type": "string"}),
                   "seen": {"enum": ["right", "absent", "other", "wildcard", "mixed", "foreign", "unavailable"]},
                   "servers": COUNT, "right": COUNT, "why": {"type": "string"}, "zone": {"type": "string"},
                   "alias": null({"type": "string"}), "signed_zone": FLAG, "ttl": COUNT, "negative_ttl": {"type": "integer"},
                   "texts": array(thing({"text": {"type": "string"}, "explained": {"type": "string"}}))},
                  description="what the authoritative servers have"),
    "Gateway": thing({"gateway": {"type": "string"}, "version": {"type": "string"}, "epoch": COUNT, "tested": COUNT,
                      "failed": {"type": "string"}, "offset_ms": {"type": "integer"}, "started": null(TIME), "at": null(TIME),
                      "silent_s": COUNT, "failing_keys": COUNT,
                      "cache_per_mille": null({**COUNT, "maximum": 1000, "description": "rules and keys that were known when they were asked for"}),
                      "sign_p99_us": null({**COUNT, "description": "99 of 100 signatures took no longer"}),
                      "failing": array(thing({"key": {"type": "string"}, "domain": {"type": "string"}, "failures": COUNT,
                                              "why": {"type": "string"}}))}),
    "Figures": thing({"sizes": array(thing({"algorithm": {"type": "string"}, "bits": COUNT, "keys": COUNT})),
                      "ages": array(thing({"days": null(COUNT), "keys": COUNT, "weak": COUNT}))},
                     description="of keys in use; days: up to so many since it was made, null: more; weak: RSA below 2048 bits"),
    "Mail": thing({"tenant": null(NAME), "what": {"enum": ["unsigned", "deferred"]},
                   "cause": {"type": "string", "pattern": "^[a-z_]+$"}, "messages": COUNT, "as_configured": FLAG},
                  description="cause as the label of signpost_unsigned_total and signpost_tempfail_total; tenant null: nobody knows whose"),
    "GatewayMail": thing({"gateway": {"type": "string"}, **MAIL_COUNTS}),
    "Reconciler": thing({"leader": FLAG, "leader_name": {"type": "string"}, "frozen": null({"type": "string"}),
                         **{name: COUNT for name in ("turns", "generated", "published", "proven", "activated", "revoked", "removed",
                                                     "destroyed", "failed", "rolled_back", "store_errors", "publisher_errors")}}),
    "Stuck": thing({"domain": DOMAIN, "selector": SELECTOR, "state": STATE, "tries": COUNT, "next_try": null(TIME),
                    "trouble": {"type": "string"}}),
    "Audit": thing({"seq": COUNT, "at": TIME, **{name: {"type": "string"} for name in ("actor", "method", "source")},
                    "tenant": null(NAME), "action": {"type": "string"}, "object": {"type": "string"},
                    "before": {"type": "string"}, "after": {"type": "string"}, "request": {"type": "string"},
                    "idempotency_key": {"type": "string"}, "detail": {"type": "string"}, "result": {"type": "string"},
                    "prev": HASH, "hash": HASH}),
    "Token": thing({"token": {"type": "string"}, "tenant": null(NAME), "name": {"type": "string"}, "scopes": {"type": "string"},
                    "domains": {"type": "string"}, "networks": {"type": "string"}, "maker": {"type": "string"}, "created": TIME,
                    "expires": null(TIME), "revoked": null(TIME), "state": {"enum": ["valid", "revoked", "expired"]},
                    "revision": COUNT}),
    "Provider": thing({"provider": PROVIDER, "tenant": null(NAME), "kind": {"type": "string"}, "address": null({"type": "string"}),
                       "has_secret": null(FLAG), "allow_private": FLAG, "operator": FLAG, "revision": COUNT},
                      description="where records are put; operator: of the file of the operator, for all tenants"),
    "Change": thing({"row": {"type": "string"}, "before": {"type": ["object", "null"]}, "after": {"type": ["object", "null"]}},
                    description="a row before and after; null: it is not there"),
    "Step": thing({"step": {"enum": ["generate", "publish", "prove", "load", "activate", "retire", "revoke", "remove", "destroy"]},
                   "selector": null(SELECTOR), "at": null(TIME), "earliest": null(TIME), "blocked_by": array({"type": "string"})},
                  description="of a rotation: when it was done; of the next one what it waits for"),
    "Rotation": thing({"rotation": {"type": "string", "pattern": "^[ra][0-9]+$"}, "domain": DOMAIN, "tenant": NAME,
                       "state": {"type": "string", "enum": ["open", "paused", "done", "aborted", "rolled-back"]},
                       "asked": null(TIME), "not_before": null(TIME), "paused": null(TIME), "reason": {"type": "string"},
                       "algorithms": array(thing({"algorithm": {"enum": ALGORITHMS}, "from": null(SELECTOR), "to": null(SELECTOR),
                                                  "done": FLAG, "steps": array(ref("Step"))}))}),
    "OperationStep": thing({"name": {"enum": ["generate", "publish", "prove", "load", "activate", "retire", "revoke", "hold", "release"]},
                            "algorithm": {"enum": ALGORITHMS}, "selector": null(SELECTOR),
                            "state": {"enum": ["waiting", "running", "done", "failed"]}, "at": null(TIME), "earliest": null(TIME),
                            "blocked_by": array({"type": "string"})}),
    "Operation": thing(OPERATION, description="what was begun, and how far it has come"),
    "OperationResult": thing({}, {"rotation": ref("Rotation"), "key": ref("Key"),
                                  **{name: COUNT for name in ("asked", "open", "paused", "done", "aborted", "rolled_back", "unknown")}},
                             "of one rotation or key it; of many how many are in each state"),
    "Rule": thing(RULE, RULE_MORE, "which senders sign as which domain"),
    "DnsRecord": thing({"name": {"type": "string"}, "type": {"enum": ["TXT", "CNAME"]}, "value": {"type": "string"}, "ttl": COUNT,
                        "text": null({"type": "string"})},
                       {"selector": SELECTOR, "state": STATE, "p_sha256": null(HASH)}),
    "Lines": {"type": "string", "description":
              "JSON, one object a line: {\"progress\":{...}} as often as there is something to tell, and last {\"ok\":true,\"result\":{...}}"
              " with \"version\", of a change \"plan\" and \"plan_left\", of a dry run \"dry_run\". What takes long is answered at once, with the status"
              " that it has if all goes well: then the last line may be a problem. Whoever closes the connection ends it soon, with what was done."},
    "BulkResult": thing({"line": {"type": "integer", "minimum": 1}, "count": {"type": "integer", "minimum": 1}, "ok": FLAG, "code": {"type": "string"}},
                        {"replayed": {"const": True}, "detail": {"type": "string"}, "errors": ref("Errors")},
                        "of \"count\" lines behind each other, from \"line\" on; replayed: that was done before"),
    "BulkSummary": thing({"summary": thing({**{name: COUNT for name in ("lines", "done", "replayed", "failed", "not_run", "results_left")},
                                            "complete": FLAG, "dry_run": FLAG}, {"code": {"type": "string"}, "detail": {"type": "string"}})},
                         description="the last line; complete: all lines were run; if not, code and detail say why: send the same again"),
    "Errors": array(thing({"detail": {"type": "string"}},
                          {"pointer": {"type": "string"}, "parameter": {"type": "string"}, "header": {"type": "string"}})),
    "Signature": thing({"index": COUNT, "line": COUNT, "domain": null(DOMAIN), "selector": null(SELECTOR), "identity": null({"type": "string"}),
                        "algorithm": null({"type": "string"}), "bits": null(COUNT),
                        "canonicalization": null({"type": "string", "enum": [f"{h}/{b}" for h in ("simple", "relaxed") for b in ("simple", "relaxed")]}),
                        "signed_at": null(TIME), "expires": null(TIME),
                        "result": {"enum": ["pass", "fail", "neutral", "policy", "temperror", "permerror"]},
                        "reason": null({"type": "string", "enum": REASONS}), "detail": {"type": "string"},
                        "key": thing({"name": null({"type": "string"}), "record": null({"type": "string"}),
                                      "dnssec": {"enum": ["unknown", "insecure", "secure", "bogus"]}, "testing": FLAG,
                                      "matches_store": {"type": ["boolean", "null"], "description": "null: of a domain that is not here for who asks"}}),
                        "body": thing({"hash_signed": null({"type": "string"}), "hash_computed": null({"type": "string"}), "length": COUNT,
                                       "covered": COUNT}),
                        "headers": array(thing({"name": {"type": "string"}, "signed": COUNT, "present": COUNT, "line": null(COUNT)})),
                        "differs": array(thing({"what": {"type": "string"}, "certain": FLAG, "line": null(COUNT), "detail": {"type": "string"}}))},
                       description="of a message; differs: what has to be taken back for it to verify (certain), or may have happened"),
    "Selftest": thing({"selector": SELECTOR, "algorithm": {"enum": ALGORITHMS}, "passes": FLAG, "authoritative": null(ref("Look")),
                       "resolver": {**thing({"passes": FLAG, "reason": null({"type": "string", "enum": REASONS}), "detail": {"type": "string"},
                                          "record": null({"type": "string"}), "dnssec": {"enum": ["unknown", "insecure", "secure", "bogus"]}}), "type": ["object", "null"]}},
                      description="a message was signed with the key, and verified with what is in DNS"),
    "Problem": thing({"type": {"type": "string", "format": "uri"}, "title": {"type": "string"}, "status": COUNT,
                      "detail": {"type": "string"}, "code": {"type": "string"}, "request_id": {"type": "string"}},
                     {"instance": {"type": "string"}, "retryable": FLAG, "links": thing({}, {"rotation": {"type": "string"}}),
                      "errors": ref("Errors")},
                     "RFC 9457; code is stable, detail is for people"),
}

STEP = ({}, {"keys": array(ref("Key"))})
SHOW_DOMAIN = ({"domain": ref("Domain"), "keys": array(ref("Key")), "managed": FLAG},
               {"new_key": ref("Next"), "trouble": {"type": "string"}, "cnames": array(ref("Cname")), "record": ref("CnameRecord")})
DRIFT = ({"drifted": array(ref("Look")), "domains": COUNT, "keys": COUNT, "right": COUNT}, {})
STATUS = ({"stuck": array(ref("Stuck")), "states": {"type": "object", "propertyNames": STATE, "additionalProperties": COUNT},
           "keys": COUNT, "stuck_keys": COUNT, "drifted_keys": COUNT, "unsigned": array(DOMAIN), "domains": COUNT,
           "unsigned_domains": COUNT, "figures": ref("Figures")},
          {"store": thing({"where": {"type": "string"}, "epoch": COUNT, "identity": {"type": "string"}, "schema": COUNT, "now": TIME}),
           "overdue": array(thing({"domain": DOMAIN, "due": null(TIME)})), "gateways": array(ref("Gateway")),
           "reconciler": null(ref("Reconciler"))})
ROTATE_MANY = ({"domains": array(thing({"domain": DOMAIN, "code": {"type": "string"}}, {"detail": {"type": "string"}})),
                "asked": COUNT, "refused": COUNT}, {})
NEXT = {"next": {"type": "string", "description": "a cursor; not there on the last page"}}

# Of each operation the members of its result: those that are always there, and those that may be. By path where that matters.
RESULTS = {
    "tenant.list": ({"tenants": array(ref("Tenant"))}, NEXT),
    "tenant.add": ({"tenant": ref("Tenant")}, {}), "tenant.show": ({"tenant": ref("Tenant")}, {}),
    "tenant.set": ({"tenant": ref("Tenant")}, {}), "tenant.remove": ({"tenant": ref("Tenant")}, {}),
    "policy.list": ({"policies": array(ref("Policy"))}, NEXT),
    "policy.show": ({"policy": ref("Policy")}, {"in_full": {"type": "object"}, "warning": {"type": "string"},
                                                "trouble": {"type": "string"}}),
    "policy.set": ({"policy": ref("Policy"), "domains": COUNT}, {"warning": {"type": "string"}}),
    "policy.remove": ({"policy": ref("Policy")}, {}),
    "provider.list": ({"providers": array(ref("Provider"))}, NEXT),
    **{f"provider.{what}": ({"provider": ref("Provider")}, {}) for what in ("add", "show", "set", "remove")},
    "provider.test": ({"provider": ref("Provider"), "record": {"type": "string"}, "works": FLAG,
                       "steps": array(thing({"step": {"enum": ["write", "see", "remove"]}, "done": FLAG, "why": {"type": "string"},
                                              "code": null({"type": "string", "enum": ["dns-provider-error"]})}))}, {}),
    "domain.list": ({"domains": array(ref("Domain"))}, NEXT),
    "domain.add": ({"domain": ref("Domain")}, {"cnames": array(ref("Cname")), "trouble": {"type": "string"}}),
    "domain.show": SHOW_DOMAIN,
    **{f"domain.policy.{what}": ({"domain": DOMAIN, "policy": null(ref("Policy"))}, {"in_full": {"type": "object"}, "warning": {"type": "string"},
                                                                                   "trouble": {"type": "string"}}) for what in ("show", "set")},
    "domain.put": ({"domain": ref("Domain")}, {"cnames": array(ref("Cname")), "trouble": {"type": "string"}}),
    "domain.set": ({}, {"domain": ref("Domain"), "keys": array(ref("Key"))}),
    "domain.remove": ({"domain": ref("Domain")}, {}),
    "status": STATUS, "drift": DRIFT, "rotate": ROTATE_MANY,
    # Of all, or of one domain.
    "GET /v1/status": ({"keys": {"oneOf": [COUNT, array(ref("Key"))]}}, {**STATUS[0], **STATUS[1], **SHOW_DOMAIN[0], **SHOW_DOMAIN[1],
                                                                         "keys": {"oneOf": [COUNT, array(ref("Key"))]}}),
    "GET /v1/tenants/{tenant}/domains/{domain}/status": SHOW_DOMAIN,
    "POST /v1/tenants/{tenant}/domains/{domain}/rotations": (
        {"domain": DOMAIN, "keys": array(ref("Key")), "rotation": ref("Rotation")}, {}),
    "POST /v1/rotations": ({}, {**ROTATE_MANY[0], "domain": DOMAIN, "keys": array(ref("Key")), "rotation": ref("Rotation")}),
    "rotation.list": ({"rotations": array(ref("Rotation"))}, {}), "rotation.show": ({"rotation": ref("Rotation")}, {}),
    **{f"rotation.{step}": ({"rotation": ref("Rotation"), "keys": array(ref("Key"))}, {})
       for step in ("pause", "resume", "abort", "rollback")},
    **{f"rules.{what}": ({"tenant": NAME, "rules": array(ref("Rule"))}, {"more": {"const": True}}) for what in ("show", "replace", "change")},
    "domain.records": ({"domain": DOMAIN, "tenant": NAME, "format": {"enum": NOTATIONS}, "records": array(ref("DnsRecord")),
                        "text": {"type": "string"}}, {}),
    "resolve": ({"sender": {"type": "string"}, "used": {"enum": ["from", "mail_from"]}, "session_tenant": null(NAME),
                 "answer": {"enum": ["sign", "no-rule", "tenant", "no-key", "lease-over", "invalid"]}, "why": {"type": "string"},
                 "tenant": null(NAME), "rule": null(ref("Rule")), "row": null(DOMAIN), "domain": null(DOMAIN),
                 "identity": null({"type": "string"}),
                 "keys": array(thing({"selector": SELECTOR, "algorithm": {"enum": ALGORITHMS}, "bits": COUNT, "state": STATE})),
                 "signature_ttl": null(COUNT), "canonicalization": null({"type": "string"})}, {}),
    "verify": ({"signatures": array(ref("Signature")), "more_signatures": COUNT, "from": array({"type": "string"}), "aligned": FLAG,
                "line_ends": {"enum": ["crlf", "lf", "mixed", "none"]}, "all_tried": FLAG, "summary": {"type": "string"}}, {}),
    "domain.selftest": ({"domain": DOMAIN, "keys": array(ref("Selftest")), "passes": FLAG, "summary": {"type": "string"}}, {}),
    "emergency": STEP,
    "key.list": ({"keys": array(ref("Key"))}, {}),
    "keys.list": ({"keys": array(ref("Key"))}, NEXT),
    "key.generate": ({"key": ref("Key")}, {"keys": array(ref("Key")), "dns": ref("Look")}),
    "key.show": ({"key": ref("Key")}, {"record": ref("Record"), "cname": ref("Cname")}),
    "key.record": ({"record": ref("Record")}, {"cname": ref("Cname")}),
    "key.verify": ({"dns": ref("Look"), "state": STATE}, {}),
    "key.publish": ({"keys": array(ref("Key")), "dns": ref("Look"), "state": STATE}, {}),
    **{f"key.{step}": STEP for step in ("activate", "remove", "retire", "revoke", "hold", "release", "rollback")},
    "gateway.list": ({"gateways": array(ref("Gateway"))}, {}),
    "unsigned": ({"mail": array(ref("Mail")), "unsigned": {**COUNT, "description": "messages, without those that are as configured"},
                  "deferred": COUNT, "gateways": {**COUNT, "description": "whose figures these are"},
                  "silent": {**COUNT, "description": "gateways that said nothing lately, and are not in the figures"}}, {}),
    "domain.stats": ({"domain": DOMAIN, "tenant": NAME, **MAIL_COUNTS, "gateways": {**COUNT, "description": "whose figures these are"},
                      "silent": {**COUNT, "description": "gateways that said nothing lately"},
                      "without": {**COUNT, "description": "gateways that do not count by domain"}},
                     {"by_gateway": {**array(ref("GatewayMail")), "description": "for who is of no tenant and has nodes:read"}}),
    "gateway.forget": ({"gateway": ref("Gateway")}, {}), "gateway.show": ({"gateway": ref("Gateway")}, {}),
    "operation.show": (OPERATION, {}), "operation.cancel": (OPERATION, {}),
    "audit.list": ({"audit": array(ref("Audit"))}, NEXT),
    "audit.head": ({"head": thing({"seq": COUNT, "hash": HASH})}, {}),
    "token.list": ({"tokens": array(ref("Token"))}, NEXT), "token.show": ({"token": ref("Token")}, {}),
    "token.add": ({"token": ref("Token")}, {"secret": {"type": "string", "pattern": "^spt_[A-Za-z0-9_-]{43}$",
                                                       "description": "shown this once"}}),
    "token.rotate": ({"token": ref("Token")}, {"secret": {"type": "string", "pattern": "^spt_[A-Za-z0-9_-]{43}$",
                                                          "description": "shown this once"}}),
    "token.revoke": ({"token": ref("Token")}, {}),
}
# Those whose answer has an ETag.
VERSIONED = {"provider.add", "provider.show", "provider.set", "provider.remove", "provider.test", "gateway.show", "gateway.forget", "operation.show", "operation.cancel", "tenant.add", "tenant.show", "tenant.set", "tenant.remove", "policy.show", "policy.set", "policy.remove", "domain.add",
             "domain.show", "domain.set", "domain.put", "domain.policy.show", "domain.policy.set", "domain.remove", "key.generate", "key.show", "key.record", "token.add", "token.show",
             "token.revoke", "token.rotate", "key.activate", "key.remove", "key.retire", "key.revoke", "key.hold", "key.release", "key.rollback",
             "rotation.show", "rotation.pause", "rotation.resume", "rotation.abort", "rotation.rollback",
             "rules.show", "rules.replace", "rules.change", "key.publish", "emergency", "GET /v1/status", "GET /v1/tenants/{tenant}/domains/{domain}/status",
             "POST /v1/tenants/{tenant}/domains/{domain}/rotations"}

# How an operation refuses, besides what all of its kind do.
STEPS = {409: ["illegal-transition"], 503: ["frozen"]}
CODES = {
    "tenant.add": {409: ["exists"]}, "tenant.remove": {409: ["in-use"]}, "policy.remove": {409: ["in-use"]}, "policy.set": {403: ["mirror-forbidden"]},
    "domain.add": {403: ["quota-exceeded"], 409: ["exists", "domain-owned-elsewhere"]}, "domain.remove": {409: ["in-use"]}, "domain.set": {503: ["frozen"]}, "domain.put": {403: ["quota-exceeded"], 409: ["domain-owned-elsewhere"]},
    "rotate": {503: ["frozen"]},
    "provider.add": {409: ["exists"]}, "provider.remove": {409: ["in-use"]}, "provider.test": {409: ["illegal-transition", "dns-provider-error"]},
    "POST /v1/tenants/{tenant}/domains/{domain}/rotations": {403: ["quota-exceeded"], 409: ["rotation-in-progress", "illegal-transition"]},
    "POST /v1/rotations": {409: ["rotation-in-progress", "illegal-transition"], 404: ["not-found"]},
    "emergency": {409: ["illegal-transition", "would-leave-unsigned"], 503: ["frozen"]},
    "key.generate": {403: ["quota-exceeded"], 409: ["selector-exists", "selector-reused", "dns-unproven", "dns-conflict"], 503: ["frozen"]},
    "key.record": {409: ["illegal-transition"]}, "key.publish": STEPS, "key.activate": {409: ["illegal-transition", "nodes-not-ready"], 503: ["frozen"]}, "key.revoke": STEPS, "key.release": STEPS,
    "key.remove": {409: ["key-in-use"], 503: ["frozen"]},
    "key.retire": {409: ["illegal-transition", "would-leave-unsigned"], 503: ["frozen"]},
    "key.hold": {409: ["illegal-transition", "would-leave-unsigned"], 503: ["frozen"]},
    "key.rollback": {409: ["illegal-transition", "would-leave-unsigned"], 503: ["frozen"]},
    **{f"rotation.{step}": STEPS for step in ("pause", "resume", "abort", "rollback")},
    "rules.replace": {409: ["in-use"]}, "rules.change": {409: ["in-use"]},
    "resolve": {404: ["not-found"], 409: ["illegal-transition"]},
    "token.add": {404: ["not-found"]}, "token.rotate": {409: ["illegal-transition"]},
    "audit.list": {404: ["not-found"]}, "operation.cancel": {409: ["illegal-transition"], 503: ["frozen"]},
    "GET /v1/status": {404: ["not-found"]}, "GET /v1/drift": {404: ["not-found"]},
}
# What can be the answer to anything, whatever its path: by the server, or where no path is known.
ANYWHERE = {400: ["malformed-request", "validation"], 401: ["unauthorized"], 403: ["certificate-refused"], 404: ["not-found"], 405: ["method-not-allowed"],
            408: ["timeout"], 413: ["too-large"], 414: ["too-large"], 417: ["expectation-failed"], 429: ["rate-limited"],
            431: ["too-large"], 500: ["internal"], 501: ["unsupported-encoding"], 503: ["busy", "stopping", "store-unavailable"]}
# Paths behind which no operation stands.
PLAIN = {
    "/openapi.json": {"summary": "this document", "open": True, "answers": {200: ("application/json", {"type": "object"})}, "etag": True},
    "/healthz": {"summary": "does this program do anything?", "open": True, "answers": {200: ("text/plain", {"type": "string"})}},
    "/readyz": {"summary": "is all there that it needs?", "open": True, "answers": {
        200: ("application/json", ref("Readiness")), 503: ("application/json", ref("Readiness"))}},
    "/ui/": {"summary": "the dashboard", "open": True, "answers": {200: ("text/html", {"type": "string"})}},
    "/v1/events": {"summary": "what happens, as it happens", "open": False, "scope": "keys:read", "last_event": True, "busy": True,
                   "answers": {200: ("text/event-stream", {"type": "string"})}},
    "/metrics": {"summary": "figures, as Prometheus reads them", "open": False, "scope": "metrics:read",
                 "answers": {200: ("text/plain", {"type": "string"})}},
}
# POST /v1/bulk: a body of lines, and an answer of lines.
BULK_CODES = {400: ["validation", "idempotency-key-required"], 401: ["unauthorized"], 403: ["forbidden"], 409: ["request-in-progress"],
              413: ["too-large"], 415: ["unsupported-media-type"], 429: ["rate-limited"], 503: ["busy", "store-unavailable"]}
BULK_LINES = ["domain.add", "domain.set", "key.import", "policy.set", "rotate"]
READINESS = thing({"ready": FLAG}, {"components": {"type": "object", "additionalProperties": {"type": "object"}}})

# Members and parameters of which the table knows only the type.
ARGUMENTS = {
    "tenant": NAME, "policy": {"type": "string", "maxLength": 63, "pattern": "^([a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?)?$"},
    "domain": {"type": "string", "minLength": 1, "maxLength": 512}, "limit": {"type": "integer", "minimum": 0},
    "provider": PROVIDER, "kind": {"type": "string", "enum": ["rfc2136", "powerdns", "manual"]}, "zone": {"type": "string", "minLength": 1, "maxLength": 253},
    "secret": {"type": "string", "maxLength": 4096, "writeOnly": True},
    "notation": {"type": "string", "enum": NOTATIONS}, "algorithm": {"type": "string", "enum": ALGORITHMS},
    "bits": {"type": "integer", "minimum": 0, "maximum": 8192}, "reason": {"type": "string", "maxLength": 399},
    "pem": {"type": "string", "maxLength": 1048576, "writeOnly": True},
    "plan": {"type": "object", "description": "signpost-plan(5)"},
    "quota": {"type": "object", "additionalProperties": False, "description": "what is not named stays as it is; null: no limit",
              "properties": {name: {"type": ["integer", "null"], "minimum": least, "maximum": 1000000000} for name, least in QUOTA.items()}},
    "rules": {"type": "array", "maxItems": 1000, "items": {"type": "object", "additionalProperties": False, "required": list(RULE), "properties": {**RULE, **RULE_MORE}}},
    "remove": {"type": "array", "maxItems": 1000, "items": RULE["rule"]}, "format": {"type": "string", "enum": NOTATIONS},
    "condition": {"type": "string", "enum": ["stuck", "drifted", "suspect"]},
    "name": {"type": "string", "maxLength": 200}, "scopes": {"type": "string", "minLength": 1, "maxLength": 512},
}
TYPES = {"text": TEXT, "long": {"type": "string"}, "number": COUNT, "switch": FLAG, "object": {"type": "object"}, "list": {"type": "array"},
         "time": {"oneOf": [TIME, COUNT]}}
PATH_ARGUMENTS = {"tenant": {"type": "string", "pattern": NAME["pattern"].replace("^", "^(-|").replace("$", ")$"),
                             "description": "- before a domain, and before a list: whichever has it, as far as who asks may see"},
                   "policy": NAME, "provider": {"type": "string", "minLength": 1}, "domain": ARGUMENTS["domain"], "selector": {"type": "string", "minLength": 1, "maxLength": 512},
                  "rotation": {"type": "string", "minLength": 1}, "gateway": {"type": "string", "minLength": 1},
                  "operation": {"type": "string", "minLength": 1}, "token": {"type": "string", "minLength": 1}}


def problem(codes):
    return {"type": "object", "allOf": [ref("Problem"), {"properties": {"code": {"enum": sorted(codes)}}}]}


HEADERS = {
    "X-Request-Id": {"description": "also in the log and the audit", "schema": {"type": "string"}},
    "ETag": {"description": "the version of the object, for If-Match and If-None-Match", "schema": {"type": "string", "pattern": '^"[^"]+"$'}},
    "Location": {"description": "where it is", "schema": {"type": "string", "pattern": "^/v1/"}},
    "Link": {"description": 'the next page: <...>; rel="next"; or what an operation is about: rel="about"',
             "schema": {"type": "string", "pattern": '^<[^>]+>; rel="(next|about)"$'}},
    "Content-Location": {"description": "the operation that the answer is about", "schema": {"type": "string", "pattern": "^/v1/operations/"}},
    "Preference-Applied": {"description": "RFC 7240", "schema": {"type": "string", "pattern": "^wait=[0-9]+$"}},
    "X-Accel-Buffering": {"description": "for proxies", "schema": {"const": "no"}},
    "RateLimit-Policy": {"description": "of the tenant of who asks, if it has a limit: so many requests (q) in so many seconds (w)",
                         "schema": {"type": "string", "pattern": '^"requests";q=[0-9]+;w=60$'}},
    "RateLimit": {"description": "so many may come at once (r), and all of q in so many seconds (t)",
                  "schema": {"type": "string", "pattern": '^"requests";r=[0-9]+;t=[0-9]+$'}},
    "Retry-After": {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "Allow": {"description": "methods of this path", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "RFC 6750", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "the answer to the first request with this key, again", "schema": {"const": "true"}},
}
PARAMETERS = {
    "Prefer": {"name": "Prefer", "in": "header", "description": "wait=N: hold the answer until what was begun has ended, at most N seconds (30)",
               "schema": {"type": "string"}},
    "Types": {"name": "types", "in": "query", "description": "key.activated,rotation.*", "schema": {"type": "string", "maxLength": 1024}},
    "LastEventId": {"name": "Last-Event-ID", "in": "header", "description": "the last id that was heard: all behind it comes first",
                    "schema": {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?$"}},
    "DryRun": {"name": "dry_run", "in": "query", "description": "nothing is written; the answer has the plan", "schema": FLAG},
    "Cursor": {"name": "cursor", "in": "query", "description": "\"next\" of the page before, of the same list", "schema": {"type": "string"}},
    "IfMatch": {"name": "If-Match", "in": "header", "description": "the ETag of what you have seen, or *; not needed for a dry run",
                "schema": {"type": "string", "pattern": '^("[^"]+"|\\*)$'}},
    "IfNoneMatch": {"name": "If-None-Match", "in": "header", "description": "the ETag that you have: 304 if it is that still",
                    "schema": {"type": "string"}},
    "IfNew": {"name": "If-None-Match", "in": "header", "description": "*: only if there is none yet", "schema": {"const": "*"}},
    "IdempotencyKey": {"name": "Idempotency-Key", "in": "header",
                       "description": "a new one for each thing to do, the same one for each try; not needed for a dry run",
                       "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}},
}


class Writer:
    def __init__(self, table):
        self.table, self.shared = table, {}

    def of(self, table, route, otherwise=None):
        """By its path, else by its operation."""
        return table.get(f"{route['method']} {route['path']}", table.get(route["operation"], otherwise))

    def arguments(self, route):
        names = re.findall(r"\{(\w+)\}", route["path"])
        operations = [route["operation"]] + (["key.import"] if route["operation"] == "key.generate" else [])
        found = {}
        for operation in operations:
            for argument in self.table["operations"][operation]["arguments"]:
                if argument["name"] not in names and not (argument["name"] == "tenant" and "{tenant}" in route["path"]):
                    found.setdefault(argument["name"], argument)
        return found

    def schema_of(self, argument):
        return {**(ARGUMENTS.get(argument["name"]) or TYPES[argument["type"]]), "description": argument["help"]}

    def parameters(self, route):
        flags, operation = route["flags"], self.table["operations"][route["operation"]]
        out = [{"name": name, "in": "path", "required": True, "schema": PATH_ARGUMENTS[name]}
               for name in re.findall(r"\{(\w+)\}", route["path"])]
        if "body" not in flags:
            out += [{"name": name, "in": "query", "required": argument["needed"], "description": argument["help"],
                     "schema": {k: v for k, v in self.schema_of(argument).items() if k != "description"}}
                    for name, argument in self.arguments(route).items() if name != "after"]
        more = [("DryRun", operation["changes"]), ("Cursor", "pages" in flags), ("IfMatch", {"if_match", "put", "once"} & set(flags)),
                ("IfNew", "put" in flags), ("IdempotencyKey", "once" in flags),
                ("IfNoneMatch", route["method"] == "GET" and self.versioned(route)),
                ("Prefer", route["status"] == 202 or route["operation"] == "operation.show")]
        return out + [{"$ref": f"#/components/parameters/{name}"} for name, wanted in more if wanted]

    def versioned(self, route):
        return f"{route['method']} {route['path']}" in VERSIONED or (
            route["operation"] in VERSIONED and f"{route['method']} {route['path']}" not in RESULTS)

    def body(self, route):
        arguments = self.arguments(route)
        needed = [name for name, argument in arguments.items() if argument["needed"]]
        schema = {"type": "object", "additionalProperties": False, "properties": {n: self.schema_of(a) for n, a in arguments.items() if n != "new"}}
        if route["operation"] == "key.generate":
            schema["dependentRequired"] = {"pem": ["selector"], "published": ["pem"], "active": ["pem"], "unproven": ["active"]}
        elif needed:
            schema["required"] = needed
        return {"required": bool(needed), "content": {"application/json": {"schema": schema}}}

    def codes(self, route):
        """{status: codes} of all its problems."""
        flags, operation = set(route["flags"]), self.table["operations"][route["operation"]]
        out = {400: ["validation"], 401: ["unauthorized"], 403: ["forbidden"], 429: ["rate-limited"], 503: ["store-unavailable"]}
        if "{" in route["path"]:
            out[404] = ["not-found"]
        if flags & {"if_match", "put"}:
            out[412], out[428] = ["precondition-failed"], ["precondition-required"]
        if f"{route['method']} {route['path']}" == "POST /v1/tenants/{tenant}/domains/{domain}/rotations":
            out[412] = ["precondition-failed"]
        if flags & {"body", "message"}:
            out[415] = ["unsupported-media-type"]
        if "once" in flags:
            out[400].append("idempotency-key-required")
            out[409], out[422] = ["request-in-progress"], ["idempotency-key-reused"]
        mine = dict(CODES.get(route["operation"], {}))
        mine.update(CODES.get(f"{route['method']} {route['path']}", {}))
        for status, codes in mine.items():
            out[status] = out.get(status, []) + [c for c in codes if c not in out.get(status, [])]
        assert operation is not None
        return out

    def headers(self, *names):
        return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "RateLimit-Policy", "RateLimit", *names)}

    def answer(self, description, schema, *headers, kind="application/json"):
        return {"description": description, "headers": self.headers(*headers), "content": {kind: {"schema": schema}}}

    def problems(self, route):
        more = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"], 409: ["Retry-After"], 412: ["ETag"]}
        return {str(status): self.share(status, codes, *more.get(status, [])) for status, codes in sorted(self.codes(route).items())}

    def share(self, status, codes, *headers):
        """A problem that many paths have stands once in the document."""
        name = f"{status}-" + "-or-".join(sorted(codes))
        self.shared[name] = self.answer(", ".join(sorted(codes)), problem(codes), *headers, kind="application/problem+json")
        return {"$ref": f"#/components/responses/{name}"}

    def good(self, description, schema, *headers):
        """Also as lines, for who wants to hear how far it is (Accept: application/x-ndjson)."""
        out = self.answer(description, schema, *headers)
        out["content"]["application/x-ndjson"] = {"schema": ref("Lines")}
        return out

    def answers(self, route):
        needed, optional = self.of(RESULTS, route)
        begun = route["status"] == 202
        if begun:
            needed, optional = {**needed, **(BEGUN if route["operation"] != "rotate" or needed else {})}, {**optional, **BEGUN}
        operation, flags, out = self.table["operations"][route["operation"]], route["flags"], {}
        headers = ["ETag"] * self.versioned(route) + ["Link"] * ("pages" in flags) + ["Idempotency-Replayed"] * ("once" in flags)
        headers += ["Location"] * (begun or (route["location"] is not None and route["status"] == 201))
        headers += ["Retry-After", "Link", "Preference-Applied"] * begun
        headers += ["Retry-After", "Preference-Applied"] * (route["operation"] == "operation.show")
        good = thing(needed, optional)
        dry = thing({"dry_run": {"const": True}, "plan": array(ref("Change"))},
                    {**needed, **optional, "plan_left": {**COUNT, "description": "lines of the plan that had no room"}}, "of a dry run")
        if operation["changes"] and route["status"] == 200:
            out["200"] = self.good("done; or what would be", {"oneOf": [good, dry]}, *headers)
        else:
            out[str(route["status"])] = self.good("it is so" if not operation["changes"] else "done" if route["status"] == 201 else "begun",
                                                    good, *headers)
            if begun:
                out["200"] = self.good("a dry run; or what was begun has ended, as the request preferred to wait for",
                                       {"oneOf": [dry, ref("Operation")]}, "ETag", "Content-Location", "Preference-Applied")
            elif operation["changes"]:
                out["200"] = self.good("a dry run", dry)
        if route["method"] == "GET" and self.versioned(route):
            out["304"] = {"description": "it is what you have", "headers": self.headers("ETag")}
        out.update(self.problems(route))
        return dict(sorted(out.items()))

    def operation_id(self, route):
        """What generated clients call it: domainAdd; where several paths lead to it, statusOfDomain, statusOfTenant, status."""
        ids = [self.id_of(one) for one in self.table["routes"]]
        mine = self.id_of(route)
        if ids.count(mine) == 1:
            return mine
        words = [w for w in re.split(r"[/:{}._-]+", route["path"]) if w and w != "v1"]
        return route["method"].lower() + "".join(w.capitalize() for w in words)

    def id_of(self, route):
        words = re.split("[._-]", route["operation"]) if route["operation"] else [
            route["method"].lower(), *(w for w in re.split(r"[/._-]+", route["path"]) if w and w != "v1")]
        same = [one for one in self.table["routes"] if one["operation"] == route["operation"]]
        whose = re.findall(r"\{(\w+)\}", route["path"])
        # The one of the shortest path has the plain name.
        if route["operation"] and route["path"] != min((one["path"] for one in same), key=len) and whose:
            words += ["of", whose[-1]]
        return words[0] + "".join(w.capitalize() for w in words[1:])

    def operation(self, route):
        described = self.table["operations"][route["operation"]]
        out = {"operationId": self.operation_id(route), "summary": described["help"], "tags": [route["operation"].split(".")[0]],
               "x-operation": route["operation"], "x-scope": described["scope"], "parameters": self.parameters(route)}
        if "message" in route["flags"]:
            out["requestBody"] = {"required": True, "content": {"message/rfc822": {"schema": {"type": "string", "description": "at most 1 MiB"}}}}
        if "body" in route["flags"]:
            out["requestBody"] = self.body(route)
        out["responses"] = {**self.answers(route), "default": {"$ref": "#/components/responses/Anywhere"}}
        return out

    def plain(self, route):
        known = PLAIN[route["path"]]
        out = {"operationId": self.operation_id(route), "summary": known["summary"], "tags": ["service"], "parameters": [], "responses": {}}
        if known["open"]:
            out["security"] = [{}] if route["path"] != "/readyz" else [{}, {"bearer": []}, {"certificate": []}]
        for status, (kind, schema) in known["answers"].items():
            more = ["ETag"] * known.get("etag", False) + ["X-Accel-Buffering"] * known.get("busy", False) + ["Retry-After"] * (status == 503)
            out["responses"][str(status)] = self.answer("it is so" if status == 200 else "it is not", schema, *more, kind=kind)
        codes = {400: ["validation"]}
        if known.get("last_event"):
            out["parameters"] += [{"$ref": "#/components/parameters/Types"}, {"$ref": "#/components/parameters/LastEventId"}]
        if known.get("etag"):
            out["parameters"].append({"$ref": "#/components/parameters/IfNoneMatch"})
            out["responses"]["304"] = {"description": "it is what you have", "headers": self.headers("ETag")}
        if not known["open"]:
            out["x-scope"] = known["scope"]
            codes.update({401: ["unauthorized"], 403: ["forbidden"], 429: ["rate-limited"]})
        for status, words in codes.items():
            out["responses"][str(status)] = self.share(status, words, *{401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, []))
        out["responses"] = {**dict(sorted(out["responses"].items())), "default": {"$ref": "#/components/responses/Anywhere"}}
        return out

    def bulk_lines(self):
        """One schema for each operation that may stand in a line."""
        lines = []
        for name in BULK_LINES:
            arguments = {a["name"]: a for a in self.table["operations"][name]["arguments"] if a["name"] not in ("new", "after")}
            needed = [n for n, a in arguments.items() if a["needed"] or (name, n) == ("rotate", "domain")]
            given = {"type": "object", "additionalProperties": False, "required": needed,
                     "properties": {n: self.schema_of(a) for n, a in arguments.items()}}
            lines.append(thing({"operation": {"const": name}, "arguments": given}))
        return {"oneOf": lines}

    def bulk(self, route):
        lines = {"type": "string", "description": "a JSON object in each line: see x-itemSchema"}
        out = {"operationId": self.operation_id(route), "summary": "many operations, a line of the body each; their results in the order of the lines",
               "tags": ["bulk"], "x-scope": "that of each operation",
               "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in ("DryRun", "IdempotencyKey")],
               "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": lines, "x-itemSchema": self.bulk_lines()}}}}
        good = self.answer("all lines were read", lines, kind="application/x-ndjson")
        good["content"]["application/x-ndjson"]["x-itemSchema"] = {"oneOf": [ref("BulkResult"), ref("BulkSummary")]}
        more = {401: ["WWW-Authenticate"], 409: ["Retry-After"], 429: ["Retry-After"], 503: ["Retry-After"]}
        out["responses"] = {"200": good, **{str(status): self.share(status, codes, *more.get(status, [])) for status, codes in BULK_CODES.items()},
                            "default": {"$ref": "#/components/responses/Anywhere"}}
        return out

    def document(self):
        paths = {}
        for route in self.table["routes"]:
            made = (self.bulk(route) if route["path"] == "/v1/bulk" else self.plain(route) if route["operation"] is None
                    else self.operation(route))
            paths.setdefault(route["path"], {})[route["method"].lower()] = made
        schemas = dict(SCHEMAS)
        if any(route["path"] == "/readyz" for route in self.table["routes"]):
            schemas["Readiness"] = READINESS
        codes = sorted({code for codes in ANYWHERE.values() for code in codes})
        anywhere = self.answer("what any request may be answered: " + "; ".join(f"{s} {', '.join(c)}" for s, c in ANYWHERE.items()),
                               problem(codes), "Allow", "Retry-After", "WWW-Authenticate", kind="application/problem+json")
        anywhere["x-codes"] = {str(status): words for status, words in ANYWHERE.items()}
        return {
            "openapi": "3.1.0",
            "info": {"title": "Signpost admin API", "version": "1.0.0", "license": {"name": "see LICENSE"},
                     "description": "Tenants, domains, policies, DKIM keys and their rotation. signpost-api(7) is the manual page."},
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}, {"certificate": []}],
            "paths": paths,
            "components": {"schemas": schemas, "headers": HEADERS, "parameters": PARAMETERS, "responses": {"Anywhere": anywhere, **dict(sorted(self.shared.items()))},
                           "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "spt_..., see /v1/tokens"},
                                               "certificate": {"type": "mutualTLS"}}},
        }


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as table_file:
        json.dump(Writer(json.load(table_file)).document(), sys.stdout, indent=1)
    print()
