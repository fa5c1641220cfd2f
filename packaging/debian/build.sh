#!/bin/sh
# Builds a Debian package of a built program:
#
#   packaging/debian/build.sh target/release/ilp-connector DIRECTORY
#
# Needs dpkg-dev, git and a checkout. Prints the path of the package.
set -eu

program=${1:?usage: build.sh PROGRAM DIRECTORY}
directory=${2:?usage: build.sh PROGRAM DIRECTORY}
[ -x "$program" ] || { echo "$program is no program; build it first: cargo build --release" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
version=$("$program" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
umask 022
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

install -D -m 755 "$program" "$root/usr/bin/ilp-connector"
strip --strip-unneeded "$root/usr/bin/ilp-connector"
units=$root/lib/systemd/system
install -D -m 644 "$here/ilp-connector.service" "$units/ilp-connector.service"
# Further nodes of the machine, in the same form, each with a file of its own.
sed -e 's,/etc/ilp-connector/node\.yaml,/etc/ilp-connector/%i.yaml,' -e 's,^Description=.*,& %i,' \
    "$here/ilp-connector.service" >"$units/ilp-connector@.service"
install -D -m 644 "$here/node.yaml" "$root/etc/ilp-connector/node.yaml"
doc=$root/usr/share/doc/ilp-connector
install -D -m 644 "$here/copyright" "$doc/copyright"
gzip -9n <"$repository/CHANGELOG.md" >"$doc/changelog.gz"
# Rules, dashboards and examples, where the links of the documents lead to.
mkdir -p "$root/usr/share/ilp-connector" "$doc/docker" "$doc/packaging/debian"
cp -r "$repository/docker/monitoring" "$root/usr/share/ilp-connector/monitoring"
ln -s ../../../ilp-connector/monitoring "$doc/docker/monitoring"
# Not below doc, which small images leave out.
install -m 644 "$here/container.conf" "$root/usr/share/ilp-connector/container.conf"
install -m 644 "$repository/README.md" "$doc"
# What git knows, and nothing that lies beside it.
(cd "$repository" && git ls-files -z -- docs examples packaging/kubernetes ':!docs/book.*' ':!docs/site.sh' |
    xargs -0 cp --parents --target-directory "$doc")
install -m 644 "$here/container.conf" "$here/ilp-connector.service" "$doc/packaging/debian"
find "$doc" "$root/usr/share/ilp-connector" -type f -exec chmod 644 {} + -o -type d -exec chmod 755 {} +
mkdir -p "$root/usr/share/man/man1"
"$program" man "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*
complete() {
    mkdir -p "$root/$2"
    "$program" completions "$1" >"$root/$2/$3"
}
complete bash usr/share/bash-completion/completions ilp-connector
complete zsh usr/share/zsh/vendor-completions _ilp-connector
complete fish usr/share/fish/vendor_completions.d ilp-connector.fish

mkdir "$root/DEBIAN" "$root/debian"
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$root/DEBIAN"
echo /etc/ilp-connector/node.yaml >"$root/DEBIAN/conffiles"
# dpkg-shlibdeps reads the names of packages from a file here. A static program needs no libraries.
printf 'Source: ilp-connector\n\nPackage: ilp-connector\nArchitecture: %s\n' "$architecture" >"$root/debian/control"
libraries=
if ! ldd "$program" 2>&1 | grep -q 'statically linked\|not a dynamic executable'; then
    found=$(cd "$root" && dpkg-shlibdeps -O usr/bin/ilp-connector)
    libraries=${found#shlibs:Depends=}
fi
rm -r "$root/debian"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@LIBRARIES@/${libraries:+$libraries, }/" \
    -e "s/@KIB@/$(du -sk --exclude DEBIAN "$root" | cut -f1)/" "$here/control" >"$root/DEBIAN/control"
(cd "$root" && find usr lib -type f -exec md5sum {} + >DEBIAN/md5sums)

mkdir -p "$directory"
package=$directory/ilp-connector_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
