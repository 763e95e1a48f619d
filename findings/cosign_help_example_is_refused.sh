#!/usr/bin/env bash
# Does cosign 3 sign without a transparency log the way that its own help shows (`--key cosign.key --tlog-upload=false`)?
#
# Guess: yes, with a notice at most: `cosign sign --help` lists exactly this line as an example, and cosign 2.5 does it.
# Seen: no. It ends with exit code 1 before it asks a registry for anything: the flag cannot go together with a signing config,
# and having one is the default now. A file of `cosign signing-config create` that names no log is what works.
set -euo pipefail
readonly VERSION=3.1.1-2
readonly SHA256=d8622ebffce1d69197288fc030ff06a4c247af5507107f85c5a878870b686b23
readonly MIRROR="${MIRROR:-http://deb.debian.org/debian}" # Debian's testing release; https://snapshot.debian.org has it later
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
curl --silent --show-error --fail --retry 3 --output cosign.deb "$MIRROR/pool/main/c/cosign/cosign_${VERSION}_amd64.deb"
echo "$SHA256  cosign.deb" | sha256sum --check --quiet
dpkg-deb --extract cosign.deb root
export PATH="$folder/root/usr/bin:$PATH" COSIGN_PASSWORD="of this probe" TUF_ROOT="$folder/tuf"
# No registry listens there: whoever gets as far as signing says so in other words.
readonly image="localhost:9/a/b@sha256:$(printf 'a%.0s' {1..64})"

cosign generate-key-pair >/dev/null 2>&1
echo "cosign: Debian $VERSION, amd64"
echo "in its help: $(cosign sign --help | grep --max-count 1 -- '--tlog-upload=false')"
echo "expected: the flag is taken"
code=0
cosign sign --yes --key cosign.key --tlog-upload=false "$image" >said 2>&1 || code=$?
echo "seen:     exit code $code: $(grep --max-count 1 '^Error' said | cut --characters 1-110)"
cosign signing-config create --no-default-fulcio --no-default-oidc --no-default-rekor --no-default-tsa --out none.json
cosign sign --yes --key cosign.key --signing-config none.json "$image" >other 2>&1 || true
echo "with --signing-config: $(grep --max-count 1 '^Error' other | cut --characters 1-110)"
grep --quiet "is not supported with --signing-config" said && ! grep --quiet "is not supported" other
