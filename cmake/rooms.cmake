# A room is a folder of src/: compiled once as objects, which make the static library
# tenon_room_NAME (it links the rooms before it; tests use it) and a part of libtenon.
set_property(GLOBAL PROPERTY TENON_ROOMS "")
set_property(GLOBAL PROPERTY TENON_PARTS "")

function(tenon_room name)
    cmake_parse_arguments(ROOM "" "" "LINK" ${ARGN})
    get_property(rooms GLOBAL PROPERTY TENON_ROOMS)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
    if(NOT sources)
        message(FATAL_ERROR "the room src/${name} is empty")
    endif()
    add_library(tenon_objects_${name} OBJECT ${sources})
    target_link_libraries(tenon_objects_${name} PUBLIC tenon_flags ${ROOM_LINK})
    add_library(tenon_room_${name} STATIC $<TARGET_OBJECTS:tenon_objects_${name}>)
    set_target_properties(tenon_room_${name} PROPERTIES LINKER_LANGUAGE C)
    target_link_libraries(tenon_room_${name} PUBLIC tenon_flags ${ROOM_LINK})
    foreach(room ${rooms})
        target_link_libraries(tenon_room_${name} PUBLIC tenon_room_${room})
    endforeach()
    set_property(GLOBAL PROPERTY TENON_ROOMS ${rooms} ${name})
    set_property(GLOBAL APPEND PROPERTY TENON_PARTS ${ROOM_LINK})
endfunction()

# The library made of all rooms; only TN_API symbols are visible.
function(tenon_library)
    get_property(rooms GLOBAL PROPERTY TENON_ROOMS)
    get_property(parts GLOBAL PROPERTY TENON_PARTS)
    list(REMOVE_DUPLICATES parts)
    set(objects "")
    foreach(room ${rooms})
        list(APPEND objects $<TARGET_OBJECTS:tenon_objects_${room}>)
    endforeach()
    add_library(tenon SHARED ${objects})
    set_target_properties(tenon PROPERTIES LINKER_LANGUAGE C
        VERSION ${PROJECT_VERSION} SOVERSION 0)
    target_link_libraries(tenon PRIVATE tenon_flags ${parts})
    # beyond visibility: the resolvers of target_clones
    target_link_options(tenon PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/tenon.map)
    set_target_properties(tenon PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/tenon.map)
    target_include_directories(tenon PUBLIC
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endfunction()
