#!/usr/bin/env bash
# Builds Debian packages: librhei0, librhei-flight0, librhei-dev and rhei, of a release build that knows no path of this machine.
#
#   scripts/deb.sh [FOLDER]      where the packages go; build-deb/ if nothing is said
#
# They are installed on the Debian that they are built on and on later ones: libroaring, whose name changes with each, is inside, and of the C library
# the older one is asked for. packaging/deb has the lists of files; what is installed and in none of them is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
take_folder build-deb "$@"
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build | head -1)
# the same commit makes the same packages
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

parse_variant --release
build_folder+=-deb
meson_options+=(--prefix=/usr "--libdir=lib/$triplet" --sysconfdir=/etc -Dsystemd_units=/usr/lib/systemd/system -Dtests=false -Dbench=false -Dpython=false
    -Dpackaged=true "-Dc_link_args=['-Wl,-z,relro','-Wl,-z,now']"
    "-Dc_args=['-fstack-protector-strong','-D_FORTIFY_SOURCE=2','-ffile-prefix-map=$root=.','-ffile-prefix-map=$cache=cache']")
build
meson install -C "$build_folder" --no-rebuild --destdir "$work/all" >"$work/install.log" || {
    cat "$work/install.log" >&2
    die "Meson could not install what the packages are made of; its own words are above"
}
cd "$work"
library=all/usr/lib/$triplet
# DataFusion's plug-in is installed where it was compiled, and in no package
rm -f "$library/rhei/librhei_datafusion.so"
roaring=$(ldd "$library/librhei.so.$version" | awk '$1 == "libroaring.so.0" { print $3 }')
cp "$roaring" "$library/rhei/libroaring.so.0"
mkdir -p all/usr/share/doc/librhei0
python3 "$root/scripts/sbom.py" library "$roaring" "$(pkg-config --variable=libdir libutf8proc)/libutf8proc.a" >all/usr/share/doc/librhei0/rhei.cdx.json
find all -name '*.so*' -type f -exec strip --strip-unneeded {} + -o -name rh -path '*/bin/*' -exec strip {} +
strip --strip-debug "$library/librhei.a"
find all/usr/share/man -type f -exec gzip -9n {} +

mkdir debian
cp "$root/packaging/deb/control" debian
# as dch and others take it: who builds packages for others says who looks after them
[ -z "${DEBEMAIL:-}" ] || sed -i "s|^Maintainer: .*|Maintainer: ${DEBFULLNAME:-Rhei maintainers} <$DEBEMAIL>|" debian/control
cat >debian/changelog <<TEXT
rhei ($version) unstable; urgency=medium

  * Built from $(git -C "$root" rev-parse --short=12 HEAD).

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -R -u -d "@$SOURCE_DATE_EPOCH")
TEXT

packages=(librhei0 librhei-flight0 librhei-dev rhei)
for package in "${packages[@]}"; do
    tree=debian/$package
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/$package"
    while read -r pattern; do
        moved=no
        for path in all/$pattern; do
            [ -e "$path" ] || [ -L "$path" ] || continue
            mkdir -p "$tree/$(dirname "${path#all/}")"
            mv "$path" "$tree/$(dirname "${path#all/}")"
            moved=yes
        done
        [ $moved = yes ] || die "$pattern, which packaging/deb/$package.files names, isn't installed"
    done <"$root/packaging/deb/$package.files"
    cp "$root/packaging/deb/copyright" "$tree/usr/share/doc/$package"
    gzip -9nc debian/changelog >"$tree/usr/share/doc/$package/changelog.gz"
    [ ! -d "$tree/etc" ] || (cd "$tree" && find etc -type f | sed 's|^|/|' | LC_ALL=C sort >DEBIAN/conffiles)
    for script in postinst prerm postrm; do
        [ ! -e "$root/packaging/deb/$package.$script" ] || install -m 755 "$root/packaging/deb/$package.$script" "$tree/DEBIAN/$script"
    done
done
left=$(find all ! -type d)
[ -z "$left" ] || die "installed, and in no list of packaging/deb: $left"
# what programs linked with these libraries depend on
echo "librhei 0 librhei0 (>= $version)" >debian/librhei0/DEBIAN/shlibs
echo "librhei_flight 0 librhei-flight0 (>= $version)" >debian/librhei-flight0/DEBIAN/shlibs
for package in librhei0 librhei-flight0; do echo 'activate-noawait ldconfig' >"debian/$package/DEBIAN/triggers"; done

for package in "${packages[@]}"; do
    tree=debian/$package
    mapfile -t binaries < <(find "$tree" -type f \( -name '*.so*' -o -path '*/bin/*' \))
    [ ${#binaries[@]} -eq 0 ] || dpkg-shlibdeps -T"$work/substvars" -l"debian/librhei0/usr/lib/$triplet/rhei" -x"$package" -Sdebian/librhei0 \
        -Sdebian/librhei-flight0 "${binaries[@]}" 2>"$work/shlibdeps.log" || { cat "$work/shlibdeps.log" >&2; die "dpkg-shlibdeps doesn't know what $package needs"; }
    : >>"$work/substvars"
    dpkg-gencontrol -p"$package" -P"$tree" -T"$work/substvars" -n"${package}_${version}.deb" 2>/dev/null
    rm "$work/substvars"
    (cd "$tree" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -r md5sum >DEBIAN/md5sums)
    chmod -R go-w,a+rX "$tree"
    dpkg-deb --root-owner-group -Zzstd -z10 --build "$tree" "$out/${package}_${version}_$(dpkg --print-architecture).deb" >/dev/null
    echo "$out/${package}_${version}_$(dpkg --print-architecture).deb"
done
