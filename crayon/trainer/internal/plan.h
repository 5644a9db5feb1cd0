// Which items come when, and at what rate: all drawn from the seed, and put back by a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "crayon/base/random.h"
#include "crayon/trainer/train.h"

namespace crayon {

/// Items of one set that make a step.
struct PlannedBatch {
  std::size_t set = 0;
  std::vector<std::size_t> items;  ///< Indexes into the set's training items.
  double tilt = 0;                 ///< a of this batch, in 0..1.
  bool drop_nearest = false;       ///< Without the adapter that its gate prefers.
};

/// Where a plan stands: all that a checkpoint must hold of it.
struct PlanState {
  std::vector<std::uint64_t> rng;      ///< 4 words
  std::vector<std::uint64_t> epochs;   ///< One a set,
  std::vector<std::uint64_t> cursors;  ///< and how many of that epoch's batches are done.
};

struct PlanOptions {
  std::uint64_t seed = 1;
  int batch_tokens = 2048;
  bool modulated = true;
  double zero_tilt_share = 0.3;
  double least_tilt = 0;    ///< Of the other batches.
  double drop_nearest = 0;  ///< Share of batches.
};

/// Draws a set for each batch in proportion to its weight; within a set, epochs in random order.
/// An epoch is cut into groups of items that are sorted by length, so that items of a batch are
/// about equally long; the order of the batches is random again.
class BatchPlan {
 public:
  /// @param lengths  tokens of each item of each set; no set is empty
  BatchPlan(std::vector<std::vector<int>> lengths, std::vector<double> weights,
            const PlanOptions& options);

  [[nodiscard]] PlannedBatch next();
  [[nodiscard]] PlanState state() const;
  /// @throws Error CorruptFile  a state of another number of sets or past an epoch's end
  void set_state(const PlanState& state);

 private:
  struct SetCursor {
    std::vector<int> lengths;
    std::uint64_t epoch = 0;
    std::size_t cursor = 0;
    std::vector<std::vector<std::size_t>> batches;
  };
  void begin_epoch(std::size_t set, std::uint64_t epoch);
  [[nodiscard]] std::size_t draw_set();
  [[nodiscard]] double draw_tilt();

  std::vector<SetCursor> sets_;
  std::vector<double> weights_;
  PlanOptions options_;
  Rng rng_;
};

/// What a step trains: a pool's shared adapter alone comes first, then the gated adapters and the
/// keys on top of it. A pool without one has the second stage only.
enum class Stage { Shared, Gated };

struct StagePoint {
  Stage stage = Stage::Gated;
  double progress = 0;  ///< In 0..1 of the stage.
};
/// @param progress  in 0..1 of the run
[[nodiscard]] StagePoint stage_at(const TrainConfig& config, double progress);

/// Factor on the rates after `progress` in 0..1 of a stage: a linear rise over `warmup`, then half
/// a cosine down to least_rate (Loshchilov and Hutter 2017, one cycle).
[[nodiscard]] double rate_factor(const TrainLoopConfig& train, double progress);

}  // namespace crayon
