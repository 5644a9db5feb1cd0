#include "crayon/bench/internal/made_report_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

BenchTask make_task(const std::string& name, TaskKind kind) {
  BenchTask task;
  task.name = name;
  task.kind = kind;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    BenchRow row;
    row.example.id = name + "/" + std::to_string(i);
    row.example.question = "question " + std::to_string(i) + " of " + name;
    row.example.choices = {"yes", "no"};
    row.example.answer = static_cast<int>(i % 2);
    task.questions.push_back(row);
  }
  return task;
}

/// How many questions a method gets right: base 3, uniform 2, crayon 5 and 4 by seed.
std::size_t right_answers(const std::string& method, std::uint64_t seed) {
  if (method == "base") return 3;
  return method == "uniform" ? 2 : 6 - seed;
}

BenchResult make_result(const BenchTask& task, const std::string& method, std::size_t k,
                        std::uint64_t seed) {
  BenchResult result;
  result.task = task.name;
  result.method = method;
  result.k = k;
  result.seed = seed;
  result.key = std::string(64, 'c');
  result.machine = "a machine";
  const std::size_t right = right_answers(method, seed);
  result.scores = make_scores(task, right);
  result.calibrates = task.kind == TaskKind::Near;
  result.calibrated = result.calibrates ? make_scores(task, right + 1) : result.scores;
  result.weights = method == "base" ? std::vector<float>{} : std::vector{0.25F, 0.75F};
  result.cost = {.customize_seconds = 12,
                 .answer_seconds = 2,
                 .answer_tokens = 900,
                 .prompt_tokens = kQuestions * 77,
                 .adapter_bytes = method == "base" ? 0U : 1'500'000U,
                 .texts = method == "crayon" ? k : 0};
  return result;
}

}  // namespace

ScoreTable make_scores(const BenchTask& task, std::size_t right) {
  ScoreTable scores;
  for (std::size_t i = 0; i < task.questions.size(); ++i) {
    const bool first = (*task.questions[i].example.answer == 0) == (i < right);
    scores.push_back(first ? std::vector{-0.5F, -1.0F} : std::vector{-1.25F, -0.5F});
  }
  return scores;
}

Fixture make_fixture(std::vector<std::uint64_t> seeds, const std::vector<std::size_t>& ks) {
  Fixture made;
  made.run.tasks = {make_task("near one", TaskKind::Near), make_task(kHostile, TaskKind::Far),
                    make_task("own", TaskKind::Pool)};
  for (const BenchTask& task : made.run.tasks) {
    for (const std::size_t k : ks) {
      for (const char* method : {"base", "uniform", "crayon"}) {
        for (const auto seed : seeds) {
          made.run.results.push_back(make_result(task, method, k, seed));
        }
      }
    }
  }
  made.run.planned = made.run.results.size();
  made.run.missing = {{"server", "no server <named>"}};
  std::vector<const Method*> methods{&find_method("base"), &find_method("uniform"),
                                     &find_method("crayon"), &find_method("server")};
  made.plan.grids = {{methods, ks, std::move(seeds)}};
  made.settings.version = "1.2.3";
  made.settings.command = "crayon bench --pool p";
  made.settings.model.name = "tiny & small";
  made.settings.model.sha256 = std::string(64, 'a');
  made.settings.pool = "pool-1";
  made.settings.context_tokens = 512;
  made.settings.n_adapters = 2;
  return made;
}

const std::string& report() {
  static const std::string json = make_fixture().json();
  return json;
}

Fixture small_fixture(std::vector<std::uint64_t> seeds) {
  return make_fixture(std::move(seeds), {32});
}

const std::string& small_report() {
  static const std::string json = small_fixture().json();
  return json;
}

std::string line_after(const std::string& text, const std::string& mark, const std::string& word) {
  const auto start = text.find(mark);
  const auto begin = text.find("\n" + word + " ", start);
  if (start == std::string::npos || begin == std::string::npos) return "";
  std::string line = text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
  const auto two_blanks = [](char a, char b) { return a == ' ' && b == ' '; };
  line.erase(std::unique(line.begin(), line.end(), two_blanks), line.end());
  return line;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::size_t refused_changes(const std::string& good,
                            const std::function<void(const std::string&)>& read) {
  Rng rng(1);
  std::size_t refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    bytes[rng.below(bytes.size())] = static_cast<char>("0\"{}[],:x-9\x80"[rng.below(12)]);
    try {
      read(bytes);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::CorruptFile || error.code() == ErrorCode::Unsupported)
          << error.what();
      ++refused;
    }
  }
  return refused;
}

}  // namespace crayon
