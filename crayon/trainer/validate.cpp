#include "crayon/trainer/internal/validate.h"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <ostream>

#include "crayon/base/interrupt.h"
#include "crayon/stats/stats.h"
#include "crayon/trainer/internal/matrix_tensor.h"
#include "crayon/trainer/internal/work_share.h"

namespace crayon {
namespace {

Accuracy accuracy_of(const ValidationInputs& in, std::span<const TrainItem* const> items,
                     const Adapters* adapters) {
  const auto scores = score_together(in, items, adapters);
  std::vector<std::uint8_t> right;
  for (std::size_t i = 0; i < items.size(); ++i) right.push_back(is_right(*items[i], scores[i]));
  return accuracy(right);
}

TrainValidation validate_set(const ValidationInputs& in, const ItemSet& set,
                             const TrainValidation* before) {
  const torch::NoGradGuard no_gradients;
  const auto items =
      validation_items(set, static_cast<std::size_t>(in.config.train.validation_items));
  TrainValidation result;
  if (before != nullptr && before->set == set.name && before->n == items.size()) {
    result = *before;  // the base does not change in training
  } else {
    const Accuracy base = accuracy_of(in, items, nullptr);
    result.base = base.accuracy;
    result.base_error = base.standard_error;
  }
  result.set = set.name;
  result.n = items.size();
  const Matrix z = whiten(in.whitening, embed_together(in.cache, items, in.group));
  const auto adapted = [&](double tilt, double shared) {
    const torch::Tensor w = in.learner.weights(z, tilt);
    const Adapters adapters{in.learner.lora(), w, static_cast<float>(shared)};
    return accuracy_of(in, items, &adapters);
  };
  const TrainGateConfig& gate = in.config.gate;
  const Accuracy even = adapted(0, gate.shared_least);
  const Accuracy tilted = adapted(gate.modulated ? gate.max_tilt : 1, 1);
  result.even = even.accuracy;
  result.even_error = even.standard_error;
  result.tilted = tilted.accuracy;
  result.tilted_error = tilted.standard_error;
  return result;
}

}  // namespace

std::vector<std::vector<float>> score_items(const Network& network, TrunkCache& cache,
                                            std::span<const TrainItem* const> items,
                                            int first_layer, const Adapters* adapters,
                                            const std::function<void(std::size_t)>& on_done) {
  const torch::NoGradGuard no_gradients;
  constexpr int kTokens = 2048;
  std::vector<std::vector<float>> result;
  for (const auto& part : cut_by_tokens(items, kTokens)) {
    const ItemBatch batch = cache.get(part);
    const torch::Tensor last = network.crown(batch.hidden, batch.tree, first_layer, adapters);
    const Matrix scores = to_matrix(network.choice_scores(last, batch.tree));
    for (std::size_t i = 0; i < part.size(); ++i) {
      const auto row = scores.row(i);
      const auto n = static_cast<std::ptrdiff_t>(part[i]->tokens.branches.size());
      result.emplace_back(row.begin(), row.begin() + n);
    }
    if (on_done) on_done(result.size());
  }
  return result;
}

std::vector<std::vector<float>> score_together(const ValidationInputs& in,
                                               std::span<const TrainItem* const> items,
                                               const Adapters* adapters) {
  const auto home = items_at_home(items, in.group);
  const auto own = score_items(in.network, in.cache, pick(items, home), in.config.pool.first_layer,
                               adapters, [](std::size_t) { throw_if_interrupted(); });
  std::size_t most = 0;
  for (const TrainItem* item : items) most = std::max(most, item->tokens.branches.size());
  Matrix rows(own.size(), most);
  for (std::size_t i = 0; i < own.size(); ++i) std::ranges::copy(own[i], rows.row(i).begin());
  const Matrix all = join_rows(rows, home, items.size(), most, in.group);
  std::vector<std::vector<float>> scores;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto n = static_cast<std::ptrdiff_t>(items[i]->tokens.branches.size());
    scores.emplace_back(all.row(i).begin(), all.row(i).begin() + n);
  }
  return scores;
}

std::vector<const TrainItem*> validation_items(const ItemSet& set, std::size_t n) {
  std::vector<const TrainItem*> items;
  for (const TrainItem& item : set.validation) {
    if (items.size() == n) break;
    items.push_back(&item);
  }
  return items;
}

bool is_right(const TrainItem& item, std::span<const float> scores) {
  const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
  return best == item.answer;
}

std::vector<TrainValidation> validate(const ValidationInputs& in, std::span<const ItemSet> sets,
                                      std::span<const TrainValidation> before) {
  std::vector<TrainValidation> result;
  for (const ItemSet& set : sets) {
    if (set.validation.empty()) continue;  // free text
    const std::size_t i = result.size();
    result.push_back(validate_set(in, set, i < before.size() ? &before[i] : nullptr));
  }
  return result;
}

void print_validation(std::span<const TrainValidation> validation, double max_tilt,
                      std::ostream& notes) {
  notes << fmt::format("{:<20} {:>5} {:>14} {:>14} {:>14}\n", "accuracy, set", "n", "base", "a = 0",
                       fmt::format("a = {:.2g}", max_tilt));
  double base = 0, even = 0, tilted = 0;
  const auto cell = [](double value, double error) {
    return fmt::format("{:.3f} ± {:.3f}", value, error);
  };
  for (const TrainValidation& v : validation) {
    notes << fmt::format("{:<20} {:>5} {:>14} {:>14} {:>14}\n", v.set, v.n,
                         cell(v.base, v.base_error), cell(v.even, v.even_error),
                         cell(v.tilted, v.tilted_error));
    base += v.base;
    even += v.even;
    tilted += v.tilted;
  }
  const auto sets = static_cast<double>(validation.size());
  notes << fmt::format("{:<20} {:>5} {:>14.3f} {:>14.3f} {:>14.3f}", "mean", "", base / sets,
                       even / sets, tilted / sets)
        << std::endl;
}

}  // namespace crayon
