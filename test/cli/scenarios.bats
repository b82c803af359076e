# doc/scenarios.md: each test that it names exists.

setup() {
    bats_require_minimum_version 1.5.0
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
}

@test "each scenario names tests that are there" {
    n=0
    while IFS= read -r entry; do
        grep -qF "@test \"${entry#*: }\" {" "$ROOT/test/system/${entry%%: *}" || {
            echo "doc/scenarios.md names '$entry', which is not there" >&2
            return 1
        }
        n=$((n + 1))
    done < <(sed -n 's/^| [0-9]* | [^|]* | \(.*\) |$/\1/p' "$ROOT/doc/scenarios.md" | sed 's/<br>/\n/g')
    [ "$n" -gt 50 ]
}
