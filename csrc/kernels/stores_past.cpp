// From which size of a result on stores go past the caches (stores_past.h).
#include "kernels/stores_past.h"

#include <cstdio>

namespace pyneuro {
namespace {

/// Bytes of the last-level cache that the first core reads through, as Linux tells; 0 if unknown.
int64_t last_level_cache() noexcept {
  int64_t bytes = 0;
  for (int index = 0; index < 8; ++index) {  // from the first level up
    char path[80];
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
    std::FILE* file = std::fopen(path, "r");
    if (file == nullptr) break;
    long size = 0;
    char unit = 0;
    const int read = std::fscanf(file, "%ld%c", &size, &unit);
    std::fclose(file);
    if (read == 2) bytes = int64_t{size} << (unit == 'M' ? 20 : unit == 'K' ? 10 : 0);
  }
  return bytes;
}

}  // namespace

int64_t past_bytes() noexcept {
  constexpr int64_t kLeast = int64_t{4} << 20;  // a smaller cache is not told as it is
  constexpr int64_t kUsual = int64_t{16} << 20;
  static const int64_t bytes = [] {
    const int64_t half = last_level_cache() / 2;
    return half < kLeast ? kUsual : half;
  }();
  return bytes;
}

}  // namespace pyneuro
