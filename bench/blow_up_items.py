#!/usr/bin/env python3
"""Makes as many items as wanted of those in a table, with values that a model was trained on.

Each new item has of each column a value that some row has, independently of its other columns; the cell of a list is
one value. All combinations are equally likely, and none comes once more before all others came as often. Writes a table
of these columns and a number, "item"; prints the number of different combinations.
"""

import argparse
import csv
import math
import random


def draw(values, count, seed):
    """`count` combinations of one of each of these lists, in random order."""
    chance = random.Random(seed)
    possible = math.prod(map(len, values))
    numbers = [*range(possible)] * (count // possible) + chance.sample(range(possible), count % possible)
    chance.shuffle(numbers)
    for number in numbers:
        item = []
        for column in values:
            number, i = divmod(number, len(column))
            item.append(column[i])
        yield item


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", required=True, help="of the items, with commas between")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("table", help="tsv with a header")
    parser.add_argument("out", help="tsv to write")
    options = parser.parse_args()

    columns = options.columns.split(",")
    with open(options.table, encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        items = {tuple(row[column] for column in columns) for row in rows}
    values = [sorted(set(column)) for column in zip(*items)]
    with open(options.out, "w", encoding="utf-8") as out:
        out.write("\t".join(["item", *columns]) + "\n")
        for number, item in enumerate(draw(values, options.count, options.seed)):
            out.write("\t".join([str(number), *item]) + "\n")
    print(min(options.count, math.prod(map(len, values))))


if __name__ == "__main__":
    main()
