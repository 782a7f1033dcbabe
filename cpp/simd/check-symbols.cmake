# cmake -DNM=nm -DISA=avx2 "-DOBJECTS=a.o|b.o" -P check-symbols.cmake: fails where objects share weak symbols with other ISAs.
string(REPLACE "|" ";" objects "${OBJECTS}")
execute_process(COMMAND ${NM} --defined-only -g ${objects} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(LENGTH ${ISA} length)
string(REGEX MATCHALL "[^\n]* [VWuvw] [^\n]*" weak "${symbols}")
foreach(line ${weak})
  if(NOT line MATCHES "5tenon${length}${ISA}")
    message(FATAL_ERROR "a weak symbol of the ${ISA} kernels is shared with other instruction sets: ${line}\n"
      "Kernels include no C++ standard headers; helpers are forced inline or in namespace tenon::TENON_ISA.")
  endif()
endforeach()
