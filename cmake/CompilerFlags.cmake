# Two flag sets: fmserve_flags reaches everything that is compiled here, fmserve_warnings only our own code.

add_library(fmserve_flags INTERFACE)
# Neither of the first two changes a result: libm's errno is never read, and floating-point traps are never enabled.
# -pthread comes with some libraries anyway; a precompiled header wants it everywhere.
target_compile_options(fmserve_flags INTERFACE -fno-math-errno -fno-trapping-math -pthread)
target_include_directories(fmserve_flags INTERFACE "${PROJECT_SOURCE_DIR}")

set(sanitizer_flags "")
if(FMSERVE_SANITIZER STREQUAL "address")
  set(sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(FMSERVE_SANITIZER STREQUAL "thread")
  set(sanitizer_flags -fsanitize=thread)
elseif(FMSERVE_SANITIZER)
  message(FATAL_ERROR "FMSERVE_SANITIZER is '${FMSERVE_SANITIZER}'; choose address, thread or nothing")
endif()
if(FMSERVE_FUZZ)
  list(APPEND sanitizer_flags -fsanitize=fuzzer-no-link)
endif()
if(sanitizer_flags)
  target_compile_options(fmserve_flags INTERFACE ${sanitizer_flags} -fno-omit-frame-pointer)
  target_link_options(fmserve_flags INTERFACE ${sanitizer_flags})
endif()

add_library(fmserve_warnings INTERFACE)
target_compile_options(fmserve_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  $<$<BOOL:${FMSERVE_WERROR}>:-Werror>)
