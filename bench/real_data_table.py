"""Prints the table of real_data.sh from the reports of fm. Exits with 1 if a bar is missed."""

import json
import pathlib
import sys

# Other tools on the same test files, for orientation: their plain FM, and their field-aware one (FFM)
# beside the field-weighted. A result may be up to 1 % worse.
REFERENCES = {
    "ml-1m-fm": 0.528,
    "criteo-fm": 0.476,
    "frappe-fm": 0.219,
    "mind-fm": 0.167,
    "ml-100k-fm": 0.899,
    "ml-1m-fwfm": 0.539,
    "criteo-fwfm": 0.4737,
    "frappe-fwfm": 0.2077,
    "mind-fwfm": 0.167,
    "ml-100k-fwfm": 0.9264,
}
MAX_WORSE = 1.01
F16_MAX_CHANGE = 1e-5
INT8_MAX_RELATIVE_CHANGE = 1e-3


def load(directory, name, quantization, kind):
    return json.loads((directory / f"{name}-{quantization}.{kind}.json").read_text())


def loss(metrics):
    """Logloss of a binary task, RMSE of a regression."""
    return metrics["rmse"] if metrics["logloss"] is None else metrics["logloss"]


def verdict(name, f32, f16, int8):
    problems = []
    if name in REFERENCES and f32 > MAX_WORSE * REFERENCES[name]:
        problems.append("worse than reference")
    if abs(f16 - f32) >= F16_MAX_CHANGE:
        problems.append(f"f16 changes it by {abs(f16 - f32):.1e}")
    if abs(int8 - f32) >= INT8_MAX_RELATIVE_CHANGE * f32:
        problems.append(f"int8 changes it by {abs(int8 / f32 - 1):.1e}")
    return ", ".join(problems) or "ok"


def row(directory, name):
    train = load(directory, name, "f32", "train")
    metrics = {q: load(directory, name, q, "test") for q in ("f32", "f16", "int8")}
    losses = {q: loss(m) for q, m in metrics.items()}
    auc = metrics["f32"]["auc"]
    return [
        name,
        f"{train['rows']:,}",
        f"{train['features']:,}",
        f"{train['read_seconds'] + train['train_seconds']:.1f}",
        f"{train['train_rows_per_second'] / 1e3:,.0f} k",
        f"{train['peak_memory_bytes'] / 1e6:.0f} MB",
        f"{train['file_bytes'] / 1e6:.2f} MB",
        ("rmse " if auc is None else "logloss ") + f"{losses['f32']:.5f}",
        "" if auc is None else f"{auc:.4f}",
        f"{REFERENCES[name]:.3f}" if name in REFERENCES else "-",
        f"{losses['f16'] - losses['f32']:+.1e}",
        f"{losses['int8'] / losses['f32'] - 1:+.1e}",
        verdict(name, losses["f32"], losses["f16"], losses["int8"]),
    ]


def main():
    directory = pathlib.Path(sys.argv[1])
    header = ["data set, model", "rows", "features", "seconds", "rows/s", "memory", "file", "test"]
    header += ["auc", "reference", "f16", "int8, relative", "verdict"]
    table = [header] + [row(directory, name) for name in sys.argv[2:]]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    sys.exit(any(line[-1] != "ok" for line in table[1:]))


if __name__ == "__main__":
    main()
