#!/usr/bin/env bash
# ./run format
source scripts/common.sh

if [[ ${1:-} == --help ]]; then
  echo "usage: ./run format    rewrites the C++ sources with clang-format (style: .clang-format)"
  exit 0
fi

install_packages lint
say "formatting"
sources | xargs -d '\n' clang-format -i
