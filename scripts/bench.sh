#!/usr/bin/env bash
# ./run bench [Google Benchmark arguments…]
source scripts/common.sh

if [[ ${1:-} == --help ]]; then
  cat <<'TEXT'
usage: ./run bench [arguments of Google Benchmark]

Builds the release preset and runs every benchmark of bench/. The longer comparisons are scripts of their own in
bench/*.sh; each says at its head what it measures.
example: ./run bench --benchmark_filter=k:16
TEXT
  exit 0
fi

install_packages build
build release
for benchmark in "$build_root"/release/bench/*_bench; do
  say "running $(basename "$benchmark")"
  "$benchmark" "$@"
done
say "larger measurements: $(printf '%s ' bench/*.sh)"
