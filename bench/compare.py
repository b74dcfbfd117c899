#!/usr/bin/env python3
"""compare.py A.json B.json: what changed between two results of bench/suite.py.

Prints every figure that both have, points of curves included, and the ratio B / A. A change counts when the spreads of the
two do not overlap.
"""

import json
import pathlib
import sys


def load(path):
    result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    figures = {row["name"]: row for row in result["rows"]}
    points = {f"{s['curve']}, {s['name']}, at {p['x']:g} {s['x_unit']}".rstrip(): {"unit": s["y_unit"], **p}
              for s in result.get("series", []) for p in s["points"]}
    return result["machine"], figures, points


def show(name, old, new):
    apart = new["low"] > old["high"] or new["high"] < old["low"]
    ratio = f"{new['median'] / old['median']:.2f}" if old["median"] else "-"
    print(f"| {name} | {old['median']:.3g} {old['unit']} | {new['median']:.3g} {new['unit']} | {ratio} | "
          f"{'changed' if apart else ''} |")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    (machine_a, a, points_a), (machine_b, b, points_b) = load(sys.argv[1]), load(sys.argv[2])
    if machine_a != machine_b:
        print(f"Different machines, ratios mean little: {machine_a}; {machine_b}\n")
    print("| figure | A | B | B / A | |\n| --- | ---: | ---: | ---: | --- |")
    for old, new in ((a, b), (points_a, points_b)):
        for name in (name for name in old if name in new):
            show(name, old[name], new[name])
    for title, names in (("A", a.keys() - b.keys()), ("B", b.keys() - a.keys())):
        if names:
            print(f"\nOnly in {title}: {', '.join(sorted(names))}")


if __name__ == "__main__":
    main()
