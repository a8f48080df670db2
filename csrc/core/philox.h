// Philox4x32-10: counter-based random bits, the same on every device and for any number of threads.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//
// The map from element to bits is part of the file format of a training run and never changes:
//   key     = (low, high) 32 bits of seed[0]
//   counter = (low, high) 32 bits of the block number, then (low, high) 32 bits of seed[1]
//   32-bit draws: element i takes word i % 4 of block i / 4
//   64-bit draws: element i takes words 2(i % 2), 2(i % 2) + 1 (low, high) of block i / 2
#pragma once

#include <cstdint>

namespace pyneuro {

struct PhiloxBlock { uint32_t word[4]; };

struct PhiloxSeed {
  uint64_t key = 0;      // seed[0]
  uint64_t counter = 0;  // seed[1]
};

/// The four random words of block number `block`.
constexpr PhiloxBlock philox(PhiloxSeed seed, uint64_t block) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = static_cast<uint32_t>(seed.counter), c3 = static_cast<uint32_t>(seed.counter >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed.key), k1 = static_cast<uint32_t>(seed.key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n1 = static_cast<uint32_t>(p1);
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1, n3 = static_cast<uint32_t>(p0);
    c0 = n0, c1 = n1, c2 = n2, c3 = n3;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Uniform in [0, 1): the top 24 (53) bits, so that every value is exact and 1 never occurs.
constexpr float uniform01(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
constexpr double uniform01(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace pyneuro
