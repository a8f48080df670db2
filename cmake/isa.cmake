# The compiler flags of each instruction set (ISA). What a library is compiled with here, csrc/runtime/cpu_features.cpp
# must have found on the machine before it loads that library.

set(PYNEURO_FLAGS_generic)  # the baseline of the platform: SSE2 on x86-64, NEON on aarch64; 128-bit registers
set(PYNEURO_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(PYNEURO_FLAGS_avx512 ${PYNEURO_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
set(PYNEURO_FLAGS_avx512_bf16 ${PYNEURO_FLAGS_avx512} -mavx512bf16)
# For tests only: the logic of 64-byte vectors on a machine without AVX-512. -O1 compiles in half the time.
set(PYNEURO_FLAGS_wide512 ${PYNEURO_FLAGS_avx2} -DPN_VEC_BYTES=64 -O1)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(PYNEURO_DEFAULT_ISAS generic avx2 avx512 avx512_bf16)
else()
  set(PYNEURO_DEFAULT_ISAS generic)
endif()

# Sets `result` to the flags of `isa`, or stops with the names that are known.
function(pyneuro_isa_flags isa result)
  if(NOT isa MATCHES "^(generic|avx2|avx512|avx512_bf16|wide512)$")
    message(FATAL_ERROR "PYNEURO_ISAS names '${isa}'; known are generic, avx2, avx512, avx512_bf16, wide512")
  endif()
  set(${result} ${PYNEURO_FLAGS_${isa}} PARENT_SCOPE)
endfunction()
