#!/bin/sh
# Puts what is released for this machine's architecture into a directory:
#
#   packaging/release/build.sh DIRECTORY             builds the program, without dependencies on the system's libraries
#   packaging/release/build.sh DIRECTORY PROGRAM     uses this one
#
# A tarball and a Debian package. Needs Rust, a C compiler, and dpkg-dev.
set -eu

directory=${1:?usage: build.sh DIRECTORY [PROGRAM]}
program=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
mkdir -p "$directory"

if [ -z "$program" ]; then
    target=$(rustc -vV | sed -n 's/^host: //p')
    # The target is named so that build scripts and macros are not linked like this.
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
        --manifest-path "$repository/Cargo.toml" --bin ilp-connector
    program=$repository/target/$target/release/ilp-connector
fi

name=ilp-connector-$("$program" --version | cut -d' ' -f2)-$(uname -m)-linux
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/$name
mkdir -p "$root/man" "$root/completions"
install -m 755 "$program" "$root/ilp-connector"
strip --strip-unneeded "$root/ilp-connector"
"$program" man "$root/man"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$root/completions/ilp-connector.$shell"
done
cp "$repository/LICENSE" "$repository/README.md" "$repository/CHANGELOG.md" "$root"
# What git knows, and nothing that lies beside it.
(cd "$repository" && git ls-files -z -- examples | xargs -0 cp --parents --target-directory "$root")
tar --create --gzip --owner=0 --group=0 --numeric-owner --sort=name --directory "$stage" --file "$directory/$name.tar.gz" "$name"
echo "$directory/$name.tar.gz"
"$repository/packaging/debian/build.sh" "$program" "$directory"
