# The verdicts of `make bench`; what is measured needs VMs and is left to it.

setup() {
    bats_require_minimum_version 1.5.0
    BENCH=$BATS_TEST_DIRNAME/../bench
    export BENCH_DAEMONS="$$,$$"
}

@test "a measure within its limit passes, over it fails, and neither is like one that could not be taken" {
    run -0 "$BENCH/measure" memory idle 100000
    [[ ${lines[0]} == "PASS memory, idle: "*"(limit 100000)" ]]
    [ "$(jq -r .verdict <<<"${lines[1]}")" = PASS ]
    run -3 "$BENCH/measure" memory idle 0
    [[ ${lines[0]} == "FAIL memory, idle: "*"(limit 0)" ]]
    [ "$(jq -r .verdict <<<"${lines[1]}")" = FAIL ]
    BENCH_DAEMONS=no-such-process run -1 "$BENCH/measure" memory idle 100000
}

@test "layers slower than half of umoci fail" {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p build/bin bin
    printf '#!/bin/sh\necho 300000000 >>%s/clock\n' "$PWD" >build/bin/layer-apply
    printf '#!/bin/sh\necho 149000000 >>%s/clock\n' "$PWD" >bin/umoci
    printf '#!/bin/sh\nawk "{ t += \\$1 } END { print t }" %s/clock\n' "$PWD" >bin/date
    chmod 755 build/bin/layer-apply bin/umoci bin/date
    echo 0 >clock
    PATH=$PWD/bin:$PATH VIC_IMAGES=${VIC_IMAGES:-$BENCH/../../build/images} run -3 "$BENCH/layer" build
    [[ $output == *"FAIL layer: "* ]]
}
