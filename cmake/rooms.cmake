# A room is a folder of src/ built as a static library that links the rooms before it.
set_property(GLOBAL PROPERTY TENON_ROOMS "")

function(tenon_room name)
    cmake_parse_arguments(ROOM "" "" "LINK" ${ARGN})
    get_property(rooms GLOBAL PROPERTY TENON_ROOMS)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
    add_library(tenon_room_${name} STATIC ${sources})
    set_target_properties(tenon_room_${name} PROPERTIES LINKER_LANGUAGE C)
    target_link_libraries(tenon_room_${name} PUBLIC tenon_flags ${ROOM_LINK})
    if(name STREQUAL "format")
        target_link_libraries(tenon_room_${name} PRIVATE tenon_onnx_schema)
    endif()
    foreach(room ${rooms})
        target_link_libraries(tenon_room_${name} PUBLIC tenon_room_${room})
    endforeach()
    set_property(GLOBAL PROPERTY TENON_ROOMS ${rooms} ${name})
endfunction()

# The library made of all rooms; only TN_API symbols are visible.
function(tenon_library)
    get_property(rooms GLOBAL PROPERTY TENON_ROOMS)
    list(TRANSFORM rooms PREPEND tenon_room_)
    list(JOIN rooms "," joined)
    file(WRITE ${CMAKE_BINARY_DIR}/empty.c "typedef int tn__empty;\n")
    add_library(tenon SHARED ${CMAKE_BINARY_DIR}/empty.c)
    target_link_libraries(tenon PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,${joined}>"
        tenon_onnx_schema)
    target_include_directories(tenon PUBLIC
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
    set_target_properties(tenon PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
endfunction()
