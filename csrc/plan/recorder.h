// Recorder: observes what this thread runs and writes it down as a Program.
#pragma once

#include <unordered_map>

#include "plan/program.h"

namespace pyneuro {

class Recorder final : public Observer {
 public:
  /// `inputs` are what a replay will be given anew; they must not share storage. A strict recorder
  /// raises where another is poisoned.
  Recorder(std::span<const Array> inputs, bool strict);
  ~Recorder() override { stop(); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void start();
  void stop() noexcept;

  void ran(OpRef op, std::span<const Array* const> inputs,
           std::span<const Array* const> outputs) override;
  /// Poisons the recording, unless the value was there before it and can never change.
  void read(const Array& array) override;

  /// A value that was computed here has been looked at: what follows may depend on it.
  bool poisoned() const noexcept { return poisoned_; }
  void poison() noexcept { poisoned_ = true; }

  /// The program that gives `outputs`; the recorder is empty afterwards.
  Program finish(std::span<const Array> outputs);

 private:
  int buffer_of(const Array& array, bool written);
  Value value_of(const Array& array, bool written);

  Program program_;
  std::unordered_map<uint64_t, int> known_;  // buffers by the id of their storage
  std::vector<int64_t> input_offsets_;
  Observer* before_ = nullptr;
  bool strict_, active_ = false, poisoned_ = false;
};

}  // namespace pyneuro
