// What the sections of the stress program share: checks, threads, loops, blocks.
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "runtime/allocator.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

namespace {

using pyneuro::Error;
using pyneuro::ErrorKind;
using pyneuro::TeamHold;

#if defined(__SANITIZE_THREAD__)
constexpr bool kWatched = true;  // and five to twenty times slower
#else
constexpr bool kWatched = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kCached = false;  // the allocator keeps nothing then
#else
constexpr bool kCached = true;
#endif
constexpr int kRounds = kWatched ? 100 : 1000;

std::atomic<int> g_failures{0};

void check(bool held, const char* what,
           std::source_location where = std::source_location::current()) {
  if (held) return;
  g_failures.fetch_add(1);
  std::fprintf(stderr, "%s:%u: failed: %s\n", where.file_name(),
               static_cast<unsigned>(where.line()), what);
}

/// The error a call gives; the kind is Internal and the text empty if it gives none.
Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::Internal, ""};
}

/// parallel_for over anything that takes an index.
template <class F> void each(int64_t tasks, F f) {
  pyneuro::parallel_for(
      tasks, [](void* closure, int64_t i) { (*static_cast<F*>(closure))(i); }, &f);
}

void on_threads(int n, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < n; ++t) threads.emplace_back(body, t);
  for (std::thread& t : threads) t.join();
}

void sleep_milliseconds(int n) { std::this_thread::sleep_for(std::chrono::milliseconds(n)); }

/// Each index once, its result visible to the caller: plain memory, so that a missing order would
/// be a data race.
void loop_once(int64_t tasks, int64_t salt) {
  std::vector<int64_t> out(static_cast<size_t>(std::max<int64_t>(tasks, 0)), 0);
  each(tasks, [&](int64_t i) { out[static_cast<size_t>(i)] += i * i + salt; });
  bool right = true;
  for (int64_t i = 0; i < tasks; ++i) right &= out[static_cast<size_t>(i)] == i * i + salt;
  check(right, "every task runs exactly once");
}

/// Returns only if all threads of the team are in the loop at the same time. The calling thread has
/// the team.
void meet(const std::function<void()>& there = [] {}) {
  const int n = pyneuro::num_threads();
  std::atomic<int> arrived{0};
  each(n, [&](int64_t) {
    there();
    arrived.fetch_add(1);
    while (arrived.load() < n) std::this_thread::yield();
  });
}

/// A block filled with a byte of its own, which must still be there when it is freed.
struct Block {
  unsigned char* data;
  size_t bytes;
  unsigned char stamp;

  Block(size_t n, unsigned char s)
      : data(static_cast<unsigned char*>(pyneuro::allocate(n))), bytes(n), stamp(s) {
    check(reinterpret_cast<uintptr_t>(data) % pyneuro::kBlockAlignment == 0, "aligned");
    std::memset(data, stamp, bytes);
  }
  void free() const {
    bool kept = data[bytes - 1] == stamp;
    for (size_t i = 0; i < bytes; i += bytes / 500 + 1) kept &= data[i] == stamp;
    check(kept, "content kept");
    pyneuro::deallocate(data, bytes);
  }
};

size_t in_use() { return pyneuro::memory_stats().allocated; }

}  // namespace
