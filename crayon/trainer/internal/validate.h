// Accuracy of a pool in training on the sets' validation rows.
#pragma once

#include <functional>
#include <iosfwd>
#include <span>
#include <vector>

#include "crayon/trainer/internal/learner.h"
#include "crayon/trainer/internal/process_group.h"

namespace crayon {

/// Mean log-probs of the choices of each item; with `adapters` null of the base alone.
/// `on_done(i)` after each pass; may throw Interrupted.
[[nodiscard]] std::vector<std::vector<float>> score_items(
    const Network& network, TrunkCache& cache, std::span<const TrainItem* const> items,
    int first_layer, const Adapters* adapters,
    const std::function<void(std::size_t)>& on_done = {});

/// The first `n` validation items of a set.
[[nodiscard]] std::vector<const TrainItem*> validation_items(const ItemSet& set, std::size_t n);

/// Is the item's answer the choice with the best score (the first of equals)?
[[nodiscard]] bool is_right(const TrainItem& item, std::span<const float> scores);

struct ValidationInputs {
  const TrainConfig& config;
  const Network& network;
  TrunkCache& cache;
  const Learner& learner;
  const Whitening& whitening;
  ProcessGroup& group;
};

/// score_items() by all workers: each does the items at its home. All get all scores. Ctrl-C ends
/// it.
[[nodiscard]] std::vector<std::vector<float>> score_together(
    const ValidationInputs& in, std::span<const TrainItem* const> items, const Adapters* adapters);

/// By all workers together. For each set: accuracy of the base (taken from `before` where it was
/// measured on as many rows of this set: it does not change), at a = 0 (a shared adapter at its
/// least) and at a = max_tilt with w from the set's own validation prompts.
[[nodiscard]] std::vector<TrainValidation> validate(const ValidationInputs& in,
                                                    std::span<const ItemSet> sets,
                                                    std::span<const TrainValidation> before);

/// A short table, and the mean over the sets.
void print_validation(std::span<const TrainValidation> validation, double max_tilt,
                      std::ostream& notes);

}  // namespace crayon
