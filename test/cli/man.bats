# The manuals: every program has one, and it names every option and command that --help names.

setup() {
    bats_require_minimum_version 1.5.0
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BIN=${O:-$ROOT/build}/bin
}

manual() { # NAME: the page as plain text
    cat "$ROOT"/doc/man/"$1".[18] | sed 's/\\//g'
}
help_of() { # PROGRAM [COMMAND]
    "$BIN/$1" ${2:+"$2"} --help
}
options() { grep -o '^  --[a-z-]*' || :; }
named() { # NAME, words on stdin: each is in the page
    local page word n=0
    page=$(manual "$1")
    while read -r word; do
        [[ $page == *"$word"* ]] || {
            echo "$1: its manual says nothing of $word" >&2
            return 1
        }
        n=$((n + 1))
    done
    [ "$n" -gt 0 ]
}

@test "each option of a program is in its manual" {
    for program in imagec vic-docker vic-layer vic-portlayer; do
        help_of "$program" | options | named "$program"
    done
}

@test "each command of vic-machine and its options are in the manual" {
    commands=$(help_of vic-machine | sed -n 's/^  \([a-z]*\)  .*/\1/p')
    named vic-machine <<<"$commands"
    for command in $commands; do
        [ "$command" = version ] || help_of vic-machine "$command" | options | named vic-machine
    done
}

@test "every program that is installed has a manual" {
    run -0 make -s -C "$ROOT" O="${O:-build}" print-programs
    for program in $output; do
        ls "$ROOT"/doc/man/"$program".[18]
    done
}

@test "no manual names an option that is not there" {
    for program in imagec vic-docker vic-layer vic-portlayer; do
        # Examples use other programs' options; they stand between .nf and .fi.
        sed '/^\.nf/,/^\.fi/d; s/\\//g' "$ROOT"/doc/man/"$program".[18] | grep -o -- '--[a-z][a-z-]*' | sort -u |
            while read -r option; do
                help_of "$program" | grep -qF -- "$option" || { echo "$program: no $option" >&2; exit 1; }
            done
    done
}
