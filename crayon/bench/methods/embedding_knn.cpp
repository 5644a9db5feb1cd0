// embedding-knn: a label's score is the similarity of its nearest examples; the model answers
// nothing. Choices that no example has as its answer score 0.
#include <algorithm>
#include <map>
#include <numeric>

#include "crayon/bench/method.h"

namespace crayon {
namespace {

constexpr std::size_t kNeighbours = 5;

Prepared prepare(const MethodInput& input) {
  std::vector<std::uint64_t> labels;
  for (const BenchRow& row : input.examples) {
    const auto answer = static_cast<std::size_t>(*row.example.answer);
    labels.push_back(label_hash(row.example.choices[answer]));
  }
  return {.direct = [z = input.z(), labels](const BenchRow& row, std::span<const float> at) {
    std::vector<std::pair<float, std::uint64_t>> near;
    for (std::size_t k = 0; k < z.rows; ++k) {
      const auto own = z.row(k);
      near.emplace_back(std::inner_product(at.begin(), at.end(), own.begin(), 0.0f), labels[k]);
    }
    const std::size_t n = std::min(kNeighbours, near.size());
    std::ranges::partial_sort(near, near.begin() + static_cast<std::ptrdiff_t>(n),
                              std::ranges::greater());
    near.resize(n);
    std::map<std::uint64_t, float> votes;
    for (const auto& [similarity, label] : near) votes[label] += similarity;
    std::vector<float> scores;
    for (const std::string& choice : row.example.choices) {
      const auto vote = votes.find(label_hash(choice));
      scores.push_back(vote == votes.end() ? 0.0f : vote->second);
    }
    return scores;
  }};
}

}  // namespace

CRAYON_BENCH_METHOD(embedding_knn) = {
    .name = "embedding-knn",
    .order = 190,
    .summary = "votes of the five nearest examples by embedding",
    .sees = Method::Sees::Labels,
    .version = 1,
    .prepare = prepare,
};

}  // namespace crayon
