// What the machine can do: multiply-adds in registers, bytes copied, bytes read. All on the team
// that the kernels run on, so a share of them leaves out nothing that a kernel could have had.
#include <cstring>

#include "measure.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace pyneuro::bench {
namespace {

template <class F> void on_team(int64_t tasks, F f) {
  parallel_for(tasks, [](void* closure, int64_t i) { (*static_cast<F*>(closure))(i); }, &f);
}

// ---- multiply-adds ------------------------------------------------------------------------------

constexpr int kChains = 12;  // enough to hide a multiply-add's latency, few enough for 16 registers
constexpr int64_t kRounds = 1 << 14;

/// Runs kRounds of kChains multiply-adds; gives how many floating-point operations that were.
using FmaLoop = double (*)();

#if defined(__x86_64__)

[[gnu::target("avx512f")]] double fma_avx512() {
  __m512 chain[kChains];
  for (__m512& c : chain) c = _mm512_set1_ps(1.0F);
  const __m512 factor = _mm512_set1_ps(0.999F), term = _mm512_set1_ps(0.001F);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = _mm512_fmadd_ps(chain[c], factor, term);
  }
  for (__m512& c : chain) keep(c);
  return 2.0 * 16 * kChains * double(kRounds);
}

[[gnu::target("avx2,fma")]] double fma_avx2() {
  __m256 chain[kChains];
  for (__m256& c : chain) c = _mm256_set1_ps(1.0F);
  const __m256 factor = _mm256_set1_ps(0.999F), term = _mm256_set1_ps(0.001F);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = _mm256_fmadd_ps(chain[c], factor, term);
  }
  for (__m256& c : chain) keep(c);
  return 2.0 * 8 * kChains * double(kRounds);
}

/// Without fused multiply-adds the peak is that of a multiplication and an addition.
double fma_baseline() {
  __m128 chain[kChains];
  for (__m128& c : chain) c = _mm_set1_ps(1.0F);
  const __m128 factor = _mm_set1_ps(0.999F), term = _mm_set1_ps(0.001F);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = _mm_add_ps(_mm_mul_ps(chain[c], factor), term);
  }
  for (__m128& c : chain) keep(c);
  return 2.0 * 4 * kChains * double(kRounds);
}

FmaLoop fma_loop() {
  const CpuFeatures& f = cpu_features();
  return f.avx512f ? fma_avx512 : f.avx2 && f.fma ? fma_avx2 : fma_baseline;
}

#elif defined(__aarch64__)

double fma_neon() {
  float32x4_t chain[kChains];
  for (float32x4_t& c : chain) c = vdupq_n_f32(1.0F);
  const float32x4_t factor = vdupq_n_f32(0.999F), term = vdupq_n_f32(0.001F);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = vfmaq_f32(term, chain[c], factor);
  }
  for (float32x4_t& c : chain) keep(c);
  return 2.0 * 4 * kChains * double(kRounds);
}

FmaLoop fma_loop() { return fma_neon; }

#endif

// ---- copies -------------------------------------------------------------------------------------

constexpr int64_t kPiece = 128 * 1024;     // bytes of each buffer to a task
constexpr int64_t kLeastBytes = 16 << 20;  // copied between two looks at the clock

using CopyLoop = void (*)(char* to, const char* from, int64_t bytes);

void copy_by_library(char* to, const char* from, int64_t bytes) {
  std::memcpy(to, from, size_t(bytes));
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void copy_avx2(char* to, const char* from, int64_t bytes) {
  int64_t i = 0;
  for (; i + 64 <= bytes; i += 64)
    for (int64_t j = i; j < i + 64; j += 32)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + j),
                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + j)));
  std::memcpy(to + i, from + i, size_t(bytes - i));
}

/// Past the caches: what is written is not read first.
void copy_past_caches(char* to, const char* from, int64_t bytes) {
  int64_t i = 0;
  for (; i + 64 <= bytes; i += 64)
    for (int64_t j = i; j < i + 64; j += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + j),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + j)));
  std::memcpy(to + i, from + i, size_t(bytes - i));
  _mm_sfence();
}
#endif

