// Asks CPUID and XCR0 on x86, the architecture itself elsewhere; reads affinity and control groups
// on Linux.
#include "runtime/cpu_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#include <unistd.h>

namespace pyneuro {
namespace {

struct Named {
  const char* name;
  bool CpuFeatures::* there;
};

constexpr Named kFeatures[] = {
    {"sse2", &CpuFeatures::sse2},
    {"sse42", &CpuFeatures::sse42},
    {"popcnt", &CpuFeatures::popcnt},
    {"avx", &CpuFeatures::avx},
    {"avx2", &CpuFeatures::avx2},
    {"fma", &CpuFeatures::fma},
    {"f16c", &CpuFeatures::f16c},
    {"bmi2", &CpuFeatures::bmi2},
    {"avx512f", &CpuFeatures::avx512f},
    {"avx512bw", &CpuFeatures::avx512bw},
    {"avx512dq", &CpuFeatures::avx512dq},
    {"avx512vl", &CpuFeatures::avx512vl},
    {"avx512_vnni", &CpuFeatures::avx512_vnni},
    {"avx512_bf16", &CpuFeatures::avx512_bf16},
    {"neon", &CpuFeatures::neon},
};

bool runs_generic(const CpuFeatures&) { return true; }

bool runs_avx2(const CpuFeatures& f) {
  return f.avx2 && f.fma && f.f16c && f.bmi2 && f.popcnt && f.sse42;
}

bool runs_avx512(const CpuFeatures& f) {
  return runs_avx2(f) && f.avx512f && f.avx512bw && f.avx512dq && f.avx512vl;
}

bool runs_avx512_bf16(const CpuFeatures& f) { return runs_avx512(f) && f.avx512_bf16; }

struct Isa {
  std::string_view name;
  bool (*runs)(const CpuFeatures&);
  bool for_tests;
};

// Best first. What a row asks for is what cmake/isa.cmake lets the compiler use.
constexpr Isa kIsas[] = {
    {"avx512_bf16", runs_avx512_bf16, false},
    {"avx512", runs_avx512, false},
    {"avx2", runs_avx2, false},
    {"wide512", runs_avx2, true},
    {"generic", runs_generic, false},
};

#if defined(__x86_64__) || defined(__i386__)

constexpr bool bit(unsigned word, int index) { return (word >> index & 1U) != 0; }

/// XCR0: which registers the operating system saves when it switches threads.
uint64_t saved_registers() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

CpuFeatures detect() {
  CpuFeatures f;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(1, 0, &a, &b, &c, &d) == 0) return f;
  f.sse2 = bit(d, 26);
  f.sse42 = bit(c, 20);
  f.popcnt = bit(c, 23);
  const uint64_t saved = bit(c, 27) ? saved_registers() : 0;
  const bool ymm = (saved & 0x06) == 0x06;
  const bool zmm = (saved & 0xe6) == 0xe6;
  f.avx = ymm && bit(c, 28);
  f.fma = f.avx && bit(c, 12);
  f.f16c = f.avx && bit(c, 29);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return f;
  f.avx2 = f.avx && bit(b, 5);
  f.bmi2 = bit(b, 8);
  f.avx512f = zmm && bit(b, 16);
  f.avx512dq = f.avx512f && bit(b, 17);
  f.avx512bw = f.avx512f && bit(b, 30);
  f.avx512vl = f.avx512f && bit(b, 31);
  f.avx512_vnni = f.avx512f && bit(c, 11);
  const unsigned leaves = a;
  if (leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
    f.avx512_bf16 = f.avx512f && bit(a, 5);
  }
  return f;
}

std::string brand() {
  std::array<unsigned, 12> words{};
  if (__get_cpuid_max(0x80000000U, nullptr) < 0x80000004U) return "x86";
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* w = words.data() + 4 * i;
    __get_cpuid(0x80000002U + i, &w[0], &w[1], &w[2], &w[3]);
  }
  std::array<char, sizeof(words) + 1> text{};
  std::memcpy(text.data(), words.data(), sizeof(words));
  return text.data();
}

#else

CpuFeatures detect() {
  CpuFeatures f;
#if defined(__aarch64__)
  f.neon = true;  // part of the architecture
#endif
  return f;
}

std::string brand() {
#if defined(__aarch64__)
  return "aarch64";
#else
  return "unknown";
#endif
}

#endif

/// The first line of a file; nothing where there is no such file.
std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

