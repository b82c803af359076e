# Docker command-line clients for tests and quickstart; nothing is installed.
#
#   docker_cli_debian DIR   sets DOCKER_DEBIAN to Debian's CLI (20.10), unpacked once into DIR
#   docker_cli DIR          sets DOCKER to the CLI on PATH, else to Debian's, unpacked into DIR

docker_cli_debian() {
    local dir
    mkdir -p "$1" || return
    dir=$(cd "$1" && pwd) || return
    if ! [ -x "$dir/docker-debian/docker" ]; then
        (
            set -e
            tmp=$(mktemp -d "$dir/.docker.XXXXXX")
            trap 'rm -rf "$tmp"' EXIT
            chmod 755 "$tmp"
            cd "$tmp"
            apt-get -qq -o APT::Sandbox::User=root download docker.io </dev/null
            # The package's scripts would start dockerd; the client is one file in it.
            dpkg-deb --fsys-tarfile docker.io_*.deb | tar -x ./usr/bin/docker
            mkdir -p "$dir/docker-debian"
            mv usr/bin/docker "$dir/docker-debian/docker"
        ) || return
    fi
    DOCKER_DEBIAN=$dir/docker-debian/docker
}

docker_cli() {
    if DOCKER=$(type -P docker); then return 0; fi
    docker_cli_debian "$1" || return
    # shellcheck disable=SC2034 # for the caller
    DOCKER=$DOCKER_DEBIAN
}
