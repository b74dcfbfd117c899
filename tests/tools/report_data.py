"""Generated rows, models and reports that the tests of fm report share."""

import math
import pathlib
import random
import shutil
import subprocess
import tempfile

FM = shutil.which("fm")
GENRES = ["drama", "comedy", "war", "<script>alert(1)</script>"]
HEADER = "click\tuser\tgenre\thour\tnoise\tprice"
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context}
  - {name: hour, side: context}
  - {name: noise, side: context}
  - {name: genre, side: item, kind: multi_valued}
  - {name: price, side: item, kind: numeric}
"""


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def done(*arguments):
    """Runs fm, which must succeed, and returns its standard output."""
    result = fm(*arguments)
    if result.returncode != 0:
        raise AssertionError(f"fm {' '.join(map(str, arguments))}: {result.stderr}")
    return result.stdout


def rows(count, seed, regression=False):
    """Users like one genre each; hours matter a little, noise not at all."""
    rng = random.Random(seed)
    for _ in range(count):
        user, hour = rng.randrange(20), rng.randrange(24)
        genres = rng.sample(GENRES, rng.choice([1, 1, 2]))
        score = -2.2 + (2.5 if GENRES[user % 4] in genres else 0.0) + 0.6 * math.sin(hour / 24 * 2 * math.pi)
        click = score + rng.gauss(0, 0.5) if regression else int(rng.random() < 1 / (1 + math.exp(-score)))
        label = f"{click:.3f}" if regression else click
        yield [label, f"u{user}", "|".join(genres), f"h{hour}", f"n{rng.randrange(10)}", f"{rng.random():.2f}"]


def write_rows(path, *arguments, **options):
    lines = ["\t".join(map(str, row)) for row in rows(*arguments, **options)]
    path.write_text("\n".join([HEADER, *lines]) + "\n")


class Workshop:
    """A temporary folder with rows and two trained models, of which `good` has seen more."""

    def __init__(self, regression=False):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.folder.name)
        self.schema, self.test = self.dir / "s.yaml", self.dir / "test.tsv"
        self.good, self.poor = self.dir / "good.fmw", self.dir / "poor.fmw"
        self.schema.write_text(SCHEMA.replace("binary", "regression") if regression else SCHEMA)
        for name, count, seed in (("train.tsv", 8000, 1), ("few.tsv", 300, 2), ("valid.tsv", 1500, 3),
                                  ("test.tsv", 3000, 4)):
            write_rows(self.dir / name, count, seed, regression=regression)
        self.printed = self.train("train.tsv", self.good, 6)
        self.train("few.tsv", self.poor, 1)

    def train(self, name, out, epochs):
        return done("train", "--schema", self.schema, "--train", self.dir / name, "--valid", self.dir / "valid.tsv",
                    "--out", out, "--k", 4, "--epochs", epochs, "--patience", 9, "--json")

    def close(self):
        self.folder.cleanup()
