#!/usr/bin/python3
"""plots.py RESULT.json [--out FOLDER]: the series of a result of bench/suite.py as SVG files, in docs/plots if not given.

A line is the median, its band the lowest and the highest of the repetitions. The same result gives the same bytes with the
same version of Matplotlib (python3-matplotlib).
"""

import argparse
import dataclasses
import itertools
import json
import math
import pathlib
import sys

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot, ticker
except ImportError:
    sys.exit("plots.py needs Matplotlib: apt-get install --no-install-recommends python3-matplotlib")

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Okabe and Ito: also for those who do not see all colours.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
PHASES = ("#DCEBF7", "#FBE8C8", "#F2B8B5", "#E4E4E4")
STYLE = {"svg.hashsalt": "fmserve", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
         "axes.grid": True, "grid.color": "#E0E0E0", "grid.linewidth": 0.6, "axes.axisbelow": True,
         "legend.frameon": False, "lines.linewidth": 1.8}


@dataclasses.dataclass
class Panel:
    curve: str  # of the series that it shows
    title: str = ""
    log_x: bool = False
    log_y: bool = False


@dataclasses.dataclass
class Figure:
    file: str
    title: str
    panels: tuple[Panel, ...]


FIGURES = (
    Figure("latency-against-load", "Latency and server CPU against load, 200 candidates, server on half of the processors", (
        Panel("latency_against_load", log_y=True), Panel("cpu_against_load"))),
    Figure("latency-through-swap", "Latency while new weights are swapped in", (
        Panel("latency_through_swap", log_y=True),)),
    Figure("cpu-against-candidates", "Server CPU against candidates", (
        Panel("cpu_against_candidates", log_x=True),)),
    Figure("cost-against-k", "Lookup and scoring of a feature against k, by encoding of the weights", (
        Panel("cost_against_k_from_cache", "from cache", log_x=True),
        Panel("cost_against_k_from_memory", "from memory", log_x=True))),
)


def axis_label(label, unit):
    return f"{label}, {unit}" if unit else label


def plain_numbers(axis, values):
    """Ticks of a logarithmic axis: 1, 2, 5, 10 … where the values are."""
    low, high = min(values), max(values)
    ticks = [m * 10.0 ** e for e in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)]
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))


def draw(axes, panel, series):
    for number, phase in enumerate(series[0]["phases"]):
        axes.axvspan(phase["begin"], phase["end"], color=PHASES[number % len(PHASES)], linewidth=0, zorder=0,
                     label=phase["name"])
    for color, line in zip(itertools.cycle(LINES), series):
        xs = [p["x"] for p in line["points"]]
        axes.fill_between(xs, [p["low"] for p in line["points"]], [p["high"] for p in line["points"]], color=color,
                          alpha=0.2, linewidth=0)
        axes.plot(xs, [p["median"] for p in line["points"]], color=color, label=line["name"],
                  marker="o" if len(xs) < 20 else "", markersize=4)
    axes.set_title(panel.title, loc="left", fontsize=10)
    axes.set(xlabel=axis_label(series[0]["x_label"], series[0]["x_unit"]),
             ylabel=axis_label(series[0]["y_label"], series[0]["y_unit"]))
    points = [p for line in series for p in line["points"]]
    if panel.log_x:
        axes.set_xscale("log")
        axes.set_xticks(sorted({p["x"] for p in points}))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if panel.log_y:
        axes.set_yscale("log")
        plain_numbers(axes.yaxis, [p[key] for p in points for key in ("low", "high") if p[key] > 0])
    else:
        axes.set_ylim(bottom=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=6, columnspacing=1.2, handlelength=1.5)


def write_figure(figure, by_curve, machine, folder):
    """The file; None when the result has nothing for it."""
    panels = [panel for panel in figure.panels if panel.curve in by_curve]
    if not panels:
        return None
    drawing, all_axes = pyplot.subplots(1, len(panels), squeeze=False, layout="constrained",
                                        figsize=(9.6 if len(panels) > 1 else 8.4, 4.4))
    for axes, panel in zip(all_axes[0], panels):
        draw(axes, panel, by_curve[panel.curve])
    drawing.suptitle(figure.title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    drawing.supxlabel(f"{machine}; lines: median, bands: lowest to highest", x=0.01, ha="left", fontsize=8.5,
                      color="#555555")
    path = folder / f"{figure.file}.svg"
    drawing.savefig(path, metadata={"Date": None}, facecolor="white")
    pyplot.close(drawing)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "plots")
    arguments = parser.parse_args()

    result = json.loads(arguments.result.read_text(encoding="utf-8"))
    by_curve = {}
    for series in result.get("series", []):
        by_curve.setdefault(series["curve"], []).append(series)
    undrawn = by_curve.keys() - {panel.curve for figure in FIGURES for panel in figure.panels}
    if undrawn or not by_curve:
        sys.exit(f"plots.py: {arguments.result} has series that no figure shows: {', '.join(sorted(undrawn))}; add them to "
                 "FIGURES" if undrawn else f"plots.py: {arguments.result} has no series; ./run bench makes them")
    arguments.out.mkdir(parents=True, exist_ok=True)
    matplotlib.rcParams.update(STYLE)
    for figure in FIGURES:
        path = write_figure(figure, by_curve, result["machine"], arguments.out)
        print(path or f"{figure.file}: the result has nothing for it")


if __name__ == "__main__":
    main()
