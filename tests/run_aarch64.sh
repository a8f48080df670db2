#!/usr/bin/env bash
# Builds pyneuro for aarch64 and runs the tests of ops under user-mode emulation.
#
# Needs a Debian-like machine with: g++-aarch64-linux-gnu qemu-user cmake ninja-build python3-venv
# (pip's cmake and ninja do as well). Nothing is installed into the system: an arm64 Python is unpacked from Debian's
# packages into build/aarch64, wheels for aarch64 beside it. The first run downloads about 80 MB.
#
#   tests/run_aarch64.sh                              all of tests/test_ops.py
#   tests/run_aarch64.sh tests/test_ops.py -k exp     what pytest is told
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/aarch64
root=$work/root
for tool in aarch64-linux-gnu-g++ qemu-aarch64 cmake ninja apt-get dpkg-deb python3; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (see the head of $0)" >&2; exit 1; }
done

# An arm64 Python of this machine's Debian release, with apt's state in our folder.
if [ ! -e "$work/root.done" ]; then
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$root"
  : >"$work/apt/status"
  apt=(apt-get -qq -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=
       -o "Dir::State::Lists=$work/apt/lists" -o "Dir::State::status=$work/apt/status"
       -o "Dir::Cache=$work/apt" -o "Dir::Cache::Archives=$work/apt/archives" -o Debug::NoLocking=1)
  "${apt[@]}" update
  "${apt[@]}" --no-install-recommends --download-only install python3 libpython3-dev libstdc++6
  for package in "$work"/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  touch "$work/root.done"
fi
python=$(readlink -f "$root"/usr/bin/python3.[0-9]*)
version=$(basename "$python" | sed 's/python//')

if [ ! -e "$work/tools.done" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet 'pybind11>=3'
  platforms=()
  for glibc in 28 27 26 24 17; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
  "$work/venv/bin/pip" install --quiet --upgrade --target "$work/site" --only-binary=:all: \
    --implementation cp --python-version "$version" --abi "cp${version/./}" --abi abi3 \
    "${platforms[@]}" numpy ml_dtypes safetensors hypothesis pytest pytest-timeout
  touch "$work/tools.done"
fi

# The host's Python runs pybind11's CMake code; headers and the module's file name are the target's.
cmake -S . -B "$work/cmake" -G Ninja -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_CXX_FLAGS="-idirafter $root/usr/include" \
  -DPython_EXECUTABLE="$work/venv/bin/python" -DPython_INCLUDE_DIR="$root/usr/include/python$version" \
  -DPYTHON_MODULE_EXTENSION=.so -DPYTHON_MODULE_DEBUG_POSTFIX= >/dev/null
cmake --build "$work/cmake"

rm -rf "$work/stage"
mkdir "$work/stage"
cp -r pyneuro "$work/stage/"
cp "$work"/cmake/pyneuro/*.so "$work/stage/pyneuro/"

[ $# -gt 0 ] || set -- tests/test_ops.py
exec qemu-aarch64 -L "$root" -E "PYTHONPATH=$work/stage:$work/site" -E PYTHONDONTWRITEBYTECODE=1 \
  "$python" -P -m pytest -p no:cacheprovider "$@"
