# Run as a script: text files as C arrays that end in a zero.
#   cmake -DOUT=parts.c "-DFILES=NAME=PATH;NAME=PATH" -P embed.cmake
# A PATH that is empty gives an empty array.
set(text "/* written by cmake/embed.cmake */\n#include \"report_parts.h\"\n")
foreach(item ${FILES})
    string(REGEX MATCH "^([a-z_0-9]+)=(.*)$" matched "${item}")
    set(name ${CMAKE_MATCH_1})
    set(bytes "")
    if(CMAKE_MATCH_2)
        file(READ "${CMAKE_MATCH_2}" bytes HEX)
        string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
        string(REGEX REPLACE "('\\\\x0a',)" "\\1\n" bytes "${bytes}") # a line a line
    endif()
    string(APPEND text "const char cli_report_${name}[] = {\n${bytes}0};\n")
endforeach()
file(WRITE ${OUT} "${text}")
