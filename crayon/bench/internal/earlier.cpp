#include "crayon/bench/internal/earlier.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

bool fits(const ScoreTable& scores, const std::vector<BenchRow>& questions) {
  return std::ranges::equal(scores, questions, [](const auto& row, const BenchRow& question) {
    return row.size() == question.example.choices.size();
  });
}

}  // namespace

EarlierCells::EarlierCells(const std::vector<EarlierResults>& earlier) : earlier_(earlier) {
  for (const EarlierResults& report : earlier) {
    for (const BenchResult& result : report.results) {
      places_.try_emplace(result.key, Place{&report, &result});
    }
  }
}

std::optional<BenchResult> EarlierCells::take(const std::string& key,
                                              const std::vector<BenchRow>& questions) {
  wanted_.insert(key);
  const auto found = places_.find(key);
  if (found == places_.end()) return std::nullopt;
  const auto& [report, result] = found->second;
  if (!fits(result->scores, questions) || !fits(result->calibrated, questions)) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("{}: the scores of task '{}', method '{}' are not those of its {} "
                            "questions and their choices; make the report again with crayon bench",
                            report->name, one_line(result->task), one_line(result->method),
                            questions.size()));
  }
  return *result;
}

std::vector<TakenOver> EarlierCells::counts() const {
  std::vector<TakenOver> all;
  for (const EarlierResults& report : earlier_) {
    TakenOver counts{.name = report.name, .methods = {}};
    for (const BenchResult& result : report.results) {
      if (!wanted_.contains(result.key)) {
        ++counts.others;
        if (std::ranges::find(counts.methods, result.method) == counts.methods.end()) {
          counts.methods.push_back(result.method);
        }
      } else if (places_.at(result.key).result == &result) {
        ++counts.taken;
      } else {
        ++counts.again;
      }
    }
    all.push_back(std::move(counts));
  }
  return all;
}

}  // namespace crayon
