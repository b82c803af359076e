# tools/run-bats: no case is lost, whichever share it is in.

setup() {
    bats_require_minimum_version 1.5.0
    RUN=$BATS_TEST_DIRNAME/../../tools/run-bats
    cd "$BATS_TEST_TMPDIR"
    mkdir files
    for name in a b c; do
        printf '@%s "%s one" { true; }\n@%s "%s two" { true; }\n' test "$name" test "$name" >"files/$name.bats"
    done
    unset JOBS STRICT
}
# bats in bats: the inner one must not take itself for a part of the outer, which has put its parts on PATH.  Bats'
# watchdog of a test that ends at once may outlive it, and bats waits for it: here not for ten minutes.
run_bats() { env -i PATH="${PATH//*bats-core:/}" BATS_TEST_TIMEOUT=60 "$@" 3>&-; }

@test "all cases of all shares are counted, and a failure in any is one" {
    run -0 run_bats JOBS=2 "$RUN" files
    [ "${lines[-1]}" = "6 passed, 0 failed, 0 skipped" ]
    printf '@%s "wrong" { false; }\n@%s "left" { skip why; }\n' test test >>files/b.bats
    run -1 run_bats STRICT=1 JOBS=2 "$RUN" files
    [ "${lines[-1]}" = "6 passed, 2 failed, 0 skipped" ]
}

@test "what does not get as far as its cases is a failure" {
    run -1 run_bats JOBS=2 "$RUN" files/a.bats files/nosuch.bats
    [[ ${lines[-1]} == *" 1 failed, 0 skipped" ]]
    echo 'setup_file() { false; }' >>files/c.bats
    run -1 run_bats JOBS=2 "$RUN" files
    [[ ${lines[-1]} != *" 0 failed"* ]]
}

@test "a file tagged alone runs with nothing beside it" {
    printf '# bats file_tags=alone\n@%s "alone" { [ -z "$(ls %s/running.*)" ]; }\n' test "$PWD" >files/z.bats
    for name in a b; do
        printf '@%s "%s" { touch %s; sleep 0.5; rm %s; }\n' test "$name" "$PWD/running.$name" "$PWD/running.$name" >"files/$name.bats"
    done
    run -0 run_bats JOBS=2 "$RUN" files
    [ "${lines[-1]}" = "5 passed, 0 failed, 0 skipped" ]
    [[ ${lines[-2]} == "ok 1 alone"* ]]
}
