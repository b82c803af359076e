# The default bridge: addresses, the way out of the VM, names.
load common

teardown() {
    remove_all net-
    no_outside
}

# A network namespace that knows the way to this host's end of a veth pair and nothing beyond: it has names, and
# a port that tells who asks.  Addresses are of 198.18.0.0/15, which is for such tests.
outside_up() { # sets OUTSIDE, its address, and OUTSIDE_HOST, this host's
    local net=
    NS=vic-out-$$
    until [ -n "$net" ] && [ -z "$(ip -4 route show root "$net.0/24")" ]; do
        net=198.$((18 + RANDOM % 2)).$((RANDOM % 256))
    done
    OUTSIDE=$net.2 OUTSIDE_HOST=$net.1
    ip netns add "$NS"
    ip link add "vo$$" type veth peer name eth0 netns "$NS"
    ip addr add "$OUTSIDE_HOST/24" dev "vo$$"
    ip link set "vo$$" up
    ip -n "$NS" addr add "$OUTSIDE/24" dev eth0
    ip -n "$NS" link set eth0 up
    ip netns exec "$NS" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --user=root \
        "--listen-address=$OUTSIDE" --bind-interfaces --local=/example/ "--address=/outside.example/$OUTSIDE" >&2 3>&- &
    ip netns exec "$NS" socat -U TCP-LISTEN:80,fork,reuseaddr SYSTEM:'echo "$SOCAT_PEERADDR"' >&2 3>&- &
    # shellcheck disable=SC2016 # both ports are open
    wait_for 20 sh -c '[ "$(ip netns exec "$1" ss -Hln "( sport = 53 or sport = 80 )" | wc -l)" -ge 3 ]' _ "$NS"
}
no_outside() {
    [ -n "${NS:-}" ] || return 0
    # shellcheck disable=SC2046 # one word per process
    kill $(ip netns pids "$NS")
    ip netns del "$NS" # with it the veth pair
}

# Until it answers: one request may be lost on its way, and a VM stand still.
pings() { echo "until ping -c 1 -W 5 $1; do sleep 0.1; done"; } # ADDRESS

@test "containers on the bridge reach each other and their gateway" {
    dk run -d --name net-peer busybox sleep 600
    peer=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' net-peer)
    gateway=$(dk inspect -f '{{.NetworkSettings.Gateway}}' net-peer)
    [ -n "$peer" ]
    [ -n "$gateway" ]
    run -0 dk run --rm busybox sh -c "$(pings "$peer")"
    run -0 dk run --rm busybox sh -c "$(pings "$gateway")"
}

@test "the address in inspect is the one in the guest, with its MAC" {
    dk run -d --name net-one busybox sleep 600
    run -0 dk inspect -f '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.MacAddress}}' net-one
    read -r address mac <<<"$output"
    run -0 dk run --rm busybox true # the list below must hold only running ones
    run -0 dk network inspect bridge
    expect "$address"
    expect "$mac"
}

@test "resolv.conf names the gateway, or what --dns says; hosts has what --add-host says" {
    run -0 dk run --rm --add-host db:10.9.8.7 busybox cat /etc/resolv.conf /etc/hosts
    expect nameserver
    expect "10.9.8.7"
    expect "127.0.0.1"
    run -0 dk run --rm --dns 9.9.9.9 --dns-search corp.example --dns-opt ndots:3 busybox cat /etc/resolv.conf
    expect "nameserver 9.9.9.9"
    expect "search corp.example"
    expect "ndots:3"
}

@test "the outside is reached under the host's address, by name too" {
    outside_up
    run -0 dk run --rm --dns "$OUTSIDE" busybox sh -c "$(pings outside.example); nc outside.example 80 </dev/null"
    expect "PING outside.example ($OUTSIDE)"
    equal "$OUTSIDE_HOST" "${lines[-1]}"
    run -1 dk run --rm --dns "$OUTSIDE" busybox nslookup nowhere.example
    expect NXDOMAIN
}

@test "--network none has loopback only" {
    run -0 dk run --rm --network none busybox ip -o link
    equal 1 "${#lines[@]}"
    expect "lo:"
}

