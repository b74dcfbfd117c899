# Every dependency is found here, once, and comes from the distribution. Folders name the packages' own targets
# (absl::status, Eigen3::Eigen, yaml-cpp …); the fmserve_third_party_* targets exist where a package needs more.

find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(Protobuf MODULE REQUIRED)  # Debian ships no config file for Protobuf
find_package(gRPC CONFIG REQUIRED)
find_package(civetweb CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)  # its config expects CURL, ZLIB and civetweb to be found
find_package(Eigen3 CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(zstd CONFIG REQUIRED)
find_package(mimalloc CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(LibArchive REQUIRED)
find_package(pugixml CONFIG REQUIRED)
find_package(GTest CONFIG REQUIRED)
find_package(benchmark CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)

# Of Open MPI the C interface alone. It leaks on purpose, and the sanitizers would say so.
set(FMSERVE_WITH_MPI FALSE)
if(FMSERVE_MPI STREQUAL "ON")
  pkg_check_modules(openmpi REQUIRED IMPORTED_TARGET ompi-c)
  set(FMSERVE_WITH_MPI TRUE)
elseif(FMSERVE_MPI STREQUAL "AUTO" AND NOT FMSERVE_SANITIZER AND NOT FMSERVE_FUZZ)
  pkg_check_modules(openmpi QUIET IMPORTED_TARGET ompi-c)
  set(FMSERVE_WITH_MPI ${openmpi_FOUND})
endif()

# Only bench/faiss_compare.cc wants these, and does without; Debian's faiss names OpenMP, but does not find it.
find_package(OpenMP QUIET COMPONENTS CXX)
find_package(faiss CONFIG QUIET)

# Links a shared library that works by being loaded, although no symbol of it is named. One item, because CMake may
# reorder or merge separate ones.
function(fmserve_link_always target library)
  target_link_libraries(${target} INTERFACE
    "-Wl,--push-state,--no-as-needed,$<TARGET_FILE:${library}>,--pop-state")
endfunction()

add_library(fmserve_third_party_xxhash INTERFACE)
target_link_libraries(fmserve_third_party_xxhash INTERFACE PkgConfig::xxhash)

add_library(fmserve_third_party_grpc INTERFACE)
target_link_libraries(fmserve_third_party_grpc INTERFACE gRPC::grpc++ protobuf::libprotobuf)
fmserve_link_always(fmserve_third_party_grpc gRPC::grpc++_reflection)

# Replaces malloc of the whole program. The sanitizers bring their own.
add_library(fmserve_third_party_mimalloc INTERFACE)
if(NOT FMSERVE_SANITIZER)
  fmserve_link_always(fmserve_third_party_mimalloc mimalloc)
endif()
