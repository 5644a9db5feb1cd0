// server: a larger LLM, asked for a letter. A choice's score is the letter's log-prob where the
// server gives them, else 0 for the choice that it named and -1 for the others.
#include <algorithm>

#include "crayon/bench/method.h"
#include "crayon/bench/result.h"
#include "crayon/session/server_side.h"

namespace crayon {
namespace {

/// More than a report's rounding takes away.
constexpr float kAbove = 1e-3F;

/// What the reply says counts, as in `eval` and `bench route`, even where the letters' log-probs
/// prefer another choice: they then tell no more than how near the others come.
std::vector<float> scores_of(const ServerAnswer& answer, std::size_t n) {
  if (!answer.choice) return {};
  const auto named = static_cast<std::size_t>(*answer.choice);
  std::vector<float> scores(answer.letters.begin(), answer.letters.end());
  if (scores.size() != n) {
    scores.assign(n, -1.0F);
    scores[named] = 0;
    return scores;
  }
  std::vector<float> kept;  // letters that are equal in a report are equal
  for (const float x : scores) kept.push_back(static_cast<float>(rounded(static_cast<double>(x))));
  if (best_choice(kept) != *answer.choice) scores[named] = std::ranges::max(scores) + kAbove;
  return scores;
}

Prepared prepare(const MethodInput& input) {
  Remote* remote = input.tools.remote;
  return {.direct = [remote](const BenchRow& row, std::span<const float>) {
    ServerDoor door(*remote);  // public data: no policy
    return scores_of(ask_choice(door, row.example), row.example.choices.size());
  }};
}

}  // namespace

CRAYON_BENCH_METHOD(server) = {
    .name = "server",
    .order = 210,
    .summary = "the larger LLM, asked for a letter",
    .sees = Method::Sees::Nothing,
    .version = 1,
    .prepare = prepare,
    .missing = [](const Pool&, const BenchTools& tools) -> std::string {
      return tools.remote == nullptr ? "no --server-url is given" : "";
    },
    .uses = Method::Uses::Server,
    .of_pool = false,
};

}  // namespace crayon
