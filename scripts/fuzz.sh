#!/usr/bin/env bash
# fuzz.sh TARGET ROOT: one libFuzzer executable, from its seeds and from what earlier runs found.
source scripts/common.sh

target=$1 root=$2
name=$(basename "$target")
corpora=("$root/corpus/$name")
[[ -d tests/fuzz/${name}_corpus ]] && corpora+=("tests/fuzz/${name}_corpus")
log=$root/$name.log

# -timeout and -rss_limit_mb turn a hang or a huge allocation into a finding.
if "$target" -max_total_time="${FMSERVE_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$root/findings/$name-" "${corpora[@]}" >"$log" 2>&1; then
  printf '%s: %s\n' "$name" "$(tail -n 1 "$log")"
else
  tail -n 60 "$log" >&2
  fail "$name found something: see $log and $root/findings"
fi
