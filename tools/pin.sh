#!/usr/bin/env bash
# Moves pinned packages to the newest versions, with their hashes: tools/pin.sh botocore (the models) | e2e (the clients and
# the runner of the end-to-end tests) | layers (what functions of these tests bring). Look at the diff, then `make test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=build/venv-pin
[ -x $venv/bin/pip-compile ] || { /usr/bin/python3 -m venv $venv && $venv/bin/pip install --quiet pip-tools; }
# $1: the file to rewrite below its opening comment; the rest: package names.
pin() {
    local file=$1 new
    shift
    new=$(mktemp)
    sed '/^[^#]/,$d' "$file" >"$new"
    # Every file of each version is listed, so that other processors and later Pythons find theirs.
    printf '%s\n' "$@" | $venv/bin/pip-compile --quiet --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links --no-annotate --strip-extras --output-file - - >>"$new"
    mv "$new" "$file"
    chmod 644 "$file"
}
case ${1:-} in
botocore)
    # Only the package itself is wanted, for its data; what it depends on is not installed.
    pin models/botocore.txt botocore
    awk '/^[^# ]/ { wanted = /^botocore==/ } /^#/ || wanted' models/botocore.txt >build/botocore.txt
    cat build/botocore.txt >models/botocore.txt
    ;;
e2e) pin test/e2e/requirements.txt awscli "boto3[crt]" pynamodb pytest pytest-xdist ;;
layers) pin test/e2e/layers.txt ask-sdk-core debugpy ;;
*)
    echo "usage: tools/pin.sh botocore | e2e | layers" >&2
    exit 2
    ;;
esac
