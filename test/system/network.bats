# The default bridge: addresses, the way out of the VM, names.
load common

teardown() { remove_all net-; }

@test "containers on the bridge reach each other and their gateway" {
    dk run -d --name net-peer busybox sleep 600
    peer=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' net-peer)
    gateway=$(dk inspect -f '{{.NetworkSettings.Gateway}}' net-peer)
    [ -n "$peer" ] && [ -n "$gateway" ]
    run -0 dk run --rm busybox ping -c 1 -W 5 "$peer"
    run -0 dk run --rm busybox ping -c 1 -W 5 "$gateway"
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

@test "--network none has loopback only" {
    run -0 dk run --rm --network none busybox ip -o link
    equal 1 "${#lines[@]}"
    expect "lo:"
}

@test "a container cannot take another's address" {
    dk run -d --name net-victim busybox sleep 600
    victim=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' net-victim)
    dk run -d --name net-third busybox sleep 600
    third=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' net-third)
    # CAP_NET_ADMIN is not a container's, so the attempt is made with raw packets as far as it may.
    run dk run --rm busybox sh -c "ip addr add $victim/16 dev eth0"
    [ "$status" -ne 0 ]
    run -0 dk run --rm busybox ping -c 1 -W 5 "$third"
}

@test "network ls and inspect answer; other drivers and networks are refused" {
    run -0 dk network ls --format '{{.Name}}'
    expect bridge
    run dk run --rm --network host busybox true
    [ "$status" = 125 ]
    expect NetworkMode
    run dk network create other
    [ "$status" = 1 ]
}
