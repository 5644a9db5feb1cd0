#include "crayon/trainer/internal/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "crayon/base/error.h"

namespace crayon {
namespace {

constexpr std::size_t kGroup = 1024;  // items that are sorted by length together

/// Sorts a group by length and cuts it into batches of at most `most` tokens (at least one item).
void cut_group(std::vector<std::size_t> group, const std::vector<int>& lengths, int most,
               std::vector<std::vector<std::size_t>>& batches) {
  std::stable_sort(group.begin(), group.end(),
                   [&](auto a, auto b) { return lengths[a] < lengths[b]; });
  std::vector<std::size_t> batch;
  int tokens = 0;
  for (const std::size_t item : group) {
    if (!batch.empty() && tokens + lengths[item] > most) {
      batches.push_back(std::move(batch));
      batch.clear();
      tokens = 0;
    }
    batch.push_back(item);
    tokens += lengths[item];
  }
  if (!batch.empty()) batches.push_back(std::move(batch));
}

}  // namespace

BatchPlan::BatchPlan(std::vector<std::vector<int>> lengths, std::vector<double> weights,
                     const PlanOptions& options)
    : weights_(std::move(weights)), options_(options), rng_(options.seed, "plan") {
  for (auto& set : lengths) {
    sets_.push_back({});
    sets_.back().lengths = std::move(set);
    begin_epoch(sets_.size() - 1, 0);
  }
}

void BatchPlan::begin_epoch(std::size_t set, std::uint64_t epoch) {
  SetCursor& at = sets_[set];
  Rng rng(options_.seed, fmt::format("set {} epoch {}", set, epoch));
  std::vector<std::size_t> order(at.lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  rng.shuffle(order);
  at.batches.clear();
  for (std::size_t begin = 0; begin < order.size(); begin += kGroup) {
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto n = static_cast<std::ptrdiff_t>(std::min(kGroup, order.size() - begin));
    cut_group({first, first + n}, at.lengths, options_.batch_tokens, at.batches);
  }
  rng.shuffle(at.batches);
  at.epoch = epoch;
  at.cursor = 0;
}

std::size_t BatchPlan::draw_set() {
  double left = rng_.uniform() * std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (std::size_t i = 0; i + 1 < weights_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return i;
  }
  return weights_.size() - 1;
}

double BatchPlan::draw_tilt() {
  const double kind = rng_.uniform();  // both are drawn always: the stream does not depend on them
  const double tilt = rng_.uniform();
  if (!options_.modulated) return 1;
  if (kind < options_.zero_tilt_share) return 0;
  return options_.least_tilt + (1 - options_.least_tilt) * tilt;
}

PlannedBatch BatchPlan::next() {
  PlannedBatch batch;
  batch.set = draw_set();
  batch.tilt = draw_tilt();
  // Drawn only where asked for: without it a plan is the one that it was before there was such a
  // key.
  batch.drop_nearest = options_.drop_nearest > 0 && rng_.uniform() < options_.drop_nearest;
  SetCursor& at = sets_[batch.set];
  if (at.cursor == at.batches.size()) begin_epoch(batch.set, at.epoch + 1);
  batch.items = at.batches[at.cursor++];
  return batch;
}

PlanState BatchPlan::state() const {
  PlanState state;
  state.rng = rng_.state();
  for (const SetCursor& set : sets_) {
    state.epochs.push_back(set.epoch);
    state.cursors.push_back(set.cursor);
  }
  return state;
}

void BatchPlan::set_state(const PlanState& state) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::CorruptFile, "checkpoint: " + what + "; use --restart");
  };
  if (state.rng.size() != 4 || state.epochs.size() != sets_.size() ||
      state.cursors.size() != sets_.size()) {
    refuse(fmt::format("its plan has {} sets and {} cursors, the config has {} sets",
                       state.epochs.size(), state.cursors.size(), sets_.size()));
  }
  rng_.set_state(state.rng);
  for (std::size_t i = 0; i < sets_.size(); ++i) {
    begin_epoch(i, state.epochs[i]);
    if (state.cursors[i] > sets_[i].batches.size()) {
      refuse(fmt::format("batch {} of set {}, which has {}", state.cursors[i], i,
                         sets_[i].batches.size()));
    }
    sets_[i].cursor = state.cursors[i];
  }
}

StagePoint stage_at(const TrainConfig& config, double progress) {
  const bool trained = config.pool.shared_rank > 0 && config.pool.shared_from.empty();
  const double first = trained ? config.train.shared_share : 0;
  if (progress < first) return {Stage::Shared, progress / first};
  return {Stage::Gated, first < 1 ? (progress - first) / (1 - first) : 1};
}

double rate_factor(const TrainLoopConfig& train, double progress) {
  if (progress < train.warmup) return progress / train.warmup;
  const double rest = train.warmup < 1 ? (progress - train.warmup) / (1 - train.warmup) : 1;
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(rest, 1.0)));
  return train.least_rate + (1 - train.least_rate) * cosine;
}

}  // namespace crayon
