# doxygen.awk - the comments of a header as Doxygen wants them; its INPUT_FILTER.
#
# Headers are written in plain comments. One that opens the file is the file's, one on
# lines of its own tells what comes next, one behind code what stands before it, all of
# it: "size_t rows, columns; /* of values */" is said of both, where they stand on one
# line. Lines keep their numbers.

function tell_each(    count, i, name, kind, each)
{
    count = split(members, each, / *, */)
    match(each[1], /[*A-Za-z0-9_\[\]]+$/)
    kind = substr(each[1], 1, RSTART - 1)
    each[1] = substr(each[1], RSTART)
    for (i = 1; i <= count; i++)
        printf "%s%s; /**< %s", kind, each[i], told
    printf "%s", blank_lines
    print ""
}

NR == 1 { sub(/^\/\* [^ ]+ - /, "/** "); opening = 1 }

collecting {
    told = told " " $0
    blank_lines = blank_lines "\n"
    if (/\*\//) {
        tell_each()
        collecting = 0
    }
    next
}

/^ +[a-z][^(]*,[^(]*; *\/\*/ {
    members = $0
    sub(/;.*/, "", members)
    told = $0
    sub(/^[^;]*; *\/\* */, "", told)
    blank_lines = ""
    if (/\*\//)
        tell_each()
    else
        collecting = 1
    next
}

opening && /\*\// { sub(/\*\//, "@file */"); opening = 0 }
/^ *\/\* --- / { print; next } # a heading
/^ *\/\*[^*]/ { sub(/\/\*/, "/**"); print; next }
/[^ ].*\/\*[^*]/ { sub(/\/\*/, "/**<") }
{ print }
