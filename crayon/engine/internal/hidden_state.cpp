#include "crayon/engine/internal/hidden_state.h"

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml.h>

#include <algorithm>
#include <utility>

#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

/// Layer 0 is what the blocks are fed with; block k-1 puts out layer k.
std::string tensor_of(int layer) {
  return layer == 0 ? "embd" : fmt::format("l_out-{}", layer - 1);
}

}  // namespace

void HiddenState::start(std::string tensor, bool end_pass, bool keeps_rows) {
  name_ = std::move(tensor);
  end_pass_ = end_pass;
  keeps_rows_ = keeps_rows;
  kept_rows_ = {};
  seen_ = 0;
  failed_ = false;
  active_ = true;
}

void HiddenState::begin(const EmbeddingSpec& spec, bool end_pass) {
  start(tensor_of(spec.layer), end_pass, /*keeps_rows=*/false);
  pooling_ = spec.pooling;
  sum_.clear();
}

void HiddenState::begin_rows(int layer) {
  start(tensor_of(layer), /*end_pass=*/true, /*keeps_rows=*/true);
}

void HiddenState::begin_outputs() { start("result_norm", /*end_pass=*/false, /*keeps_rows=*/true); }

void HiddenState::stop() {
  active_ = false;
  if (failed_ || seen_ == 0) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("llama.cpp's pass has no readable tensor '{}'; use "
                            "the llama.cpp that Crayon is built for",
                            name_));
  }
}

Matrix HiddenState::finish_rows(std::size_t n) {
  stop();
  if (kept_rows_.rows == n) return std::move(kept_rows_);
  throw Error(ErrorCode::Unavailable,
              fmt::format("llama.cpp's pass has {} rows of tensor '{}', expected {}; use the "
                          "llama.cpp that Crayon is built for",
                          kept_rows_.rows, name_, n));
}

std::vector<float> HiddenState::finish() {
  stop();
  if (pooling_ == Pooling::Last) return last_;
  if (seen_ == 1) return first_;
  std::vector<float> mean(sum_.size());
  const double n = static_cast<double>(seen_ - 1);
  std::transform(sum_.begin(), sum_.end(), mean.begin(),
                 [n](double x) { return static_cast<float>(x / n); });
  return mean;
}

bool HiddenState::on_tensor(ggml_tensor* tensor, bool ask, void* self) {
  auto& state = *static_cast<HiddenState*>(self);
  const bool wanted = state.wants(tensor);
  if (ask) return wanted;
  if (!wanted) return true;
  try {
    state.take(tensor);
  } catch (...) {  // called from C
    state.failed_ = true;
  }
  return !state.end_pass_;
}

bool HiddenState::wants(const ggml_tensor* tensor) const {
  return active_ && name_ == tensor->name;
}

void HiddenState::take(const ggml_tensor* tensor) {
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
    seen_ += n;
    return;
  }
  sum_.resize(d);
  for (std::size_t row = 0; row < n; ++row, ++seen_) {
    const float* x = rows_.data() + row * d;
    if (seen_ == 0) {
      first_.assign(x, x + d);  // an outlier: left out of the mean
    } else {
      for (std::size_t i = 0; i < d; ++i) sum_[i] += x[i];
    }
  }
  last_.assign(rows_.end() - static_cast<std::ptrdiff_t>(d), rows_.end());
}

}  // namespace crayon::internal
