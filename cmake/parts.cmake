# The libraries Tenon stands on, each as an interface target tenon_part_NAME.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)

function(tenon_part name)
    add_library(tenon_part_${name} INTERFACE)
    foreach(module ${ARGN})
        string(MAKE_C_IDENTIFIER ${module} id)
        pkg_check_modules(${id} REQUIRED IMPORTED_TARGET ${module})
        target_link_libraries(tenon_part_${name} INTERFACE PkgConfig::${id})
        set_property(GLOBAL APPEND PROPERTY TENON_PART_FLAGS ${${id}_LDFLAGS})
    endforeach()
endfunction()

tenon_part(nettle nettle)
tenon_part(protobuf libprotobuf-c)
tenon_part(cjson libcjson)
tenon_part(zip libzip)
tenon_part(archive libarchive)
tenon_part(jpeg libturbojpeg)
tenon_part(png libpng)
tenon_part(blas openblas lapacke)

# Libraries by their file: oneDNN has no pkg-config file everywhere, and CBC's ends in a
# reference BLAS.
function(tenon_part_file name library)
    add_library(tenon_part_${name} INTERFACE)
    find_library(TENON_FILE_${name} ${library} REQUIRED)
    target_link_libraries(tenon_part_${name} INTERFACE ${TENON_FILE_${name}})
    set_property(GLOBAL APPEND PROPERTY TENON_PART_FLAGS -l${library})
endfunction()

tenon_part_file(dnnl dnnl)
tenon_part_file(cbc CbcSolver)

# MPI is there or not: only the command uses it.
if(TENON_MPI)
    find_package(MPI COMPONENTS C QUIET)
    if(NOT MPI_C_FOUND)
        message(STATUS "no MPI: built without tenon --mpi")
        set(TENON_MPI OFF)
    endif()
endif()

# Schemas of protobuf, turned into C at build time: ONNX's own, and that of TensorBoard's
# events.
find_program(TENON_PROTOC_C protoc-c REQUIRED)
find_path(TENON_ONNX_PROTO onnx/onnx.proto PATHS /usr/include REQUIRED)
set(TENON_GENERATED ${CMAKE_CURRENT_BINARY_DIR}/generated)
function(tenon_schema name folder proto)
    string(REGEX REPLACE "proto$" "pb-c" stem ${proto})
    add_custom_command(
        OUTPUT ${TENON_GENERATED}/${stem}.c ${TENON_GENERATED}/${stem}.h
        COMMAND ${CMAKE_COMMAND} -E make_directory ${TENON_GENERATED}
        COMMAND ${TENON_PROTOC_C} --proto_path=${folder} --c_out=${TENON_GENERATED} ${proto}
        DEPENDS ${folder}/${proto}
        COMMENT "${proto} to C")
    add_library(tenon_${name}_schema STATIC ${TENON_GENERATED}/${stem}.c)
    target_include_directories(tenon_${name}_schema SYSTEM PUBLIC ${TENON_GENERATED})
    target_link_libraries(tenon_${name}_schema PUBLIC tenon_part_protobuf)
endfunction()
tenon_schema(onnx ${TENON_ONNX_PROTO} onnx/onnx.proto)
tenon_schema(event ${CMAKE_SOURCE_DIR}/src/train event.proto)
