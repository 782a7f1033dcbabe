#!/usr/bin/env bash
# Compiles every kernel for 64-bit ARM: NEON must build wherever the cross compiler is.
set -euo pipefail
cd "$(dirname "$0")/.."
cxx=aarch64-linux-gnu-g++
command -v "$cxx" >/dev/null || { echo "skipped: $cxx is not installed"; exit 0; }
ls cpp/ops/*.cpp cpp/gen/kernels.cpp | xargs -P 2 -I{} "$cxx" -std=c++20 -O1 -Wall -Wextra -Werror -Wno-psabi -fsyntax-only \
  -DTENON_ISA=neon -DTENON_VBYTES=16 -Icpp {}
echo "NEON: $(ls cpp/ops/*.cpp | wc -l) kernel files compile"
