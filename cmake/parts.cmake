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

# ONNX's schema, turned into C at build time.
find_program(TENON_PROTOC_C protoc-c REQUIRED)
find_path(TENON_ONNX_PROTO onnx/onnx.proto PATHS /usr/include REQUIRED)
set(TENON_GENERATED ${CMAKE_CURRENT_BINARY_DIR}/generated)
add_custom_command(
    OUTPUT ${TENON_GENERATED}/onnx/onnx.pb-c.c ${TENON_GENERATED}/onnx/onnx.pb-c.h
    COMMAND ${CMAKE_COMMAND} -E make_directory ${TENON_GENERATED}
    COMMAND ${TENON_PROTOC_C} --proto_path=${TENON_ONNX_PROTO}
            --c_out=${TENON_GENERATED} onnx/onnx.proto
    DEPENDS ${TENON_ONNX_PROTO}/onnx/onnx.proto
    COMMENT "onnx.proto to C")
add_library(tenon_onnx_schema STATIC ${TENON_GENERATED}/onnx/onnx.pb-c.c)
target_include_directories(tenon_onnx_schema SYSTEM PUBLIC ${TENON_GENERATED})
target_link_libraries(tenon_onnx_schema PUBLIC tenon_part_protobuf)
