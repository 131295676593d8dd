"""The dashboard (/ui/) in a real Chromium without a screen, on a signpost-admind whose reconciler rotates keys in BIND, with
time compressed. SIGNPOST_SCREENSHOT=doc/dashboard.png: writes the picture of the guide.
"""
import http.client
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

from lib import dnsservers, lifecycle, patience, procs, stores

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = (dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
           or (None if webdriver else "python3-selenium is not installed")
           or (None if CHROMIUM and DRIVER else "chromium and chromium-driver are not installed"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("OpenDKIM has no administration")]

NAME, OTHER = "a.example.com", "b.example.com"
HOSTILE = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
# No life of a key ends while the test looks at it.
PLAN = {"lease": 120, "signature_life": 600, "tombstone": 600}


class Served:
    """A store, DNS, and the daemon that answers HTTP."""

    def __init__(self, folder):
        self.folder, self.port = folder, procs.free_port()
        self.world = lifecycle.World(folder, [NAME, OTHER], late=None)
        self.url = f"http://127.0.0.1:{self.port}/ui/"

    def __enter__(self):
        self.world.start()
        self.admin = lifecycle.Admin(stores.sqlite_store(self.folder), self.world, AdminListen=f"127.0.0.1:{self.port}")
        self.admin.start().ready()
        procs.wait_connect(("127.0.0.1", self.port), proc=self.admin.process)
        lifecycle.provide(self.admin, [NAME, OTHER], PLAN)
        self.token = self.new_token("role:platform-admin")
        return self

    def __exit__(self, *_):
        self.admin.stop()
        self.world.stop()

    def new_token(self, scopes, *words):
        return self.admin.cli("token", "add", "--scopes", scopes, *words)["result"]["secret"]

    def states(self, name=NAME):
        return {selector: state for (_, selector), state in self.admin.states([name]).items()}

    def settled(self, name=NAME):
        return sorted(self.states(name).values()) == ["ACTIVE", "LOADED"]


@pytest.fixture(scope="module")
def served(module_folder):
    with Served(module_folder) as running:
        yield running


def options_of(folder, language, *more):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
                 "--window-size=1200,1500", f"--lang={language}", f"--user-data-dir={folder}/{language}", *more):
        options.add_argument(word)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options


