#!/usr/bin/env bash
# Installs what is missing. tools/setup.sh build|test|check|bench: the Debian packages of tools/packages.NAME and what
# belongs to it from the language registries, everything pinned by hash under build/. Does nothing, quickly, when the lists
# are those of the last time. SETUP_ALSO names sets that will be asked for next, so that all packages come at once. Without
# the right to install packages it prints the one command that does, and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=${1:?build, test, check or bench}
python=/usr/bin/python3

packages=tools/packages.$name
declare -a inputs=(tools/setup.sh "$packages")
case $name in
build) inputs+=(models/botocore.txt) ;;
test) inputs+=(test/e2e/requirements.txt test/e2e/layers.txt)
    if [ -f test/e2e/js/package-lock.json ]; then inputs+=(test/e2e/js/package.json test/e2e/js/package-lock.json); fi ;;
check | bench) ;;
*) echo "setup: unknown set '$name'" >&2; exit 2 ;;
esac

stamp=build/setup/$name
mkdir -p build/setup
state=$(cat "${inputs[@]}" | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
    touch "$stamp"
    exit 0
fi

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

declare -a missing=()
while IFS= read -r line; do
    line=${line%%#*}
    test=
    if [[ $line == *\?* ]]; then
        # The test may hold a '?' of its own: the first one separates.
        test=${line#*\?}
        line=${line%%\?*}
    fi
    if [ -n "$test" ] && (eval "$test") >/dev/null 2>&1; then continue; fi
    for package in $line; do
        installed "$package" || [[ " ${missing[*]} " == *" $package "* ]] || missing+=("$package")
    done
done < <(for set in "$name" ${SETUP_ALSO:-}; do cat "tools/packages.$set"; done)

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: this is no Debian; install the equivalent of: ${missing[*]}" >&2
        exit 1
    fi
    declare -a root=()
    if [ "$(id -u)" -ne 0 ]; then
        if sudo -n true 2>/dev/null; then
            root=(sudo -n)
        else
            echo "setup: packages are missing. Run this once, then the same make again:" >&2
            echo "  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'" >&2
            exit 1
        fi
    fi
    echo "setup: installing ${missing[*]}"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" </dev/null >build/setup/apt.log 2>&1 || { tail -n 30 build/setup/apt.log >&2; exit 1; }
fi

# A virtual environment made anew when it is missing or of another Python.
venv() {
    if ! "$1/bin/python" -c '' 2>/dev/null || [ "$("$1/bin/python" -V)" != "$("$python" -V)" ]; then
        rm -rf "$1"
        "$python" -m venv "$1"
    fi
}

case $name in
build)
    venv build/venv
    if [ ! -d build/models/botocore/data ] || ! cmp -s models/botocore.txt build/models/botocore.txt; then
        echo "setup: fetching the models"
        rm -rf build/models build/models.new
        mkdir -p build/models.new
        build/venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --require-hashes \
            --only-binary :all: -r models/botocore.txt -d build/models.new
        build/venv/bin/python - build/models.new <<'EOF'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder, [n for n in archive.namelist() if n.startswith("botocore/data/")])
wheel.unlink()
EOF
        cp models/botocore.txt build/models.new/
        mv build/models.new build/models
    fi
    ;;
test)
    venv build/venv-e2e
    echo "setup: fetching the clients of the tests"
    build/venv-e2e/bin/pip install --quiet --disable-pip-version-check --require-hashes -r test/e2e/requirements.txt
    rm -rf build/layers
    build/venv-e2e/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target build/layers -r test/e2e/layers.txt
    if [ -f test/e2e/js/package-lock.json ]; then
        npm ci --prefix test/e2e/js --no-audit --no-fund --loglevel=error </dev/null
    fi
    ;;
esac
echo "$state" >"$stamp"
