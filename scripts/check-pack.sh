#!/usr/bin/env bash
# What `npm pack` ships installs in an empty folder and runs.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --ignore-scripts --pack-destination "$folder" >/dev/null
cd "$folder"
npm init -y >/dev/null
npm install --silent --foreground-scripts ./tenon-*.tgz
npx tenon info | head -3
test "$(npx tenon count "$root/grammar/examples/mlp.space")" = 41784
echo "packed: npx tenon works"
