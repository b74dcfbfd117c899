#!/usr/bin/env python3
"""compare.py A.json B.json: what changed between two results of bench/suite.py.

Prints every figure that both have, and the ratio B / A. A change counts when the spreads of the two do not overlap.
"""

import json
import pathlib
import sys


def load(path):
    result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    return result["machine"], {row["name"]: row for row in result["rows"]}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    (machine_a, a), (machine_b, b) = load(sys.argv[1]), load(sys.argv[2])
    if machine_a != machine_b:
        print(f"Different machines, ratios mean little: {machine_a}; {machine_b}\n")
    print("| figure | A | B | B / A | |\n| --- | ---: | ---: | ---: | --- |")
    for name in (name for name in a if name in b):
        old, new = a[name], b[name]
        apart = new["low"] > old["high"] or new["high"] < old["low"]
        ratio = f"{new['median'] / old['median']:.2f}" if old["median"] else "-"
        print(f"| {name} | {old['median']:.3g} {old['unit']} | {new['median']:.3g} {new['unit']} | {ratio} | "
              f"{'changed' if apart else ''} |")
    for title, names in (("A", a.keys() - b.keys()), ("B", b.keys() - a.keys())):
        if names:
            print(f"\nOnly in {title}: {', '.join(sorted(names))}")


if __name__ == "__main__":
    main()