# Sends frames to the host's UDP port: with another's IP address, with another's MAC, an ARP answer that
# claims another's address, and last a true one.  Containers have CAP_NET_RAW, so nothing stops them.
spoofer() { # VICTIM-IP GATEWAY-IP GATEWAY-MAC PORT
    dk run --rm --name net-spoofer debian-demo python3 -c '
import socket, struct, sys
victim, gateway = map(socket.inet_aton, sys.argv[1:3])
to, port = bytes.fromhex(sys.argv[3].replace(":", "")), int(sys.argv[4])
mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.connect((sys.argv[2], port))
own = socket.inet_aton(probe.getsockname()[0])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
def checksum(b):
    n = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    n = (n >> 16) + (n & 0xffff)
    return ~(n + (n >> 16)) & 0xffff
def udp(ether, source, text):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(text), 1, 0, 64, 17, 0, source, gateway)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    s.send(to + ether + b"\x08\0" + head + struct.pack("!HHHH", 4000, port, 8 + len(text), 0) + text)
def arp(address):
    s.send(to + mac + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 2, mac, address, to, gateway))
for _ in range(5):
    udp(mac, victim, b"address")
    udp(bytes.fromhex("024200000001"), own, b"mac")
    arp(victim)
for _ in range(5):
    udp(mac, own, b"true")
' "$@"
}

@test "a container cannot speak in another's name" {
    dk run -d --name net-victim busybox sleep 600
    read -r victim gateway mac <<<"$(dk inspect -f '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}} {{.NetworkSettings.MacAddress}}' net-victim)"
    bridge=$(ip -o -4 addr | awk -v g="$gateway/" 'index($4, g) == 1 { print $2 }')
    known() {
        echo anything >"/dev/udp/$victim/9" # so that the host asks for its MAC
        ip neigh show "$victim" dev "$bridge" | grep -i "$mac"
    }
    wait_for 20 known
    python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0))
print(s.getsockname()[1], flush=True)
s.settimeout(60)
got = b""
while got != b"true":
    got = s.recv(100)
    print(got.decode(), flush=True)
' "$gateway" >"$BATS_TEST_TMPDIR/heard" 3>&- &
    host=$!
    wait_for 20 test -s "$BATS_TEST_TMPDIR/heard"
    port=$(head -n 1 "$BATS_TEST_TMPDIR/heard")
    spoofer "$victim" "$gateway" "$(cat "/sys/class/net/$bridge/address")" "$port"
    wait "$host"
    equal true "$(sed 1d "$BATS_TEST_TMPDIR/heard")"
    known
}

@test "names are served while their container runs, and an address is free again after rm" {
    dk run -d --name net-named busybox sleep 600
    address=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' net-named)
    run -0 dk run --rm --name net-asks busybox nslookup net-named
    expect "$address"
    dk rm -f net-named
    unnamed() { ! grep -qwF "$address" <<<"$output"; } # and not as the beginning of another
    run -0 dk network inspect bridge
    unnamed
    id=$(vch_field .id)
    run -0 virsh -q -c qemu:///system net-dumpxml "vic-$id-bridge"
    unnamed
    run -0 nft list set bridge "vic_$id" endpoints
    unnamed
}

@test "network ls and inspect answer; other drivers and networks are refused" {
    run -0 dk network ls --format '{{.Name}}'
    expect bridge
    id=$(dk network ls -q --filter name=bridge)
    equal "bridge bridge" "$(dk network inspect -f '{{.Name}}' "$id" "$(dk network ls -q --no-trunc --filter name=bridge)" | xargs)"
    equal none "$(dk network inspect -f '{{.Name}}' "$(dk network ls -q --filter name=none)")"
    next=$(dk network ls -q --no-trunc --filter name=bridge | cut -c 13)
    run -1 dk network inspect "$id$(tr 0-9a-f 1-9a-f0 <<<"$next")"
    expect "not found"
    run -1 dk network ls --filter type=odd
    expect "invalid filter"
    run -1 dk network ls --filter dangling=perhaps
    expect "invalid filter"
    run dk run --rm --network host busybox true
    [ "$status" = 125 ]
    expect NetworkMode
    run dk network create other
    [ "$status" = 1 ]
}
