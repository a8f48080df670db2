// A chain of elementwise ops (ops/fused.h) made ready: where the values of a tile lie between its
// steps. It runs over whole arrays (fused.cpp) and over parts of a product's result (epilogue.h).
#pragma once

#include "kernels/elementwise.h"

namespace pyneuro {

/// A part of the chain's arrays: rows and columns of its nest.
struct ChainPart {
  int64_t offset[kMaxArrays];  // elements from each array's first to the part's first
  int64_t rows, cols;
};

/// Arrays of the nest: results, then inputs.
class Chain {
 public:
  static constexpr int kMostArrays = Fused::kMostInputs + Fused::kMostResults;
  static constexpr int kMostValues = Fused::kMostInputs + Fused::kMostSteps;
  static constexpr int64_t kRoom = 2048;           // bytes of a buffer
  static constexpr int64_t kStride = kRoom + 192;  // off 4096, where loads would wait for stores

  /// Memory of a task, and what inputs it holds: they stay while parts read the same.
  struct Buffers {
    alignas(64) char data[kMostValues * kStride];
    alignas(64) char raw[kRoom];  // what comes or goes and is to be converted
    struct Held {
      int64_t offset = -1, rows = 0, cols = 0;
      friend bool operator==(const Held&, const Held&) = default;
    } held[Fused::kMostInputs];
  };

  Chain(const Fused& op, In in, Out out);

  int arrays() const { return inputs_ + results_; }
  const View& array(int i) const { return arrays_[i]; }
  int64_t capacity() const { return kRoom / lane_bytes_; }  // elements of a part
  /// Ends the making: the chain will run on parts of `nest`. `whole_rows`: they have all columns.
  void place(const Nest& nest, bool whole_rows);
  void run(const ChainPart& part, Buffers& buffers) const;

 private:
  /// Where a value lies: in the array's own memory, or in a buffer.
  struct Place {
    int array = -1;
    int slot = -1;
  };

  int last_read(int value, int never) const;
  bool is_written_early(int result) const;
  void place_values(const bool* buffered);

  const Fused* op_;
  int inputs_, results_;
  int64_t lane_bytes_;
  View arrays_[kMostArrays];
  Passage way_[kMostValues];  // between arrays and buffers
  Place at_[kMostValues];     // inputs, then steps
  TileLoop loop_[Fused::kMostSteps];
  Rounder round_[Fused::kMostSteps];  // of what the loop gives; null: it needs none
  bool late_[Fused::kMostResults];    // copied when the part is done
  int64_t row_stride_[kMostArrays], col_stride_[kMostArrays];
  bool flat_;  // every part is one row
};

}  // namespace pyneuro
