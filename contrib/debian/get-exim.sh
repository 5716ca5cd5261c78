#!/bin/sh
# Unpack Debian's Exim beside Postfix, for the tests.
#
# apt would remove Postfix to install Exim (both provide mail-transport-agent),
# so the package is only unpacked, below a cache directory, together with the
# libraries this system lacks. Nothing is installed; the user Debian-exim is
# created. Safe to call again: a complete cache is left as it is, without
# asking the network.
#
# usage: get-exim.sh [DIRECTORY]
# Prints the path of a runnable exim4.
set -eu

cache=${1:-${NIXIE_TEST_CACHE:-/var/cache/nixie-tests}}
root=$cache/exim
run=$root/exim4

is_there() { [ -x "$run" ] && getent passwd Debian-exim >/dev/null; }
if is_there; then
    echo "$run"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "get-exim.sh: needs root: it creates the user Debian-exim" >&2
    exit 1
fi

# one at a time: several tests may want it first
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if is_there; then
    echo "$run"
    exit 0
fi

new=$root.new.$$
mkdir -p "$new/debs" "$new/tree"
trap 'rm -rf "$new"' EXIT
chmod 0755 "$cache" "$new" "$new/debs" "$new/tree"

# APT::Sandbox::User: apt's own user may not write where root can.
download() {
    (cd "$new/debs" && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2)
}

libraries_of() {
    dpkg-deb -f "$1" Pre-Depends Depends | sed 's/^[A-Za-z-]*: //' | tr ',' '\n' |
        sed 's/|.*//; s/(.*//; s/:any//; s/ //g' | grep '^lib' || true
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Unpack a package and, depth first, the libraries it needs and we lack.
unpack() {
    [ ! -e "$new/debs/$1.done" ] || return 0
    : > "$new/debs/$1.done"
    download "$1"
    dpkg -x "$new/debs/$1"_*.deb "$new/tree"
    for lib in $(libraries_of "$new/debs/$1"_*.deb); do
        installed "$lib" || unpack "$lib"
    done
}

apt-cache show exim4-daemon-light >/dev/null 2>&1 || apt-get -qq update >&2
# An old index names a version the mirror no longer has: refresh it once.
download exim4-daemon-light 2>/dev/null || apt-get -qq update >&2
unpack exim4-daemon-light

exim=$new/tree/usr/sbin/exim4
chmod 0755 "$exim"      # the tests start it as root: no need to be set-uid
libs=$(find "$new/tree" -name '*.so.*' -exec dirname {} \; | sort -u | tr '\n' ':')

getent passwd Debian-exim >/dev/null ||
    adduser --system --group --no-create-home --quiet --home /var/spool/exim4 \
        --allow-bad-names Debian-exim >&2

rm -rf "$new/debs"
cat > "$new/exim4" <<SCRIPT
#!/bin/sh
LD_LIBRARY_PATH=$(echo "$libs" | sed "s|$new|$root|g") exec $root/tree/usr/sbin/exim4 "\$@"
SCRIPT
chmod 0755 "$new/exim4"
rm -rf "$root"
mv "$new" "$root"
trap - EXIT
if ! "$run" -C /dev/null -bV >/dev/null 2>"$root/error"; then
    cat "$root/error" >&2
    rm -f "$run"
    exit 1
fi
echo "$run"
