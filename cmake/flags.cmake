# Flags of our own code, as the interface target tenon_flags.
add_library(tenon_flags INTERFACE)
target_include_directories(tenon_flags INTERFACE
    ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(tenon_flags INTERFACE _GNU_SOURCE)
target_compile_options(tenon_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
    -Wcast-qual -Wformat=2)
if(TENON_WERROR)
    target_compile_options(tenon_flags INTERFACE -Werror)
endif()
if(TENON_SANITIZE)
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    target_compile_options(tenon_flags INTERFACE ${sanitize})
    target_link_options(tenon_flags INTERFACE ${sanitize})
endif()
target_link_libraries(tenon_flags INTERFACE Threads::Threads OpenMP::OpenMP_C m)
