#include "crayon/adapter/internal/factors.h"

#include <fmt/format.h>

#include <cmath>

#include "crayon/adapter/internal/group.h"
#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

void check_weights(const std::string& who, std::span<const BlendPart> parts) {
  if (parts.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: 0 adapters; expected at least one", who));
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (std::isfinite(parts[i].weight)) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: weight {} of {} is {}; expected a finite number", who, i,
                            parts.size(), parts[i].weight));
  }
}

void check_ranks(const std::string& who, const TensorGroup& group) {
  const Member& first = group.members.front();
  for (const Member& member : group.members) {
    if (member.tensor->rank() == first.tensor->rank()) continue;
    throw Error(ErrorCode::Incompatible,
                fmt::format("{}: tensor '{}' has rank {} in adapter {} and rank {} in adapter {}; "
                            "expected one rank, as A and B are added apart; use blend instead",
                            who, group.name, first.tensor->rank(), first.part,
                            member.tensor->rank(), member.part));
  }
}

LoraTensor merge_tensor(const TensorGroup& group, std::span<const BlendPart> parts,
                        const Split& split, const Combine& combine) {
  Summands a;
  Summands b;
  for (const Member& member : group.members) {
    const PartFactors factors =
        split(double{parts[member.part].weight}, double{member.tensor->scale});
    a.matrices.push_back(&member.tensor->a);
    a.factors.push_back(factors.a);
    b.matrices.push_back(&member.tensor->b);
    b.factors.push_back(factors.b);
  }
  Matrix merged_a = combine(a);  // a statement of its own: `combine` may draw, and A comes first
  return {group.name, std::move(merged_a), combine(b), 1.0f};
}

}  // namespace

Adapter merge_factors(const std::string& who, std::span<const BlendPart> parts, const Split& split,
                      const Combine& combine) {
  check_weights(who, parts);
  std::vector<const Adapter*> adapters;
  for (const BlendPart& part : parts) {
    check_adapter(part.adapter);
    adapters.push_back(&part.adapter);
  }
  Adapter merged{adapters.front()->base_id, {}};
  for (const TensorGroup& group : group_tensors(adapters)) {
    check_ranks(who, group);
    merged.tensors.push_back(merge_tensor(group, parts, split, combine));
  }
  try {
    check_adapter(merged);
  } catch (const Error& e) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: the weights are too large for float32: {}", who, e.what()));
  }
  return merged;
}

Matrix weighted_sum(const Summands& summands) {
  const Matrix& shape = *summands.matrices.front();
  Matrix sum(shape.rows, shape.cols);
  for (std::size_t k = 0; k < sum.data.size(); ++k) {
    double entry = 0;
    for (std::size_t i = 0; i < summands.matrices.size(); ++i) {
      entry += summands.factors[i] * double{summands.matrices[i]->data[k]};
    }
    sum.data[k] = static_cast<float>(entry);
  }
  return sum;
}

}  // namespace crayon::internal
