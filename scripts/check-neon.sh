#!/usr/bin/env bash
# The kernels for 64-bit ARM: compiled by the cross compiler, and every op run against its reference under QEMU. Skips what there is no tool for.
set -euo pipefail
cd "$(dirname "$0")/.."
cxx=aarch64-linux-gnu-g++
command -v "$cxx" >/dev/null || { echo "skipped: $cxx is not installed"; exit 0; }
cmake -S cpp/replay -B build-neon -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS=-Werror >/dev/null
cmake --build build-neon --target replay --parallel "$(nproc)" -- --no-print-directory >/dev/null
echo "NEON: $(ls cpp/ops/*.cpp | wc -l) kernel files compile"
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
[ -n "$qemu" ] || { echo "skipped: running them: qemu-aarch64 is not installed"; exit 0; }
TENON_REPLAY="$qemu build-neon/replay" node --import tsx test/replay.test.ts
