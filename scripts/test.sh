#!/usr/bin/env bash
# ./run test [step…]
source scripts/common.sh

usage() {
  cat <<'TEXT'
usage: ./run test [lint] [fuzz] [asan] [tsan] [release]

Runs the named steps, or all of them:
  lint      see ./run lint --help
  fuzz      each fuzz target for FMSERVE_FUZZ_SECONDS (20)
  asan      every test, under the address and undefined-behaviour sanitizers
  tsan      the tests of what swaps or shares between threads, under the thread sanitizer
  release   every test, as it ships
./run --help says how to do the same in a clean room.
TEXT
}

step_lint() { scripts/lint.sh; }

step_fuzz() {
  build fuzz
  local root=$build_root/fuzz target
  mkdir -p "$root/findings"
  say "fuzzing each target for ${FMSERVE_FUZZ_SECONDS:-20} s"
  for target in "$root"/tests/fuzz/*_fuzz; do
    mkdir -p "$root/corpus/$(basename "$target")"
    printf '%s\n' "$target"
  done | xargs -d '\n' -I{} -P "$(nproc)" scripts/fuzz.sh {} "$root"
}

# step_ctest PRESET [ctest arguments…]
step_ctest() {
  build "$1"
  say "testing $build_root/$1"
  ctest --test-dir "$build_root/$1" --output-on-failure --no-tests=error -j "$(nproc)" "${@:2}"
}

steps=()
for argument in "$@"; do
  case $argument in
    --help) usage; exit 0 ;;
    lint | fuzz | asan | tsan | release) steps+=("$argument") ;;
    *) usage >&2; exit 2 ;;
  esac
done

# The release tests come last, so that ctest's summary of everything that ships is what one sees.
[[ ${#steps[@]} -gt 0 ]] || steps=(lint fuzz asan tsan release)
install_packages build test s3 lint
for step in "${steps[@]}"; do
  case $step in
    lint) step_lint ;;
    fuzz) step_fuzz ;;
    asan) step_ctest asan ;;
    tsan) step_ctest tsan -L shares ;;
    release) step_ctest release ;;
  esac
done