/// The ways to copy on this machine.
std::vector<CopyLoop> copy_loops() {
  std::vector<CopyLoop> loops{copy_by_library};
#if defined(__x86_64__)
  loops.push_back(copy_past_caches);
  if (cpu_features().avx2) loops.push_back(copy_avx2);
#endif
  return loops;
}

// ---- reads --------------------------------------------------------------------------------------

constexpr int64_t kReadStep = 128;  // bytes of a turn of the loops below

/// Reads `bytes`, a multiple of kReadStep.
using ReadLoop = void (*)(const char* from, int64_t bytes);

#if defined(__x86_64__)
[[gnu::target("avx2")]] void read_avx2(const char* from, int64_t bytes) {
  __m256i sums[4] = {};
  for (int64_t i = 0; i < bytes; i += kReadStep)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      sums[j] = _mm256_xor_si256(
          sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i + 32 * j)));
  for (__m256i& sum : sums) keep(sum);
}
#endif

void read_baseline(const char* from, int64_t bytes) {
  using Vector [[gnu::vector_size(16)]] = uint64_t;
  Vector sums[8] = {};
  for (int64_t i = 0; i < bytes; i += kReadStep)
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      Vector x;
      std::memcpy(&x, from + i + 16 * j, sizeof x);
      sums[j] ^= x;
    }
  for (Vector& sum : sums) keep(sum);
}

ReadLoop read_loop() {
#if defined(__x86_64__)
  if (cpu_features().avx2) return read_avx2;
#endif
  return read_baseline;
}

/// Calls `piece` with offsets and lengths that cover `size` bytes, on the team; once to warm up,
/// then for that many rounds. Gives rounds per second.
template <class F> double passes(int64_t rounds, int64_t size, F piece) {
  const auto pass = [&] {
    on_team((size + kPiece - 1) / kPiece,
            [&](int64_t i) { piece(i * kPiece, std::min(kPiece, size - i * kPiece)); });
  };
  pass();
  const double time = seconds([&] {
    for (int64_t r = 0; r < rounds; ++r) pass();
  });
  return double(rounds) / time;
}

/// Memory of its own, written once.
Array buffer(int64_t bytes) { return run(Full{{bytes}, 1.0, DType::UInt8}, {}); }

}  // namespace

double fma_rate() {
  static const FmaLoop loop = fma_loop();
  const int64_t tasks = int64_t{8} * num_threads();
  double operations = 0;
  const double time = seconds([&] {
    on_team(tasks, [&](int64_t i) {
      const double done = loop();
      if (i == 0) operations = done;
    });
  });
  return operations * double(tasks) / time;
}

std::function<double()> copy_rate(double bytes) {
  static const std::vector<CopyLoop> loops = copy_loops();
  const int64_t size = std::max<int64_t>(1, int64_t(bytes) / 2);
  const int64_t rounds = std::max<int64_t>(1, kLeastBytes / (2 * size));
  const Array from = buffer(size), to = buffer(size);
  const auto rate = [=](CopyLoop copy) {
    return 2.0 * double(size) * passes(rounds, size, [&](int64_t at, int64_t bytes) {
             copy(static_cast<char*>(to.data()) + at, static_cast<const char*>(from.data()) + at,
                  bytes);
           });
  };
  return [=] {
    double best = 0;
    for (const CopyLoop copy : loops) best = std::max(best, rate(copy));
    return best;
  };
}

std::function<double()> read_rate(double bytes) {
  static const ReadLoop loop = read_loop();
  const int64_t size = std::max<int64_t>(1, int64_t(bytes) / kReadStep) * kReadStep;
  const int64_t rounds = std::max<int64_t>(1, kLeastBytes / size);
  const Array from = buffer(size);
  return [=] {
    return double(size) * passes(rounds, size, [&](int64_t at, int64_t bytes) {
             loop(static_cast<const char*>(from.data()) + at, bytes);
           });
  };
}

}  // namespace pyneuro::bench
