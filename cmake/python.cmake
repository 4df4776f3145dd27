# The Python package: python/tenon and, written from the public headers, tenon/_capi.py.
# It is usable in the build tree (PYTHONPATH=build/release/python) and installed as
# component `python`. Debian's interpreter comes first: its modules are what is asked for.
find_program(TENON_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(TENON_PYTHON python3)
if(NOT TENON_PYTHON)
    message(STATUS "no python3: the Python package is left out")
    return()
endif()

set(TENON_PYTHON_DIR lib/python3/dist-packages CACHE STRING
    "where the Python package goes, below the prefix")
set(folder ${CMAKE_BINARY_DIR}/python/tenon)
file(GLOB sources RELATIVE ${CMAKE_SOURCE_DIR}/python/tenon CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/python/tenon/*.py ${CMAKE_SOURCE_DIR}/python/tenon/py.typed)
set(outputs ${folder}/_capi.py)
set(inputs "")
foreach(source ${sources})
    list(APPEND inputs ${CMAKE_SOURCE_DIR}/python/tenon/${source})
    list(APPEND outputs ${folder}/${source})
endforeach()
file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/tenon/*.h)
file(RELATIVE_PATH libraries /prefix/${TENON_PYTHON_DIR}/tenon
    /prefix/${CMAKE_INSTALL_LIBDIR})
add_custom_command(OUTPUT ${outputs}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND ${CMAKE_COMMAND} -E copy ${inputs} ${folder}
    COMMAND ${TENON_PYTHON} ${CMAKE_SOURCE_DIR}/python/capi.py
        ${CMAKE_SOURCE_DIR}/include ${folder}/_capi.py ../.. ${libraries}
    DEPENDS ${inputs} ${headers} ${CMAKE_SOURCE_DIR}/python/capi.py
    VERBATIM COMMENT "the Python package")
add_custom_target(tenon_python ALL DEPENDS ${outputs})
add_dependencies(tenon_python tenon)
install(FILES ${outputs} DESTINATION ${TENON_PYTHON_DIR}/tenon COMPONENT python)
