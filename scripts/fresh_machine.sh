#!/usr/bin/env bash
# Proves the README's commands where nothing is installed: a bare Debian 12 (debootstrap's minbase plus git) in a folder,
# entered with chroot, with a clone of the committed HEAD and an empty cache. Needs root and debootstrap.
#
#   scripts/fresh_machine.sh [-k] [COMMAND...]   default commands: './dev demo' './dev test'
#
# Of this machine it takes what tells package clients where to go and whom to trust: Debian's sources, certificates, the
# clients' settings and the variables that name them. -k keeps the folder. RHEI_FRESH names the folder's parent (default
# /var/tmp); the bare root is kept there as an archive, so that a second run makes none.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

keep=no
[ "${1:-}" != -k ] || { keep=yes; shift; }
commands=("$@")
[ $# -gt 0 ] || commands=('./dev demo' './dev test')
[ "$(id -u)" -eq 0 ] || die "a bare machine is made with debootstrap and chroot, which only root may do"
command -v debootstrap >/dev/null || die "'debootstrap' is missing: apt-get install debootstrap"

parent=${RHEI_FRESH:-/var/tmp}
archive=$parent/rhei-bare-bookworm.tar
root=$(mktemp -d "$parent/rhei-fresh.XXXXXX")

unmount_all() {
    local place
    for place in dev/pts dev/shm dev proc sys; do
        mountpoint -q "$root/$place" && umount "$root/$place"
    done
    return 0
}
leave() {
    unmount_all || { echo "rhei: $root has mounts left in it and is not removed" >&2; return; }
    if [ $keep = yes ]; then
        echo "rhei: the machine is in $root" >&2
    else
        rm -rf --one-file-system "$root"
    fi
}
trap leave EXIT

debian_sources() { # format
    apt-get indextargets --format "$1" 'Created-By: Packages' 'Origin: Debian' | sort -u
}

make_bare_root() {
    local mirror
    mirror=$(debian_sources '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" { print $1; exit }')
    [ -n "$mirror" ] || die "apt knows no source of Debian bookworm here: run apt-get update"
    echo "rhei: making a bare Debian 12 (once)" >&2
    debootstrap --variant=minbase --include=git bookworm "$root" "$mirror" >"$archive.log" 2>&1 ||
        die "debootstrap failed; its own words are in $archive.log"
    tar -C "$root" -cf "$archive.new" .
    mv "$archive.new" "$archive"
    rm -f "$archive.log"
}

# What tells package clients where to go and whom to trust; nothing that is installed.
copy_settings() {
    local place
    debian_sources 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' >"$root/etc/apt/sources.list"
    for place in etc/resolv.conf etc/hosts etc/apt/auth.conf.d etc/apt/apt.conf etc/apt/apt.conf.d/99* etc/ssl/certs \
        usr/local/share/ca-certificates etc/pip.conf root/.config/pip root/.pip root/.npmrc root/.cargo/config.toml; do
        [ -e "/$place" ] || continue
        mkdir -p "$root/$(dirname "$place")"
        cp -rL "/$place" "$root/$(dirname "$place")/" 2>/dev/null || true
    done
}

settings_variables() {
    env | grep -E '^([a-z]+_proxy|[A-Z]+_PROXY|PIP_[A-Z_]*|npm_config_[a-z_]*|NPM_CONFIG_[A-Z_]*|CARGO_(HTTP|NET|REGISTRIES|SOURCE)_[A-Z_]*|[A-Z_]*(CERT|CA_CERTS|CERTS_FILE|CERT_FILE|CERT_DIR|CA_BUNDLE|CAINFO))=' |
        grep -v '^PIP_FIND_LINKS='
}

inside() { # shell text
    local variables=()
    mapfile -t variables < <(settings_variables)
    chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" /bin/bash -c "$1" </dev/null
}

if [ -e "$archive" ]; then
    tar -C "$root" -xf "$archive"
else
    make_bare_root
fi
chmod 755 "$root" # tests run programs as nobody, who must be able to enter
copy_settings
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind /dev "$root/dev"
mount -t devpts devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
git clone --quiet --no-hardlinks . "$root/srv/rhei"

failed=0
for command in "${commands[@]}"; do
    echo "rhei: bare machine: $command" >&2
    started=$SECONDS
    if inside "cd /srv/rhei && $command"; then
        echo "rhei: bare machine: $command: ok ($((SECONDS - started)) s)"
    else
        echo "rhei: bare machine: $command: FAILED ($((SECONDS - started)) s)"
        failed=1
    fi
done
exit $failed
