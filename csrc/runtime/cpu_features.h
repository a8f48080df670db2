// What the machine offers this process: instruction sets, cores, memory.
// Read once from the processor, the operating system and the control groups; it changes nothing and
// chooses nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pyneuro {

/// What the processor can do and the operating system lets it do (it must save the wide registers).
struct CpuFeatures {
  bool sse2 = false;
  bool sse42 = false;
  bool popcnt = false;
  bool avx = false;
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool bmi2 = false;
  bool avx512f = false;
  bool avx512bw = false;
  bool avx512dq = false;
  bool avx512vl = false;
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool neon = false;
};

const CpuFeatures& cpu_features() noexcept;

/// The names of the features that are there, as CpuFeatures spells them.
std::vector<std::string> cpu_feature_names();

/// The processor's own name for itself; the architecture where it has none.
std::string cpu_name();

/// The ISAs whose kernels this machine runs, best first. Never empty: "generic" runs everywhere.
/// Names that are for tests ("wide512") are left out, so that nothing chooses them by itself.
std::vector<std::string> supported_isas();

/// Whether the kernels of `isa` run here, names for tests included; false for an unknown name.
bool isa_runs_here(std::string_view isa) noexcept;

/// What control groups (version 1 and 2) grant a process; 0 where they set no limit.
struct GroupLimits {
  double cores = 0;
  uint64_t memory = 0;  // bytes
};

/// The narrowest limits from the process's own group up to the outermost one that can be seen. The
/// arguments are where control groups are mounted and the file that says which groups the process
/// is in.
GroupLimits group_limits(const std::string& mount = "/sys/fs/cgroup",
                         const std::string& membership = "/proc/self/cgroup");

/// Cores this process may use at a time: its scheduling affinity and the quota of its control
/// group, a part of a core counted as a whole one; at least 1.
int usable_cores() noexcept;

/// Bytes of memory this process may fill: the machine's or its control group's; 0 if that cannot be
/// known.
uint64_t usable_memory() noexcept;

}  // namespace pyneuro
