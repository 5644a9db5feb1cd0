// server: a larger LLM, asked for a letter. A choice's score is the letter's log-prob where the
// server gives them, else 0 for the choice that it named and -1 for the others.
#include "crayon/bench/method.h"
#include "crayon/session/server_side.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  Remote* remote = input.tools.remote;
  return {.direct = [remote](const BenchRow& row, std::span<const float>) {
    ServerDoor door(*remote);  // public data: no policy
    const ServerAnswer answer = ask_choice(door, row.example);
    std::vector<float> scores(answer.letters.begin(), answer.letters.end());
    if (scores.size() != row.example.choices.size()) {
      scores.assign(row.example.choices.size(), -1.0f);
      if (answer.choice) scores[static_cast<std::size_t>(*answer.choice)] = 0;
    }
    return scores;
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
