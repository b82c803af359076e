# What quickstart and check share: packages from the file `packages`, and the system users.
#
#   packages_install SECTION...   installs what is missing of those sections; sets PACKAGES_NEW to
#                                 every package that this call brought in, dependencies included
#   users_ensure                  makes the system users vic-docker and vic-layer; sets USERS_NEW

packages_of() { # SECTION...: the names in those sections
    local want=" $* "
    awk -v want="$want" '
        /^# \[/ { section = substr($2, 2, length($2) - 2); next }
        /^#/ || NF == 0 { next }
        index(want, " " section " ") { print $1 }' "$(dirname "${BASH_SOURCE[0]}")/../packages"
}

packages_installed() {
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-query -W -f '${Package} ${Status}\n' | awk '$4 == "installed" { print $1 }' | sort -u
}

packages_install() {
    local before missing
    PACKAGES_NEW=""
    before=$(packages_installed)
    missing=$(comm -23 <(packages_of "$@" | sort -u) <(printf '%s\n' "$before"))
    [ -n "$missing" ] || return 0
    echo "installing: ${missing//$'\n'/ }"
    apt-get -qq update </dev/null || return
    # shellcheck disable=SC2086 # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing \
        </dev/null >/dev/null || return
    # shellcheck disable=SC2034 # for the caller
    PACKAGES_NEW=$(comm -13 <(printf '%s\n' "$before") <(packages_installed))
}

users_ensure() {
    local user
    USERS_NEW=""
    for user in vic-docker vic-layer; do
        getent passwd "$user" >/dev/null && continue
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$user" || return
        USERS_NEW="$USERS_NEW $user"
    done
}
