#!/bin/sh
# Code compiled for AVX must not reach processors without it: the linker keeps one copy of each inline function and
# template instance, from any object, so these objects may define none (model/kernels/README.md). Type names, which a
# sanitizer adds, are not code.
set -eu

objects=$(find "$FMSERVE_BUILD/model" -path '*/kernels/avx*.cc.o')
if [ "$(echo "$objects" | wc -l)" -ne 7 ]; then
  echo "expected the objects of avx2*.cc and avx512*.cc below $FMSERVE_BUILD/model, found: $objects" >&2
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

# What scores items asks for rows ahead. Compilers have dropped that without a word (model/kernels/item_prefetch.h), and
# scores are right without it, only twice as slow.
items_objects=$(find "$FMSERVE_BUILD/model" -path '*/kernels/*_items.cc.o')
for object in $items_objects; do
  objdump --disassemble --demangle "$object" | awk -v object="$object" '
    /^[0-9a-f]+ </ { name = /::Score[A-Za-z0-9]+Items\(/ && !/clone/ ? $0 : ""; if (name != "") count[name] = 0 }
    /prefetch/ { if (name != "") ++count[name] }
    END {
      for (name in count) {
        ++functions
        if (count[name] == 0) { print object ": prefetches nothing: " name; bad = 1 }
      }
      if (functions != 2) { print object ": expected two functions that score items, found " functions + 0; bad = 1 }
      exit bad
    }' >&2
done
