# One line per target in the folders' CMakeLists.txt. DEPS are targets; SOURCES are relative to the folder.
include(GoogleTest)

function(fmserve_configure target)
  target_link_libraries(${target} PRIVATE fmserve_warnings)
  target_link_libraries(${target} PUBLIC fmserve_flags)
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${target}: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
endfunction()

# fmserve_library(<folder> SOURCES … [DEPS …] [PRIVATE_DEPS …]): the static library fmserve_<folder>.
# Not part of "all": a build makes what its programs and tests need, and a sanitizer build needs less.
function(fmserve_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;PRIVATE_DEPS")
  add_library(fmserve_${folder} STATIC EXCLUDE_FROM_ALL ${arg_SOURCES})
  fmserve_configure(fmserve_${folder})
  target_link_libraries(fmserve_${folder} PUBLIC ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
endfunction()

# fmserve_program(<name> SOURCES … [DEPS …]): an executable in <build>/bin.
function(fmserve_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_executable(${name} ${arg_SOURCES})
  fmserve_configure(${name})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  if(FMSERVE_FUZZ OR FMSERVE_SANITIZER STREQUAL "thread")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endfunction()

# fmserve_bench(<name>_bench SOURCES … [DEPS …]): a Google Benchmark executable in <build>/bench.
function(fmserve_bench name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_executable(${name} ${arg_SOURCES})
  fmserve_configure(${name})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} benchmark::benchmark_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
endfunction()

# fmserve_fuzz_target(<name>_fuzz SOURCES … [DEPS …]): a libFuzzer executable in <build>/tests/fuzz, built by the
# fuzz preset alone. Its seeds lie beside its source in <name>_fuzz_corpus/.
function(fmserve_fuzz_target name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_executable(${name} ${arg_SOURCES})
  fmserve_configure(${name})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/fuzz")
endfunction()

set(FMSERVE_TSAN_OPTIONS
  "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan_suppressions.txt:ignore_noninstrumented_modules=1:halt_on_error=1")

# Sets <out> to false where a test does not belong: the thread sanitizer sees only what swaps or shares.
function(fmserve_wants_test out label)
  if(FMSERVE_SANITIZER STREQUAL "thread" AND NOT label STREQUAL "shares")
    set(${out} FALSE PARENT_SCOPE)
  else()
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

# What every test includes, compiled once for all of them.
if(FMSERVE_FAST_BUILD)
  file(WRITE "${PROJECT_BINARY_DIR}/test_headers.cc" "")
  add_library(fmserve_test_headers OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/test_headers.cc")
  target_link_libraries(fmserve_test_headers PRIVATE fmserve_flags fmserve_warnings GTest::gmock absl::statusor)
  # ccache takes a precompiled header for the same when its bytes are.
  target_compile_options(fmserve_test_headers PRIVATE "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  target_precompile_headers(fmserve_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <absl/status/statusor.h>)
endif()

# fmserve_test(<name> SOURCES … [DEPS …] [LABELS label] [TIMEOUT seconds]): a GoogleTest executable, each case a ctest test
# named <name>.<Suite>.<Case>. The label "shares" marks tests that swap or share between threads.
function(fmserve_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABELS;TIMEOUT" "SOURCES;DEPS")
  fmserve_wants_test(wanted "${arg_LABELS}")
  if(NOT wanted)
    return()
  endif()
  set(properties TIMEOUT 300)
  if(arg_TIMEOUT)
    set(properties TIMEOUT ${arg_TIMEOUT})
  endif()
  if(arg_LABELS)
    list(APPEND properties LABELS ${arg_LABELS})
  endif()
  add_executable(${name} ${arg_SOURCES})
  fmserve_configure(${name})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main)
  if(FMSERVE_FAST_BUILD)
    target_precompile_headers(${name} REUSE_FROM fmserve_test_headers)
  endif()
  gtest_discover_tests(${name}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    TEST_PREFIX "${name}."
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    PROPERTIES ${properties} ENVIRONMENT "${FMSERVE_TSAN_OPTIONS}")
endfunction()

# fmserve_script_test(<name> COMMAND … [LABELS label] [TIMEOUT seconds]): a script as one ctest test, run in the repository
# root with <build>/bin first on PATH and FMSERVE_BUILD naming <build>.
function(fmserve_script_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABELS;TIMEOUT" "COMMAND")
  fmserve_wants_test(wanted "${arg_LABELS}")
  if(NOT wanted)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES
    TIMEOUT 300
    LABELS "${arg_LABELS}"
    ENVIRONMENT "FMSERVE_BUILD=${PROJECT_BINARY_DIR};${FMSERVE_TSAN_OPTIONS}"
    ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${PROJECT_BINARY_DIR}/bin")
  if(arg_TIMEOUT)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()
