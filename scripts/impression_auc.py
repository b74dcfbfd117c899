#!/usr/bin/env python3
"""How well predictions order the candidates of one impression: the mean AUC over impressions (MIND's measure).

usage: fm predict M.fmw --data T.tsv | impression_auc.py T.tsv LABEL_COLUMN IMPRESSION_COLUMN

Impressions without a click or without a candidate that was not clicked say nothing and are left out.
"""

import collections
import sys


def auc(scored):
    """Of (prediction, clicked) pairs; ties count half. None when one kind is missing."""
    clicked = [p for p, label in scored if label]
    others = [p for p, label in scored if not label]
    if not clicked or not others:
        return None
    won = sum((c > o) + 0.5 * (c == o) for c in clicked for o in others)
    return won / (len(clicked) * len(others))


def main(table, label_column, impression_column, predictions):
    impressions = collections.defaultdict(list)
    with open(table, encoding="utf-8") as file:
        header = file.readline().rstrip("\n").split("\t")
        label, impression = header.index(label_column), header.index(impression_column)
        for line, prediction in zip(file, predictions, strict=True):
            cells = line.rstrip("\n").split("\t")
            impressions[cells[impression]].append((float(prediction), float(cells[label]) > 0))
    values = [value for value in map(auc, impressions.values()) if value is not None]
    print(f"{sum(values) / len(values):.4f} over {len(values)} impressions")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:], sys.stdin)
