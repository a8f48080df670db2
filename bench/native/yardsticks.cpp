// What the machine can do: multiply-adds in registers, bytes copied. Both on the team that the
// kernels run on, so a share of them leaves out nothing that a kernel could have had.
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
  for (__m512& c : chain) benchmark::DoNotOptimize(c);
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
  for (__m256& c : chain) benchmark::DoNotOptimize(c);
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
  for (__m128& c : chain) benchmark::DoNotOptimize(c);
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
  for (float32x4_t& c : chain) benchmark::DoNotOptimize(c);
  return 2.0 * 4 * kChains * double(kRounds);
}

FmaLoop fma_loop() { return fma_neon; }

#endif

// ---- copies -------------------------------------------------------------------------------------

constexpr int64_t kPiece = 128 * 1024;    // bytes of each buffer to a task
constexpr int64_t kLeastBytes = 4 << 20;  // copied between two looks at the clock

#if defined(__x86_64__)
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
constexpr bool kStreams = true;
#else
void copy_past_caches(char* to, const char* from, int64_t bytes) {
  std::memcpy(to, from, size_t(bytes));
}
constexpr bool kStreams = false;
#endif

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

Copies::Copies(size_t bytes)
    : from_(filled({int64_t(bytes) / 2}, DType::UInt8)),
      to_(filled({int64_t(bytes) / 2}, DType::UInt8)) {}

double Copies::operator()() {
  const int64_t bytes = from_.size();
  const int64_t rounds = std::max<int64_t>(1, kLeastBytes / (2 * bytes));
  const auto rate = [&](auto copy) {
    const double time = seconds([&] {
      for (int64_t r = 0; r < rounds; ++r)
        on_team((bytes + kPiece - 1) / kPiece, [&](int64_t i) {
          const int64_t at = i * kPiece;
          copy(static_cast<char*>(to_.data()) + at, static_cast<const char*>(from_.data()) + at,
               std::min(kPiece, bytes - at));
        });
    });
    return 2.0 * double(bytes * rounds) / time;
  };
  const double plain =
      rate([](char* to, const char* from, int64_t n) { std::memcpy(to, from, size_t(n)); });
  return kStreams && bytes > kPiece ? std::max(plain, rate(copy_past_caches)) : plain;
}

Array filled(const Shape& shape, DType dtype) {
  const Array numbers = Array::empty({shape, DType::Float32});
  auto* x = static_cast<float*>(numbers.data());
  for (int64_t i = 0; i < numbers.size(); ++i) x[i] = float(i * 7919 % 1021) / 1021.0F - 0.5F;
  return dtype == DType::Float32 ? numbers : run(Cast{dtype}, {numbers});
}

Array state(const Shape& shape) {
  const Array variable = filled(shape);
  variable.storage()->mark_state();
  return variable;
}

}  // namespace pyneuro::bench