class Browser:
    """One Chromium, and what a person does with it. No wait is shorter than what a slow machine needs."""

    def __init__(self, folder, language):
        try:
            self.driver = webdriver.Chrome(service=Service(DRIVER), options=options_of(folder, language))
        except WebDriverException as error:
            pytest.skip(f"Chromium cannot run here: {str(error).splitlines()[0][:200]}")
        self.driver.set_page_load_timeout(patience.seconds(60))
        self.driver.set_script_timeout(patience.seconds(60))

    def get(self, name):
        return self.driver.find_element(By.ID, name)

    def until(self, what, why, limit=60):
        """The first true answer of WHAT; while the page changes it may ask for what is gone."""
        found = []

        def look():
            try:
                found[:] = [what()]
            except WebDriverException:
                found[:] = [None]
            return bool(found[0])

        assert procs.wait_until(look, patience.seconds(limit)), f"{why}\n{self.text('say')}\n{self.text('ask')}\n{self.text()}\n{self.driver.get_log('browser')}"
        return found[0]

    def text(self, name="main"):
        return self.driver.execute_script("const n = document.getElementById(arguments[0]); return n ? n.innerText : ''", name)

    def press(self, name):
        self.until(lambda: self.get(name).is_enabled() and (self.get(name).click() or True), f"{name} cannot be pressed")

    def press_text(self, form):
        """The button of a form, by the keyboard."""
        self.driver.find_element(By.CSS_SELECTOR, f"#{form} button").send_keys(Keys.ENTER)

    def keys(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def focus(self):
        return self.driver.execute_script("return document.activeElement.id || document.activeElement.className")

    def tab_to(self, name, limit=120):
        """By the keyboard alone."""
        for _ in range(limit):
            if self.focus() == name:
                return
            self.keys(Keys.TAB)
        raise AssertionError(f"{name} is not reached by Tab; {self.focus()}")

    def sign_in(self, served, token=None):
        self.driver.get(served.url)
        self.until(lambda: self.get("token").is_displayed(), "no field for the token")
        self.get("token").send_keys(token or served.token)
        self.get("token").submit()
        self.until(lambda: self.get("overview").is_displayed(), "not signed in")

    def open(self, name=NAME):
        self.press(f"open-row-{name}")
        self.until(lambda: self.get("domain").is_displayed() and self.text("domain-title") == name, "no domain")

    def complaints(self):
        """What the console says of our page: of the CSP, of scripts, of answers that were no success. The browser's own
        first page has words of its own, about a slow network for one."""
        return [line["message"] for line in self.driver.get_log("browser") if not line["message"].startswith("chrome://")]


@pytest.fixture(scope="module")
def chromium(module_folder):
    running = {}

    def of(language="en"):
        if language not in running:
            running[language] = Browser(module_folder, language)
        return running[language]

    yield of
    for one in running.values():
        one.driver.quit()


# ---- without a browser ----

def test_the_page_itself(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=patience.seconds(30))
    connection.request("GET", "/ui/")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    rules = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert rules["default-src"] == rules["frame-ancestors"] == rules["form-action"] == rules["base-uri"] == "'none'"
    assert rules["connect-src"] == "'self'" and "unsafe" not in str(rules)
    assert rules["script-src"].startswith("'sha256-") and rules["style-src"].startswith("'sha256-")
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(body) < 60 * 1024 and b"innerHTML" not in body and b"Storage" not in body
    assert b"<noscript>" in body and b"signpost status" in body


# ---- with one ----

def plan_first(page, name, reason, typed=None):
    """The dialog: the reason, then the plan; nothing can be done before it is there."""
    page.press(name)
    page.until(lambda: page.get("ask").is_displayed(), "no dialog")
    assert not page.get("do-it").is_enabled()
    page.get("reason").send_keys(reason)
    if typed:
        page.get("typed").send_keys(typed)
    page.press("show-plan")
    page.until(lambda: page.get("do-it").is_enabled(), "no plan")
    return page.text("plan")


def test_a_rotation_from_the_plan_to_the_end(served, chromium):
    assert procs.wait_until(lambda: served.settled() and served.settled(OTHER), patience.seconds(90)), served.admin.log()[-3000:]
    page = chromium()
    page.sign_in(served)
    page.until(lambda: "All 2 domains signed and proven" in page.text("top"), "the top line")
    assert "good" in page.text("lights") and NAME in page.text("domains") and OTHER in page.text("domains")
    page.open()
    before = served.states()
    old = [s for s, state in before.items() if state == "ACTIVE"][0]
    page.until(lambda: old in page.text("keys") and "ACTIVE" in page.text("keys"), "no keys")
    reason = "a year is over" if os.environ.get("SIGNPOST_SCREENSHOT") else HOSTILE
    plan = plan_first(page, "rotate", reason)
    assert "rotate_asked" in plan and served.states() == before  # nothing is done yet
    page.press("do-it")
    page.until(lambda: "Done" in page.text("say"), "not done")
    page.until(lambda: reason in page.text("facts") or served.states() != before, "no rotation")
    page.until(lambda: any(state == "ACTIVE" for s, state in served.states().items() if s != old), "nothing became active")
    new = [s for s, state in served.states().items() if state == "ACTIVE"][0]
    line = f"//div[@id='keys']//tr[td[1]='{new}']"
    page.until(lambda: "ACTIVE" in page.driver.find_element(By.XPATH, line).text, "the page does not show it")
    page.until(lambda: "rotate" in page.text("audit"), "no audit")
    # The record, in all notations, and what the servers have.
    page.press(f"key-show_record-{new}")
    page.until(lambda: page.get("record").is_displayed(), "no record")
    value = served.world.ask(f"{new}._domainkey.{NAME}")[0]
    assert value.split("p=")[1][:40] in page.get("record-text").get_attribute("value")
    seen = set()
    for option in page.get("notation").find_elements(By.TAG_NAME, "option"):
        option.click()
        page.until(lambda: page.get("record-text").get_attribute("value") not in seen, option.text)
        seen.add(page.get("record-text").get_attribute("value"))
    assert any("update add" in text for text in seen) and any("aws_route53_record" in text for text in seen)
    page.press("check")
    page.until(lambda: "right: 1 of 1" in page.text("check-answer"), "no answer of the servers")
    page.press("copy")
    page.until(lambda: page.text("say"), "nothing is said")
    marks = page.driver.find_elements(By.CSS_SELECTOR, "#timeline svg .now")
    assert marks and page.driver.find_elements(By.CSS_SELECTOR, "#timeline svg rect.active")
    if os.environ.get("SIGNPOST_SCREENSHOT"):
        page.get("notation").find_elements(By.TAG_NAME, "option")[1].click()
        page.until(lambda: "IN" in page.get("record-text").get_attribute("value"), "rfc1035")
        page.driver.execute_script("window.scrollTo(0, 0)")
        page.driver.save_screenshot(os.environ["SIGNPOST_SCREENSHOT"])
    assert page.driver.title == "Signpost"
    assert page.complaints() == []


def test_a_key_is_held_and_released_and_the_domain_is_typed(served, chromium):
    assert procs.wait_until(lambda: served.settled(OTHER), patience.seconds(60))
    page = chromium()
    page.sign_in(served)
    page.open(OTHER)
    spare = [s for s, state in served.states(OTHER).items() if state == "LOADED"][0]
    plan = plan_first(page, f"key-hold-{spare}", HOSTILE)
    assert "HELD" in plan and spare in plan
    page.press("do-it")
    page.until(lambda: served.states(OTHER)[spare] == "HELD", "not held")
    plan_first(page, f"key-release-{spare}", "enough")
    page.press("do-it")
    page.until(lambda: served.states(OTHER)[spare] != "HELD", "not released")
    # Another word than the domain's name does nothing.
    page.press("emergency")
    page.get("reason").send_keys("a test")
    page.get("typed").send_keys("another.example")
    page.press("show-plan")
    page.until(lambda: page.text("plan"), "nothing is said")
    assert not page.get("do-it").is_enabled()
    page.keys(Keys.ESCAPE)
    page.until(lambda: not page.get("ask").is_displayed(), "Escape")
    assert page.driver.title == "Signpost" and page.complaints() == []


def step(page, served, name, reason, typed=None):
    plan = plan_first(page, name, reason, typed)
    page.press("do-it")
    page.until(lambda: not page.get("ask").is_displayed() and "Done" in page.text("say"), f"{name} is not done")
    return plan


def row_text(page, selector):
    return page.driver.find_element(By.XPATH, f"//div[@id='keys']//tr[td[1]='{selector}']").text


def test_a_rotation_is_taken_back(served, chromium):
    states = served.states()
    new = [s for s, state in states.items() if state == "ACTIVE"][0]
    old = [s for s, state in states.items() if state == "RETIRING"][0]
    page = chromium()
    page.sign_in(served)
    page.open()
    plan = step(page, served, f"key-rollback-{new}", "customers complain")
    assert new in plan and old in plan and "HELD" in plan
    page.until(lambda: "ACTIVE" in row_text(page, old) and "HELD" in row_text(page, new), "not taken back")
    page.until(lambda: "key.rollback" in page.text("audit") and "customers complain" in page.text("audit"), "no audit")
    assert served.states()[old] == "ACTIVE"
    step(page, served, f"key-release-{new}", "it was not the key")
    page.until(lambda: "HELD" not in row_text(page, new), "not released")
    assert page.complaints() == []


def test_an_emergency_to_its_end(served, chromium):
    # One was held, and has another one beside it by now.
    assert procs.wait_until(lambda: set(served.states(OTHER).values()) == {"ACTIVE", "LOADED"}, patience.seconds(60)), served.states(OTHER)
    states = served.states(OTHER)
    stolen = [s for s, state in states.items() if state == "ACTIVE"][0]
    page = chromium()
    page.sign_in(served)
    page.open(OTHER)
    plan = plan_first(page, "emergency", "it was on a disk that was sold", typed=OTHER)
    spare = [s for s in states if s != stolen and s in plan][0]
    assert stolen in plan and "COMPROMISED" in plan and served.states(OTHER) == states
    page.get("typed").send_keys("x")        # another word: the plan does not count any more
    page.until(lambda: not page.get("do-it").is_enabled(), "done without the name")
    page.get("typed").send_keys(Keys.BACKSPACE)
    page.press("show-plan")
    page.press("do-it")
    page.until(lambda: "Done" in page.text("say"), "not done")
    # The other key signs at once, and the page says so; then the record of the stolen one is empty.
    page.until(lambda: "ACTIVE" in row_text(page, spare) and "ACTIVE" not in row_text(page, stolen), "the stand-by key does not sign")
    page.until(lambda: "REVOKED" in row_text(page, stolen), "not revoked")
    assert procs.wait_until(lambda: re.search(r"p=(;|$)", (served.world.ask(f"{stolen}._domainkey.{OTHER}") or ["p=x"])[0]), patience.seconds(30))
    page.press(f"key-show_record-{stolen}")
    page.until(lambda: re.search(r"p=;?\s*(\"|$)", page.get("record-text").get_attribute("value")), page.get("record-text").get_attribute("value"))
    page.press("check")
    page.until(lambda: "right: 1 of 1" in page.text("check-answer"), "the tombstone is not seen")
    assert page.driver.find_elements(By.CSS_SELECTOR, "#timeline svg rect.revoked")
    assert "emergency" in page.text("audit") and "it was on a disk that was sold" in page.text("audit")
    assert page.complaints() == []


def told(served, lines):
    """A gateway that says this, for as long as a gateway is believed."""
    with sqlite3.connect(served.folder / "store.db", timeout=patience.seconds(30)) as db:
        db.execute("DELETE FROM gateways")
        if lines is not None:
            db.execute("INSERT INTO gateways VALUES (?, ?, 1, 1000000, ?, 5, 1, CAST(strftime('%s','now') AS INTEGER) + 600)", ("gw-" + HOSTILE, HOSTILE, lines))


def test_mail_of_the_last_hour(served, chromium):
    told(served, f"k_1 {HOSTILE}\n=! unsigned acme no_key 12\n=! deferred - keeper 3\n=! unsigned - not_ours 999\n=! figures 987 2500\n")
    page = chromium()
    try:
        page.sign_in(served)
        page.until(lambda: "12 went unsigned, 3 were deferred" in page.text("mail"), "no figures")
        lines = [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in page.driver.find_elements(By.CSS_SELECTOR, "#mail tbody tr")]
        assert lines == [["unsigned", "acme", "the domain has no key that signs", "12"],
                         ["deferred", "not known, or not told apart", "the keeper of keys does not answer", "3"],
                         ["unsigned", "not known, or not told apart", "from elsewhere: nothing of ours (as configured)", "999"]]
        page.until(lambda: page.text("nodes").count("<script>") == 3, "the gateway's own words")
        assert "98.7 %" in page.text("nodes") and "≤ 2.5 ms" in page.text("nodes")
        page.sign_in(served, served.new_token("role:owner", "--tenant", "acme"))
        page.until(lambda: "12 went unsigned, 0 were deferred" in page.text("mail") and "999" not in page.text("mail"), "what a tenant sees")
    finally:
        told(served, None)
    assert page.driver.title == "Signpost" and not page.driver.find_elements(By.CSS_SELECTOR, "main img, main script")
    assert page.complaints() == []


def test_ages_and_sizes_of_keys(served, chromium):
    served.admin.cli("domain", "add", "old.example", "acme")
    served.admin.cli("key", "generate", "old.example", "--selector", "small", "--algorithm", "ed25519-sha256")
    page = chromium()
    page.sign_in(served)
    page.until(lambda: "Ed25519: receivers that do not know it" in page.text("figures"), "no note")
    with sqlite3.connect(served.folder / "store.db", timeout=patience.seconds(30)) as db:
        db.execute("UPDATE keys SET algorithm = 'rsa-sha256', bits = 1024, created = CAST(strftime('%s','now') AS INTEGER) - 400 * 86400 WHERE selector = 'small'")
    page.sign_in(served)
    page.until(lambda: "RSA keys shorter than 2048 bits (red): 1." in page.text("figures") and "rsa-sha256 1024" in page.text("figures"), "no small key")
    heights = [float(bar.get_attribute("height")) for bar in page.driver.find_elements(By.CSS_SELECTOR, "#figures svg rect.weak")]
    assert len(heights) == 5 and heights[4] > 0 and heights[:4] == [0, 0, 0, 0]
    assert page.driver.find_element(By.CSS_SELECTOR, "#figures .bad").text == "rsa-sha256 1024"
    assert page.complaints() == []


def test_what_would_sign(served, chromium):
    page = chromium()
    page.sign_in(served)
    active = [s for s, state in served.states().items() if state == "ACTIVE"][0]
    page.get("address").send_keys(f"Ann <ann@{NAME}>", Keys.ENTER)
    page.until(lambda: "it is signed" in page.text("explain") and active in page.text("explain") and f"ann@{NAME}" in page.text("explain"), "who signs")
    page.get("address").clear()
    page.get("address").send_keys("\"<script>document.title='broken'</script>\"@nowhere.example", Keys.ENTER)
    page.until(lambda: "not signed: nothing is about this sender" in page.text("explain") and "<script>" in page.text("explain"), "why not")
    page.get("address").clear()
    page.get("address").send_keys(f"x@{NAME}")
    page.get("client").send_keys("no address", Keys.ENTER)
    page.until(lambda: "Refused:" in page.text("explain") or "not signed" in page.text("explain"), "a client that is none")
    assert page.driver.title == "Signpost" and not page.driver.find_elements(By.CSS_SELECTOR, "main img, main script")
    assert all("/v1/resolve" in line for line in page.complaints())


def signed_message(served, folder):
    """By a key of its own, which DNS has."""
    private, public = folder / "mine.pem", folder / "mine.pub"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    value = "v=DKIM1; k=rsa; p=" + "".join(public.read_text().splitlines()[1:-1])
    served.world.update(NAME, f"mine._domainkey.{NAME}", [value[i:i + 200] for i in range(0, len(value), 200)])
    plain = f"From: ann@{NAME}\r\nTo: bob@example.org\r\nSubject: hello\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nOne.\r\nTwo.\r\n".encode()
    done = subprocess.run([stores.SIGNPOST.resolve(), "testmsg", "-d", NAME, "-s", "mine", "-k", private], input=plain, capture_output=True, check=True)
    return done.stdout.decode()


def test_a_message_is_verified_in_earnest(served, chromium, folder):
    message = signed_message(served, folder)
    page = chromium()
    page.sign_in(served)
    changed = folder / "changed.eml"
    changed.write_bytes(message.replace("Subject: hello", "Subject: [list] hello").encode())
    whole = folder / "whole.eml"
    whole.write_bytes(message.encode())
    page.get("file").send_keys(str(whole))
    page.press_text("verify-form")
    page.until(lambda: "1 of 1 signatures passes" in page.text("verified") and "pass" in page.text("verified"), "it does not verify")
    page.get("file").send_keys(str(changed))
    page.press_text("verify-form")
    page.until(lambda: "none of 1 signatures passes" in page.text("verified") and "subject" in page.text("verified").lower(), "what differs")
    # Pasted, as a screen has it: the line ends are those of mail again.
    page.sign_in(served)
    page.driver.execute_script("document.getElementById('message').value = arguments[0]", message.replace("\r\n", "\n"))
    page.press_text("verify-form")
    page.until(lambda: "1 of 1 signatures passes" in page.text("verified"), "what was pasted does not verify")
    served.world.update(NAME, f"mine._domainkey.{NAME}")
    assert page.complaints() == []


STUB = """
const real = window.fetch;
window.sent = [];
window.fetch = async (path, what) => {
    if (path !== "/v1/verify")
        return real(path, what);
    window.sent.push([what.headers["Content-Type"], typeof what.body === "string" ? what.body : new TextDecoder().decode(what.body)]);
    return new Response(JSON.stringify(arguments[0]), {status: 200, headers: {"Content-Type": "application/json"}});
};
"""


def test_a_message_is_verified(served, chromium, folder):
    """What the page makes of an answer."""
    page = chromium()
    page.sign_in(served)
    page.press_text("verify-form")
    page.until(lambda: "There is no message" in page.text("verified"), "nothing to verify")
    answer = {"summary": "one of two " + HOSTILE, "signatures": [
        {"index": 0, "domain": NAME, "selector": "s1", "result": "pass", "reason": "", "detail": "", "differs": []},
        {"index": 1, "domain": HOSTILE, "selector": HOSTILE, "result": "fail", "reason": "body", "detail": HOSTILE,
         "differs": [{"what": "body", "certain": False, "line": 7, "detail": HOSTILE}, {"what": "Subject", "line": None, "detail": "folded"}]}]}
    page.driver.execute_script("const arguments0 = arguments[0];" + STUB.replace("arguments[0]", "arguments0"), answer)
    page.get("message").send_keys("Subject: <b>x</b>\n\nHello.\n")
    page.press_text("verify-form")
    page.until(lambda: "perhaps body (line 7)" in page.text("verified") and page.text("verified").count("<script>") == 5, "what differs")
    assert "pass" in page.text("verified") and "fail — body" in page.text("verified") and "Subject: folded" in page.text("verified")
    message = folder / "message.eml"
    message.write_bytes(b"Subject: y\n\nA bare line feed stays.\r\n")
    page.get("file").send_keys(str(message))
    page.press_text("verify-form")
    page.until(lambda: len(page.driver.execute_script("return window.sent")) == 2, "not sent")
    assert page.driver.execute_script("return window.sent") == [
        ["message/rfc822", "Subject: <b>x</b>\r\n\r\nHello.\r\n"], ["message/rfc822", message.read_bytes().decode()]]
    assert page.driver.title == "Signpost" and not page.driver.find_elements(By.CSS_SELECTOR, "main img, main script")
    assert page.complaints() == []


def test_a_thousand_domains(served, chromium):
    served.admin.store.load("".join(f"domain acme many{n:04}.example\n" for n in range(1000)))
    page = chromium()
    page.sign_in(served)
    page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#domains tbody tr")) == 500, "a page of them")
    page.get("filter").send_keys("many0123")
    page.until(lambda: [e.text for e in page.driver.find_elements(By.CSS_SELECTOR, "#domains tbody td button")] == ["many0123.example"], "the filter")
    page.get("filter").clear()
    page.get("filter").send_keys("many0999.example", Keys.ENTER)
    page.until(lambda: page.text("domain-title") == "many0999.example", "opened by its name")
    page.press("back")
    page.get("filter").clear()
    page.get("filter").send_keys(" ")
    page.press("next")
    # Its first rows are not those of the first page, which stays until it is there.
    page.until(lambda: "many0600.example" in page.text("domains") and page.get("next").is_enabled(), "the second page")
    page.press("next")
    page.until(lambda: "many0999.example" in page.text("domains") and not page.get("next").is_enabled(), "the last page")
    # Between two ticks of its clock the page draws all of them, and nothing piles up.
    ticks = page.driver.execute_async_script("""
        const done = arguments[0], field = document.getElementById("filter");
        let ticks = 0;
        const timer = setInterval(() => { if (++ticks === 20) { clearInterval(timer); done(ticks); } else field.dispatchEvent(new Event("input")); }, 1);""")
    assert ticks == 20 and page.complaints() == []


def test_a_narrow_window_and_the_dark(served, chromium):
    page = chromium()
    page.sign_in(served)
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    try:
        wide = page.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], wide
        page.open()
        page.until(lambda: page.text("keys"), "no keys")
        wide = page.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], wide
        if os.environ.get("SIGNPOST_SCREENSHOT"):
            page.driver.save_screenshot(os.environ["SIGNPOST_SCREENSHOT"] + ".narrow.png")
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert page.complaints() == []


