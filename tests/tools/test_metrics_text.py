#!/usr/bin/env python3
"""What the two daemons say for Prometheus, the board and the alerts: the text is what Prometheus and another parser take,
every metric that the board and the alerts use exists, every alert fires when it should and only then, and has its place in
the manual of what to do. Prints TAP."""
import json
import os
import re
import shutil
import sys

from common import BUILD, Skip, main, read, run, write

TOP = os.environ.get("SRCDIR", ".")
DRIVER = os.path.join(BUILD, "tests/tools/metrics_driver")
RULES = os.path.abspath(f"{TOP}/share/signpost/prometheus/signpost.rules.yml")
BOARD = f"{TOP}/share/signpost/grafana/signpost.json"
PARTS = ("_bucket", "_sum", "_count")
# The names of the contract, but tenant_class (signpostd(8) says why not).
WANTED = """signpost_messages_total signpost_sign_total signpost_sign_seconds signpost_verify_total signpost_unsigned_total
signpost_tempfail_total signpost_key_cache_hits_total signpost_key_cache_misses_total signpost_key_cache_stale_served_total
signpost_key_cache_negative_hits_total signpost_key_cache_evictions_total signpost_store_seconds signpost_store_up
signpost_store_circuit_state signpost_dns_seconds signpost_memcached_seconds signpost_key_state signpost_key_next_due_seconds
signpost_rotation_stuck signpost_dns_drift signpost_node_epoch_lag signpost_selfverify_failures_total
signpost_audit_head_info""".split()


def text_of(daemon):
    result = run(DRIVER, daemon)
    assert result.returncode == 0, result.stderr
    return result.stdout


def names_of(text):
    return set(re.findall(r"^# TYPE (\S+) ", text, re.M))


def all_names():
    names = names_of(text_of("signpostd")) | names_of(text_of("admind"))
    assert len(names) > 50
    return names


def promtool(*words, **more):
    program = shutil.which("promtool")
    if program is None:
        raise Skip("promtool is not installed (Debian: prometheus)")
    return run(program, *words, **more)


def used_names(text):
    """Names of metrics in an expression, not those of labels and alerts, which have none of the prefix."""
    return set(re.findall(r"\bsignpost_[a-z0-9_]+", text))


def exists(name, names):
    return name in names or any(name.endswith(part) and name[:-len(part)] in names for part in PARTS)


def expressions_of_board():
    board = json.loads(read(BOARD))
    out = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    out += [item["definition"] for item in board["templating"]["list"] if item["type"] == "query"]
    assert len(out) > 30
    return out


def alerts():
    """{name: text of its rule}"""
    parts = re.split(r"^      - alert: (\S+)\n", read(RULES), flags=re.M)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(found) > 15
    return found


def test_every_name_of_the_contract_is_there(_d):
    missing = set(WANTED) - all_names()
    assert not missing, missing


def test_promtool_takes_both_texts(_d):
    for daemon in ("signpostd", "admind"):
        result = promtool("check", "metrics", stdin=text_of(daemon))
        assert result.returncode == 0, (daemon, result.stdout, result.stderr)
        assert not result.stderr.strip(), (daemon, result.stderr)


def test_another_parser_takes_both_texts(_d):
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError as missing:
        raise Skip(f"no other parser (Debian: python3-prometheus-client): {missing}") from missing
    for daemon in ("signpostd", "admind"):
        text = text_of(daemon)
        families = list(text_string_to_metric_families(text))
        assert len(families) == len(names_of(text)), daemon
        samples = [sample for family in families for sample in family.samples]
        assert len(samples) == len([line for line in text.splitlines() if not line.startswith("#")])
        assert len({(s.name, tuple(sorted(s.labels.items()))) for s in samples}) == len(samples), "a sample is there twice"


def test_values_of_made_up_figures(_d):
    lines = text_of("admind").splitlines()
    for line in ('signpost_key_state{state="active"} 3', "signpost_key_next_due_seconds 100", "signpost_dns_drift 1",
                 'signpost_node_epoch_lag{node="gw-3"} 2', 'signpost_node_silent_seconds{node="gw-1"} 10',
                 'signpost_node_clock_offset_seconds{node="gw-1"} -0.005',
                 'signpost_node_clock_offset_seconds{node="gw-2"} 1.250', 'signpost_store_up{store="keystore"} 1',
                 'signpost_http_answers_total{class="4xx"} 1', 'signpost_http_request_seconds_bucket{le="0.001000"} 1',
                 'signpost_http_request_seconds_bucket{le="+Inf"} 2', "signpost_http_request_seconds_sum 99.000700",
                 'signpost_audit_head_info{seq="0",hash="' + "0" * 64 + '"} 1'):
        assert line in lines, line


