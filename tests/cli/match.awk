# match.awk EXPECTED ACTUAL - are the lines the same, up to the patterns of run.sh?

FNR == NR { expected[++n] = $0; if (index($0, "<number>")) vary = 1; next }
{ actual[++m] = $0 }

# A regular expression for an expected line: text is literal, patterns are not.
function pattern(line,    out, c, i) {
    out = ""
    while (line != "") {
        if (index(line, "<number>") == 1) {
            out = out "[-+]?[0-9][0-9,]*(\\.[0-9]+)?(e[-+]?[0-9]+)?"
            line = substr(line, 9)
        } else if (index(line, "<text>") == 1) {
            out = out ".*"
            line = substr(line, 7)
        } else {
            c = substr(line, 1, 1)
            out = out (index("\\^$.[]|()*+?{}", c) ? "\\" c : c)
            line = substr(line, 2)
        }
    }
    return "^" out "$"
}

function same(e, a) {
    # columns may be wider where a number is longer
    if (vary) {
        gsub(/ +/, " ", e)
        gsub(/ +/, " ", a)
    }
    return a ~ pattern(e)
}

END {
    a = 1
    for (e = 1; e <= n; e++) {
        if (expected[e] == "<lines>") {
            while (a <= m && actual[a] !~ /^[$!?] / && \
                   !(e < n && same(expected[e + 1], actual[a])))
                a++
        } else if (a > m || !same(expected[e], actual[a])) {
            printf("expected: %s\nactual:   %s\n", expected[e], \
                   (a > m ? "(nothing more)" : actual[a]))
            exit 1
        } else {
            a++
        }
    }
    if (a <= m) {
        printf "not expected: %s\n", actual[a]
        exit 1
    }
}
