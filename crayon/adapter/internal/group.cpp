#include "crayon/adapter/internal/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

void check_same_base(const Adapter& first, const Adapter& other) {
  if (first.base_id == other.base_id) return;
  throw Error(
      ErrorCode::Incompatible,
      fmt::format("blend: the adapters were made for '{}' and '{}'; expected one base model "
                  "for all; blend only adapters of one base",
                  first.base_id, other.base_id));
}

void add_member(TensorGroup& group, const Member& member) {
  const LoraTensor& t = *member.tensor;
  if (group.members.empty()) {
    group.name = t.name;
    group.d_out = t.b.rows;
    group.d_in = t.a.cols;
  }
  if (t.b.rows != group.d_out || t.a.cols != group.d_in) {
    throw Error(ErrorCode::Incompatible,
                fmt::format("blend: tensor '{}' changes a [{}, {}] weight in adapter {} and a [{}, "
                            "{}] weight in adapter {}; expected one shape; are they of one base?",
                            t.name, group.d_out, group.d_in, group.members.front().part, t.b.rows,
                            t.a.cols, member.part));
  }
  group.members.push_back(member);
}

/// Copies `from` into columns `first_column` on of `to`, times `factor`.
void copy_columns(const Matrix& from, float factor, std::size_t first_column, Matrix& to) {
  for (std::size_t r = 0; r < from.rows; ++r) {
    const auto source = from.row(r);
    float* target = to.row(r).data() + first_column;
    for (std::size_t c = 0; c < source.size(); ++c) target[c] = factor * source[c];
  }
}

}  // namespace

std::size_t TensorGroup::rank() const {
  std::size_t rank = 0;
  for (const Member& member : members) rank += member.tensor->rank();
  return rank;
}

std::vector<TensorGroup> group_tensors(std::span<const Adapter* const> adapters) {
  std::map<std::string, TensorGroup> by_name;
  for (std::size_t part = 0; part < adapters.size(); ++part) {
    check_same_base(*adapters.front(), *adapters[part]);
    for (const LoraTensor& tensor : adapters[part]->tensors) {
      add_member(by_name[tensor.name], {part, &tensor});
    }
  }
  std::vector<TensorGroup> groups;
  groups.reserve(by_name.size());
  for (auto& [name, group] : by_name) groups.push_back(std::move(group));
  return groups;
}

Stacked stack(const TensorGroup& group, std::span<const float> factors) {
  std::size_t rank = 0;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (factors[i] != 0.0f) rank += group.members[i].tensor->rank();
  }
  const std::size_t rows = std::max<std::size_t>(rank, 1);
  Stacked all{Matrix(rows, group.d_in), Matrix(group.d_out, rows)};
  std::size_t at = 0;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (factors[i] == 0.0f) continue;
    const LoraTensor& t = *group.members[i].tensor;
    std::copy(t.a.data.begin(), t.a.data.end(), all.a.row(at).begin());
    copy_columns(t.b, factors[i], at, all.b);
    at += t.rank();
  }
  return all;
}

}  // namespace crayon::internal