def test_a_hundred_thousand_domains_are_no_longer_text(_d):
    few, many = (int(re.search(r"(\d+) octets", run(DRIVER, "scrape", n).stdout)[1]) for n in (10, 100000))
    assert many < few + 200, (few, many)


def test_the_board_uses_what_exists(_d):
    names = all_names()
    for expression in expressions_of_board():
        used = used_names(expression)
        assert used, expression
        assert all(exists(name, names) for name in used), (expression, used)
    ids = [panel["id"] for panel in json.loads(read(BOARD))["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_alerts_use_what_exists(_d):
    names = all_names()
    for name, rule in alerts().items():
        used = used_names(rule.split("labels:")[0])
        assert used and all(exists(metric, names) for metric in used), (name, used)


def test_expressions_of_the_board_are_promql(d):
    groups = [{"name": "board", "rules": [
        {"record": f"board:{n}", "expr": re.sub(r'"\$(gateway|admin)"', '".*"', text.replace("$__rate_interval", "5m"))}
        for n, text in enumerate(expressions_of_board()) if not text.startswith("label_values(")]}]
    result = promtool("check", "rules", write(f"{d}/board.yml", json.dumps({"groups": groups})))
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_takes_the_alerts(_d):
    result = promtool("check", "rules", RULES)
    assert result.returncode == 0, result.stdout + result.stderr


# Minutes 0 to 120. What makes each alert fire at minute 100, and what a site has that is well.
FIRES = {
    "SignpostUnsignedMail": [('signpost_unsigned_total{instance="a",reason="store"}', "0+1x120")],
    "SignpostTempfails": [('signpost_tempfail_total{instance="a",reason="key"}', "0+1x120")],
    "SignpostSelfVerifyFailures": [('signpost_selfverify_failures_total{instance="a",reason="absent"}', "0x95 1x25")],
    "SignpostSigningSlow": [('signpost_sign_seconds_bucket{instance="a",le="0.25"}', "0+1x120"),
                            ('signpost_sign_seconds_bucket{instance="a",le="0.5"}', "0+10x120"),
                            ('signpost_sign_seconds_bucket{instance="a",le="+Inf"}', "0+10x120")],
    "SignpostStoreDown": [('signpost_store_up{instance="a",store="keystore"}', "1x90 0x30")],
    "SignpostStoreLeftAlone": [('signpost_store_circuit_state{instance="a",store="table"}', "0x90 1x30")],
    "SignpostOldAnswers": [('signpost_key_cache_stale_served_total{instance="a",cache="keys"}', "0+5x120")],
    "SignpostLeaseEnds": [('signpost_store_silent_seconds{instance="a"}', "40000+60x120")],
    "SignpostMemcachedAway": [('signpost_memcached_away{instance="a"}', "1x120")],
    "SignpostDnsDrift": [('signpost_dns_drift{instance="b"}', "0x60 1x60")],
    "SignpostRotationStuck": [('signpost_rotation_stuck{instance="b"}', "2x120")],
    "SignpostKeyOverdue": [('signpost_key_next_due_seconds{instance="b"}', "600-60x120")],
    "SignpostPublisherErrors": [('signpost_publisher_errors_total{instance="b"}', "0+1x120")],
    "SignpostNodeLag": [('signpost_node_epoch_lag{instance="b",node="gw-1"}', "3x120")],
    "SignpostNodeSilent": [('signpost_node_silent_seconds{instance="b",node="gw-1"}', "0+60x120")],
    "SignpostNoLeader": [('signpost_reconciler_leader{instance="b"}', "0x120"),
                         ('signpost_reconciler_leader{instance="c"}', "0x120")],
    "SignpostFrozen": [('signpost_reconciler_frozen{instance="b"}', "0x80 1x40")],
    "SignpostAdminAway": [],
    "SignpostNoSiteKey": [('signpost_site_key{instance="b"}', "0x120")],
    "SignpostAuditStops": [('signpost_http_changes_total{instance="b"}', "0+1x120"),
                           ('signpost_audit_head_seq{instance="b"}', "0+1x60 60x60")],
    "SignpostAuditFell": [('signpost_audit_head_seq{instance="b"}', "0+1x95 50x25")],
    "SignpostApiErrors": [('signpost_http_answers_total{instance="b",class="5xx"}', "0+60x120")],
}
WELL = [
    ('signpost_unsigned_total{instance="a",reason="not_ours"}', "0+100x120"),
    ('signpost_unsigned_total{instance="a",reason="store"}', "7x120"),
    ('signpost_tempfail_total{instance="a",reason="key"}', "3x120"),
    ('signpost_selfverify_failures_total{instance="a",reason="absent"}', "0x120"),
    ('signpost_sign_seconds_bucket{instance="a",le="0.25"}', "0+10x120"),
    ('signpost_sign_seconds_bucket{instance="a",le="+Inf"}', "0+10x120"),
    ('signpost_store_up{instance="a",store="keystore"}', "1x120"), ('signpost_store_up{instance="b",store="keystore"}', "1x120"),
    ('signpost_store_circuit_state{instance="a",store="keystore"}', "0x120"),
    ('signpost_key_cache_stale_served_total{instance="a",cache="keys"}', "9x120"),
    ('signpost_store_silent_seconds{instance="a"}', "1x120"), ('signpost_memcached_away{instance="a"}', "0x120"),
    ('signpost_dns_drift{instance="b"}', "0x120"), ('signpost_rotation_stuck{instance="b"}', "0x50 1x20 0x50"),
    ('signpost_key_next_due_seconds{instance="b"}', "30x120"), ('signpost_publisher_errors_total{instance="b"}', "1x120"),
    ('signpost_node_epoch_lag{instance="b",node="gw-1"}', "0x98 4x2 0x20"),
    ('signpost_node_silent_seconds{instance="b",node="gw-1"}', "5x120"),
    ('signpost_reconciler_leader{instance="b"}', "1x120"), ('signpost_reconciler_leader{instance="c"}', "0x120"),
    ('signpost_reconciler_frozen{instance="b"}', "0x96 1x2 0x22"), ('signpost_reconciler_turns_total{instance="b"}', "0+60x120"),
    ('signpost_site_key{instance="b"}', "1x120"), ('signpost_http_changes_total{instance="b"}', "0+1x120"),
    ('signpost_audit_head_seq{instance="b"}', "0+1x120"), ('signpost_http_answers_total{instance="b",class="5xx"}', "2x120")]


def promtool_test(name, series, expression, value):
    return {"interval": "1m", "name": name, "input_series": [{"series": s, "values": v} for s, v in series],
            "promql_expr_test": [{"expr": expression, "eval_time": "100m",
                                  "exp_samples": [] if value is None else [{"labels": "{}", "value": value}]}]}


def without(series):
    """The site that is well, but for what these say."""
    names = {s.split("{")[0] for s, _ in series}
    return series + [item for item in WELL if item[0].split("{")[0] not in names]


def test_each_alert_fires_when_it_should_and_only_then(d):
    assert set(FIRES) == set(alerts())
    tests = [promtool_test("well", WELL, 'count(ALERTS{alertstate="firing"})', None)]
    for name, series in FIRES.items():
        series = without(series) if series else [s for s in WELL if "reconciler_turns" not in s[0]]
        tests.append(promtool_test(name, series, f'count(ALERTS{{alertstate="firing",alertname="{name}"}})', 1))
        tests.append(promtool_test(name + " alone", series,
                                   f'count(ALERTS{{alertstate="firing",alertname!="{name}"}})', None))
    path = write(f"{d}/tests.yml", json.dumps({"rule_files": [RULES], "evaluation_interval": "1m", "tests": tests}))
    result = promtool("test", "rules", path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_its_place_in_the_runbook(_d):
    sections = re.findall(r"^(Signpost[A-Za-z]+)\n-+$", read(f"{TOP}/doc/RUNBOOK"), re.M)
    assert sorted(sections) == sorted(alerts()), set(sections) ^ set(alerts())
    for name, rule in alerts().items():
        assert f"runbook: 'doc/RUNBOOK#{name}'" in rule, name
        assert all(word in rule for word in ("summary: '", "description: '", "severity: ")), name


def test_the_manual_pages_have_every_metric(_d):
    for daemon, page in (("signpostd", "signpostd.8"), ("admind", "signpost-admind.8")):
        told = set(re.findall(r"^\.It Li (signpost_\S+)$", read(f"{TOP}/man/{page}"), re.M))
        names = names_of(text_of(daemon))
        assert told == names, (page, told ^ names)


if __name__ == "__main__":
    sys.exit(main(globals()))
