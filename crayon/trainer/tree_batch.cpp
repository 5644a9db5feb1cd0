#include "crayon/trainer/internal/tree_batch.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "crayon/base/error.h"

namespace crayon {
namespace {

// The nodes of one item after its prefix; parent -1 is the end of the prefix.
struct Tree {
  struct Node {
    int token;
    int parent;
    std::int64_t depth;
  };
  std::vector<Node> nodes;
  std::vector<std::vector<int>> paths;  ///< For each branch, the node before each of its tokens.
};

Tree grow(const TokenizedChoices& tokens) {
  Tree tree;
  std::map<std::pair<int, int>, int> known;  // parent and token to node
  for (const auto& branch : tokens.branches) {
    auto& path = tree.paths.emplace_back();
    int at = -1;
    for (std::size_t j = 0; j < branch.size(); ++j) {
      path.push_back(at);
      if (j + 1 == branch.size()) break;  // the last token predicts nothing
      const auto [place, fresh] =
          known.try_emplace({at, branch[j]}, static_cast<int>(tree.nodes.size()));
      if (fresh) tree.nodes.push_back({branch[j], at, static_cast<std::int64_t>(j)});
      at = place->second;
    }
  }
  return tree;
}

void check_item(const TreeItem& item, std::size_t index) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("item {} of the batch: {}", index, what));
  };
  const TokenizedChoices& tokens = item.tokens;
  if (tokens.prefix.empty()) fail("its prompt has no tokens; expected at least one");
  for (std::size_t c = 0; c < tokens.branches.size(); ++c) {
    const std::size_t skipped = c < tokens.unscored.size() ? tokens.unscored[c] : 0;
    if (tokens.branches[c].size() <= skipped) {
      fail(fmt::format("choice {} has {} tokens of which {} belong to the prompt; expected more", c,
                       tokens.branches[c].size(), skipped));
    }
  }
  if (item.answer &&
      (*item.answer < 0 || std::cmp_greater_equal(*item.answer, tokens.branches.size()))) {
    fail(fmt::format("its answer is {}, but it has {} choices", *item.answer,
                     tokens.branches.size()));
  }
}

torch::Tensor to_tensor(const std::vector<std::int64_t>& values, torch::Device device) {
  return torch::tensor(values, torch::kLong).to(device);
}

class Collator {
 public:
  explicit Collator(std::size_t choices) : choices_(static_cast<std::int64_t>(choices)) {}

  void add(const TreeItem& item) {
    const Tree tree = grow(item.tokens);
    const auto begin = static_cast<std::int64_t>(tokens_.size());
    const auto prefix = static_cast<std::int64_t>(item.tokens.prefix.size());
    for (std::int64_t j = 0; j < prefix; ++j) {
      tokens_.push_back(item.tokens.prefix[static_cast<std::size_t>(j)]);
      positions_.push_back(j);
    }
    for (const auto& node : tree.nodes) {
      tokens_.push_back(node.token);
      positions_.push_back(prefix + node.depth);
    }
    add_mask(tree, prefix);
    add_scored(item.tokens, tree, begin + prefix);
    batch_.prefix_lengths.push_back(prefix);
    batch_.lengths.push_back(static_cast<std::int64_t>(tokens_.size()) - begin);
    answers_.push_back(item.answer ? *item.answer : -1);
  }

  TreeBatch finish(torch::Device device) {
    batch_.tokens = to_tensor(tokens_, device);
    batch_.positions = to_tensor(positions_, device);
    batch_.predict_rows = to_tensor(predict_rows_, device);
    batch_.scored_rows = to_tensor(scored_rows_, device);
    batch_.targets = to_tensor(targets_, device);
    batch_.choice_of = to_tensor(choice_of_, device);
    batch_.answers = to_tensor(answers_, device);
    batch_.choice_tokens = torch::zeros({batch_.items() * choices_}, device);
    batch_.choice_tokens.index_add_(0, batch_.choice_of,
                                    torch::ones({batch_.choice_of.size(0)}, device));
    batch_.choice_tokens = batch_.choice_tokens.view({batch_.items(), choices_});
    return std::move(batch_);
  }

 private:
  // A row sees the prefix up to itself; a node sees what its parent sees, and itself.
  void add_mask(const Tree& tree, std::int64_t prefix) {
    const auto t = prefix + static_cast<std::int64_t>(tree.nodes.size());
    torch::Tensor mask = torch::full({t, t}, -std::numeric_limits<float>::infinity());
    float* rows = mask.data_ptr<float>();
    for (std::int64_t j = 0; j < prefix; ++j) std::fill_n(rows + j * t, j + 1, 0.0f);
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
      const std::int64_t row = prefix + static_cast<std::int64_t>(n);
      std::copy_n(rows + (prefix + tree.nodes[n].parent) * t, t, rows + row * t);
      rows[row * t + row] = 0.0f;
    }
    batch_.masks.push_back(std::move(mask));
  }

  // `base` is the row of node 0; the row of the end of the prefix is one before.
  void add_scored(const TokenizedChoices& tokens, const Tree& tree, std::int64_t base) {
    const std::int64_t item = batch_.items();
    std::map<std::int64_t, std::int64_t> index;  // row to its place in predict_rows
    for (std::size_t c = 0; c < tokens.branches.size(); ++c) {
      const std::size_t skipped = c < tokens.unscored.size() ? tokens.unscored[c] : 0;
      for (std::size_t j = skipped; j < tokens.branches[c].size(); ++j) {
        const std::int64_t row = base + tree.paths[c][j];
        const auto [place, fresh] =
            index.try_emplace(row, static_cast<std::int64_t>(predict_rows_.size()));
        if (fresh) predict_rows_.push_back(row);
        scored_rows_.push_back(place->second);
        targets_.push_back(tokens.branches[c][j]);
        choice_of_.push_back(item * choices_ + static_cast<std::int64_t>(c));
      }
    }
  }

  std::int64_t choices_;
  TreeBatch batch_;
  std::vector<std::int64_t> tokens_, positions_, predict_rows_, scored_rows_, targets_, choice_of_,
      answers_;
};

}  // namespace

TreeBatch collate(std::span<const TreeItem> items, torch::Device device) {
  if (items.empty()) throw Error(ErrorCode::InvalidArgument, "a batch needs at least one item");
  std::size_t choices = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    check_item(items[i], i);
    choices = std::max(choices, items[i].tokens.branches.size());
  }
  Collator collator(choices);
  for (const auto& item : items) collator.add(item);
  return collator.finish(device);
}

TreeBatch collate_sequence(std::span<const int> tokens, torch::Device device) {
  TokenizedChoices sequence;
  sequence.prefix.assign(tokens.begin(), tokens.end());
  const TreeItem item{sequence, std::nullopt};
  return collate({&item, 1}, device);
}

}  // namespace crayon
