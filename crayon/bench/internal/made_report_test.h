// For tests of reports: results of 3 tasks and 3 methods that are known by hand.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "crayon/bench/report.h"

namespace crayon {

inline constexpr std::size_t kQuestions = 6;
inline constexpr const char* kHostile = "<script>alert('x')</script> & \"{{style}}\" <!--";

/// Scores that get the first `right` questions right.
[[nodiscard]] ScoreTable make_scores(const BenchTask& task, std::size_t right);

struct Fixture {
  BenchRun run;
  BenchPlan plan;
  BenchSettings settings;

  [[nodiscard]] std::string json() const { return report_json(run, plan, settings); }
  [[nodiscard]] nlohmann::json parsed() const { return nlohmann::json::parse(json()); }
};

/// 3 tasks, 3 methods: base gets 3 questions right, uniform 2, crayon 5 and 4 by seed.
[[nodiscard]] Fixture make_fixture(std::vector<std::uint64_t> seeds = {1, 2},
                                   const std::vector<std::size_t>& ks = {8, 32});
/// For comparisons, which repeat the bootstraps: one K.
[[nodiscard]] Fixture small_fixture(std::vector<std::uint64_t> seeds = {1, 2});

/// The reports of the two, made once: their bootstraps take a while.
[[nodiscard]] const std::string& report();
[[nodiscard]] const std::string& small_report();

/// The first line after a mark that begins with a word, with single blanks; "" when there is none.
[[nodiscard]] std::string line_after(const std::string& text, const std::string& mark,
                                     const std::string& word);
/// How often a part stands in a text.
[[nodiscard]] std::size_t count(const std::string& text, const std::string& part);

/// How many of 300 changes of one byte `read` refuses, as a corrupt or an unsupported file alone.
[[nodiscard]] std::size_t refused_changes(const std::string& good,
                                          const std::function<void(const std::string&)>& read);

}  // namespace crayon
