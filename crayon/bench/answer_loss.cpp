#include "crayon/bench/internal/answer_loss.h"

namespace crayon {

double answer_loss(const MethodInput& input, const Adapter& adapter) {
  std::vector<BenchRow> right = input.examples;  // the other choices say nothing of this loss
  for (BenchRow& row : right) {
    row.example.choices = {row.example.choices[static_cast<std::size_t>(*row.example.answer)]};
    row.example.answer = 0;
  }
  double sum = 0;
  for (const auto& scores : input.scorer.score(&adapter, right).scores) {
    sum -= static_cast<double>(scores.front());
  }
  const auto n = static_cast<double>(right.size());
  return sum / n / n;
}

}  // namespace crayon
