#!/usr/bin/env bash
# ./run bench [arguments of bench/suite.py]
source scripts/common.sh

if [[ ${1:-} == --help ]]; then
  cat <<'TEXT'
usage: ./run bench [--only STEP]... [--out FILE]

Builds the release preset, runs the programs of bench/ side by side, prints each figure with its spread and its bar, and
writes bench/results/<machine>.json (or FILE; with --only nothing but FILE), in less than ten minutes. Steps: see bench/suite.py and bench/curve_steps.py.
bench/compare.py A.json B.json tells what changed, bench/plots.py A.json draws the curves (apt-get install python3-matplotlib).
The micro benchmarks can be run by themselves: build/release/bench/*_bench, with the arguments of Google Benchmark. Longer
measurements are scripts of their own: bench/real_data.sh, bench/swap_under_load.sh.
example: ./run bench --only scoring
TEXT
  exit 0
fi

install_packages build bench
build release
python3 bench/suite.py --build "$build_root/release" "$@"
