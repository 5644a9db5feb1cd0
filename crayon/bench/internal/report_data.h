// A report's JSON as checked values: what pages, tables and comparisons are made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/report.h"

namespace crayon {

inline constexpr const char* kReportSchema = "crayon-bench-customize/1";

struct ReportMethod {
  std::string name;
  std::string summary;
  std::string sees;  ///< As to_string(Method::Sees).
  std::size_t version = 0;
};

struct ReportTask {
  std::string name;
  std::string kind;  ///< "pool", "near" or "far".
  std::string questions_sha256;
  std::string examples_sha256;
  std::string training_sha256;  ///< "" in earlier reports.
  std::vector<int> answers;     ///< [n], index of the right choice.
};

/// One method on one task with one draw of examples.
struct ReportResult {
  std::size_t task = 0;  ///< Index into ReportData::tasks.
  std::string method;
  std::size_t k = 0;
  std::uint64_t seed = 0;
  bool calibrates = false;              ///< Does the task's label calibration change anything?
  std::vector<int> choices;             ///< [n], with label calibration off ...
  std::vector<int> choices_calibrated;  ///< ... and on.
  BenchCost cost;
  std::size_t machine = 0;  ///< Index into ReportData::machines.
};

struct ReportGrid {
  std::vector<std::string> methods;
  std::vector<std::size_t> k;
  std::vector<std::uint64_t> seeds;
};

struct ReportData {
  std::string name;  ///< Of the file.
  BenchSettings settings;
  std::vector<std::string> machines;  ///< That worked out the results.
  std::size_t planned = 0;            ///< Cells of the plan; more than results: partial.
  std::string scoring;
  std::string number_type;
  bool exact = false;
  std::size_t questions = 0;  ///< A task, at most; 0: all.
  std::vector<ReportGrid> grids;
  std::vector<Unavailable> missing;
  std::vector<ReportMethod> methods;
  BenchSummary summary;
  std::vector<ReportTask> tasks;
  std::vector<ReportResult> results;
};

/// Refuses what is no report, and one of another schema, without a look at the rest.
/// @param name  of the file, for messages
/// @throws Error CorruptFile, Unsupported
void check_report(const std::string& json, const std::string& name);

/// @throws Error CorruptFile  not JSON, no report of ours, or a key that is missing or wrong
/// @throws Error Unsupported  a report of another schema
[[nodiscard]] ReportData parse_report(const std::string& json, const std::string& name);

/// Is a task of this kind in "pool", "near", "far", "held-out" or "all"?
[[nodiscard]] bool is_in_group(const std::string& kind, const std::string& group);

/// The K that most methods were run with; the largest of several.
[[nodiscard]] std::size_t main_k(const ReportData& data);

/// All K of the report, ascending.
[[nodiscard]] std::vector<std::size_t> all_k(const ReportData& data);

/// The table, or null.
[[nodiscard]] const SummaryTable* find_table(const ReportData& data, std::size_t k,
                                             const std::string& group, bool label_calibration);

/// The groups that have a table at the main K, held-out first.
[[nodiscard]] std::vector<std::string> groups_of(const ReportData& data);

/// What a method of a table cost: means over the tasks of its group and their seeds.
struct MeanCost {
  double texts = 0;             ///< Examples whose texts were seen ...
  double calibrated_texts = 0;  ///< ... with label calibration on, which reads the K ...
  double labels = 0;            ///< ... and whose labels.
  double customize_seconds = 0;
  /// More with label calibration on; none where the report does not know it of every result.
  std::optional<double> calibrate_seconds = 0.0;
  double prompt_tokens = 0;  ///< A question; 0 where the model read no prompt.
  double adapter_bytes = 0;
  double tokens_per_second = 0;  ///< Of all questions together; 0 where none were read.
};
[[nodiscard]] MeanCost mean_cost(const ReportData& data, const SummaryTable& table,
                                 const std::string& method);

/// Methods that decide on label calibration themselves: the switch changes none of their results,
/// on tasks where it changes those of others.
[[nodiscard]] std::vector<std::string> own_calibration(const ReportData& data);

}  // namespace crayon
