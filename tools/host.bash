# What quickstart and check share: packages from the file `packages`, and the system users.
#
#   packages_plan SECTION...      what is missing of those sections: sets PACKAGES_MISSING, and PACKAGES_NEW to
#                                 every package that installing it will bring in, dependencies included
#   packages_add                  installs what was planned
#   packages_install SECTION...   both
#   users_missing                 prints those of the system users vic-docker and vic-layer that do not exist
#   users_ensure                  makes them

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

packages_apt() { # ARG...: apt-get install, asking nothing
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" </dev/null
}

packages_plan() {
    PACKAGES_NEW=""
    PACKAGES_MISSING=$(comm -23 <(packages_of "$@" | sort -u) <(packages_installed)) || return
    [ -n "$PACKAGES_MISSING" ] || return 0
    apt-get -qq update </dev/null || return
    local plan
    # shellcheck disable=SC2086 # one word per package
    plan=$(packages_apt -s install $PACKAGES_MISSING) || return
    # shellcheck disable=SC2034 # for the caller; an upgrade names the old version in brackets
    PACKAGES_NEW=$(awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' <<<"$plan")
}

packages_add() {
    [ -n "$PACKAGES_MISSING" ] || return 0
    echo "installing: ${PACKAGES_MISSING//$'\n'/ }"
    # shellcheck disable=SC2086 # one word per package
    packages_apt install $PACKAGES_MISSING >/dev/null
}

packages_install() {
    packages_plan "$@" && packages_add
}

users_missing() {
    local user
    for user in vic-docker vic-layer; do
        getent passwd "$user" >/dev/null || echo "$user"
    done
}

users_ensure() {
    local user
    for user in $(users_missing); do
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$user" || return
    done
}
