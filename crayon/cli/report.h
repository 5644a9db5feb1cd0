// What `crayon` prints: text for people and one JSON object for programs whose keys
// scripts rely on. Every function returns the whole text; JSON without a line's end.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/adapter/blend.h"
#include "crayon/models/models.h"
#include "crayon/pool/pool.h"
#include "crayon/session/answer.h"
#include "crayon/session/calibrate.h"
#include "crayon/session/customize.h"
#include "crayon/session/evaluate.h"
#include "crayon/store/store.h"

namespace crayon {

struct CustomizeResult {
  CustomizeReport report;
  std::filesystem::path file;
  std::vector<std::string> adapter_names;  ///< N
  std::string task_argument;               ///< What --task takes for it.
  double load_seconds = 0;
  double write_seconds = 0;
  double total_seconds = 0;
};
[[nodiscard]] std::string customize_text(const CustomizeResult& result);
[[nodiscard]] std::string customize_json(const CustomizeResult& result);

/// @param id  of a question read from a file: it takes the key "id", and the answer's own id
/// "answer_id"
[[nodiscard]] std::string answer_json(const Answer& answer, const std::string& id = {});
/// In place of it, for a question that cannot be asked.
[[nodiscard]] std::string unanswered_json(const std::string& id, const std::string& error);
/// Side, reason, confidence, time and id, on one line: stands beside the answer.
[[nodiscard]] std::string answer_note(const Answer& answer);

[[nodiscard]] std::string evaluation_text(const Evaluation& evaluation);
[[nodiscard]] std::string evaluation_json(const Evaluation& evaluation);
/// A JSON line a question.
[[nodiscard]] std::string evaluation_details(const Evaluation& evaluation);

/// Accuracy against server share, of an evaluation with a server: one JSON object, an SVG picture
/// or an HTML page. @param task  its name
[[nodiscard]] std::string curve_json(const std::string& task, const Evaluation& evaluation);
[[nodiscard]] std::string curve_svg(const std::string& task, const Evaluation& evaluation);
[[nodiscard]] std::string curve_page(const std::string& task, const Evaluation& evaluation);

struct CalibrateResult {
  std::string task;
  std::filesystem::path file;  ///< That was written; empty: none.
  CalibrateReport report;
};
[[nodiscard]] std::string calibrate_text(const CalibrateResult& result);
[[nodiscard]] std::string calibrate_json(const CalibrateResult& result);
/// A page with the reliability diagram and the curve of risk.
[[nodiscard]] std::string calibrate_page(const CalibrateResult& result);

/// An answer that was marked, and what was made of it.
struct FeedbackResult {
  std::string id;
  std::string mark;
  std::string task;
  std::optional<CalibrateResult> fitted;
  std::string why_not;  ///< Why its task was not fitted to the marks; empty when it was.
};
[[nodiscard]] std::string feedback_text(const FeedbackResult& result);
[[nodiscard]] std::string feedback_json(const FeedbackResult& result);

struct BlendResult {
  std::filesystem::path file;
  BlendOptions options;
  std::size_t rank = 0;
  double relative_error = 0;
  std::size_t bytes = 0;
  double seconds = 0;
};
[[nodiscard]] std::string blend_text(const BlendResult& result);
[[nodiscard]] std::string blend_json(const BlendResult& result);

[[nodiscard]] std::string pool_text(const Pool& pool);
[[nodiscard]] std::string pool_json(const Pool& pool);
[[nodiscard]] std::string pool_checks_json(std::span<const PoolCheck> checks);

[[nodiscard]] std::string task_text(const std::filesystem::path& file, const Task& task);
[[nodiscard]] std::string task_json(const std::filesystem::path& file, const Task& task);

struct ListedFile {
  std::string name;
  std::filesystem::path path;
};
/// What `describe` says of each file, as lines or as one object {KEY: [...]}. A file for which it
/// throws an Error stands there with the reason and hides no other.
[[nodiscard]] std::string list_report(
    const std::string& key, bool json, std::span<const ListedFile> files,
    const std::function<std::string(const ListedFile&)>& describe);

struct StatsReport {
  std::string since;  ///< As it was asked for; "": all.
  std::string task;   ///< "": all.
  DecisionStatistics decisions;
  Spending spending;
};
[[nodiscard]] std::string stats_text(const StatsReport& report);
[[nodiscard]] std::string stats_json(const StatsReport& report);

[[nodiscard]] std::string models_json(std::span<const ModelEntry> models);

/// A bar of at most `width` cells, in eighths: value / largest.
[[nodiscard]] std::string bar(double value, double largest, std::size_t width);

}  // namespace crayon
