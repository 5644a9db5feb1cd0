#include "crayon/trainer/internal/trunk_cache.h"

#include <torch/utils.h>

#include <algorithm>

#include "crayon/base/error.h"

namespace crayon {
namespace {

TreeBatch collate_items(std::span<const TrainItem* const> items, torch::Device device) {
  std::vector<TreeItem> tree;
  tree.reserve(items.size());
  for (const TrainItem* item : items) tree.push_back({item->tokens, item->answer});
  return collate(tree, device);
}

}  // namespace

std::vector<std::vector<const TrainItem*>> cut_by_tokens(std::span<const TrainItem* const> items,
                                                         int most) {
  std::vector<std::vector<const TrainItem*>> runs;
  int tokens = most;
  for (const TrainItem* item : items) {
    if (runs.empty() || tokens + item->length > most) {
      runs.emplace_back();
      tokens = 0;
    }
    runs.back().push_back(item);
    tokens += item->length;
  }
  return runs;
}

TrunkCache::TrunkCache(const Network& network, const TrunkCacheOptions& options,
                       std::size_t n_items)
    : network_(network), options_(options), entries_(n_items) {}

std::size_t TrunkCache::embedding_dims() const {
  return static_cast<std::size_t>(network_.config().d_model);
}

void TrunkCache::pool(const torch::Tensor& states, const TreeBatch& batch,
                      std::span<const TrainItem* const> items) {
  const torch::Tensor rows = states.to(torch::kCPU).to(torch::kFloat32).contiguous();
  const auto d = static_cast<std::size_t>(rows.size(1));
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::int64_t n = batch.prefix_lengths[i];
    torch::Tensor pooled = rows[begin + n - 1];
    if (options_.embedding.pooling == Pooling::Mean && n > 1) {
      pooled = rows.narrow(0, begin + 1, n - 1).mean(0);  // position 0 is an outlier
    }
    const float* data = pooled.data_ptr<float>();
    entries_[items[i]->id].h.assign(data, data + d);
    begin += batch.lengths[i];
  }
}

/// Runs the trunk for items that are not kept; gives their outputs and keeps what there is room
/// for.
void TrunkCache::run(std::span<const TrainItem* const> missing,
                     std::vector<torch::Tensor>& outputs) {
  const TreeBatch batch = collate_items(missing, network_.device());
  const torch::Tensor states = network_.trunk(batch, options_.first_layer);
  const torch::Tensor rounded = states.to(torch::kCPU).to(torch::kFloat16);
  const bool same_layer = options_.embedding.layer == options_.first_layer;
  pool(same_layer ? rounded : network_.trunk(batch, options_.embedding.layer), batch, missing);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    torch::Tensor own = rounded.narrow(0, begin, batch.lengths[i]);
    const auto size = static_cast<std::uint64_t>(own.numel()) * 2;
    if (bytes_ + size <= options_.bytes) {
      own = own.clone();  // a view would keep the whole batch
      entries_[missing[i]->id].hidden = own;
      bytes_ += size;
    }
    outputs.push_back(own);
    begin += batch.lengths[i];
  }
}

ItemBatch TrunkCache::get(std::span<const TrainItem* const> items) {
  if (items.empty()) throw Error(ErrorCode::InvalidArgument, "a batch without items");
  const torch::NoGradGuard no_gradients;
  std::vector<const TrainItem*> missing;
  for (const TrainItem* item : items) {
    if (!entries_[item->id].hidden.defined()) missing.push_back(item);
  }
  std::vector<torch::Tensor> computed;
  if (!missing.empty()) run(missing, computed);

  ItemBatch batch;
  batch.tree = collate_items(items, network_.device());
  batch.h = Matrix(items.size(), entries_[items[0]->id].h.size());
  std::vector<torch::Tensor> parts;
  std::size_t next = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Entry& entry = entries_[items[i]->id];
    const bool was_missing = next < missing.size() && missing[next] == items[i];
    parts.push_back(was_missing ? computed[next++] : entry.hidden);
    std::copy(entry.h.begin(), entry.h.end(), batch.h.row(i).begin());
  }
  batch.hidden = torch::cat(parts).to(network_.device()).to(torch::kFloat32);
  return batch;
}

Matrix TrunkCache::embed(std::span<const TrainItem* const> items,
                         const std::function<void(std::size_t)>& on_done) {
  std::vector<const TrainItem*> missing;
  for (const TrainItem* item : items) {
    if (entries_[item->id].h.empty()) missing.push_back(item);
  }
  std::size_t done = items.size() - missing.size();
  const torch::NoGradGuard no_gradients;
  for (const auto& part : cut_by_tokens(missing, options_.batch_tokens)) {
    std::vector<torch::Tensor> ignored;
    run(part, ignored);
    done += part.size();
    if (on_done) on_done(done);
  }
  Matrix h;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& row = entries_[items[i]->id].h;
    if (i == 0) h = Matrix(items.size(), row.size());
    std::copy(row.begin(), row.end(), h.row(i).begin());
  }
  return h;
}

}  // namespace crayon
