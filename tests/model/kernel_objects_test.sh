#!/bin/sh
# Code compiled for AVX must not reach processors without it: the linker keeps one copy of each inline function and
# template instance, from any object, so these objects may define none (model/kernels/README.md). Type names, which a
# sanitizer adds, are not code.
set -eu

objects=$(find "$FMSERVE_BUILD/model" -path '*/kernels/avx*.cc.o')
if [ "$(echo "$objects" | wc -l)" -ne 3 ]; then
  echo "expected the objects of avx2.cc, avx512.cc and avx512_vnni.cc below $FMSERVE_BUILD/model, found: $objects" >&2
  exit 1
fi
for object in $objects; do
  mergeable=$(nm --defined-only --demangle "$object" | grep ' [uVW] ' | grep -v ' V typeinfo ' || true)
  if [ -n "$mergeable" ]; then
    echo "$object defines what the linker may take for code that runs everywhere:" >&2
    echo "$mergeable" >&2
    exit 1
  fi
done
