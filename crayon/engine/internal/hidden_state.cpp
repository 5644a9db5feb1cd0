#include "crayon/engine/internal/hidden_state.h"

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

/// Layer 0 is what the blocks are fed with; block k-1 puts out layer k.
std::string tensor_of(int layer) {
  return layer == 0 ? "embd" : fmt::format("l_out-{}", layer - 1);
}

}  // namespace

void HiddenState::Seen::add(std::span<const float> row) {
  if (rows++ == 0) {
    first.assign(row.begin(), row.end());  // an outlier: left out of the mean
    sum.assign(row.size(), 0);
  } else {
    for (std::size_t i = 0; i < row.size(); ++i) sum[i] += row[i];
  }
  last.assign(row.begin(), row.end());
}

std::vector<float> HiddenState::Seen::pooled(Pooling pooling) const {
  if (pooling == Pooling::Last) return last;
  if (rows == 1) return first;
  std::vector<float> mean(sum.size());
  const double n = static_cast<double>(rows - 1);
  std::ranges::transform(sum, mean.begin(), [n](double x) { return static_cast<float>(x / n); });
  return mean;
}

void HiddenState::start(std::vector<std::string> tensors, bool end_pass, bool keeps_rows) {
  seen_.clear();
  for (std::string& name : tensors) seen_.push_back({.name = std::move(name)});
  end_pass_ = end_pass;
  keeps_rows_ = keeps_rows;
  kept_rows_ = {};
  failed_ = false;
  active_ = true;
}

void HiddenState::begin(std::span<const int> layers, Pooling pooling, bool end_pass) {
  std::vector<std::string> tensors;
  for (const int layer : layers) tensors.push_back(tensor_of(layer));
  start(std::move(tensors), end_pass, /*keeps_rows=*/false);
  pooling_ = pooling;
}

void HiddenState::begin_rows(int layer) {
  start({tensor_of(layer)}, /*end_pass=*/true, /*keeps_rows=*/true);
}

void HiddenState::begin_outputs() {
  start({"result_norm"}, /*end_pass=*/false, /*keeps_rows=*/true);
}

void HiddenState::stop() {
  active_ = false;
  for (const Seen& seen : seen_) {
    if (!failed_ && seen.rows > 0) continue;
    throw Error(ErrorCode::Unavailable,
                fmt::format("llama.cpp's pass has no readable tensor '{}'; use "
                            "the llama.cpp that Crayon is built for",
                            seen.name));
  }
}

Matrix HiddenState::finish_rows(std::size_t n) {
  stop();
  if (kept_rows_.rows == n) return std::move(kept_rows_);
  throw Error(ErrorCode::Unavailable,
              fmt::format("llama.cpp's pass has {} rows of tensor '{}', expected {}; use the "
                          "llama.cpp that Crayon is built for",
                          kept_rows_.rows, seen_.front().name, n));
}

Matrix HiddenState::finish() {
  stop();
  Matrix result(seen_.size(), seen_.front().last.size());
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    std::ranges::copy(seen_[i].pooled(pooling_), result.row(i).begin());
  }
  return result;
}

bool HiddenState::on_tensor(ggml_tensor* tensor, bool ask, void* self) {
  auto& state = *static_cast<HiddenState*>(self);
  Seen* seen = state.find(tensor);
  if (ask) return seen != nullptr;
  if (seen == nullptr) return true;
  try {
    state.take(tensor, *seen);
  } catch (...) {  // called from C
    state.failed_ = true;
  }
  return !state.end_pass_ || seen != &state.seen_.back();
}

HiddenState::Seen* HiddenState::find(const ggml_tensor* tensor) {
  if (!active_) return nullptr;
  const auto found = std::ranges::find(seen_, std::string_view(tensor->name), &Seen::name);
  return found == seen_.end() ? nullptr : &*found;
}

void HiddenState::take(const ggml_tensor* tensor, Seen& seen) {
  const auto d = static_cast<std::size_t>(tensor->ne[0]);
  const auto n = static_cast<std::size_t>(tensor->ne[1]);
  if (n == 0) return;  // the last layer keeps only rows whose logits are wanted
  if (tensor->type != GGML_TYPE_F32 || !ggml_is_contiguous(tensor)) {
    failed_ = true;
    return;
  }
  rows_.resize(n * d);
  ggml_backend_tensor_get(tensor, rows_.data(), 0, n * d * sizeof(float));
  if (keeps_rows_) {
    kept_rows_.data.insert(kept_rows_.data.end(), rows_.begin(), rows_.end());
    kept_rows_.rows += n;
    kept_rows_.cols = d;
    seen.rows += n;
    return;
  }
  for (std::size_t row = 0; row < n; ++row) seen.add(std::span(rows_).subspan(row * d, d));
}

}  // namespace crayon::internal
