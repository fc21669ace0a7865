#!/bin/sh
# Make a Debian package of a staged installation: dist/deb.sh STAGED VERSION OUTPUT-FOLDER. `make deb` calls it.
set -eu
staged=$1 version=$2 output=$3
here=$(dirname "$0")

install -D -m 644 "$here/nf@.service" "$staged/lib/systemd/system/nf@.service"
install -D -m 644 "$here/debian/copyright" "$staged/usr/share/doc/nf/copyright"
install -d -m 755 "$staged/etc/nf" "$staged/DEBIAN"
install -m 755 "$here/debian/postinst" "$here/debian/prerm" "$here/debian/postrm" "$staged/DEBIAN/"
cp -r "$here/../docs/." "$staged/usr/share/doc/nf/"
install -D -m 644 -t "$staged/usr/share/doc/nf/examples" "$here"/../examples/*.lua "$here/../examples/demo.pcap"
strip "$staged/usr/bin/nf" --strip-unneeded
gzip -9n "$staged/usr/share/man/man1/nf.1"

# Packages of the libraries that the binary names, as the packages on this machine say.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: nf\n\nPackage: nf\nArchitecture: any\n' > "$work/debian/control"
binary=$(cd "$staged/usr/bin" && pwd)/nf
depends=$(cd "$work" && dpkg-shlibdeps -O "$binary" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

cat > "$staged/DEBIAN/control" <<END
Package: nf
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: nf <nf@localhost>
Installed-Size: $(du -sk "$staged" | cut -f1)
Depends: $depends, adduser
Section: net
Priority: optional
Description: packet-processing toolkit in user space
 Runs a graph of apps (interfaces, taps, filters, captures) that a Lua script
 declares, one process per core, and changes it while traffic flows.
END
chmod -R u=rwX,go=rX "$staged"
dpkg-deb --root-owner-group --build "$staged" "$output/nf_${version}_$(dpkg --print-architecture).deb" >/dev/null
