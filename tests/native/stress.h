// What the sections of stress.cpp share: checks, threads, loops.
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
  std::fprintf(stderr, "stress.cpp:%u: failed: %s\n", static_cast<unsigned>(where.line()), what);
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

}  // namespace
