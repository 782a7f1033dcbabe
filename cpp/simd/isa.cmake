# The kernels, compiled once per instruction set: -DTENON_ISA names the namespace, -DTENON_VBYTES the width of a vector.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("#ifndef __x86_64__\n#error\n#endif\nint main() {}" TENON_X86_64)
check_cxx_source_compiles("#ifndef __aarch64__\n#error\n#endif\nint main() {}" TENON_AARCH64)
file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cpp/ops/*.cpp)

function(tenon_isa isa vector_bytes)
  add_library(tenon_${isa} OBJECT ${kernel_sources} ${CMAKE_CURRENT_SOURCE_DIR}/cpp/gen/kernels.cpp)
  target_include_directories(tenon_${isa} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/cpp)
  target_compile_definitions(tenon_${isa} PRIVATE TENON_ISA=${isa} TENON_VBYTES=${vector_bytes})
  # Contraction is said explicitly, so that the use of FMA does not hang on a compiler's default.
  target_compile_options(tenon_${isa} PRIVATE -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast -fno-exceptions -fno-rtti
    -Wall -Wextra -Wno-psabi ${ARGN})
  target_sources(tenon_core PRIVATE $<TARGET_OBJECTS:tenon_${isa}>)
  set_property(GLOBAL APPEND PROPERTY TENON_ISAS ${isa})
endfunction()

if(TENON_X86_64)
  tenon_isa(base 16 -march=x86-64-v2)
  tenon_isa(avx2 32 -march=x86-64-v3)
  tenon_isa(avx512 64 -march=x86-64-v4 -mprefer-vector-width=512)
elseif(TENON_AARCH64)
  tenon_isa(neon 16)
else()
  tenon_isa(base 16)
endif()

# The linker keeps one of several weak symbols of a name: a function compiled for AVX-512 must never be the one that base code
# gets. So every weak symbol of a kernel's object has its ISA's namespace in its name; the build fails where one has not.
function(tenon_check_symbols target)
  if(NOT CMAKE_NM)
    return()
  endif()
  get_property(isas GLOBAL PROPERTY TENON_ISAS)
  foreach(isa ${isas})
    add_custom_command(TARGET ${target} PRE_LINK VERBATIM COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DISA=${isa}
      "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:tenon_${isa}>,|>" -P ${CMAKE_CURRENT_SOURCE_DIR}/cpp/simd/check-symbols.cmake)
  endforeach()
endfunction()
