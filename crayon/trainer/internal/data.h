// The examples of the sets as tokens, ready to be put into batches.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/trainer/train.h"

namespace crayon {

/// An example with a known answer. Free text is an item with one choice.
struct TrainItem {
  TokenizedChoices tokens;
  int answer = 0;      ///< Index into tokens.branches.
  int length = 0;      ///< Tokens of the prompt and of all choices.
  std::size_t id = 0;  ///< Counts all items of all sets, from 0.
};

struct ItemSet {
  std::string name;
  std::vector<TrainItem> train;
  std::vector<TrainItem> validation;  ///< All choices; items of at least two. None of free text.
  std::size_t multiple_choice = 0;    ///< Training items with choices,
  std::size_t too_long = 0;           ///< training examples over max_tokens,
  std::size_t unlabelled = 0;         ///< and without an answer: left out.
  std::string sha256;                 ///< Of the two files' hashes: which data it was.
};

struct LoadedItems {
  std::vector<ItemSet> sets;
  std::size_t count = 0;  ///< Items in all: ids are below it.
};

/// Reads and tokenises all sets. A training item keeps at most max_choices choices (the right one
/// and others drawn from the seed, in their old order). Says on `notes` how many were left out.
/// @throws Error InvalidArgument  a set without a usable item; as read_examples
/// @throws Interrupted
[[nodiscard]] LoadedItems load_items(const TrainConfig& config, const Model& model,
                                     std::ostream& notes);

}  // namespace crayon
