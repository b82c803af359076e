# The Docker API over a port layer that answers from memory: what needs no VM.
bats_require_minimum_version 1.5.0

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BIN=${VIC_BIN:-$(realpath -m "${O:-$ROOT/build}")/bin}
    export ROOT BIN DIR="$BATS_FILE_TMPDIR"
    . "$ROOT/test/lib/personality.bash"
    personality_start "$DIR/vch"
    export API
}

teardown_file() {
    . "$ROOT/test/lib/personality.bash"
    personality_stop "$DIR/vch"
}

setup() { . "$ROOT/test/lib/personality.bash"; }
teardown() { [ "$(api GET /_ping | head -n 1)" = OK ]; }

# The last `run`: its status line, and text that its body holds.
# shellcheck disable=SC2154 # run sets them
answers() {
    if [ "${lines[-1]}" != "$1" ] || [[ $output != *"$2"* ]]; then
        printf 'expected %s with: %s\nhad: %s\n' "$1" "$2" "$output" >&2
        return 1
    fi
}
create() { api POST "/v1.50/containers/create$2" -H 'Content-Type: application/json' --data-binary "$1"; }

@test "an image's configuration is asked of the image, not of the list" {
    run -0 api GET /v1.50/images/busybox/json
    answers 200 '"Env":["PATH=/bin"]'
    run -0 api GET /v1.50/images/busybox/history
    answers 200 '"CreatedBy":"ADD"'
    run -0 api GET /v1.50/images/nosuch/json
    answers 404 'No such image: nosuch:latest'
    run -0 api GET '/v1.50/images/json?filters={"label":["from=image"]}' -g
    answers 200 '"Labels":{"from":"image"}'
    run -0 create '{"Image":"busybox"}' '?name=configured'
    answers 201 '"Id"'
    run -0 api GET /v1.50/containers/configured/json
    answers 200 '"Cmd":["sh"]'
    run -0 create '{"Image":"nosuch"}' ''
    answers 404 'No such image: nosuch:latest'
}

@test "an expression that could take for ever is refused, naming its filter" {
    for value in '((((a{1,99}){1,99}){1,99}){1,99})' '(a)\\1'; do
        for list in 'containers/json?all=1&' 'networks?'; do
            run -0 api GET "/v1.50/${list}filters=$(jq -rn --arg v "{\"name\":[\"$value\"]}" '$v | @uri')"
            answers 400 "invalid filter 'name=["
        done
    done
}
