// A way to decide which side answers, as `crayon bench route` compares them. Each is one file in
// routers/, which ends with CRAYON_BENCH_ROUTER; the build lists them all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/base/matrix.h"
#include "crayon/bench/route/answers.h"
#include "crayon/router/router.h"

namespace crayon {

/// Rows as the device sees them: nothing of who is right.
struct RouterRows {
  std::vector<ChoiceSignals> signals;  ///< Of the scores that `ask` compares.
  std::vector<double> log_prob;        ///< Of the chosen choice, before the head.
  std::vector<double> confidence;
  std::vector<double> scope;
  Matrix z;  ///< [rows, m]

  [[nodiscard]] std::size_t size() const { return signals.size(); }
};
/// @param z  of the rows
[[nodiscard]] RouterRows router_rows(const DeviceRows& rows, Matrix z);

/// Rows of which it is known who is right.
struct LabelledRows {
  Matrix z;                            ///< [n, m]
  std::vector<ChoiceSignals> signals;  ///< The device's.
  std::vector<std::uint8_t> device;
  std::vector<std::uint8_t> server;
};

/// Which of them only the server gets right.
[[nodiscard]] std::vector<std::uint8_t> only_server(const LabelledRows& rows);

struct RouterInput {
  const RouterRows& rows;      ///< To be judged.
  const LabelledRows& own;     ///< The K examples; the device's by leave-one-out.
  const LabelledRows& others;  ///< The K of each other task, answered by that task's device.
  /// Of the rows themselves: for Knows::Answers alone, else null.
  const LabelledRows* outcome = nullptr;
};

struct BenchRouter {
  const char* name;
  int order;  ///< Of its line in the tables, ascending; ours is the first.
  const char* summary;
  /// What it needs of labels: none; whether the device was right on the K examples; whether both
  /// sides were; whether both were on other tasks' examples; the very questions' answers.
  enum class Knows { Nothing, Examples, BothSides, OtherTasks, Answers } knows;
  int version;  ///< Counted up when its scores change.
  /// One a row, high: the device should answer. Null where the share is fixed.
  std::vector<double> (*score)(const RouterInput& input) = nullptr;
  std::optional<double> fixed_share = {};  ///< It sends so many whatever is asked: no curve.
};

[[nodiscard]] std::string to_string(BenchRouter::Knows knows);

/// All routers, in the order of the tables.
[[nodiscard]] std::span<const BenchRouter* const> all_routers();

/// Defines a router. @param id  the file's name
#define CRAYON_BENCH_ROUTER(id)         \
  extern const BenchRouter router_##id; \
  const BenchRouter router_##id

}  // namespace crayon