/// A limit as control groups write it; 0 for none ("max", "-1", or a size beyond all memory).
double limit_in(const std::string& text) {
  const double value = std::strtod(text.c_str(), nullptr);
  return value > 0 && value < 0x1p60 ? value : 0;
}

double narrower(double a, double b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

/// What one group's directory says; files that are absent say nothing.
GroupLimits limits_of(const std::string& directory) {
  double cores = 0;
  if (const auto max = first_line(directory + "/cpu.max")) {  // version 2: "quota period"
    const size_t gap = max->find(' ');
    const double period = gap == std::string::npos ? 0 : limit_in(max->substr(gap));
    if (period > 0) cores = limit_in(*max) / period;
  } else if (const auto quota = first_line(directory + "/cpu.cfs_quota_us")) {
    const auto period = first_line(directory + "/cpu.cfs_period_us");
    if (period && limit_in(*period) > 0) cores = limit_in(*quota) / limit_in(*period);
  }
  double memory = 0;
  for (const char* name : {"/memory.max", "/memory.limit_in_bytes"}) {
    if (const auto max = first_line(directory + name)) memory = narrower(memory, limit_in(*max));
  }
  return {cores, static_cast<uint64_t>(memory)};
}

int affinity_cores() {
#if defined(__linux__)
  // The kernel refuses a mask that is narrower than its own, which can be wider than cpu_set_t.
  for (int cores = CPU_SETSIZE; cores <= CPU_SETSIZE * 64; cores *= 2) {
    cpu_set_t* mask = CPU_ALLOC(cores);
    if (mask == nullptr) break;
    const size_t size = CPU_ALLOC_SIZE(cores);
    const bool known = sched_getaffinity(0, size, mask) == 0;
    const int count = known ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return count;
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

const CpuFeatures& cpu_features() noexcept {
  static const CpuFeatures features = detect();
  return features;
}

std::vector<std::string> cpu_feature_names() {
  std::vector<std::string> names;
  for (const Named& feature : kFeatures) {
    if (cpu_features().*feature.there) names.emplace_back(feature.name);
  }
  return names;
}

std::string cpu_name() {
  const std::string name = brand();
  const size_t first = name.find_first_not_of(' ');
  if (first == std::string::npos) return "unknown";
  return name.substr(first, name.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas) {
    if (!isa.for_tests && isa.runs(cpu_features())) names.emplace_back(isa.name);
  }
  return names;
}

bool isa_runs_here(std::string_view isa) noexcept {
  return std::any_of(std::begin(kIsas), std::end(kIsas), [isa](const Isa& known) {
    return known.name == isa && known.runs(cpu_features());
  });
}

GroupLimits group_limits(const std::string& mount, const std::string& membership) {
  GroupLimits narrowest;
  std::ifstream file(membership);
  // Each line reads 'number:controllers:path'; version 2 has one line, without controllers.
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string root = controllers.empty() ? mount : mount + "/" + controllers;
    std::string path = line.substr(second + 1);
    // A path that leads out of the visible tree, or does not exist in it, leaves the mount itself
    // to ask.
    if (!path.starts_with('/') || path == "/" || path.find("/..") != std::string::npos)
      path.clear();
    for (;;) {
      const GroupLimits here = limits_of(root + path);
      narrowest.cores = narrower(narrowest.cores, here.cores);
      narrowest.memory = static_cast<uint64_t>(
          narrower(static_cast<double>(narrowest.memory), static_cast<double>(here.memory)));
      if (path.empty()) break;
      path.resize(path.find_last_of('/'));
    }
  }
  return narrowest;
}

int usable_cores() noexcept {
  const int cores = affinity_cores();
  try {
    const double quota = group_limits().cores;
    return quota > 0 ? static_cast<int>(std::min<double>(std::ceil(quota), cores)) : cores;
  } catch (const std::exception&) {
    return cores;  // no memory to read the limits with
  }
}

uint64_t usable_memory() noexcept {
  const auto pages = sysconf(_SC_PHYS_PAGES);
  const auto page = sysconf(_SC_PAGESIZE);
  const double machine =
      pages > 0 && page > 0 ? static_cast<double>(pages) * static_cast<double>(page) : 0;
  try {
    return static_cast<uint64_t>(narrower(machine, static_cast<double>(group_limits().memory)));
  } catch (const std::exception&) {
    return static_cast<uint64_t>(machine);
  }
}

}  // namespace pyneuro
