#!/usr/bin/env bash
# Our scoring beside the same factorization machine in ONNX Runtime: k = 16, f32, ids resolved for both, one thread, both on
# 2 MB pages. The graph is built in several forms, and the fastest counts (bench/onnx_runtime/fm_graph.h).
#
# The library comes from the npm package onnxruntime-node and stays in build/onnxruntime. Without npm or network nothing is
# measured. Fails when we are not 9 times as fast, or when the scores differ by more than 1e-5.
#
# --as-it-comes: beside that, without a bar, what their users have without any effort: the graph of a textbook, on the pages
# that malloc gives. Ours stays on 2 MB pages, as in the server.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

if [[ ${1:-} == --help ]]; then
  cat <<'TEXT'
usage: bench/onnx_runtime.sh [--as-it-comes] [more of onnx_runtime_compare: --rows N, --repetitions N, --requests N, --json FILE]

ONNXRUNTIME_LIBRARY  a libonnxruntime.so to take instead of that of npm
TEXT
  exit 0
fi

package=onnxruntime-node@1.30.0
folder=$build_root/onnxruntime
library=${ONNXRUNTIME_LIBRARY:-$folder/$package/package/bin/napi-v6/linux/x64/libonnxruntime.so.1}

skip() {
  say "skipped: $*; set ONNXRUNTIME_LIBRARY to a libonnxruntime.so. Nothing was measured"
  exit 0
}

if [[ ! -e $library ]]; then
  [[ -z ${ONNXRUNTIME_LIBRARY:-} ]] || fail "there is no $library"
  [[ $(uname -sm) == 'Linux x86_64' ]] || skip 'the library is taken for Linux on x86-64 alone'
  command -v npm >/dev/null || skip 'there is no npm'
  say "fetching $package, about 110 MB"
  mkdir -p "$folder/$package"
  archive=$(cd "$folder" && npm pack --silent "$package") || skip "npm could not fetch $package"
  tar -xzf "$folder/$archive" -C "$folder/$package" package/bin/napi-v6/linux/x64/libonnxruntime.so.1
  rm "$folder/$archive"
fi

# Their tables lie in memory of malloc.
[[ " $* " == *' --as-it-comes '* ]] || export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
"${FMSERVE_BUILD:-$build_root/release}/bin/onnx_runtime_compare" \
  --library "$library" "$@"
