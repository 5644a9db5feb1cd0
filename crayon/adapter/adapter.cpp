#include "crayon/adapter/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "crayon/base/error.h"

namespace crayon {
namespace {

bool all_finite(const Matrix& m) {
  // x * 0 is 0 for a finite x and NaN for any other, so one sum stands for all tests.
  float sum = 0;
  for (const float x : m.data) sum += x * 0.0f;
  return sum == 0.0f;
}

bool holds_its_numbers(const Matrix& m) { return m.data.size() == m.rows * m.cols; }

void check_tensor(const LoraTensor& t) {
  const auto shapes = [&t] {
    return fmt::format(
        "adapter tensor '{}' has A [{}, {}] ({} numbers) and B [{}, {}] ({} numbers)", t.name,
        t.a.rows, t.a.cols, t.a.data.size(), t.b.rows, t.b.cols, t.b.data.size());
  };
  if (t.a.rows == 0 || t.a.cols == 0 || t.b.rows == 0 || t.a.rows != t.b.cols ||
      !holds_its_numbers(t.a) || !holds_its_numbers(t.b)) {
    throw Error(ErrorCode::InvalidArgument,
                shapes() + "; expected A [r, d_in] and B [d_out, r] with the same r, at least 1");
  }
  if (!std::isfinite(t.scale) || !all_finite(t.a) || !all_finite(t.b)) {
    throw Error(ErrorCode::InvalidArgument,
                shapes() + "; a number or the scale is not finite; train or export it again");
  }
}

}  // namespace

std::size_t max_rank(const Adapter& adapter) {
  std::size_t rank = 0;
  for (const LoraTensor& tensor : adapter.tensors) rank = std::max(rank, tensor.rank());
  return rank;
}

std::optional<int> layer_of(std::string_view tensor) {
  constexpr std::string_view kBlock = "blk.";
  if (!tensor.starts_with(kBlock)) return std::nullopt;
  tensor.remove_prefix(kBlock.size());
  const std::string_view digits = tensor.substr(0, tensor.find('.'));
  int layer = 0;
  const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), layer);
  if (failed != std::errc() || end != digits.end() || digits.front() == '-') return std::nullopt;
  return layer;
}

int lowest_layer(const Adapter& adapter) {
  int lowest = std::numeric_limits<int>::max();
  for (const LoraTensor& tensor : adapter.tensors) {
    lowest = std::min(lowest, layer_of(tensor.name).value_or(-1));
  }
  return lowest;
}

void check_adapter(const Adapter& adapter) {
  for (std::size_t i = 0; i < adapter.tensors.size(); ++i) {
    check_tensor(adapter.tensors[i]);
    if (i > 0 && adapter.tensors[i - 1].name >= adapter.tensors[i].name) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("adapter tensor '{}' follows '{}'; expected names sorted, each once",
                              adapter.tensors[i].name, adapter.tensors[i - 1].name));
    }
  }
}

}  // namespace crayon
