// Items of a batch as one row of tokens without padding: item after item, each its prefix and then
// the tree of its choices. Choices that begin alike share nodes; the last token of a choice
// predicts nothing and is left out. Letters: T tokens, B items, C most choices of an item, U rows
// that predict, S scored tokens.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crayon/prompt/prompt.h"

namespace crayon {

struct TreeItem {
  const TokenizedChoices& tokens;
  std::optional<int> answer;  ///< Index into the branches, where it is known.
};

struct TreeBatch {
  std::vector<std::int64_t> lengths;         ///< [B] tokens of each item; they sum to T.
  std::vector<std::int64_t> prefix_lengths;  ///< [B] of them in the prefix, which comes first.
  /// B of f32 [t, t] in the host's memory: 0 where row sees column, else -inf.
  std::vector<torch::Tensor> masks;
  torch::Tensor tokens;         ///< int64 [T]
  torch::Tensor positions;      ///< int64 [T], from 0 in each item.
  torch::Tensor predict_rows;   ///< int64 [U] rows of T that predict a scored token, each once.
  torch::Tensor scored_rows;    ///< int64 [S] index into predict_rows
  torch::Tensor targets;        ///< int64 [S] token to be predicted
  torch::Tensor choice_of;      ///< int64 [S] which score it belongs to: item * C + choice
  torch::Tensor choice_tokens;  ///< f32 [B, C] scored tokens of each choice; 0 where padded.
  torch::Tensor answers;        ///< int64 [B]; -1 where it is not known.

  [[nodiscard]] std::int64_t items() const { return static_cast<std::int64_t>(lengths.size()); }
  [[nodiscard]] std::int64_t choices() const { return choice_tokens.size(1); }
};

/// An item's tokens do not depend on the others, so trunk outputs may be kept by item and joined.
/// @throws Error InvalidArgument  no items, an empty prefix or branch, an answer out of range, or
///                                a branch without a scored token
[[nodiscard]] TreeBatch collate(std::span<const TreeItem> items,
                                torch::Device device = torch::kCPU);

/// One plain sequence with nothing scored. @throws Error InvalidArgument  no tokens
[[nodiscard]] TreeBatch collate_sequence(std::span<const int> tokens,
                                         torch::Device device = torch::kCPU);

}  // namespace crayon
