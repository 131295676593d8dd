"""For bench.py: the goals, and what was reached of them."""


class Goals:
    def __init__(self):
        self.lines = []

    def at_most(self, what, figure, goal, unit=""):
        self.add(what, figure, f"<= {goal:g}", figure <= goal, unit)

    def below(self, what, figure, goal, unit=""):
        self.add(what, figure, f"< {goal:g}", figure < goal, unit)

    def at_least(self, what, figure, goal, unit=""):
        self.add(what, figure, f">= {goal:g}", figure >= goal, unit)

    def add(self, what, figure, goal, met, unit):
        self.lines.append({"what": what, "figure": figure, "goal": goal, "unit": unit, "met": met})

    def judge_rows(self, rows):
        """Those that follow from one scenario each. What was not measured is not judged."""
        by_key = {(row["scenario"], row["server"]): row for row in rows}
        for name, floor_max, less_min in (("rsa-4k-c16", 1.25, 5), ("rsa-4k-c64", 1.25, 5),
                                          ("ed25519-4k-c16", 2.0, 15), ("rsa-1m-c16", 1.3, None)):
            ours, theirs = by_key.get((name, "signpostd")), by_key.get((name, "opendkim"))
            if not ours:
                continue
            self.at_most(f"{name}: CPU over the floor", ours["x_floor"], floor_max)
            if theirs and less_min:
                self.at_least(f"{name}: opendkim's CPU over signpostd's", theirs["x_floor"] / ours["x_floor"], less_min)
            if name in ("rsa-4k-c16", "ed25519-4k-c16"):
                self.at_most(f"{name}: p99 over p50, beside spinners", ours["p99_p50"], 2.5)
                self.below(f"{name}: longest of all", ours["max_us"] / 1e3, 50, "ms")

    def print(self):
        if self.lines:
            print(f"\n{'goal':<58} {'figure':>9} {'':<3} {'wanted':>8}")
        for line in self.lines:
            print(f"{line['what']:<58} {line['figure']:>9.2f} {line['unit']:<3} {line['goal']:>8}  "
                  f"{'met' if line['met'] else 'MISSED'}")