def test_texts_of_others_are_texts(served, chromium):
    # A record that somebody put where a key is, and reasons in the audit (test above).
    spare = [s for s, state in served.states().items() if state == "ACTIVE"][0]
    value = served.world.ask(f"{spare}._domainkey.{NAME}")[0]
    strings = [value[i:i + 200] for i in range(0, len(value), 200)]
    served.world.update(NAME, f"{spare}._domainkey.{NAME}", strings, [HOSTILE.replace('"', "")])
    page = chromium()
    page.sign_in(served)
    page.open()
    page.press(f"key-show_record-{spare}")
    page.until(lambda: page.get("record").is_displayed(), "no record")
    page.press("check")
    page.until(lambda: "<script>" in page.text("check-answer"), "the foreign record is not shown")
    served.world.update(NAME, f"{spare}._domainkey.{NAME}", strings)
    assert page.driver.title == "Signpost" and not page.driver.find_elements(By.CSS_SELECTOR, "main img, main script")
    assert page.complaints() == []


def test_the_keyboard_and_a_token_that_leaves_no_trace(served, chromium):
    page = chromium()
    page.driver.get(served.url)
    page.until(lambda: page.focus() == "token", "the focus is not where one begins")
    page.keys("spt_" + "A" * 43, Keys.ENTER)
    page.until(lambda: "not accepted" in page.text("say"), "a wrong token")
    assert any("401" in line for line in page.complaints())
    page.keys(served.token, Keys.ENTER)
    page.until(lambda: page.get("overview").is_displayed(), "not signed in")
    found = page.driver.execute_script("return document.documentElement.outerHTML + location.href + JSON.stringify(localStorage)"
                                       " + JSON.stringify(sessionStorage) + document.cookie + document.getElementById('token').value")
    assert served.token not in found and served.token[4:20] not in found
    page.driver.execute_script("document.body.tabIndex = -1; document.body.focus()")
    page.tab_to("skip", 3)
    assert page.driver.switch_to.active_element.location["x"] >= 0  # it is seen when it has the focus
    page.keys(Keys.ENTER)
    page.tab_to(f"open-row-{NAME}")
    page.keys(Keys.ENTER)
    page.until(lambda: page.get("domain").is_displayed() and page.focus() == "domain-title", "not opened")
    page.tab_to("rotate")
    outline = page.driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keys(Keys.ENTER)
    page.until(lambda: page.focus() == "reason", "no dialog")
    page.keys("by keyboard", Keys.ENTER)
    page.until(lambda: page.text("plan"), "no plan")
    page.keys(Keys.ESCAPE)
    page.until(lambda: page.focus() == "rotate", "the focus does not come back")
    page.driver.refresh()
    page.until(lambda: page.get("token").is_displayed() and not page.get("overview").is_displayed(), "signed in after all")
    unnamed = page.driver.execute_script(
        "return [...document.querySelectorAll('input, select, textarea')].filter(n => n.labels.length === 0).map(n => n.id)")
    assert unnamed == [] and page.complaints() == []


def test_japanese_and_what_a_tenant_sees(served, chromium):
    token = served.new_token("role:owner", "--tenant", "acme")
    page = chromium("ja")
    page.sign_in(served, token)
    assert page.driver.execute_script("return document.documentElement.lang") == "ja"
    page.until(lambda: "署名できる鍵のないドメイン 1 件: old.example" in page.text("red") and "このトークンでは見られません" in page.text("nodes"), "no Japanese")
    page.open()
    assert "今すぐローテーション" in page.text("domain")
    page.press("language")
    page.until(lambda: "Rotate now" in page.text("domain"), "no English")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    back = page.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert max(json.loads("[" + back.split("(")[1].rstrip(")") + "]")[:3]) < 60
    assert page.complaints() == []
